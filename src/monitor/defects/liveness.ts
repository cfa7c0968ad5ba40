import type { Beacon } from '../client.js';
import { override } from '../../util/override.js';
import type { MakeMonitorDefect } from './kit.js';

/** `never-declares-down` (ceph-nvmeof #602): a gateway that has once been AVAILABLE is taken for alive for ever. */
export const neverDeclaresDown: MakeMonitorDefect = () => ({
  model: (model) => {
    const last = new Map<string, { address: string; beacon: Beacon }>();
    return override(model, {
      beacon: (nowMs, address, beacon) => {
        if (beacon.availability === 'AVAILABLE') last.set(beacon.gwId, { address, beacon });
        else last.delete(beacon.gwId);
        return model.beacon(nowMs, address, beacon);
      },
      tick: (nowMs) => [...[...last.values()].flatMap(({ address, beacon }) => model.beacon(nowMs, address, beacon)), ...model.tick(nowMs)],
    });
  },
});

/** `ignore-no-listeners` (the symptom of ceph-nvmeof #500): a gateway whose listeners are gone counts as if it still had them. */
export const ignoreNoListeners: MakeMonitorDefect = () => ({
  model: (model) => {
    const known = new Map<string, Beacon['subsystems']>();
    return override(model, {
      beacon: (nowMs, address, beacon) => {
        const has = beacon.subsystems.some(({ listeners }) => listeners.length > 0);
        if (has) known.set(beacon.gwId, beacon.subsystems);
        const subsystems = !has && beacon.availability === 'AVAILABLE' ? known.get(beacon.gwId) : undefined;
        return model.beacon(nowMs, address, subsystems === undefined ? beacon : { ...beacon, subsystems });
      },
    });
  },
});

/** How long after its return a gateway is declared down once more by `failover-storm`, milliseconds. */
const stormDelayMs = 1_500;

/** `failover-storm` (ceph PR 62205): a gateway that comes back is declared down again a moment later, though it is well. */
export const failoverStorm: MakeMonitorDefect = () => ({
  model: (model) => {
    const served = new Set<string>();
    const returning = new Set<string>();
    const due = new Map<string, { atMs: number; pool: string; group: string }>();
    return override(model, {
      beacon: (nowMs, address, beacon) => {
        const { gwId, pool, group } = beacon;
        if (beacon.availability === 'CREATED' && served.has(gwId)) returning.add(gwId);
        if (beacon.availability === 'AVAILABLE') {
          served.add(gwId);
          if (returning.delete(gwId)) due.set(gwId, { atMs: nowMs + stormDelayMs, pool, group });
        }
        return model.beacon(nowMs, address, beacon);
      },
      tick: (nowMs) => {
        const effects = [...due].filter(([, { atMs }]) => atMs <= nowMs).flatMap(([id, { pool, group }]) => {
          due.delete(id);
          return [...model.disable(nowMs, pool, group, id).effects, ...model.enable(nowMs, pool, group, id).effects];
        });
        return [...effects, ...model.tick(nowMs)];
      },
    });
  },
});
