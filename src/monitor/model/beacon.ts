import type { Beacon } from '../client.js';
import { unicastMap } from './export.js';
import { findFailback } from './failback.js';
import { declareDown, markCreated, markRefused } from './failover.js';
import { checkBeaconTimeouts, fireTimers } from './periodic.js';
import type { Transaction } from './transaction.js';
import { groupKeyOf, hasListener, setState, type GatewayRecord, type HaGroup } from './types.js';

/** Whose map a beacon is answered with once its changes are committed; undefined: no answer. */
export type Answer = { group: HaGroup; gateway: GatewayRecord } | 'not-created' | undefined;

/** This session is the gateway's now; another gateway that had the same address loses it (ceph PR 63003). */
function setAddress(group: HaGroup, gateway: GatewayRecord, address: string): void {
  for (const other of group.gateways.values()) if (other.address === address) other.address = undefined;
  gateway.address = address;
}

function forgetSuspicions(group: HaGroup, gateway: GatewayRecord): void {
  for (const [anaGroup, id] of group.suspects) if (id === gateway.id) group.suspects.delete(anaGroup);
}

/** The gateway has seen every map up to this epoch, or is a new incarnation. */
function knows(group: HaGroup, gateway: GatewayRecord, epoch: number): void {
  for (const [anaGroup, unaware] of group.unaware) if (unaware.id === gateway.id && unaware.epoch <= epoch) group.unaware.delete(anaGroup);
}

/** A CREATED beacon: a new incarnation of the gateway has started; whatever the old one did is over. */
function handleCreated(txn: Transaction, group: HaGroup, gateway: GatewayRecord, address: string): void {
  const { beaconGraceMs, skipFailoversMs } = txn.model.timers;
  gateway.subsystems = [];
  if (gateway.startedAs === address) {
    gateway.sequence = 0;
    gateway.outOfSequence = false;
  }
  // The first beacon of an incarnation is of version 1, for no map has asked for another yet, and carries no number: the
  // monitor goes on to expect the old incarnation's next, unless it has declared that down, and refuses the new one's first.
  gateway.startedAs = address;
  gateway.sentSequence = 0;
  gateway.lastGwmapEpoch = -1;
  gateway.mapWasCurrent = false;
  forgetSuspicions(group, gateway);
  knows(group, gateway, Infinity);
  if (gateway.availability === 'AVAILABLE') {
    // Fast reboot: gone and back within the grace. It will be AVAILABLE in a moment; a takeover would only shake the hosts.
    markCreated(txn, group, gateway);
    txn.suppressFailovers(group, skipFailoversMs);
  } else if (!gateway.performedFullStartup) {
    gateway.performedFullStartup = true;
    setAddress(group, gateway, address);
    txn.change(group);
    // Gone and back this soon may be a rolling redeploy: spare the group a failover and a failback per gateway.
    if (txn.nowMs - (gateway.lastDownMs - beaconGraceMs) < skipFailoversMs) txn.suppressFailovers(group, skipFailoversMs);
  }
  gateway.lastBeaconMs = txn.nowMs;
}

/**
 * Counts a beacon that is not CREATED, as its sender does, and says whether it is the one that the monitor expects
 * (NVMeofGwMap::put_gw_beacon_sequence_number). Beacons here have no number on them and none gets lost unnoticed, so
 * the two counts differ only after the monitor has forgotten its own. The sender of a refused beacon goes on from there.
 */
function takeSequence(gateway: GatewayRecord): boolean {
  const number = gateway.sentSequence + 1;
  if (number !== gateway.sequence + 1) {
    gateway.sentSequence = gateway.sequence;
    gateway.outOfSequence = true;
    return false;
  }
  gateway.sequence = number;
  gateway.sentSequence = number;
  return true;
}

/**
 * Takes over the list, and says as what the beacon counts (NVMeofGwMon::apply_beacon). Any change of the list makes an
 * UNAVAILABLE beacon pass for AVAILABLE, and without a listener every beacon passes for CREATED. So a dying gateway
 * whose list is empty is not failed over with a blocklist: whoever wants that must go on to say what it served.
 */
