import type { EventOf, HistoryEvent } from '../history/events.js';
import type { Plan } from '../plan/types.js';
import type { Period } from './timeline.js';
import { eventsOf } from './timeline.js';

/**
 * Labs whose host is our own initiator: it reports each change of a path at the moment at which it acts on it, so
 * there is nothing between two reports. A gap is time in which its event loop stood still; it sent no I/O then
 * either, so it cannot have used two paths at once.
 */
const changeDrivenLabs: readonly string[] = ['loopback', 'native'];
/** A quarter of the beacon grace and of the keep-alive timeout still tells the steps of a failover apart. */
export const lookGapShareOfTimers = 1 / 4;
/**
 * A host that is sampled goes on with its I/O between two looks: two optimized paths for a tenth of a second are
 * long enough for hundreds of misordered writes (facts: ceph-nvmeof-ha.md section 5, "at ≤ 100 ms").
 */
export const sampledLookGapMaxUs = 100_000;

/** Whether the hosts of a plan are looked at again and again, so that what happens between two looks stays unseen. */
export function isSampled(plan: { lab: string }): boolean {
  return !changeDrivenLabs.includes(plan.lab);
}

/**
 * The longest time that an observer of the hosts or the monitor may go without a look, microseconds. The monitor sends
 * no I/O, and each of its maps has a number: what was not looked at in time shows as a gap in the numbers (look-gaps.ts, NumberedMaps, says
 * when a longer one has hidden nothing).
 */
export function lookGapLimitUs(plan: Pick<Plan, 'shape'> & { lab: string }, observer: string): number {
  const { beaconGraceMs, katoMs } = plan.shape.timers;
  const limitUs = Math.min(beaconGraceMs, katoMs) * 1000 * lookGapShareOfTimers;
  return isSampled(plan) && !observes(observer, 'monitor') ? Math.min(limitUs, sampledLookGapMaxUs) : limitUs;
}

/** A stretch of the judged period in which nothing was looked at. */
export interface Hole extends Period {
  why: string;
}

/**
 * What is left of `period` when all `spans` are taken away; pieces up to `toleranceUs` do not count.
 * Spans may overlap and come in any order.
 */
export function holesIn(period: Period, spans: readonly Period[], toleranceUs: number): Hole[] {
  const holes: Hole[] = [];
  let reachedUs = period.fromUs;
  for (const span of [...spans].sort((a, b) => a.fromUs - b.fromUs)) {
    if (span.fromUs - reachedUs > toleranceUs && reachedUs < period.toUs) {
      holes.push({ fromUs: reachedUs, toUs: Math.min(span.fromUs, period.toUs), why: reachedUs === period.fromUs ? 'before the first record' : 'between two records' });
    }
    reachedUs = Math.max(reachedUs, span.toUs);
  }
  if (period.toUs - reachedUs > toleranceUs) holes.push({ fromUs: reachedUs, toUs: period.toUs, why: spans.length === 0 ? 'no record at all' : 'after the last record' });
  return holes.filter((hole) => hole.toUs - hole.fromUs > toleranceUs);
}

/** True if the `observer` of a coverage event speaks of this node: its name is one of the parts between `:` and `/` (`host1`, `host:host1`, `host1/paths`). */
export function observes(observer: string, node: string): boolean {
  return observer.split(/[:/]/).includes(node);
}

/** Coverage events that touch the period and come from an observer for which `wanted` holds. */
export function coverageOf(events: readonly HistoryEvent[], period: Period, wanted: (observer: string) => boolean): EventOf<'observe.coverage'>[] {
  return eventsOf(events, 'observe.coverage').filter((event) => wanted(event.observer) && event.toUs > period.fromUs && event.fromUs < period.toUs);
}
