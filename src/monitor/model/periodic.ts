import { findFailback, finishFailback } from './failback.js';
import { declareDown, findFailover, markDown } from './failover.js';
import type { Transaction } from './transaction.js';
import { anaGroupsOf, gatewaysInOrder, stateOf, type HaGroup } from './types.js';

/** Evaluates the timers of all per-group states: failback preparation and blocklist wait. */
export function fireTimers(txn: Transaction): void {
  for (const group of txn.model.groups.values()) {
    for (const gateway of gatewaysInOrder(group)) {
      for (const anaGroup of anaGroupsOf(gateway)) {
        const state = gateway.states.get(anaGroup);
        if (state?.timerEndMs === undefined || txn.nowMs < state.timerEndMs) continue;
        if (state.name === 'WAIT_FAILBACK_PREPARED') finishFailback(txn, group, gateway, anaGroup);
        // The taker never reported the epoch: it is the one declared down now (a cascade, by NVMeofGwMon's design).
        else if (state.name === 'WAIT_BLOCKLIST_CMPL') markDown(txn, group, gateway);
      }
    }
  }
}

/** At each tick: every owner's group must be ACTIVE somewhere, and an AVAILABLE owner must get its group back. */
export function handleAbandonedGroups(txn: Transaction, group: HaGroup): void {
  for (const owner of gatewaysInOrder(group)) {
    if (owner.availability !== 'AVAILABLE') {
      const served = gatewaysInOrder(group).some(
        (gateway) => gateway.availability === 'AVAILABLE' && stateOf(gateway, owner.anaGroup) === 'ACTIVE',
      );
      if (!served) findFailover(txn, group, owner, owner.anaGroup);
    } else if (stateOf(owner, owner.anaGroup) === 'STANDBY') {
      findFailback(txn, group, owner);
    }
  }
}

/** Declares down whoever has not beaconed for the grace. NVMeofGwMon runs it at every beacon of anybody and at the tick. */
export function checkBeaconTimeouts(txn: Transaction): void {
  for (const group of txn.model.groups.values()) {
    for (const gateway of gatewaysInOrder(group)) {
      const { lastBeaconMs } = gateway;
      if (lastBeaconMs !== undefined && txn.nowMs - lastBeaconMs > txn.model.timers.beaconGraceMs) declareDown(txn, group, gateway);
    }
  }
  txn.model.lastCheckMs = txn.nowMs;
}
