import { z } from 'zod';
import { gatewayDefectNames } from '../../../gateway/defects/index.js';
import type { GatewayDefectName } from '../../../gateway/defects/index.js';
import { UserspaceGateway } from '../../../gateway/userspace-gateway.js';
import type { AgentEnd } from '../../../gateway/agent/index.js';
import { connectEmbeddedMonitor } from '../../../monitor/embedded-client.js';
import type { LabTimers } from '../../../plan/types.js';
import { StoreClient, StoreError } from '../../../store/index.js';
import { sleep } from '../../../util/clock.js';
import { farewellMs, gatewayExitCodes, tellEnding } from '../../member/gateway-exit.js';
import { gatewayHandlers } from '../../member/gateway-handlers.js';
import { runMember } from '../../member/member.js';

/** One incarnation of a gateway as a process of its own: agent, NVMe/TCP target, store client. */
const addressSchema = z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65_535) });
const configSchema = z.strictObject({
  name: z.string().min(1),
  /** Only for the log: the group index comes from the monitor. */
  index: z.int().min(0).optional(),
  pool: z.string().min(1),
  group: z.string(),
  nqn: z.string().min(1),
  namespaces: z.array(z.object({
    nsid: z.int().min(1), uuid: z.string(), nguid: z.string(), anaGroup: z.int().min(1), image: z.string().min(1),
  })),
  store: addressSchema,
  monitor: addressSchema,
  listener: z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535), advertised: addressSchema.optional() }),
  /** The planner has checked them. */
  timers: z.custom<LabTimers>((value) => typeof value === 'object' && value !== null && 'beaconMs' in value, 'the timers'),
  /** Of the store client, new for every incarnation: the old address may be on the blocklist. */
  nonce: z.int().min(1).max(0xffff_ffff),
  /** What the target agrees to when a host asks. */
  digests: z.strictObject({ header: z.boolean(), data: z.boolean() }).default({ header: true, data: true }),
  onFenced: z.enum(['end', 'stay']).default('end'),
  /** For showing that the harness finds them; see plan/defects.ts. */
  defects: z.array(z.enum(gatewayDefectNames as [GatewayDefectName, ...GatewayDefectName[]])).default([]),
  /** Which process of this gateway it is, from 0. */
  incarnation: z.int().min(0).default(0),
});
export type GatewayMemberConfig = z.input<typeof configSchema>;
export interface GatewayMemberInfo {
  /** `127.0.0.1:0/nonce`: what the monitor blocklists to fence this incarnation. */
  storeAddress: string;
}

/** A gateway outlasts the largest queue count that a host of the lab may ask for. */
const ioQueuesMax = 64;
/** How long the store may take to answer a probe, milliseconds. */
const storeProbeMs = 1_000;

runMember('gateway', async (rawConfig, context) => {
  const config = configSchema.parse(rawConfig);
  const { name, pool, group, nqn, namespaces, timers, nonce, digests, onFenced, defects, incarnation } = config;
  const { advertised, ...bind } = config.listener;
  // Nothing is served any more; whoever restarts it starts a new incarnation.
  const leave = ({ reason, detail }: AgentEnd): void => {
    process.stderr.write(`${name} ended: ${reason}: ${detail}\n`);
    setTimeout(() => process.exit(gatewayExitCodes[reason]), farewellMs);
  };
  const store = await StoreClient.connect({ ...config.store, name, nonce }).catch((error: unknown) => {
    if (!(error instanceof StoreError) || error.code !== 'STORE_UNREACHABLE') throw error;
    // As a gateway whose librados mounts nothing in time.
    const end: AgentEnd = { reason: 'store-lost', detail: error.message };
    tellEnding(name, context)(end);
    leave(end);
    return new Promise<never>(() => undefined);
  });
  store.onDisconnect((reason) => context.log(`store connection lost: ${reason}`));
  store.onReconnect(() => context.log('store connected'));
  // One incarnation is one entity to both of them, told apart from the last one by its nonce.
  const monitor = connectEmbeddedMonitor({ ...config.monitor, entity: store.address, log: (line) => context.log(line) });
  const gateway = new UserspaceGateway({
    name, pool, group, nqn, namespaces, timers, monitor, store, defects, incarnation,
    listeners: [{ ...bind, ...(advertised === undefined ? {} : { advertised }) }],
    target: { allowHeaderDigest: digests.header, allowDataDigest: digests.data, ioQueuesMax },
    agent: { onFenced, onEnding: tellEnding(name, context) },
    onState: (state) => context.emit(state),
    log: (line) => context.log(line),
  });
  const close = async (): Promise<void> => {
    await gateway.stop();
    await Promise.all([monitor.close(), store.close()]);
  };
  void gateway.ended.then(leave);
  gateway.start();
  const info: GatewayMemberInfo = { storeAddress: store.address };
  return {
    info,
    handlers: {
      ...gatewayHandlers(gateway),
      /** A round trip to the store, bounded; a store that says no has answered, too. */
      reachesStore: () => Promise.race([store.blocklistLs().then(() => true, (error: unknown) => !(error instanceof StoreError && error.kind === 'unreachable')), sleep(storeProbeMs).then(() => false)]),
    },
    stop: close,
  };
});
