import { grantGroup } from './fence.js';
import type { Transaction } from './transaction.js';
import { gatewaysInOrder, setState, stateOf, type GatewayRecord, type HaGroup } from './types.js';

/**
 * An AVAILABLE owner wants its group. If no gateway does anything with it, the owner gets it at once. If
 * another one is ACTIVE, the failback starts: both are INACCESSIBLE until the preparation timer has ended
 * and both have seen it. In any other state (a takeover under way) the next tick tries again.
 */
export function findFailback(txn: Transaction, group: HaGroup, owner: GatewayRecord): void {
  const { anaGroup } = owner;
  const gateways = gatewaysInOrder(group);
  if (gateways.every((gateway) => stateOf(gateway, anaGroup) === 'STANDBY')) {
    grantGroup(txn, group, owner, anaGroup);
    return;
  }
  const holder = gateways.find((gateway) => stateOf(gateway, anaGroup) === 'ACTIVE');
  if (holder === undefined) return;
  setState(holder, anaGroup, {
    name: 'WAIT_FAILBACK_PREPARED',
    timerEndMs: txn.nowMs + txn.model.timers.failbackMs,
    preparedEpoch: group.gwEpoch + 1,
  });
  setState(owner, anaGroup, { name: 'OWNER_FAILBACK_PREPARED' });
  txn.change(group);
}

/** Was the gateway's last beacon up to date with the group and, with `failback-seen`, has the gateway seen the preparation? */
function hasSeen(txn: Transaction, gateway: GatewayRecord, preparedEpoch: number): boolean {
  return gateway.mapWasCurrent && (!txn.model.safeguards.has('failback-seen') || gateway.lastGwmapEpoch >= preparedEpoch);
}

/**
 * The preparation timer of `holder` has ended: the group goes to its owner, or to nobody if the owner has gone meanwhile.
 * Then with `failback-seen` nobody else gets it before the holder has seen the preparation: it may serve still, and an
 * owner that has restarted, or the heir of a deleted one, comes for the group without a failback.
 */
export function finishFailback(txn: Transaction, group: HaGroup, holder: GatewayRecord, anaGroup: number): void {
  const owner = gatewaysInOrder(group).find((gateway) => stateOf(gateway, anaGroup) === 'OWNER_FAILBACK_PREPARED');
  const ownerLives = owner?.availability === 'AVAILABLE';
  const { preparedEpoch = 0 } = holder.states.get(anaGroup) ?? {};
  // The timer stays expired and is looked at again at every beacon and tick until both have seen the preparation.
  if (ownerLives && !(hasSeen(txn, holder, preparedEpoch) && hasSeen(txn, owner, preparedEpoch))) return;
  setState(holder, anaGroup, { name: 'STANDBY' });
  if (owner !== undefined) setState(owner, anaGroup, { name: 'STANDBY' });
  if (ownerLives) grantGroup(txn, group, owner, anaGroup);
  else if (txn.model.safeguards.has('failback-seen') && holder.lastGwmapEpoch < preparedEpoch) group.unaware.set(anaGroup, { id: holder.id, epoch: preparedEpoch });
  txn.change(group);
}
