import type { EventOf, HistoryEvent } from '../history/events.js';
import { HostView } from './host-view.js';
import { eventsOf, inTimeOrder } from './timeline.js';

/** The tracer’s word that records were dropped (src/initiator/kernel/trace.ts): from then on its silence proves nothing. */
const traceLoss = /trace has lost|tracefs/i;

/**
 * What the kernel's trace knows of the times in which a sampler of paths did not look.
 *
 * A Linux host changes the ANA state of a path only when it has read the ANA log page of the path's controller
 * (drivers/nvme/host/multipath.c, nvme_read_ana_log), and each such read is in the trace, with its time, whenever the
 * sampler looks next. A controller whose log was read at most once in a gap was in the state of the sample before up to
 * that moment, and in that of the sample after from then on. So the gap hides no second owner when no controller was
 * read twice in it and no ANA group has two owners that are seen only one at each end.
 *
 * The trace is believed only if it is there (each change of an ANA state that was sampled has a read shortly before) and has lost nothing.
 */
export class TracedReads {
  /** Without what other hosts saw: their paths may have the same names. */
  readonly #events: readonly HistoryEvent[];
  readonly #reads: readonly EventOf<'host.ana-log'>[];
  readonly #trusted: boolean;

  constructor(events: readonly HistoryEvent[], host: string) {
    this.#events = inTimeOrder(events).filter((event) => !('host' in event) || event.host === host);
    this.#reads = eventsOf(events, 'host.ana-log').filter((read) => read.host === host);
    const lost = eventsOf(events, 'log').some(({ message, level }) => level === 'warn' && traceLoss.test(message));
    this.#trusted = this.#reads.length > 0 && !lost && everyChangeHasARead(events, host, this.#reads);
  }

  /** True if no second owner of a group can have been in this stretch that the samples at its two ends do not show. */
  resolves(span: { fromUs: number; toUs: number }): boolean {
    if (!this.#trusted) return false;
    const inside = this.#reads.filter((read) => read.tUs + read.errUs >= span.fromUs && read.tUs - read.tookUs - read.errUs <= span.toUs);
    return new Set(inside.map(({ controller }) => controller)).size === inside.length && !this.#hidesOwners(span);
  }

  /** One owner at each end, and not the same: they may have been owners together. Two at one end are seen as two. */
  #hidesOwners({ fromUs, toUs }: { fromUs: number; toUs: number }): boolean {
    const [before, after] = [this.#ownersAt(fromUs), this.#ownersAt(toUs)];
    return [...before].some(([group, owners]) => {
      const later = after.get(group) ?? new Set<string>();
      return owners.size <= 1 && later.size <= 1 && new Set([...owners, ...later]).size > 1;
    });
  }

  #ownersAt(tUs: number): Map<number, Set<string>> {
    const view = new HostView();
    const groups = new Set<number>();
    for (const event of this.#events) {
      if (event.tUs > tUs) break;
      view.apply(event);
      if (event.type === 'host.path') groups.add(event.anaGroup);
    }
    return new Map([...groups].map((group) => [group, view.owners(group)]));
  }
}

/**
 * What the monitor's maps tell of the times in which nobody looked at it.
 *
 * Each change makes a new map with a higher number (src/mon/NVMeofGwMon.cc of Ceph: `create_pending` raises the epoch of what the next
 * proposal carries), and a look that finds another map than the one before is told (`mon.map`). So if none is told from before a gap until a look
 * after it, that look has found the very map of before, and there was no other in between, however long the gap.
 */
export class NumberedMaps {
  readonly #mapsUs: readonly number[];
  /** When a report ended in which somebody had looked, in order of time. */
  readonly #lookedUs: readonly number[];

  constructor(events: readonly HistoryEvent[], observer: string) {
    this.#mapsUs = eventsOf(events, 'mon.map').map(({ tUs }) => tUs);
    this.#lookedUs = eventsOf(events, 'observe.coverage').filter((each) => each.observer === observer && each.samples > 0).map(({ toUs }) => toUs).sort((a, b) => a - b);
  }

  /** True if the monitor's map was the same all through this stretch. */
  resolves({ fromUs, toUs }: { fromUs: number; toUs: number }): boolean {
    const lookedUs = this.#lookedUs.find((each) => each >= toUs);
    return lookedUs !== undefined && this.#mapsUs.some((each) => each <= fromUs) && !this.#mapsUs.some((each) => each > fromUs && each <= lookedUs);
  }
}

/** The stretch in which the longest gap of a coverage report lies: it may have begun before the report's own. */
export function withGap({ fromUs, toUs, maxGapUs }: EventOf<'observe.coverage'>): { fromUs: number; toUs: number } {
  return { fromUs: Math.min(fromUs, toUs - maxGapUs), toUs };
}

/** How long after a read its effect may be seen: the longest gap that any coverage of the host reports. */
function everyChangeHasARead(events: readonly HistoryEvent[], host: string, reads: readonly EventOf<'host.ana-log'>[]): boolean {
  const lateUs = Math.max(0, ...eventsOf(events, 'observe.coverage').filter(({ observer }) => observer.endsWith(host)).map(({ maxGapUs }) => maxGapUs)) + 1_000_000;
  const states = new Map<string, string>();
  for (const path of eventsOf(events, 'host.path')) {
    if (path.host !== host) continue;
    const before = states.get(path.path);
    states.set(path.path, path.ana);
    if (before === undefined || before === path.ana || path.controllerState !== 'live') continue;
    if (!reads.some((read) => read.controller === path.controller && read.tUs <= path.tUs + read.errUs && read.tUs >= path.tUs - lateUs)) return false;
  }
  return true;
}
