import { openKrbdStore } from '../../gateway/krbd/index.js';
import { NvmetGateway } from '../../gateway/nvmet-gateway.js';
import { connectCephMonitor } from '../../monitor/ceph-client/index.js';
import { farewellMs, gatewayExitCodes, tellEnding } from '../member/gateway-exit.js';
import { gatewayHandlers } from '../member/gateway-handlers.js';
import type { GuestGatewayConfig } from './gateway-config.js';
import { runGuestMember } from './member.js';

export interface GuestGatewayInfo {
  /** `192.0.2.101:0/nonce`: what the monitor blocklists to fence this incarnation. */
  storeAddress: string;
  pid: number;
}

/** One incarnation of a gateway in a guest: the agent, the kernel's target and krbd, joined to a real monitor. */
runGuestMember<GuestGatewayConfig>('gateway', async (config, context) => {
  const { name, pool, group, nqn, serial, namespaces, monHosts, auth, listeners, timers, onFenced } = config;
  const entity = auth.kind === 'cephx' ? auth.entity : `client.nvmeof.${name}`;
  const log = (line: string): void => context.log(line);
  const store = await openKrbdStore({
    monHosts, pool, log, entity, auth: auth.kind === 'cephx' ? { kind: 'cephx', secret: auth.secret } : auth,
    images: namespaces.map(({ image }) => image),
    // Process ids do not repeat before 32,768 others have come, and the one before this is cleaned up long before.
    incarnation: process.pid % 65_536,
  });
  const monitor = connectCephMonitor({ mons: monHosts.map(endpointOf), entity, log, ...(auth.kind === 'cephx' ? { key: auth.secret } : {}) });
  const gateway = new NvmetGateway({
    name, pool, group, nqn, serial, namespaces, listeners, timers, monitor, store, log,
    agent: { onFenced, onEnding: tellEnding(name, context) },
    onState: (state) => context.emit(state),
  });
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

function endpointOf(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), port: Number(text.slice(at + 1)) };
}
