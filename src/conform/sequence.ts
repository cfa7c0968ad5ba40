import type { Trace } from './trace.js';

/** A value that a component had, as the monitor showed it. */
export interface Stay {
  value: string;
  fromMs: number;
  /** When it was seen to be another one; the end of the trace for the last. */
  toMs: number;
  /** How many deeds of the schedule had been begun when it appeared. */
  deeds: number;
}

/** What is not (yet, or any more) in the monitor's map. */
export const absent = '—';

/**
 * The trace as one sequence of distinct values per component: `gw1`, the gateway's availability, and `gw1/2`, its
 * state for ANA group 2. Components are compared one by one: two that change independently of each other may do so in
 * either order, but no component may take another way.
 */
export function sequencesOf(trace: Trace): Map<string, Stay[]> {
  const names = new Set(trace.snapshots.flatMap(({ gateways }) => gateways.flatMap(({ id, states }) => [id, ...Object.keys(states).map((group) => `${id}/${group}`)])));
  const sequences = new Map<string, Stay[]>([...names].sort().map((name) => [name, []]));
  for (const snapshot of trace.snapshots) {
    const values = new Map(snapshot.gateways.flatMap(({ id, availability, states }) => [
      [id, availability] as const, ...Object.entries(states).map(([group, state]) => [`${id}/${group}`, state] as const),
    ]));
    for (const [name, stays] of sequences) {
      const value = values.get(name) ?? absent;
      const last = stays.at(-1);
      if (last?.value === value) continue;
      if (last !== undefined) last.toMs = snapshot.atMs;
      stays.push({ value, fromMs: snapshot.atMs, toMs: trace.endMs, deeds: trace.steps.filter(({ atMs }) => atMs <= snapshot.atMs).length });
    }
  }
  return sequences;
}
