import type { AgentEnd } from '../../gateway/agent/index.js';
import type { MonitorClient } from '../../monitor/client.js';
import { connectCephMonitor } from '../../monitor/ceph-client/index.js';
import { farewellMs, gatewayExitCodes } from '../member/gateway-exit.js';
import { gatewayHandlers, type AskedGateway } from '../member/gateway-handlers.js';
import type { MemberContext } from '../member/protocol.js';
import type { GuestGatewayConfig } from './gateway-config.js';
import { runGuestMember } from './member.js';

export interface GuestGatewayInfo {
  /** `192.0.2.101:0/nonce`: what the monitor blocklists to fence this incarnation. */
  storeAddress: string;
  pid: number;
}

/** A gateway on some target and store, ready to be started. */
export interface PreparedGateway {
  gateway: AskedGateway & { readonly ended: Promise<AgentEnd>; start(): void; announce(): void };
  store: { readonly address: string; close(): void };
}

/** As whom a gateway uses the cluster, and its session with the monitors. */
export interface GatewayClient { entity: string; monitor: MonitorClient }

/** One incarnation of a gateway in a guest, joined to a real monitor. `prepare` opens its store and makes it on its target. */
export function runGatewayMember(prepare: (config: GuestGatewayConfig, client: GatewayClient, context: MemberContext) => Promise<PreparedGateway>): void {
  runGuestMember<GuestGatewayConfig>('gateway', async (config, context) => {
    const { name, monHosts, auth } = config;
    const entity = auth.kind === 'cephx' ? auth.entity : `client.nvmeof.${name}`;
    const log = (line: string): void => context.log(line);
    const monitor = connectCephMonitor({ mons: monHosts.map(endpointOf), entity, log, ...(auth.kind === 'cephx' ? { key: auth.secret } : {}) });
    const { gateway, store } = await prepare(config, { entity, monitor }, context);
    void gateway.ended.then(async ({ reason, detail }) => {
      log(`ended: ${reason}: ${detail}`);
      await monitor.close();
      // What is left in the kernel is the supervisor's to take down: it may wait for storage that never answers.
      setTimeout(() => process.exit(gatewayExitCodes[reason]), farewellMs);
    });
    gateway.start();
    const info: GuestGatewayInfo = { storeAddress: store.address, pid: process.pid };
    return {
      info,
      handlers: {
        info: () => info,
        ...gatewayHandlers(gateway),
      },
      announce: () => gateway.announce(),
      stop: async () => {
        await gateway.stop();
        store.close();
        await monitor.close();
      },
    };
  });
}

function endpointOf(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}
