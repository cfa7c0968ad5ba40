import { ensureCephRoot, RealMonCluster } from '../lab/real-mon/index.js';
import type { MonEndpoint } from '../ceph/msgr2/index.js';
import type { MonitorTimers } from '../monitor/index.js';
import { productionTimers } from '../plan/timers.js';
import { sleep } from '../util/clock.js';
import { infraError } from '../util/errors.js';
import { CephSide } from './ceph-side.js';
import type { MonitorSide } from './side.js';

/** In which nothing of a cluster can be: schedules need no pool, and gateways are created without one. */
export const conformPool = 'pathproof-conform';

/** What the schedules are run on. */
export interface Monitors {
  /** Release and where it runs. */
  readonly what: string;
  readonly timers: MonitorTimers;
  /** paxos_propose_interval, milliseconds. */
  readonly proposeMs: number;
  /** At least one. Schedules are spread over them. */
  readonly sides: readonly MonitorSide[];
  close(): Promise<void>;
}

export interface OwnMonitorOptions {
  /** How many monitors share the schedules. */
  count: number;
  /** All timers as in production; else ticks and commits come sooner, which makes times comparable to within a beacon. */
  production: boolean;
  progress: (line: string) => void;
}

/** For own monitors: they look at abandoned groups more often, and commit sooner. Neither is a rule of the state machine. */
const quick = { monTickMs: 2_000, proposeMs: 100 };
const productionProposeMs = 1_000;
const diffMaxMs = 30_000;

/** Monitors of our own, each a cluster of one, out of the lab's image. */
export async function startOwnMonitors({ count, production, progress }: OwnMonitorOptions): Promise<Monitors> {
  const root = await ensureCephRoot({ progress });
  const monTickMs = production ? productionTimers.monTickMs : quick.monTickMs;
  const proposeMs = production ? productionProposeMs : quick.proposeMs;
  const config = [
    `mon_tick_interval = ${monTickMs / 1_000}`, `paxos_propose_interval = ${proposeMs / 1_000}`,
    // The audit log would commit each look of ours.
    'clog_to_monitors = false',
  ];
  const open = new Set<CephSide>();
  const one = async (): Promise<CephSide> => {
    const cluster = await RealMonCluster.start(1, { root, auth: 'none', config });
    let side: CephSide;
    try {
      side = await CephSide.open({
        mons: cluster.endpoints, entity: 'client.admin', pool: conformPool, proposeMs,
        restart: async (downMs) => {
          await cluster.stopMon(0);
          await sleep(downMs);
          cluster.startMon(0);
        },
        closed: () => cluster.stop(),
      });
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    open.add(side);
    await beaconDiff(side);
    return side;
  };
  const close = async (): Promise<void> => {
    await Promise.all([...open].map((side) => side.close()));
  };
  progress(`starting ${count} monitor${count === 1 ? '' : 's'}`);
  try {
    const sides = await Promise.all(Array.from({ length: count }, one));
    return { what: sides[0]!.name, timers: { ...productionTimers, monTickMs }, proposeMs, sides, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface ExistingMonitorOptions {
  mon: MonEndpoint;
  entity: string;
  /** Absent: auth none. */
  key?: string;
  progress: (line: string) => void;
}

/** A monitor of somebody's cluster. Its timers are asked for and not changed; it is not restarted. */
export async function useMonitor({ mon, entity, key, progress }: ExistingMonitorOptions): Promise<Monitors> {
  const o = { mons: [mon], entity, ...(key === undefined ? {} : { key }), pool: conformPool };
  const first = await CephSide.open({ ...o, proposeMs: productionProposeMs });
  let settings: { timers: MonitorTimers; proposeMs: number };
  try {
    settings = await settingsOf(first);
    progress('waiting for the monitors to ask for beacon diffs');
    await beaconDiff(first);
  } finally {
    await first.close();
  }
  const side = await CephSide.open({ ...o, proposeMs: settings.proposeMs });
  return { what: `${side.name} at ${mon.host}:${mon.port}`, ...settings, sides: [side], close: () => side.close() };
}

async function settingsOf(side: CephSide): Promise<{ timers: MonitorTimers; proposeMs: number }> {
  const seconds = async (key: string): Promise<number> => {
    const { code, status, output } = await side.command({ prefix: 'config get', who: 'mon', key });
    const value = Number(output.trim());
    if (code !== 0 || !Number.isFinite(value)) throw infraError('CEPH_COMMAND', `config get mon ${key}: ${code === 0 ? JSON.stringify(output) : `${code} ${status}`}`, { hint: 'does the entity have the capability mon \'allow *\'?' });
    return value;
  };
  const [grace, tick, skip, propose] = [await seconds('mon_nvmeofgw_beacon_grace'), await seconds('mon_tick_interval'), await seconds('mon_nvmeofgw_skip_failovers_interval'), await seconds('paxos_propose_interval')];
  return {
    timers: { ...productionTimers, beaconGraceMs: grace * 1_000, monTickMs: tick * 1_000, skipFailoversMs: skip * 1_000, resyncSuppressMs: productionTimers.beaconGraceMs },
    proposeMs: propose * 1_000,
  };
}

/**
 * Waits until the monitor wants beacons of version 2: a fresh cluster says so after some seconds, and the change would
 * fall into the middle of the schedules. A release that never does is fine, too, and is run as it is.
 */
async function beaconDiff(side: CephSide): Promise<void> {
  const [id, group] = ['probe', `probe-${process.pid}`];
  const gateway = { id, pool: conformPool, group };
  await side.command({ prefix: 'nvme-gw create', ...gateway });
  try {
    for (const endMs = performance.now() + diffMaxMs; performance.now() < endMs;) {
      const { output } = await side.command({ prefix: 'nvme-gw show', pool: conformPool, group, format: 'json' });
      if (/"beacon_diff_enabled":\s*true/.test(output)) return;
      await sleep(100);
    }
  } finally {
    await side.command({ prefix: 'nvme-gw delete', ...gateway });
  }
}
