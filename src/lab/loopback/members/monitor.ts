import { z } from 'zod';
import { makeMonitorDefects, monitorDefectNames } from '../../../monitor/defects/index.js';
import { MonitorServer } from '../../../monitor/index.js';
import type { LabTimers } from '../../../plan/types.js';
import { StoreClient } from '../../../store/index.js';
import { nowUs } from '../../../util/clock.js';
import { runMember } from '../../member/member.js';

/** The embedded monitor as a process of its own. */
const addressSchema = z.strictObject({ host: z.string().min(1), port: z.int().min(0).max(65_535) });
const configSchema = z.strictObject({
  /** The planner has checked them. */
  timers: z.custom<LabTimers>((value) => typeof value === 'object' && value !== null && 'beaconGraceMs' in value, 'the timers'),
  pool: z.string().min(1),
  group: z.string(),
  /** Created at the start, in this order: the first gets ANA group 1. */
  gateways: z.array(z.string().min(1)).max(16),
  store: addressSchema,
  listen: addressSchema,
  /** For showing that the harness finds them; see plan/defects.ts. */
  defects: z.array(z.enum(monitorDefectNames)).default([]),
});
export type MonitorMemberConfig = z.input<typeof configSchema>;

const commandSchema = z.record(z.string(), z.union([z.string(), z.number()]));
/** The monitor's own client address at the store; no gateway has it, since theirs are random and larger. */
const storeNonce = 1;

runMember('monitor', async (rawConfig, context) => {
  const { timers, pool, group, gateways, store: storeAddress, listen, defects } = configSchema.parse(rawConfig);
  const defective = makeMonitorDefects(defects);
  const store = await StoreClient.connect({ ...storeAddress, name: 'monitor', nonce: storeNonce });
  let ready = false;
  const emitMap = (): void => {
    if (!ready) return;
    context.emit({
      type: 'mon.map', tUs: nowUs(), pool, group, epoch: server.model.epoch, gwEpoch: server.model.gwEpoch(pool, group) ?? 0,
      gateways: server.model.gateways(pool, group),
    });
  };
  const server: MonitorServer = await MonitorServer.start({
    listen, timers,
    store: defective.store({ blocklist: (addresses) => store.blocklist(addresses), list: () => store.blocklistLs() }),
    wrapModel: defective.model,
    onCommit: emitMap,
    log: (line) => context.log(line),
  });
  for (const id of gateways) {
    const reply = await server.command({ prefix: 'nvme-gw create', id, pool, group });
    if (reply.code !== 0) throw new Error(`nvme-gw create ${id}: ${reply.status}`);
  }
  ready = true;
  emitMap();
  return {
    info: { port: server.port },
    handlers: {
      command: (params: unknown) => server.command(commandSchema.parse(params)),
      show: async () => (await server.command({ prefix: 'nvme-gw show', pool, group })).output,
    },
    stop: async () => {
      await server.close();
      await store.close();
    },
  };
});
