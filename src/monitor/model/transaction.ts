import type { GatewayMap } from '../client.js';
import { deliveries } from './export.js';
import type { HaGroup, MonitorEffect, MonitorTimers, PendingBlocklist, Safeguard } from './types.js';

/** Everything that the model remembers. */
export interface ModelState {
  readonly timers: MonitorTimers;
  readonly beaconsTillAck: number;
  readonly safeguards: ReadonlySet<Safeguard>;
  /** Global map epoch: one per commit. */
  epoch: number;
  readonly groups: Map<string, HaGroup>;
  /** Entity address → the lowest group epoch that this subscriber has not been sent. */
  readonly subscriptions: Map<string, number>;
  readonly pending: Map<number, PendingBlocklist>;
  nextToken: number;
  /** Last time that beacon ages were looked at (any beacon or tick). */
  lastCheckMs: number;
}

/**
 * One input's worth of changes. Nothing leaves the model before `commit`: there the epochs move and each
 * subscriber that must know gets its map, once per input however many rules fired.
 */
export class Transaction {
  readonly model: ModelState;
  readonly nowMs: number;
  readonly effects: MonitorEffect[] = [];
  private readonly changedGroups = new Set<HaGroup>();
  private touched = false;

  constructor(model: ModelState, nowMs: number) {
    this.model = model;
    this.nowMs = nowMs;
  }

  /** Something changed that gateways of the group must hear of: the global and the group epoch move. */
  change(group: HaGroup): void {
    this.changedGroups.add(group);
  }

  /** Something changed that only `show` tells (a subsystem list, an admin state): the global epoch moves. */
  touch(): void {
    this.touched = true;
  }

  hasChanged(group: HaGroup): boolean {
    return this.changedGroups.has(group);
  }

  /**
   * No failover of any gateway that the group has now, for `ms` from now; one that is created later is not covered.
   * As in NVMeofGwMon the last caller wins, even with less time.
   */
  suppressFailovers(group: HaGroup, ms: number): void {
    for (const gateway of group.gateways.values()) gateway.suppressUntilMs = this.nowMs + ms;
  }

  sendMap(address: string, map: GatewayMap): void {
    this.effects.push({ kind: 'map', address, map });
  }

  hasMapFor(address: string): boolean {
    return this.effects.some((effect) => effect.kind === 'map' && effect.address === address);
  }

  commit(): void {
    if (!this.touched && this.changedGroups.size === 0) return;
    this.model.epoch += 1;
    for (const group of this.changedGroups) group.gwEpoch += 1;
    this.effects.push({ kind: 'commit', epoch: this.model.epoch }, ...deliveries(this.model));
  }
}
