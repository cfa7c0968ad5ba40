import type { BeaconSubsystem, GatewayMap, GatewayMapEntry, MonitorClient } from '../../monitor/client.js';
import { ownNowUs } from '../../util/clock.js';
import { messageOf } from '../../util/errors.js';
import type { GatewayControl } from '../control.js';
import { AnaApplier } from './ana-applier.js';
import { beaconSubsystems } from './beacon.js';
import { wrongMapIgnoreDefaultMs } from './options.js';
import type { AgentEnd, AgentEndReason, AgentPhase, AgentState, AgentSubsystem, GatewayAgentOptions } from './options.js';
import { Serving } from './serving.js';

/**
 * The gateway agent: what NVMeofGwMonitorClient is to a ceph-nvmeof gateway. It joins the group, holds
 * the data plane back until the monitor has told it its place, follows the maps, and ends itself rather
 * than serve without being counted in (facts: msgr2.md §11).
 *
 *   created ──first own entry──▶ configuring ──listeners open──▶ serving
 *      └───────────────┬──────────────┴─────────────┬──────────────┘
 *                      ▼ failed over, monitor silent, fenced, store lost, stopped
 *                    ended (all groups inaccessible, listeners gone by reset)
 *
 * An ended agent is not started again: the process that it runs in exits and comes back as a new
 * incarnation, with new store clients and so a nonce that no blocklist names.
 */
export class GatewayAgent {
  readonly ended: Promise<AgentEnd>;
  readonly #o: GatewayAgentOptions;
  readonly #monitor: MonitorClient;
  readonly #control: GatewayControl;
  readonly #clock: () => number;
  readonly #log: (line: string) => void;
  readonly #applier: AnaApplier;
  readonly #serving: Serving;
  readonly #subsystems: AgentSubsystem[];
  readonly #listeners = new Set<(state: AgentState) => void>();
  readonly #resolveEnded: (end: AgentEnd) => void;
  #phase: AgentPhase = 'created';
  #availability: AgentState['availability'] = 'CREATED';
  #timer: ReturnType<typeof setInterval> | undefined;
  #startedUs = 0;
  #lastMapUs: number | undefined;
  #gwmapEpoch = 0;
  #own: GatewayMapEntry | undefined;
  #wrongMapIgnored = false;
  #connected = false;
  #beaconing = false;
  /** What the last AVAILABLE beacon said. */
  #served: BeaconSubsystem[] = [];
  #beaconsSent = 0;
  #mapsReceived = 0;

