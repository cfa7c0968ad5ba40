import type { HistoryEvent } from '../history/events.js';
import { HostView } from './host-view.js';
import type { PathEvent } from './host-view.js';
import { inTimeOrder } from './timeline.js';
import type { Period } from './timeline.js';

/** A time in which more than one place offered the same thing as optimized. */
export interface Overlap extends Period {
  /** Who saw it: hosts (one that saw both, or several that saw one each), `monitor` or `target`; sorted. */
  seenBy: string[];
  anaGroup: number;
  /** Set for the hosts' view. */
  nsid: number | undefined;
  /** The gateways, in the hosts' view with their paths, in the monitor's with their states; sorted. */
  owners: string[];
  /** Sum of the clock errors of the two events that bound it, microseconds. */
  errUs: number;
  events: number[];
}

/** A gateway that offered the thing, by what (a path, a state) and in whose eyes: several paths of one gateway are one owner. */
interface Owner {
  gateway: string;
  by: string;
  seenBy: string;
}

interface OpenOverlap {
  fromUs: number;
  errUs: number;
  /** By what each gateway offered it meanwhile. */
  owners: Map<string, Set<string>>;
  seenBy: Set<string>;
  event: number;
  anaGroup: number;
  nsid: number | undefined;
}

/** Tracks for each key who the owners are and emits an overlap whenever there were two or more. */
class OverlapTracker {
  readonly overlaps: Overlap[] = [];
  readonly #open = new Map<string, OpenOverlap>();
  readonly #words: (gateway: string, by: string[]) => string;

  constructor(words: (gateway: string, by: string[]) => string) {
    this.#words = words;
  }

  set(key: string, owners: readonly Owner[], event: HistoryEvent, anaGroup: number, nsid: number | undefined): void {
    let open = this.#open.get(key);
    if (new Set(owners.map(({ gateway }) => gateway)).size < 2) {
      if (open !== undefined) this.#close(key, open, event.tUs, event.errUs, [event.seq]);
      return;
    }
    if (open === undefined) this.#open.set(key, (open = { fromUs: event.tUs, errUs: event.errUs, owners: new Map(), seenBy: new Set(), event: event.seq, anaGroup, nsid }));
    for (const { gateway, by, seenBy } of owners) {
      open.owners.set(gateway, (open.owners.get(gateway) ?? new Set()).add(by));
      open.seenBy.add(seenBy);
    }
  }

  end(tUs: number): void {
    for (const [key, open] of [...this.#open]) this.#close(key, open, tUs, 0, []);
  }

  #close(key: string, open: OpenOverlap, toUs: number, errUs: number, events: number[]): void {
    this.#open.delete(key);
    const { fromUs, anaGroup, nsid } = open;
    // Two changes in one microsecond: no time in which both were true.
    if (toUs <= fromUs) return;
    const owners = [...open.owners].map(([gateway, by]) => this.#words(gateway, [...by].sort())).sort();
    this.overlaps.push({ seenBy: [...open.seenBy].sort(), fromUs, toUs, owners, anaGroup, nsid, errUs: open.errUs + errUs, events: [open.event, ...events] });
  }
}

/**
 * The hosts' view: live controllers of two gateways whose paths to one namespace are optimized, both at one host or each
 * at another: two hosts that shared the namespace would write through both. As exact as the hosts look.
 */
export function hostOverlaps(events: readonly HistoryEvent[], endUs: number, hosts: readonly string[]): Overlap[] {
  const view = new HostView();
  const tracker = new OverlapTracker((gateway, paths) => `${gateway} (${paths.join(', ')})`);
  for (const event of inTimeOrder(events)) {
    if (event.tUs > endUs) break;
    const change = view.apply(event);
    const path: PathEvent | undefined = change?.after ?? change?.before;
    if (path === undefined) continue;
    const owners = hosts.flatMap((host) => view.optimized(host, path.nsUuid).map(({ path: by, gateway }) => ({ gateway, by: hosts.length > 1 ? `${host} ${by}` : by, seenBy: host })));
    tracker.set(path.nsUuid, owners, event, path.anaGroup, path.nsid);
  }
  tracker.end(endUs);
  return tracker.overlaps;
}

/** The monitor's maps: two gateways in a state that it exports as optimized (ACTIVE or WAIT_BLOCKLIST_CMPL). */
export function monitorOverlaps(events: readonly HistoryEvent[], endUs: number): Overlap[] {
  const tracker = new OverlapTracker((gateway, states) => `${gateway} ${states.join(' and ')}`);
  for (const event of inTimeOrder(events)) {
    if (event.type !== 'mon.map' || event.tUs > endUs) continue;
    const owners = new Map<string, Owner[]>();
    for (const gateway of event.gateways) {
      for (const [group, state] of Object.entries(gateway.states)) {
        const list = owners.get(group) ?? [];
        owners.set(group, list);
        if (state === 'ACTIVE' || state === 'WAIT_BLOCKLIST_CMPL') list.push({ gateway: gateway.id, by: state, seenBy: 'monitor' });
      }
    }
    for (const [group, list] of owners) tracker.set(group, list, event, Number(group), undefined);
  }
  tracker.end(endUs);
  return tracker.overlaps;
}

/**
 * The targets' own word: two gateways that serve and say optimized for one group. The states are sampled, so an
 * overlap is only as exact as the samples. A gateway that exited, was killed or is paused says nothing any more,
 * one without listeners offers no path.
 */
export function targetOverlaps(events: readonly HistoryEvent[], endUs: number): Overlap[] {
  const tracker = new OverlapTracker((gateway) => gateway);
  const optimizedAt = new Map<string, Set<string>>();
  for (const event of inTimeOrder(events)) {
    if (event.tUs > endUs) break;
    let gateway: string;
    let groups: string[] = [];
    if (event.type === 'gw.state') {
      gateway = event.gateway;
      if (event.serving && event.listeners.length > 0) groups = Object.entries(event.ana).flatMap(([group, ana]) => (ana === 'optimized' ? [group] : []));
    } else if (event.type === 'node' && (event.state === 'exited' || event.state === 'killed' || event.state === 'paused')) {
      gateway = event.name;
    } else {
      continue;
    }
    const touched = new Set([...(optimizedAt.get(gateway) ?? []), ...groups]);
    optimizedAt.set(gateway, new Set(groups));
    for (const group of touched) {
      const owners = [...optimizedAt].flatMap(([name, its]) => (its.has(group) ? [{ gateway: name, by: group, seenBy: 'target' }] : []));
      tracker.set(group, owners, event, Number(group), undefined);
    }
  }
  tracker.end(endUs);
  return tracker.overlaps;
}
