import { eventsOf, type Period } from './timeline.js';
import type { CheckInput } from './types.js';

/**
 * How often a gateway's ANA state for a namespace changed in a period, all gateways together, as the host saw it that
 * saw the most. Several paths through one gateway (fabrics) change together: the one that changed most often counts. A
 * clean failover needs one or two changes; a group that flaps shows here, even if every stall was short. The first state
 * that a path ever had is no change.
 */
export function countAnaChanges({ events }: Pick<CheckInput, 'events'>, nsUuid: string, { fromUs, toUs }: Period): number {
  const paths = new Map<string, { state: string; changes: number; host: string; gateway: string }>();
  for (const { nsUuid: uuid, tUs, host, gateway, path, ana } of eventsOf(events, 'host.path')) {
    if (uuid !== nsUuid) continue;
    if (tUs >= toUs) break;
    const key = `${host} ${path}`;
    const known = paths.get(key);
    if (known === undefined) paths.set(key, { state: ana, changes: 0, host, gateway });
    else {
      if (known.state !== ana && tUs >= fromUs) known.changes += 1;
      known.state = ana;
    }
  }
  /** Host → gateway → changes of that of its paths which changed most often. */
  const hosts = new Map<string, Map<string, number>>();
  for (const { host, gateway, changes } of paths.values()) {
    const gateways = hosts.get(host) ?? new Map<string, number>();
    hosts.set(host, gateways.set(gateway, Math.max(gateways.get(gateway) ?? 0, changes)));
  }
  return Math.max(0, ...[...hosts.values()].map((gateways) => [...gateways.values()].reduce((total, changes) => total + changes, 0)));
}
