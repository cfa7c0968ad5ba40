import type { GatewayMap, MapAnaState } from '../client.js';
import type { ModelState } from './transaction.js';
import { anaGroupsOf, gatewaysInOrder, type AnaGroupState, type GatewayRecord, type HaGroup, type MonitorEffect } from './types.js';

const inaccessible: MapAnaState = { state: 'INACCESSIBLE', osdEpoch: 0 };

/**
 * The ANA state that the gateway is told. ACTIVE is OPTIMIZED; WAIT_BLOCKLIST_CMPL is OPTIMIZED with the
 * store epoch to reach first, but only once the store has executed the blocklist (see GatewayMonitorModel).
 */
export function exportedState(state: AnaGroupState | undefined): MapAnaState {
  if (state?.name === 'ACTIVE') return { state: 'OPTIMIZED', osdEpoch: 0 };
  if (state?.name === 'WAIT_BLOCKLIST_CMPL' && state.wait !== undefined && state.wait.tokens.size === 0) {
    return { state: 'OPTIMIZED', osdEpoch: state.wait.epoch };
  }
  return inaccessible;
}

/** ANA group → ids of the gateways to which it is exported OPTIMIZED. */
export function optimizedGateways(group: HaGroup | undefined): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const gateway of group === undefined ? [] : gatewaysInOrder(group)) {
    for (const anaGroup of anaGroupsOf(gateway)) {
      if (exportedState(gateway.states.get(anaGroup)).state !== 'OPTIMIZED') continue;
      found.set(anaGroup, [...(found.get(anaGroup) ?? []), gateway.id]);
    }
  }
  return found;
}

/**
 * The unicast map of one gateway. A gateway that was declared down, or is being deleted, finds no entry:
 * that is how it learns to stop serving and to start again. Once it has (CREATED beacon), it is counted in again.
 */
export function unicastMap(group: HaGroup, gateway: GatewayRecord): GatewayMap {
  const { availability } = gateway;
  if (availability === 'DELETING' || availability === 'UNAVAILABLE') {
    return { epoch: group.gwEpoch, entry: undefined };
  }
  const groups = anaGroupsOf(gateway);
  // Element i is ANA group i + 1, so unused numbers in between are filled up.
  const ana = Array.from({ length: groups.at(-1) ?? 0 }, (_, index) => exportedState(gateway.states.get(index + 1)));
  return {
    epoch: group.gwEpoch,
    entry: {
      gwId: gateway.id,
      groupIndex: gateway.anaGroup - 1,
      availability,
      subsystems: gateway.subsystems.map(({ nqn }) => ({ nqn, ana })),
    },
  };
}

/** The gateway whose recorded entity address this is. CREATED gateways are not found: they get maps only as answers. */
function gatewayAt(model: ModelState, address: string): { group: HaGroup; gateway: GatewayRecord } | undefined {
  for (const group of model.groups.values()) {
    for (const gateway of gatewaysInOrder(group)) {
      if (gateway.availability !== 'CREATED' && gateway.address === address) return { group, gateway };
    }
  }
  return undefined;
}

/** Maps for all subscribers (or for the given one) that have not been sent their group's present epoch. */
export function deliveries(model: ModelState, only?: string): MonitorEffect[] {
  const effects: MonitorEffect[] = [];
  for (const [address, next] of model.subscriptions) {
    if (only !== undefined && address !== only) continue;
    const found = gatewayAt(model, address);
    if (found === undefined || next > found.group.gwEpoch) continue;
    model.subscriptions.set(address, found.group.gwEpoch + 1);
    effects.push({ kind: 'map', address, map: unicastMap(found.group, found.gateway) });
  }
  return effects;
}
