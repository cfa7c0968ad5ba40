import { eventsOf, type Period } from './timeline.js';
import type { CheckInput } from './types.js';

/**
 * How often the ANA state of any path of a namespace changed in a period, as the host saw it that saw the most. A clean
 * failover needs one or two changes; a group that flaps shows here, even if every stall was short. The first state that
 * a path ever had is no change.
 */
export function countAnaChanges({ events }: Pick<CheckInput, 'events'>, nsUuid: string, { fromUs, toUs }: Period): number {
  const states = new Map<string, string>();
  const changes = new Map<string, number>();
  for (const event of eventsOf(events, 'host.path')) {
    if (event.nsUuid !== nsUuid) continue;
    if (event.tUs >= toUs) break;
    const key = `${event.host} ${event.path}`;
    const before = states.get(key);
    states.set(key, event.ana);
    if (before !== undefined && before !== event.ana && event.tUs >= fromUs) changes.set(event.host, (changes.get(event.host) ?? 0) + 1);
  }
  return Math.max(0, ...changes.values());
}
