import type { EventOf, PathIo } from '../history/events.js';
import { hasKernelHosts } from '../plan/platform.js';
import type { PathPolicy } from '../plan/types.js';
import { HostView } from './host-view.js';
import { Findings } from './result.js';
import { eventsOf, faultRecords, injectUs, inTimeOrder, judgedPeriod } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, runStartUs } from './words.js';

/** Requests of one namespace that have to be seen before a share means anything. */
const requestsMin = 20;
/** Strict turns give each of n paths 1/n; a request that was split, or two processors at once, may upset a turn. */
const roundRobinShareMin = 0.5;

interface Load { nsid: number; optimized: readonly string[]; requests: Map<string, number> }

/**
 * Proves that before the first fault each host sent I/O on optimized paths alone, and chose among several as its path
 * policy says (Linux drivers/nvme/host/multipath.c):
 *
 * - `numa`: one and the same path, as long as no path changes (nvme_find_path);
 * - `round-robin`: each in its turn (nvme_round_robin_path): every path at least half of its equal share;
 * - `queue-depth`: whichever has the least outstanding (nvme_queue_depth_path). With as little load as an emulated
 *   processor bears that may be one path all the time, so only that all are optimized is judged.
 *
 * From the counters of the paths (`host.path-io`), windows in which no path changed. Judged where a host has two
 * networks, and so two optimized paths to each namespace. `unknown`: no window was read, or too few requests.
 */
export const pathPolicy: Checker = {
  name: 'path-policy',
  proves: 'Before any fault, I/O went on optimized paths alone, spread over them as the host’s path policy says.',
  applies: ({ platform }) => hasKernelHosts(platform) && platform.fabrics > 1,
  check(input: CheckInput) {
    const findings = new Findings('path-policy');
    const { policy } = input.plan.shape;
    let judged = 0;
    let windows = 0;
    for (const { name: host } of input.plan.topology.hosts) {
      const seen = quietLoads(input, host, findings);
      windows += seen.windows;
      const enough = seen.loads.filter((load) => load.optimized.length > 1 && totalOf(load) >= requestsMin);
      for (const load of enough) judge(policy, host, load, findings);
      judged += enough.length;
      if (enough.length === 0) {
        const most = Math.max(0, ...seen.loads.map(totalOf));
        findings.unknown(seen.windows === 0 ? `${host}: no counters of paths were read before the first fault while no path changed` : `${host}: no namespace with two optimized paths had ${requestsMin} requests before the first fault (at most ${most})`);
      }
    }
    Object.assign(findings.metrics, { windows, namespacesJudged: judged });
    return Promise.resolve(findings.result(`${policy}: ${count(judged, 'namespace')} judged in ${count(windows, 'window')} before the first fault, I/O on optimized paths only`));
  },
};

function totalOf({ requests }: Load): number {
  return [...requests.values()].reduce((sum, n) => sum + n, 0);
}

/** What each namespace's paths carried in the windows before the first fault in which nothing changed. */
function quietLoads(input: CheckInput, host: string, findings: Findings): { windows: number; loads: Load[] } {
  const startUs = runStartUs(input.events);
  const period = judgedPeriod(input.events);
  const faultsUs = [...faultRecords(input.events).values()].flatMap((record) => injectUs(record) ?? []);
  const endUs = Math.min(period?.toUs ?? -Infinity, ...faultsUs);
  const view = new HostView();
  const events = inTimeOrder(input.events);
  const changesUs = events.filter((event) => (event.type === 'host.path' || event.type === 'host.path-gone') && event.host === host).map(({ tUs }) => tUs);
  const loads = new Map<string, Load>();
  let next = 0;
  let windows = 0;
  for (const window of eventsOf(events, 'host.path-io').filter((each) => each.host === host && each.toUs <= endUs)) {
    // A path that changed may have carried what was sent before.
    if (changesUs.some((us) => us >= window.fromUs - (window.toUs - window.fromUs) && us <= window.toUs)) continue;
    while (next < events.length && events[next]!.tUs <= window.fromUs) view.apply(events[next++]!);
    windows += 1;
    for (const [nsUuid, rows] of byNamespace(window)) {
      const optimized = view.optimized(host, nsUuid).map(({ path }) => path).sort();
      for (const row of rows) {
        const requests = row.reads + row.writes;
        if (!optimized.includes(row.path) && row.bytesRead + row.bytesWritten > 0 && requests > row.inflightBefore) {
          findings.fail(`${host}: ${row.path} (${row.gateway}) carried ${count(requests, 'request')} of namespace ${row.nsid} although it was not optimized`, { tUs: window.fromUs, toUs: window.toUs, events: [window.seq] });
        }
      }
      if (rows.every(({ reads, writes }) => reads + writes === 0)) continue;
      const key = `${nsUuid} ${optimized.join(' ')}`;
      const load = loads.get(key) ?? { nsid: rows[0]!.nsid, optimized, requests: new Map<string, number>() };
      for (const { path, reads, writes } of rows) load.requests.set(path, (load.requests.get(path) ?? 0) + reads + writes);
      loads.set(key, load);
    }
  }
  if (period !== undefined && windows > 0) findings.note(`${host}: ${count(windows, 'window')} up to ${at(endUs, startUs)}`);
  return { windows, loads: [...loads.values()] };
}

function byNamespace(window: EventOf<'host.path-io'>): Map<string, PathIo[]> {
  const rows = new Map<string, PathIo[]>();
  for (const row of window.paths) rows.set(row.nsUuid, [...(rows.get(row.nsUuid) ?? []), row]);
  return rows;
}

function judge(policy: PathPolicy, host: string, load: Load, findings: Findings): void {
  const total = totalOf(load);
  const shares = load.optimized.map((path) => ({ path, n: load.requests.get(path) ?? 0 }));
  const words = `${host}, namespace ${load.nsid}: ${shares.map(({ path, n }) => `${path} ${n}`).join(', ')} of ${count(total, 'request')}`;
  if (policy === 'numa' && shares.filter(({ n }) => n > 0).length > 1) {
    findings.fail(`${words}: numa keeps to one path while no path changes`);
  } else if (policy === 'round-robin' && shares.some(({ n }) => n < (total / shares.length) * roundRobinShareMin)) {
    findings.fail(`${words}: round-robin gives each path its turn`);
  } else {
    findings.note(words);
  }
}
