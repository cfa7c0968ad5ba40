import type { FaultPhase } from '../../history/events.js';
import { DraftRun, inventoryEvent, mapEvent, pathEvent, t, targetEvent } from './run.js';

/** The moments of the healthy run, milliseconds after its begin. */
export const moments = {
  inventoryStart: 200, loadBegin: 210, inject: 2000, killed: 2006, confirmed: 2300, waitBlocklist: 2800, takeover: 2950, active: 3000, resumed: 3100,
  heal: 5000, healed: 5300, healConfirmed: 6000, failback: 6100, inaccessible: 6110, home: 6900, homePath: 6950, resumedHome: 6960,
  loadEnd: 9000, rereadAtOnce: 9010, rereadDelayed: 9510, inventoryEnd: 10_000, end: 10_002,
} as const;

const processes = { harness: 'harness', host1: 'host', gw1: 'gateway', gw2: 'gateway', monitor: 'monitor', store: 'store' } as const;
const workingSet = 8;

/**
 * A whole run as the loopback lab records it when all goes well: gw1 is killed, its ANA group moves to gw2 after
 * the blocklist, gw1 comes back and gets its group back. Every checker passes it; tests break one thing each.
 */
export function healthyRun(): DraftRun {
  const run = new DraftRun();
  const m = moments;
  const { plan } = run;
  run.add(0, {
    type: 'run.start', runId: 'run-1', suite: plan.suite, scenario: plan.scenario, seed: plan.seed, lab: plan.lab, git: 'abc', argv: [], version: '0.1.0', planSha256: '', defects: [],
  });
  for (const [name, role] of Object.entries(processes)) {
    if (role === 'harness') continue;
    run.add(10, { type: 'node', name, role, state: 'started', pid: 1 }).add(50, { type: 'node', name, role, state: 'ready', pid: 1 });
  }
  addPaths(run);
  addMonitorAndTargets(run);
  addFault(run);
  run.add(m.inventoryStart, inventoryEvent('start')).add(m.inventoryEnd, inventoryEvent('end'));
  run.add(m.loadBegin, { type: 'run.phase', phase: 'steady' }).add(8000, { type: 'run.phase', phase: 'home' });
  run.add(m.end, { type: 'run.end', reason: 'completed' });
  addWatches(run);
  addLoad(run);
  return run;
}

function addPaths(run: DraftRun): void {
  const m = moments;
  for (const nsid of [1, 2, 3, 4]) {
    const own = nsid % 2 === 1 ? 'gw1' : 'gw2';
    const other = own === 'gw1' ? 'gw2' : 'gw1';
    run.add(100, pathEvent(own, nsid, 'optimized')).add(100, pathEvent(other, nsid, 'inaccessible'));
    run.add(m.killed, pathEvent('gw1', nsid, own === 'gw1' ? 'optimized' : 'inaccessible', 'resetting'));
    run.add(m.healed + 500, pathEvent('gw1', nsid, 'inaccessible'));
    if (own === 'gw1') {
      run.add(m.takeover, pathEvent('gw2', nsid, 'optimized')).add(m.inaccessible, pathEvent('gw2', nsid, 'inaccessible')).add(m.homePath, pathEvent('gw1', nsid, 'optimized'));
    }
  }
}

function addMonitorAndTargets(run: DraftRun): void {
  const m = moments;
  run.add(110, mapEvent(1, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] }));
  run.add(m.waitBlocklist, mapEvent(2, { gw1: ['STANDBY', 'STANDBY'], gw2: ['WAIT_BLOCKLIST_CMPL', 'ACTIVE'] }, { gw1: 'UNAVAILABLE' }));
  run.add(m.active, mapEvent(3, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] }, { gw1: 'UNAVAILABLE' }));
  run.add(m.failback, mapEvent(4, { gw1: ['OWNER_FAILBACK_PREPARED', 'STANDBY'], gw2: ['WAIT_FAILBACK_PREPARED', 'ACTIVE'] }));
  run.add(m.home, mapEvent(5, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] }));
  run.add(112, targetEvent('gw1', [1])).add(112, targetEvent('gw2', [2]));
  run.add(m.takeover - 10, targetEvent('gw2', [1, 2])).add(m.healed, targetEvent('gw1', [])).add(m.inaccessible, targetEvent('gw2', [2])).add(m.home + 10, targetEvent('gw1', [1]));
  const client = (gateway: string, nonce: number, fenced = false): { address: string; name: string; fenced: boolean } => ({ address: `127.0.0.1:0/${nonce}`, name: gateway, fenced });
  const state = (ms: number, epoch: number, blocklist: string[], clients: ReturnType<typeof client>[]): void => {
    run.add(ms, { type: 'store.state', epoch, blocklist, clients, droppedWrites: 0 });
  };
  const old = '127.0.0.1:0/11';
  state(60, 1, [], [client('gw1', 11), client('gw2', 22)]);
  state(m.killed + 4, 1, [], [client('gw2', 22)]);
  state(m.waitBlocklist + 20, 2, [old], [client('gw2', 22)]);
  state(m.active + 100, 2, [old], [client('gw2', 22)]);
  state(m.healed, 2, [old], [client('gw1', 12), client('gw2', 22)]);
}

