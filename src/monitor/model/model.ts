import type { MonitorGatewayView } from '../../history/events.js';
import type { Beacon } from '../client.js';
import { createGateway, deleteGateway, disableGateway, enableGateway, setLocation, trackDeletingGateways } from './admin.js';
import { answerBeacon, handleBeacon } from './beacon.js';
import { deliveries, optimizedGateways } from './export.js';
import { blocklistExecuted } from './fence.js';
import { healthOf, type Health } from './health.js';
import { checkBeaconTimeouts, fireTimers, handleAbandonedGroups } from './periodic.js';
import { listenersJson, showJson, viewsOf } from './show.js';
import { Transaction, type ModelState } from './transaction.js';
import { defaultBeaconsTillAck, groupKeyOf, safeguards as allSafeguards, type CommandResult, type MonitorEffect, type MonitorTimers, type Safeguard } from './types.js';

/** What a server needs of the model. */
export type MonitorModel = Pick<GatewayMonitorModel, keyof GatewayMonitorModel>;

/**
 * A model of NVMeofGwMon (ceph src/mon/NVMeofGwMon.cc, NVMeofGwMap.cc of 20.2), the part of ceph-mon that
 * decides which gateway serves which ANA group. Pure: time comes in with each input (milliseconds of any
 * monotonic clock, never going back), what has to be done comes out as effects.
 *
 * Where it differs from the original, and why:
 * - The blocklist is executed by another process. Ceph proposes it to the osdmap in the same breath; here
 *   the model emits an effect and, until `blocklistDone`, the taker is WAIT_BLOCKLIST_CMPL but is *not*
 *   exported as OPTIMIZED (there is no epoch yet that it could be told to wait for). The blocklist-wait
 *   timer runs from the takeover, so it includes the store's time.
 * - The safeguards (types.ts), unless they are switched off.
 * - There is no Paxos: a change is committed with the input that caused it, where a real mon takes up to
 *   paxos_propose_interval (1 s) more. There is one monitor, hence no elections; `restart` is what one does.
 * - Each beacon carries the full list and has no number. The model counts beacons as a gateway of the beacon-diff
 *   generation does, so that a new leader refuses them as a real one would, but `show` says beacon_diff_enabled: false.
 * - mon_nvmeofgw_failback_delay is 0, as by default; disaster-set and disaster-clear do not exist.
 *
 * `pathproof conform` runs the same schedules on this model and on a real ceph-mon and compares the states
 * (docs/CONFORM.md).
 */
export class GatewayMonitorModel {
  private readonly state: ModelState;

  constructor(options: { timers: MonitorTimers; nowMs: number; beaconsTillAck?: number; safeguards?: readonly Safeguard[] }) {
    this.state = {
      timers: options.timers,
      safeguards: new Set(options.safeguards ?? allSafeguards),
      beaconsTillAck: options.beaconsTillAck ?? defaultBeaconsTillAck,
      epoch: 0,
      groups: new Map(),
      subscriptions: new Map(),
      pending: new Map(),
      nextToken: 1,
      lastCheckMs: options.nowMs,
    };
  }

  /** A beacon from the session with this entity address. */
  beacon(nowMs: number, address: string, beacon: Beacon): MonitorEffect[] {
    const txn = new Transaction(this.state, nowMs);
    const answer = handleBeacon(txn, address, beacon);
    txn.commit();
    answerBeacon(txn, address, answer);
    return txn.effects;
  }

  /** To be called every `monTickMs`. A call that comes more than two periods late forgives all beacons until now. */
  tick(nowMs: number): MonitorEffect[] {
    return this.run(nowMs, (txn) => {
      if (nowMs - this.state.lastCheckMs > 2 * this.state.timers.monTickMs) this.restampBeacons(nowMs);
      fireTimers(txn);
      checkBeaconTimeouts(txn);
      for (const group of [...this.state.groups.values()]) {
        trackDeletingGateways(txn, group);
        handleAbandonedGroups(txn, group);
      }
    });
  }

