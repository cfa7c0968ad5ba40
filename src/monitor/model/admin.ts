import { declareDown, markDown } from './failover.js';
import { fenceBeforeForgetting } from './fence.js';
import type { Transaction } from './transaction.js';
import {
  dropGateway, Errno, gatewaysInOrder, groupKeyOf, maxGatewaysPerGroup, putGateway, setState,
  type CommandResult, type GatewayRecord, type HaGroup,
} from './types.js';

type AdminResult = Omit<CommandResult, 'effects'>;
const ok: AdminResult = { code: 0, status: '' };

function newGateway(id: string, anaGroup: number): GatewayRecord {
  return {
    id, anaGroup, availability: 'CREATED', adminState: 'ENABLED', location: '', performedFullStartup: true,
    subsystems: [], states: new Map(), address: undefined, lastBeaconMs: undefined, lastDownMs: -Infinity,
    lastGwmapEpoch: -1, mapWasCurrent: false, beaconIndex: 0, deletingSinceMs: undefined,
    sequence: 0, sentSequence: 0, outOfSequence: false, startedAs: undefined, suppressUntilMs: -Infinity,
  };
}

function lowestFreeAnaGroup(group: HaGroup): number {
  const used = new Set([...group.gateways.values()].map(({ anaGroup }) => anaGroup));
  let anaGroup = 1;
  while (used.has(anaGroup)) anaGroup += 1;
  return anaGroup;
}

/**
 * `nvme-gw create`. 0 also when the gateway exists. A gateway that is being deleted is revived under its own id,
 * or hands its ANA group to the new one (the first such, by id): so a redeployed daemon, whose id has a new
 * suffix, keeps its namespaces. EINVAL when the group is full.
 */
export function createGateway(txn: Transaction, pool: string, groupName: string, id: string): AdminResult {
  const key = groupKeyOf(pool, groupName);
  let group = txn.model.groups.get(key);
  if (group === undefined) {
    group = {
      key, pool, group: groupName, gwEpoch: txn.model.epoch, gateways: new Map(), inOrder: undefined, suspects: new Map(), unaware: new Map(),
    };
    txn.model.groups.set(key, group);
  }
  const existing = group.gateways.get(id);
  if (existing !== undefined && existing.availability !== 'DELETING') return { code: 0, status: `${id} exists already` };
  if (existing !== undefined) {
    txn.change(group);
    existing.availability = 'CREATED';
    existing.performedFullStartup = true;
    existing.deletingSinceMs = undefined;
    return ok;
  }
  const leaving = gatewaysInOrder(group).find(({ availability }) => availability === 'DELETING');
  if (leaving !== undefined) {
    txn.change(group);
    fenceBeforeForgetting(txn, group, leaving);
    dropGateway(group, leaving);
    const heir = newGateway(id, leaving.anaGroup);
    const { states, location, adminState, subsystems, suppressUntilMs, lastDownMs } = leaving;
    putGateway(group, { ...heir, states, location, adminState, subsystems, suppressUntilMs, lastDownMs });
    return ok;
  }
  if (group.gateways.size >= maxGatewaysPerGroup) {
    return { code: Errno.invalid, status: `${pool}/${groupName} has ${maxGatewaysPerGroup} gateways already` };
  }
  txn.change(group);
  const gateway = newGateway(id, lowestFreeAnaGroup(group));
  putGateway(group, gateway);
  for (const { anaGroup } of group.gateways.values()) setState(gateway, anaGroup, { name: 'STANDBY' });
  for (const other of group.gateways.values()) setState(other, gateway.anaGroup, { name: 'STANDBY' });
  return ok;
}

/** Drops the gateway and its ANA group from every gateway's states, and the group with its last gateway. */
function eraseGateway(txn: Transaction, group: HaGroup, gateway: GatewayRecord): void {
  // Also whoever held its ANA group last: the number may be given to a new gateway in a moment.
  const holder = group.gateways.get(group.suspects.get(gateway.anaGroup) ?? '');
  if (holder !== undefined) fenceBeforeForgetting(txn, group, holder);
  fenceBeforeForgetting(txn, group, gateway);
  dropGateway(group, gateway);
  for (const other of group.gateways.values()) other.states.delete(gateway.anaGroup);
  txn.change(group);
  if (group.gateways.size === 0) txn.model.groups.delete(group.key);
}

