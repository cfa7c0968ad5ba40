import type { EventOf, HistoryEvent } from '../history/events.js';
import type { Plan } from '../plan/types.js';
import type { Period } from './timeline.js';
import { eventsOf } from './timeline.js';

/**
 * A host's ANA timeline has to be seen at least this densely: two optimized paths for a tenth of a second are
 * long enough for hundreds of misordered writes (facts: ceph-nvmeof-ha.md section 5, "at ≤ 100 ms").
 */
export const lookGapMaxUs = 100_000;
/** With scaled timers what happens is faster; a quarter of the beacon grace still resolves each step of a failover. */
export const lookGapShareOfGrace = 1 / 4;

/** The longest time that an observer may go without a look, microseconds. */
export function lookGapLimitUs(plan: Plan): number {
  return Math.min(lookGapMaxUs, plan.shape.timers.beaconGraceMs * 1000 * lookGapShareOfGrace);
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