  /**
   * The monitor was restarted, or another one has been elected: what is not in the Paxos store is forgotten
   * (NVMeofGwMon::on_restart, synchronize_last_beacon). Subscriptions end with their sessions.
   */
  restart(nowMs: number): void {
    this.state.subscriptions.clear();
    this.state.lastCheckMs = nowMs;
    for (const group of this.state.groups.values()) {
      for (const gateway of group.gateways.values()) {
        gateway.lastBeaconMs = gateway.availability === 'AVAILABLE' ? nowMs : undefined;
        gateway.sequence = 0;
        gateway.outOfSequence = true;
        // A multiple of the rule: the nearest beacon is acknowledged.
        gateway.beaconIndex = this.state.beaconsTillAck;
        gateway.mapWasCurrent = false;
        gateway.suppressUntilMs = -Infinity;
        gateway.lastDownMs = -Infinity;
      }
    }
  }

  /** The store has executed the blocklist request `token`; its map has at least this epoch now. Unknown tokens are ignored. */
  blocklistDone(nowMs: number, token: number, epoch: number): MonitorEffect[] {
    return this.run(nowMs, (txn) => blocklistExecuted(txn, token, epoch));
  }

  /** A session subscribes to maps, from the beginning: what is known for its address is sent at once. */
  subscribe(address: string): MonitorEffect[] {
    this.state.subscriptions.set(address, 0);
    return deliveries(this.state, address);
  }

  unsubscribe(address: string): void {
    this.state.subscriptions.delete(address);
  }

  create(nowMs: number, pool: string, group: string, id: string): CommandResult {
    return this.command(nowMs, (txn) => createGateway(txn, pool, group, id));
  }

  delete(nowMs: number, pool: string, group: string, id: string): CommandResult {
    return this.command(nowMs, (txn) => deleteGateway(txn, pool, group, id));
  }

  enable(nowMs: number, pool: string, group: string, id: string): CommandResult {
    return this.command(nowMs, (txn) => enableGateway(txn, pool, group, id));
  }

  disable(nowMs: number, pool: string, group: string, id: string): CommandResult {
    return this.command(nowMs, (txn) => disableGateway(txn, pool, group, id));
  }

  setLocation(nowMs: number, pool: string, group: string, id: string, location: string): CommandResult {
    return this.command(nowMs, (txn) => setLocation(txn, pool, group, id, location));
  }

  get epoch(): number {
    return this.state.epoch;
  }

  /** GW-epoch; undefined for an unknown (pool, group). */
  gwEpoch(pool: string, group: string): number | undefined {
    return this.state.groups.get(groupKeyOf(pool, group))?.gwEpoch;
  }

  gateways(pool: string, group: string): MonitorGatewayView[] {
    return viewsOf(this.state.groups.get(groupKeyOf(pool, group)));
  }

  /** ANA group → gateways to which it is exported OPTIMIZED now. More than one, ever, would be a bug of this model. */
  optimizedAt(pool: string, group: string): Map<number, string[]> {
    return optimizedGateways(this.state.groups.get(groupKeyOf(pool, group)));
  }

  /** Output of `nvme-gw show`. `pretty`: as without --format json. */
  show(nowMs: number, pool: string, group: string, pretty = false): string {
    return showJson(this.state, nowMs, pool, group, pretty);
  }

  /** Output of `nvme-gw listeners`. */
  listeners(pool: string, group: string, pretty = false): string {
    return listenersJson(this.state, pool, group, pretty);
  }

  health(nowMs: number): Health {
    return healthOf(this.state, nowMs);
  }

  private restampBeacons(nowMs: number): void {
    for (const group of this.state.groups.values()) {
      for (const gateway of group.gateways.values()) if (gateway.lastBeaconMs !== undefined) gateway.lastBeaconMs = nowMs;
    }
  }

  private run(nowMs: number, change: (txn: Transaction) => void): MonitorEffect[] {
    const txn = new Transaction(this.state, nowMs);
    change(txn);
    txn.commit();
    return txn.effects;
  }

  private command(nowMs: number, change: (txn: Transaction) => { code: number; status: string }): CommandResult {
    const txn = new Transaction(this.state, nowMs);
    const { code, status } = change(txn);
    txn.commit();
    return { code, status, effects: txn.effects };
  }
}