/**
 * `nvme-gw delete`. DELETING at once and its groups handed over after the suppression (its I/O must get
 * time to drain, a blocklist now would turn it into errors). 0 also when it is unknown. When only DELETING
 * gateways are left all of them are dropped, for nobody is left to say whether namespaces remain.
 */
export function deleteGateway(txn: Transaction, pool: string, groupName: string, id: string): AdminResult {
  const group = txn.model.groups.get(groupKeyOf(pool, groupName));
  const gateway = group?.gateways.get(id);
  if (group === undefined || gateway === undefined) return { code: 0, status: `${id} is not in ${pool}/${groupName}` };
  if (gateway.availability === 'DELETING') return ok;
  if (gateway.availability === 'AVAILABLE') txn.suppressFailovers(group, txn.model.timers.deleteSuppressMs);
  const watched = gateway.lastBeaconMs !== undefined;
  gateway.availability = 'DELETING';
  gateway.deletingSinceMs = txn.nowMs;
  txn.change(group);
  if (watched) declareDown(txn, group, gateway);
  if ([...group.gateways.values()].every(({ availability }) => availability === 'DELETING')) {
    for (const each of gatewaysInOrder(group)) eraseGateway(txn, group, each);
  }
  return ok;
}

/**
 * At each tick: a DELETING gateway goes when the first AVAILABLE gateway with subsystems reports no
 * namespace in its ANA group any more. One per tick, as in NVMeofGwMon.
 */
export function trackDeletingGateways(txn: Transaction, group: HaGroup): void {
  const gateways = gatewaysInOrder(group);
  const reporter = gateways.find(({ availability, subsystems }) => availability === 'AVAILABLE' && subsystems.length > 0);
  if (reporter === undefined) return;
  const gone = gateways.find(
    ({ availability, anaGroup }) =>
      availability === 'DELETING' &&
      !reporter.subsystems.some(({ namespaces }) => namespaces.some((namespace) => namespace.anaGroup === anaGroup)),
  );
  if (gone !== undefined) eraseGateway(txn, group, gone);
}

function known(txn: Transaction, pool: string, groupName: string, id: string): [HaGroup, GatewayRecord] | AdminResult {
  const group = txn.model.groups.get(groupKeyOf(pool, groupName));
  const gateway = group?.gateways.get(id);
  if (group === undefined || gateway === undefined) {
    return { code: Errno.invalid, status: `${id} is not in ${pool}/${groupName}` };
  }
  return [group, gateway];
}

/** `nvme-gw disable`: an AVAILABLE gateway is declared down, its takeover waits for the suppression. Until enabled it gets no further than CREATED. */
export function disableGateway(txn: Transaction, pool: string, groupName: string, id: string): AdminResult {
  const found = known(txn, pool, groupName, id);
  if (!Array.isArray(found)) return found;
  const [group, gateway] = found;
  if (gateway.adminState === 'DISABLED') return ok;
  gateway.adminState = 'DISABLED';
  txn.touch();
  if (gateway.availability === 'AVAILABLE') {
    txn.suppressFailovers(group, txn.model.timers.deleteSuppressMs);
    markDown(txn, group, gateway);
  }
  return ok;
}

/** `nvme-gw enable`: its next AVAILABLE beacon counts again. */
export function enableGateway(txn: Transaction, pool: string, groupName: string, id: string): AdminResult {
  const found = known(txn, pool, groupName, id);
  if (!Array.isArray(found)) return found;
  if (found[1].adminState === 'DISABLED') txn.touch();
  found[1].adminState = 'ENABLED';
  return ok;
}

/** `nvme-gw set-location`. EEXIST when it is there already. */
export function setLocation(txn: Transaction, pool: string, groupName: string, id: string, location: string): AdminResult {
  const found = known(txn, pool, groupName, id);
  if (!Array.isArray(found)) return found;
  if (found[1].location === location) return { code: Errno.exist, status: `${id} is at ${location} already` };
  found[1].location = location;
  txn.touch();
  return ok;
}
