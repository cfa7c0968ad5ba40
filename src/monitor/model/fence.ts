import type { Transaction } from './transaction.js';
import { setState, type GatewayRecord, type HaGroup, type PendingBlocklist } from './types.js';

const entityAddress = /^(?:(?:v1|v2|any):)?(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):(\d{1,5})\/(\d{1,10})$/;

/** `ip:port/nonce`, IPv6 in brackets, optional `v1:`, `v2:` or `any:`: what entity_addrvec_t::parse takes. */
export function isEntityAddress(text: string): boolean {
  const match = entityAddress.exec(text);
  return match !== null && Number(match[1]) <= 0xffff && Number(match[2]) <= 0xffff_ffff;
}

/**
 * The addresses of all store clients of the gateway, of all its namespaces in all ANA groups. One string
 * that is no address spoils the whole list, as in NVMeofGwMap::blocklist_gw: the result is then empty.
 */
function noncesOf(gateway: GatewayRecord): string[] {
  const nonces = gateway.subsystems.flatMap((subsystem) => subsystem.namespaces.map(({ nonce }) => nonce));
  return nonces.every(isEntityAddress) ? [...new Set(nonces)] : [];
}

/**
 * Asks the store to blocklist all nonces of these gateways, in one request, and forgets the nonces.
 * The request guards `anaGroups` and every group that the gateways may have served when they went down.
 * Returns whether there was anything to blocklist.
 */
function blocklist(txn: Transaction, group: HaGroup, gateways: readonly GatewayRecord[], anaGroups: readonly number[]): boolean {
  const addresses = [...new Set(gateways.flatMap(noncesOf))];
  const guarded = new Set(anaGroups);
  for (const [anaGroup, id] of group.suspects) {
    if (gateways.some((gateway) => gateway.id === id)) guarded.add(anaGroup);
  }
  for (const anaGroup of guarded) group.suspects.delete(anaGroup);
  for (const gateway of gateways) gateway.subsystems = [];
  if (addresses.length === 0) return false;
  const token = txn.model.nextToken++;
  txn.model.pending.set(token, { token, groupKey: group.key, anaGroups: guarded });
  txn.effects.push({ kind: 'blocklist', token, addresses });
  return true;
}

function pendingFor(txn: Transaction, group: HaGroup, anaGroup: number): PendingBlocklist[] {
  return [...txn.model.pending.values()].filter((pending) => pending.groupKey === group.key && pending.anaGroups.has(anaGroup));
}

/**
 * Gives the ANA group to `taker`: the only way in which a group is granted. `failed` is the gateway for which
 * a takeover was decided: it is blocklisted, and the taker is WAIT_BLOCKLIST_CMPL until then. One in CREATED
 * (restarted, or without listeners) is not, nor is one without known nonces: the taker is ACTIVE immediately.
 *
 * With `await-resync` nothing is granted that somebody still serves who does not know that he has lost it.
 * With `fence-last-holder` whoever may have served the group and was declared down is blocklisted, too, and any
 * blocklist that guards the group is waited for.
 */
export function grantGroup(txn: Transaction, group: HaGroup, taker: GatewayRecord, anaGroup: number, failed?: GatewayRecord): void {
  // The next tick tries again: the taker stays STANDBY.
  if ((group.unaware.get(anaGroup)?.id ?? taker.id) !== taker.id) return;
  group.unaware.delete(anaGroup);
  const guarded = txn.model.safeguards.has('fence-last-holder');
  const toFence = new Set<GatewayRecord>();
  if (failed !== undefined && failed.availability !== 'CREATED') toFence.add(failed);
  const suspect = group.gateways.get(group.suspects.get(anaGroup) ?? '');
  if (guarded && suspect !== undefined && suspect !== taker) toFence.add(suspect);
  const storeIsBusy = txn.model.pending.size > 0;
  const requestedNow = blocklist(txn, group, [...toFence], [anaGroup]);
  const pending = guarded || requestedNow ? pendingFor(txn, group, anaGroup) : [];
  txn.change(group);
  if (storeIsBusy && requestedNow && !txn.model.safeguards.has('await-own-blocklist')) pending.length = 0;
  if (pending.length === 0 && !requestedNow) {
    setState(taker, anaGroup, { name: 'ACTIVE' });
    return;
  }
  setState(taker, anaGroup, {
    name: 'WAIT_BLOCKLIST_CMPL',
    timerEndMs: txn.nowMs + txn.model.timers.blocklistWaitMs,
    wait: { tokens: new Set(pending.map(({ token }) => token)), epoch: 0, ackRequired: requestedNow },
  });
}

/** Called before a gateway's record is dropped: if it may still be writing, its nonces go to the blocklist while they are known. */
export function fenceBeforeForgetting(txn: Transaction, group: HaGroup, gateway: GatewayRecord): void {
  if (!txn.model.safeguards.has('fence-before-forgetting')) return;
  if ([...group.suspects.values()].includes(gateway.id)) blocklist(txn, group, [gateway], []);
}

/** The store has executed a request: those who waited only for it may be told to serve. */
export function blocklistExecuted(txn: Transaction, token: number, epoch: number): void {
  const pending = txn.model.pending.get(token);
  txn.model.pending.delete(token);
  const group = pending === undefined ? undefined : txn.model.groups.get(pending.groupKey);
  if (group === undefined) return;
  for (const gateway of group.gateways.values()) {
    for (const [anaGroup, state] of gateway.states) {
      if (state.wait?.tokens.delete(token) !== true) continue;
      state.wait.epoch = Math.max(state.wait.epoch, epoch);
      if (state.wait.tokens.size > 0) continue;
      if (!state.wait.ackRequired) setState(gateway, anaGroup, { name: 'ACTIVE' });
      txn.change(group);
    }
  }
}