  constructor(options: GatewayAgentOptions) {
    this.#o = options;
    this.#monitor = options.monitor;
    this.#control = options.control;
    this.#subsystems = [...options.subsystems];
    this.#clock = options.clock ?? ownNowUs;
    this.#log = options.log ?? (() => undefined);
    let resolve: (end: AgentEnd) => void = () => undefined;
    this.ended = new Promise((settle) => { resolve = settle; });
    this.#resolveEnded = resolve;
    this.#serving = new Serving(options.control, this.#log);
    this.#applier = new AnaApplier({
      control: options.control,
      waitForStoreEpoch: options.waitForStoreEpoch,
      onChange: () => this.#changed(),
      log: this.#log,
    });
  }

  /** Begins to send beacons. Call once. */
  start(): void {
    this.#startedUs = this.#clock();
    this.#monitor.onMap((map) => this.#onMap(map));
    this.#monitor.onConnection((connected) => {
      this.#connected = connected;
      // A beacon that was due while the session was down is lost, not late: make up for it.
      if (connected) void this.#beacon();
      this.#changed();
    });
    this.#timer = setInterval(() => this.#tick(), this.#o.timers.beaconMs);
    void this.#beacon();
  }

  state(): AgentState {
    return {
      phase: this.#phase,
      availability: this.#availability,
      groupIndex: this.#own?.groupIndex,
      storeEpoch: this.#applier.storeEpoch,
      gwmapEpoch: this.#gwmapEpoch,
      monSilentMs: this.#silentMs(),
      monitorConnected: this.#connected,
      promotionsWaiting: this.#applier.waiting,
      beaconsSent: this.#beaconsSent,
      mapsReceived: this.#mapsReceived,
    };
  }

  /** Called with every change of phase, ANA state, epoch or connection. */
  onChange(listener: (state: AgentState) => void): void {
    this.#listeners.add(listener);
  }

  /** A subsystem that is added while the gateway runs; served at once with the known state of each group. */
  async addSubsystem(subsystem: AgentSubsystem): Promise<void> {
    const index = this.#own?.groupIndex;
    this.#subsystems.push(subsystem);
    if (this.#phase !== 'serving' || index === undefined) return;
    await this.#serving.add(subsystem, index, () => this.#applier.applyKnownTo(subsystem.nqn));
    this.#changed();
  }

  /**
   * Removes all listeners (of one subsystem). Beacons go on with empty listener lists: once no subsystem
   * has a listener the monitor treats the gateway as CREATED and hands its groups over, without a blocklist.
   */
  async removeListeners(nqn?: string): Promise<void> {
    await this.#serving.removeListeners(nqn);
    this.#changed();
  }

  /** Opens the removed listeners again, on the same ports; ANA states are those of the latest map. */
  async addListeners(nqn?: string): Promise<void> {
    await this.#serving.addListeners(nqn);
    this.#changed();
  }

  /** The store has blocklisted this gateway's client (`onFenced` says what follows). */
  reportFenced(): void {
    if (this.#o.onFenced === 'stay') this.#log('fenced by the store; staying, every I/O reports a path error');
    else this.#end('fenced', 'the store has blocklisted this gateway');
  }

  /** What does this gateway's I/O has ended: nothing it serves can be answered any more. */
  reportStoreLost(detail: string): void {
    this.#end('store-lost', detail);
  }

  /** Stops serving and ends with reason `stopped`. */
  async stop(): Promise<void> {
    this.#end('stopped', 'stop was requested');
    await this.ended;
  }

  #tick(): void {
    const silentMs = this.#silentMs();
    const { connectPanicMs, disconnectPanicMs } = this.#o.timers;
    if (this.#lastMapUs === undefined && silentMs >= connectPanicMs) {
      return this.#end('monitor-silent', `no first map for ${connectPanicMs} ms`);
    }
    // Its peers may be told to serve these groups by now, and without a blocklist nothing would stop us.
    if (this.#lastMapUs !== undefined && silentMs >= disconnectPanicMs) {
      return this.#end('monitor-silent', `no map for ${disconnectPanicMs} ms`);
    }
    this.#applier.retry();
    void this.#beacon();
  }

  async #beacon(): Promise<void> {
    // A data plane that takes longer than a beacon period to answer makes the gateway silent, as in ceph-nvmeof.
    if (this.#beaconing || this.#phase === 'ended') return;
    this.#beaconing = true;
    try {
      let availability: AgentState['availability'] = 'CREATED';
      // The monitor throws subsystems of a CREATED beacon away: send none (facts: msgr2.md §18, pitfall 1).
      let subsystems: BeaconSubsystem[] = [];
      if (this.#phase === 'serving') {
        try {
          subsystems = beaconSubsystems(await this.#control.describe(), (nqn, nsid) => this.#nonceOf(nqn, nsid));
          this.#served = subsystems;
          availability = 'AVAILABLE';
        } catch (error) {
          availability = 'UNAVAILABLE';
          // UNAVAILABLE means failover, and what is blocklisted is what the monitor knows of. A list that differs makes
          // 20.2.4 take the beacon for AVAILABLE, an empty one for CREATED: groups handed over without a blocklist.
          subsystems = this.#served;
          this.#log(`the data plane does not answer: ${messageOf(error)}`);
        }
      }
      if (this.#isEnded()) return;
      this.#monitor.sendBeacon({
        gwId: this.#o.gwId, pool: this.#o.pool, group: this.#o.group,
        subsystems, availability,
        lastOsdEpoch: this.#applier.storeEpoch,
        lastGwmapEpoch: this.#gwmapEpoch,
      });
      this.#beaconsSent++;
      if (availability !== this.#availability) {
        this.#availability = availability;
        this.#changed();
      }
    } finally {
      this.#beaconing = false;
    }
  }

  #nonceOf(nqn: string, nsid: number): string {
    const { nonce } = this.#o;
    if (typeof nonce === 'string') return nonce;
    const namespace = this.#subsystems.find((subsystem) => subsystem.nqn === nqn)?.namespaces.find((each) => each.nsid === nsid);
    // A beacon without it would leave the namespace unfenced.
    if (namespace === undefined) throw new Error(`the store client of namespace ${nsid} of ${nqn} is not known`);
    return nonce(namespace.image);
  }

  #onMap(map: GatewayMap): void {
    if (this.#phase === 'ended') return;
    this.#lastMapUs = this.#clock();
    this.#mapsReceived++;
    this.#gwmapEpoch = map.epoch;
    if (this.#own === undefined) return this.#first(map.entry);

    const problem = this.#failedOver(this.#own, map.entry);
    if (problem !== undefined) {
      const sinceStartMs = (this.#clock() - this.#startedUs) / 1_000;
      if (!this.#wrongMapIgnored && sinceStartMs < (this.#o.wrongMapIgnoreMs ?? wrongMapIgnoreDefaultMs * this.#o.timers.scale)) {
        this.#wrongMapIgnored = true;
        this.#log(`map ${map.epoch} ignored so soon after the start: ${problem}`);
        return;
      }
      return this.#end('failed-over', problem);
    }
    this.#own = map.entry;
    // While configuring, the states wait for the subsystems that they are about.
    if (this.#phase === 'serving') this.#applier.apply(this.#own?.subsystems ?? []);
    this.#changed();
  }

  #first(entry: GatewayMapEntry | undefined): void {
    // Not created in the monitor yet, disabled, or an answer about the previous incarnation.
    if (entry === undefined || entry.availability === 'UNAVAILABLE' || entry.availability === 'DELETING') return this.#changed();
    this.#own = entry;
    this.#phase = 'configuring';
    this.#log(`first map: group index ${entry.groupIndex}, ANA group ${entry.groupIndex + 1}`);
    this.#changed();
    void this.#configure(entry.groupIndex).catch((error: unknown) => this.#end('control-failed', messageOf(error)));
  }

  async #configure(groupIndex: number): Promise<void> {
    for (const subsystem of this.#subsystems) {
      await this.#serving.add(subsystem, groupIndex);
      if (this.#isEnded()) return;
    }
    this.#phase = 'serving';
    this.#applier.apply(this.#own?.subsystems ?? []);
    this.#changed();
    // AVAILABLE one beacon period sooner than with the next tick (facts: msgr2.md §11, last line).
    await this.#beacon();
  }

  /** Why this map means that the monitor has failed us over; undefined if it does not. */
  #failedOver(before: GatewayMapEntry, now: GatewayMapEntry | undefined): string | undefined {
    if (now === undefined) return 'the monitor does not count this gateway in any more';
    if (now.availability === 'DELETING') return 'this gateway is being deleted';
    if (now.availability === 'UNAVAILABLE' && before.availability === 'AVAILABLE') return 'the monitor holds this gateway UNAVAILABLE';
    // Its controllers' ids would come from another gateway's range.
    if (now.groupIndex !== before.groupIndex) return `group index changed from ${before.groupIndex} to ${now.groupIndex}`;
    return undefined;
  }

  #end(reason: AgentEndReason, detail: string): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    clearInterval(this.#timer);
    this.#applier.close();
    this.#log(`ending (${reason}): ${detail}`);
    this.#o.onEnding?.({ reason, detail });
    const stopped = this.#serving.end();
    this.#changed();
    void stopped.then(() => this.#resolveEnded({ reason, detail }));
  }

  #silentMs(): number {
    return Math.max(0, (this.#clock() - (this.#lastMapUs ?? this.#startedUs)) / 1_000);
  }

  #isEnded(): boolean {
    return this.#phase === 'ended';
  }

  #changed(): void {
    const state = this.state();
    for (const listener of this.#listeners) listener(state);
  }
}
