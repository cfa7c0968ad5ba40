import type { MonitorGatewayView } from '../../history/events.js';
import type { ModelState } from './transaction.js';
import { anaGroupsOf, gatewaysInOrder, groupKeyOf, stateOf, type GatewayRecord, type HaGroup } from './types.js';

/** Namespaces per 1-based ANA group. Every gateway reports all namespaces, so one report is taken: the last AVAILABLE gateway's. */
function namespaceCounts(gateways: readonly GatewayRecord[]): Map<number, number> {
  const counts = new Map<number, number>();
  const reporter = gateways.findLast(({ availability }) => availability === 'AVAILABLE');
  for (const { anaGroup } of reporter?.subsystems.flatMap(({ namespaces }) => namespaces) ?? []) {
    counts.set(anaGroup, (counts.get(anaGroup) ?? 0) + 1);
  }
  return counts;
}

function listenerCount(gateway: GatewayRecord): number {
  return gateway.subsystems.reduce((sum, { listeners }) => sum + listeners.length, 0);
}

/** A listener count is told only of gateways that have one to tell: AVAILABLE and CREATED. */
function tellsListeners(gateway: GatewayRecord): boolean {
  return gateway.availability === 'AVAILABLE' || gateway.availability === 'CREATED';
}

export function viewsOf(group: HaGroup | undefined): MonitorGatewayView[] {
  const gateways = group === undefined ? [] : gatewaysInOrder(group);
  const counts = namespaceCounts(gateways);
  return gateways.map((gateway) => ({
    id: gateway.id,
    anaGroup: gateway.anaGroup,
    availability: gateway.availability,
    adminState: gateway.adminState,
    listeners: tellsListeners(gateway) ? listenerCount(gateway) : 0,
    namespaces: counts.get(gateway.anaGroup) ?? 0,
    states: Object.fromEntries(anaGroupsOf(gateway).map((anaGroup) => [String(anaGroup), stateOf(gateway, anaGroup)])),
  }));
}

function anaStatesText(gateway: GatewayRecord): string {
  return anaGroupsOf(gateway).map((anaGroup) => ` ${anaGroup}: ${stateOf(gateway, anaGroup)} `).join(', ');
}

function format(value: unknown, pretty: boolean): string {
  return pretty ? `${JSON.stringify(value, null, 4)}\n` : JSON.stringify(value);
}

function header(model: ModelState, pool: string, group: string): Record<string, unknown> {
  return { epoch: model.epoch, pool, group };
}

/**
 * `nvme-gw show`, with the keys of 20.2.4 in its order ("Created Gateways:" really has a colon). GW-epoch
 * and what follows are missing for an unknown (pool, group). rebalance_ana_group names another gateway's
 * group each minute, as there.
 */
export function showJson(model: ModelState, nowMs: number, pool: string, groupName: string, pretty: boolean): string {
  const group = model.groups.get(groupKeyOf(pool, groupName));
  const gateways = group === undefined ? [] : gatewaysInOrder(group);
  const counts = namespaceCounts(gateways);
  const turn = gateways[Math.floor(nowMs / 60_000) % Math.max(1, gateways.length)];
  return format({
    ...header(model, pool, groupName),
    beacon_diff_enabled: false,
    features: 'LB',
    ...(turn === undefined ? {} : { rebalance_ana_group: turn.anaGroup }),
    'num gws': gateways.length,
    ...(group === undefined ? {} : {
      'GW-epoch': group.gwEpoch,
      'Anagrp list': `[ ${gateways.filter(({ availability }) => availability !== 'DELETING').map(({ anaGroup }) => `${anaGroup} `).join('')}]`,
      'num-namespaces': [...counts.values()].reduce((sum, count) => sum + count, 0),
      'Created Gateways:': gateways.map((gateway) => ({
        'gw-id': gateway.id,
        'anagrp-id': gateway.anaGroup,
        location: gateway.location,
        'admin state': gateway.adminState,
        'num-namespaces': counts.get(gateway.anaGroup) ?? 0,
        'performed-full-startup': gateway.performedFullStartup ? 1 : 0,
        Availability: gateway.availability,
        ...(tellsListeners(gateway) ? { 'num-listeners': listenerCount(gateway) } : {}),
        'ana states': anaStatesText(gateway),
      })),
    }),
  }, pretty);
}

/** `nvme-gw listeners`: per subsystem NQN, the listeners of all AVAILABLE gateways. */
export function listenersJson(model: ModelState, pool: string, groupName: string, pretty: boolean): string {
  const group = model.groups.get(groupKeyOf(pool, groupName));
  const gateways = group === undefined ? [] : gatewaysInOrder(group);
  const created = new Map<string, unknown[]>();
  for (const { id, subsystems } of gateways.filter(({ availability }) => availability === 'AVAILABLE')) {
    for (const { nqn, listeners } of subsystems) {
      const shown = listeners.map(({ adrfam, traddr, trsvcid }) => ({ address_family: adrfam, address: traddr, svcid: trsvcid, gw_id: id }));
      created.set(nqn, [...(created.get(nqn) ?? []), ...shown]);
    }
  }
  return format({
    ...header(model, pool, groupName),
    'num gws': gateways.length,
    ...(group === undefined ? {} : { 'GW-epoch': group.gwEpoch, 'Created listeners': Object.fromEntries(created) }),
  }, pretty);
}