function applySubsystems(txn: Transaction, gateway: GatewayRecord, beacon: Beacon): Beacon['availability'] {
  if (gateway.outOfSequence) {
    gateway.outOfSequence = false;
    gateway.subsystems = [];
    txn.touch();
  }
  const changed = JSON.stringify(gateway.subsystems) !== JSON.stringify(beacon.subsystems);
  if (changed) {
    gateway.subsystems = beacon.subsystems;
    txn.touch();
  }
  if (gateway.adminState === 'DISABLED' || !hasListener(gateway)) return 'CREATED';
  return changed ? 'AVAILABLE' : beacon.availability;
}

/** An AVAILABLE beacon of a gateway that may serve. */
function keepAlive(txn: Transaction, group: HaGroup, gateway: GatewayRecord, lastOsdEpoch: number): void {
  gateway.lastBeaconMs = txn.nowMs;
  if (gateway.availability !== 'AVAILABLE') {
    gateway.availability = 'AVAILABLE';
    forgetSuspicions(group, gateway);
    txn.change(group);
    findFailback(txn, group, gateway);
    return;
  }
  for (const [anaGroup, { wait }] of gateway.states) {
    if (wait === undefined || wait.tokens.size > 0 || lastOsdEpoch < wait.epoch) continue;
    setState(gateway, anaGroup, { name: 'ACTIVE' });
    txn.change(group);
  }
}

/** One beacon, in the order of NVMeofGwMon::prepare_beacon. */
export function handleBeacon(txn: Transaction, address: string, beacon: Beacon): Answer {
  checkBeaconTimeouts(txn);
  const group = txn.model.groups.get(groupKeyOf(beacon.pool, beacon.group));
  const gateway = group?.gateways.get(beacon.gwId);
  if (group === undefined || gateway === undefined) {
    // A gateway that nobody created is told so while it starts, and not heard otherwise.
    return beacon.availability === 'CREATED' ? 'not-created' : undefined;
  }
  if (beacon.availability === 'CREATED') {
    if (gateway.availability === 'DELETING') return undefined;
    handleCreated(txn, group, gateway, address);
    return { group, gateway };
  }
  const inSequence = takeSequence(gateway);
  if (gateway.availability === 'UNAVAILABLE' && !gateway.performedFullStartup) {
    // It was taken over and does not know it: the empty map makes it exit.
    return { group, gateway };
  }
  if (!inSequence) {
    // It gets the chance to send its full list, with the next beacon. The map that says so is the wire's business.
    if (beacon.availability === 'AVAILABLE') txn.suppressFailovers(group, txn.model.timers.resyncSuppressMs ?? txn.model.timers.beaconGraceMs);
    if (gateway.lastBeaconMs !== undefined) markRefused(txn, group, gateway);
    fireTimers(txn);
    return undefined;
  }
  if (gateway.availability === 'DELETING') return undefined;
  if (gateway.address !== address) {
    setAddress(group, gateway, address);
    txn.change(group);
  }
  gateway.lastGwmapEpoch = beacon.lastGwmapEpoch;
  gateway.mapWasCurrent = beacon.lastGwmapEpoch === group.gwEpoch;
  knows(group, gateway, beacon.lastGwmapEpoch);

  const countsAs = applySubsystems(txn, gateway, beacon);
  if (countsAs !== 'AVAILABLE') {
    // Without a listener it is not watched any more either: it has nothing that could be taken over.
    if (gateway.lastBeaconMs !== undefined) (countsAs === 'CREATED' ? markCreated : declareDown)(txn, group, gateway);
    fireTimers(txn);
    return { group, gateway };
  }
  keepAlive(txn, group, gateway, beacon.lastOsdEpoch);
  fireTimers(txn);
  const acknowledge = gateway.beaconIndex++ % txn.model.beaconsTillAck === 0;
  return acknowledge && !txn.hasChanged(group) ? { group, gateway } : undefined;
}

/** Sends the answer after the commit, so that it carries the new epoch, unless the commit itself has told the gateway. */
export function answerBeacon(txn: Transaction, address: string, answer: Answer): void {
  if (answer === undefined || txn.hasMapFor(address)) return;
  txn.sendMap(address, answer === 'not-created' ? { epoch: 0, entry: undefined } : unicastMap(answer.group, answer.gateway));
}