function addFault(run: DraftRun): void {
  const m = moments;
  const phase = (ms: number, name: FaultPhase, observer?: string): void => {
    run.add(ms, { type: 'fault', id: 'kill', fault: 'gateway.kill', target: 'gw1', phase: name, ...(observer === undefined ? {} : { observer, evidence: 'seen' }) });
  };
  phase(m.inject, 'injecting');
  phase(m.inject + 5, 'injected', 'harness');
  phase(m.confirmed, 'confirmed', 'host1');
  phase(m.heal, 'healing');
  phase(m.healed, 'healed', 'harness');
  phase(m.healConfirmed, 'heal-confirmed', 'host1, monitor');
  run.add(m.killed, { type: 'node', name: 'gw1', role: 'gateway', state: 'killed', signal: 'SIGKILL', expected: true });
  run.add(m.heal + 10, { type: 'node', name: 'gw1', role: 'gateway', state: 'started' }).add(m.heal + 200, { type: 'node', name: 'gw1', role: 'gateway', state: 'ready' });
}

function addWatches(run: DraftRun): void {
  const m = moments;
  for (const process of Object.keys(processes)) {
    for (let ms = 100; ms + 250 <= m.end; ms += 250) {
      if (process === 'gw1' && ms + 250 > m.killed && ms < m.heal + 200) continue;
      run.add(ms + 250, { type: 'self.watch', process, pid: 1, loopDelayMaxUs: 9000, loopDelayP99Us: 6000, cpuPercent: 10, rssBytes: 1, fromUs: t(ms), toUs: t(ms + 250) });
    }
  }
  for (const observer of ['host:host1', 'monitor']) {
    for (let ms = 0; ms < m.end; ms += 500) run.add(Math.min(ms + 500, m.end), { type: 'observe.coverage', observer, fromUs: t(ms), toUs: t(Math.min(ms + 500, m.end)), samples: 50, maxGapUs: 12_000 });
  }
  for (const nsid of [1, 2, 3]) {
    for (const [pass, ms] of [['at-once', m.rereadAtOnce], ['delayed', m.rereadDelayed]] as const) {
      run.add(ms, { type: 'reread', pass, state: 'begin', nsUuid: `uuid-${nsid}`, nsid, blocks: workingSet });
      run.add(ms + 60, { type: 'reread', pass, state: 'end', nsUuid: `uuid-${nsid}`, nsid, blocks: workingSet });
    }
  }
}

/** One operation at a time per namespace, one each 10 ms: a write and then a read of each block in turn. */
function addLoad(run: DraftRun): void {
  const m = moments;
  let version = 0;
  for (const nsid of [1, 2, 3]) {
    const ns = nsid - 1;
    const written = new Map<number, number>();
    let i = 0;
    for (let ms = m.loadBegin as number; ms < m.loadEnd - 10; i += 1) {
      const lba = Math.floor(i / 2) % workingSet;
      const endMs = completionMs(nsid, ms);
      const op = { fromUs: t(ms), toUs: t(endMs), ns, slba: lba, path: pathAt(nsid, endMs) };
      if (i % 2 === 0) {
        version += 1;
        written.set(lba, version);
        run.ops.push({ what: 'write', version, ...op });
      } else {
        run.ops.push({ what: 'read', found: [written.get(lba)!], ...op });
      }
      ms = endMs + 8;
    }
    for (const [purpose, ms] of [['reread-at-once', m.rereadAtOnce], ['reread-delayed', m.rereadDelayed]] as const) {
      for (const [lba, found] of written) run.ops.push({ what: 'read', purpose, found: [found], fromUs: t(ms + lba * 5), toUs: t(ms + lba * 5 + 2), ns, slba: lba, path: pathAt(nsid, ms) });
    }
  }
  for (let ms = m.loadBegin as number; ms < m.loadEnd; ms += 100) {
    run.ops.push({ what: 'read', purpose: 'probe', found: [0], fromUs: t(ms), toUs: t(ms + 2), ns: 3, path: pathAt(4, ms) });
  }
}

/** What is invoked while its ANA group has no path ends when it has one again. */
function completionMs(nsid: number, ms: number): number {
  const m = moments;
  if (nsid % 2 === 1) {
    if (ms + 2 >= m.killed && ms < m.resumed) return m.resumed;
    if (ms + 2 >= m.inaccessible && ms < m.resumedHome) return m.resumedHome;
  }
  return ms + 2;
}

function pathAt(nsid: number, ms: number): string {
  const away = ms >= moments.takeover && ms < moments.homePath;
  return nsid % 2 === 1 && !away ? 'gw1:nvme1:q1' : 'gw2:nvme2:q1';
}
