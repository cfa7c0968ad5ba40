import type { GatewayMap } from '../client.js';
import type { MonitorModel } from '../model/model.js';
import type { MonitorEffect } from '../model/types.js';
import { override } from '../../util/override.js';
import type { MakeMonitorDefect } from './kit.js';

/** `model` with every effect passed through `change`. */
function withEffects(model: MonitorModel, change: (effects: MonitorEffect[]) => MonitorEffect[]): MonitorModel {
  const command = (run: MonitorModel['create']): MonitorModel['create'] => (...call) => {
    const result = run(...call);
    return { ...result, effects: change(result.effects) };
  };
  return override(model, {
    beacon: (...call) => change(model.beacon(...call)),
    tick: (...call) => change(model.tick(...call)),
    blocklistDone: (...call) => change(model.blocklistDone(...call)),
    subscribe: (...call) => change(model.subscribe(...call)),
    create: command((...call) => model.create(...call)),
    delete: command((...call) => model.delete(...call)),
    enable: command((...call) => model.enable(...call)),
    disable: command((...call) => model.disable(...call)),
  });
}

/** The map with one ANA group in another state. */
function groupAs(map: GatewayMap, groupIndex: number, state: 'OPTIMIZED' | 'INACCESSIBLE'): GatewayMap {
  if (map.entry === undefined) return map;
  return { ...map, entry: { ...map.entry, subsystems: map.entry.subsystems.map(({ nqn, ana }) => ({ nqn, ana: ana.map((each, index) => (index === groupIndex ? { state, osdEpoch: 0 } : each)) })) } };
}

/** The map with its gateway's own ANA group in another state. */
function ownGroupAs(map: GatewayMap, state: 'OPTIMIZED' | 'INACCESSIBLE'): GatewayMap {
  return map.entry === undefined ? map : groupAs(map, map.entry.groupIndex, state);
}

/** `recreated-inaccessible` (ceph-nvmeof #516): a gateway that was deleted and created again is never told to serve its group, although the map says ACTIVE. */
export const recreatedInaccessible: MakeMonitorDefect = () => ({
  model: (model) => {
    const recreated = new Set<string>();
    const changed = withEffects(model, (effects) => effects.map((effect) =>
      (effect.kind === 'map' && recreated.has(effect.map.entry?.gwId ?? '') ? { ...effect, map: ownGroupAs(effect.map, 'INACCESSIBLE') } : effect)));
    return override(changed, {
      delete: (nowMs, pool, group, id) => {
        recreated.add(id);
        return changed.delete(nowMs, pool, group, id);
      },
    });
  },
});

/** For how long `fast-reboot-double` has the group twice, milliseconds. */
const doubleMs = 4_000;

/**
 * `fast-reboot-double` (ceph PR 61538): a gateway that restarts before it was missed gets its group back at once,
 * while another one, which is told to take it over, keeps it for a while.
 */
export const fastRebootDouble: MakeMonitorDefect = () => ({
  model: (model) => {
    /** Rebooted gateway → index of its group, who is told to take it over, and until when it is had twice. */
    const rebooted = new Map<string, { groupIndex: number; taker: string | undefined; untilMs: number }>();
    let nowMs = 0;
    const changed = withEffects(model, (effects) => effects.map((effect) => {
      const entry = effect.kind === 'map' ? effect.map.entry : undefined;
      if (effect.kind !== 'map' || entry === undefined) return effect;
      if (rebooted.has(entry.gwId)) return { ...effect, map: ownGroupAs(effect.map, 'OPTIMIZED') };
      let { map } = effect;
      for (const { groupIndex, taker, untilMs } of rebooted.values()) {
        if (entry.gwId === taker && nowMs < untilMs) map = groupAs(map, groupIndex, 'OPTIMIZED');
      }
      return { ...effect, map };
    }));
    return override(changed, {
      tick: (ms) => {
        nowMs = ms;
        return changed.tick(ms);
      },
      beacon: (ms, address, beacon) => {
        nowMs = ms;
        const { gwId: id, pool, group } = beacon;
        const gateways = model.gateways(pool, group);
        const before = gateways.find((gateway) => gateway.id === id);
        if (beacon.availability === 'CREATED' && before?.availability === 'AVAILABLE') {
          const taker = gateways.find((gateway) => gateway.id !== id && gateway.availability === 'AVAILABLE')?.id;
          rebooted.set(id, { groupIndex: before.anaGroup - 1, taker, untilMs: ms + doubleMs });
        }
        return changed.beacon(ms, address, beacon);
      },
    });
  },
});

/** Two gateways that start within this time of each other are mixed up by `map-to-wrong-gateway`, milliseconds. */
const simultaneousMs = 4_000;

/** `map-to-wrong-gateway` (ceph PR 63003): when two gateways restart at the same time, each is sent the other's map. */
export const mapToWrongGateway: MakeMonitorDefect = () => ({
  model: (model) => {
    const started = new Map<string, { atMs: number; address: string; times: number }>();
    const swapped = new Map<string, string>();
    const changed = withEffects(model, (effects) => effects.map((effect) => (effect.kind === 'map' ? { ...effect, address: swapped.get(effect.address) ?? effect.address } : effect)));
    return override(changed, {
      beacon: (nowMs, address, beacon) => {
        if (beacon.availability === 'CREATED' && started.get(beacon.gwId)?.address !== address) {
          const times = (started.get(beacon.gwId)?.times ?? 0) + 1;
          const other = [...started].find(([id, each]) => id !== beacon.gwId && each.times > 1 && times > 1 && nowMs - each.atMs < simultaneousMs);
          started.set(beacon.gwId, { atMs: nowMs, address, times });
          if (other !== undefined) {
            swapped.set(address, other[1].address);
            swapped.set(other[1].address, address);
          }
        }
        return changed.beacon(nowMs, address, beacon);
      },
    });
  },
});

/** `listener-removal-ends-peers` (ceph-nvmeof #1907): when a gateway loses its listeners, the others are told that they do not count any more. */
export const listenerRemovalEndsPeers: MakeMonitorDefect = () => ({
  model: (model) => {
    const addresses = new Map<string, string>();
    const listening = new Set<string>();
    return override(model, {
      beacon: (nowMs, address, beacon) => {
        addresses.set(beacon.gwId, address);
        const effects = model.beacon(nowMs, address, beacon);
        const has = beacon.subsystems.some(({ listeners }) => listeners.length > 0);
        const lost = !has && beacon.availability === 'AVAILABLE' && listening.delete(beacon.gwId);
        if (has) listening.add(beacon.gwId);
        if (!lost) return effects;
        const epoch = model.gwEpoch(beacon.pool, beacon.group) ?? 0;
        const others = [...addresses].filter(([id]) => id !== beacon.gwId).map(([, peer]): MonitorEffect => ({ kind: 'map', address: peer, map: { epoch, entry: undefined } }));
        // Twice: soon after its start a gateway ignores one such map (mon_nvmeofgw_wrong_map_ignore_sec).
        return [...effects, ...others, ...others];
      },
    });
  },
});
