import { exportedState } from './export.js';
import { grantGroup } from './fence.js';
import type { Transaction } from './transaction.js';
import { anaGroupsOf, gatewaysInOrder, setState, stateOf, type GatewayRecord, type HaGroup } from './types.js';

/** Ends a failback that `holder` was giving the group away in: the owner that waited for it is STANDBY again. */
function rollBackFailback(group: HaGroup, anaGroup: number): void {
  for (const gateway of group.gateways.values()) {
    if (stateOf(gateway, anaGroup) === 'OWNER_FAILBACK_PREPARED') setState(gateway, anaGroup, { name: 'STANDBY' });
  }
}

/** Declares a gateway down (beacon timeout, UNAVAILABLE beacon, delete), and watches its beacons no longer. */
export function declareDown(txn: Transaction, group: HaGroup, gateway: GatewayRecord): void {
  gateway.lastBeaconMs = undefined;
  markDown(txn, group, gateway);
}

/**
 * UNAVAILABLE unless DELETING, STANDBY in every group, and a takeover at once of each group in which the gateway was
 * ACTIVE. By itself for `disable` and for an expired blocklist wait: NVMeofGwMon goes on to watch the gateway then, and
 * if it does not come back within the grace declares it down once more, with a later time of its end.
 */
export function markDown(txn: Transaction, group: HaGroup, gateway: GatewayRecord): void {
  if (gateway.availability !== 'DELETING') gateway.availability = 'UNAVAILABLE';
  gateway.performedFullStartup = false;
  gateway.lastDownMs = txn.nowMs;
  gateway.sequence = 0;
  gateway.lastGwmapEpoch = -1;
  gateway.mapWasCurrent = false;
  for (const [anaGroup, state] of gateway.states) {
    // WAIT_FAILBACK_PREPARED: told to stop serving, but nobody knows whether it has heard it.
    const mayServe = exportedState(state).state === 'OPTIMIZED' || state.name === 'WAIT_FAILBACK_PREPARED';
    const unaware = group.unaware.get(anaGroup)?.id === gateway.id && group.unaware.delete(anaGroup);
    if (mayServe || unaware) group.suspects.set(anaGroup, gateway.id);
  }
  for (const anaGroup of anaGroupsOf(gateway)) {
    const state = stateOf(gateway, anaGroup);
    if (state === 'WAIT_FAILBACK_PREPARED') rollBackFailback(group, anaGroup);
    if (state === 'ACTIVE') findFailover(txn, group, gateway, anaGroup);
    setState(gateway, anaGroup, { name: 'STANDBY' });
  }
  txn.change(group);
}

/**
 * The gateway is alive but must not serve: it restarted without having been missed (fast reboot), it has no
 * subsystem with a listener, it is disabled, or its beacon was out of sequence. CREATED, STANDBY everywhere, no takeover now (the
 * next tick finds its group abandoned) and no blocklist.
 */
export function markCreated(txn: Transaction, group: HaGroup, gateway: GatewayRecord): void {
  gateway.availability = 'CREATED';
  gateway.lastBeaconMs = undefined;
  for (const anaGroup of anaGroupsOf(gateway)) {
    if (stateOf(gateway, anaGroup) === 'WAIT_FAILBACK_PREPARED') rollBackFailback(group, anaGroup);
    setState(gateway, anaGroup, { name: 'STANDBY' });
  }
  txn.change(group);
}

/**
 * What becomes of a gateway whose beacon was out of sequence: CREATED until its full list comes. It is not told; so with
 * `await-resync` its groups are kept from others until it knows, and it is watched as before.
 */
export function markRefused(txn: Transaction, group: HaGroup, gateway: GatewayRecord): void {
  const served = [...gateway.states].filter(([, state]) => exportedState(state).state === 'OPTIMIZED' || state.name === 'WAIT_FAILBACK_PREPARED');
  markCreated(txn, group, gateway);
  if (served.length === 0 || !txn.model.safeguards.has('await-resync')) return;
  gateway.lastBeaconMs = txn.nowMs;
  for (const [anaGroup] of served) group.unaware.set(anaGroup, { id: gateway.id, epoch: group.gwEpoch + 1 });
}

const transitional = ['OWNER_FAILBACK_PREPARED', 'WAIT_FAILBACK_PREPARED', 'WAIT_BLOCKLIST_CMPL'];

/** The AVAILABLE gateway with the fewest ACTIVE groups, leaving out those in a transition; `busy` if there are only such. */
function leastLoaded(gateways: readonly GatewayRecord[]): GatewayRecord | 'busy' | undefined {
  const available = gateways.filter(({ availability }) => availability === 'AVAILABLE');
  const load = (gateway: GatewayRecord): number => [...gateway.states.values()].filter(({ name }) => name === 'ACTIVE').length;
  const settled = available.filter((gateway) => ![...gateway.states.values()].some(({ name }) => transitional.includes(name)));
  const first = settled[0];
  if (first === undefined) return available.length > 0 ? 'busy' : undefined;
  return settled.reduce((best, gateway) => (load(gateway) < load(best) ? gateway : best), first);
}

/**
 * Looks for a gateway to take the group over from `failed`. None is chosen while failovers are
 * suppressed, while a takeover of the group is under way, or while all candidates are in a transition:
 * the next tick tries again. Another location is considered only when the failed gateway's own has no
 * AVAILABLE gateway at all.
 */
export function findFailover(txn: Transaction, group: HaGroup, failed: GatewayRecord, anaGroup: number): void {
  if (txn.nowMs < failed.suppressUntilMs) return;
  if (stateOf(failed, anaGroup) !== 'ACTIVE' && failed.anaGroup !== anaGroup) return;
  const gateways = gatewaysInOrder(group);
  if (gateways.some((gateway) => stateOf(gateway, anaGroup) === 'WAIT_BLOCKLIST_CMPL')) return;
  const near = leastLoaded(gateways.filter(({ location }) => location === failed.location));
  const taker = near ?? leastLoaded(gateways);
  if (taker === undefined || taker === 'busy') return;
  grantGroup(txn, group, taker, anaGroup, failed);
}
