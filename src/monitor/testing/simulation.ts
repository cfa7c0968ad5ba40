import type { Beacon, GatewayMap } from '../client.js';
import { GatewayMonitorModel, type MonitorModel } from '../model/model.js';
import type { MonitorEffect, MonitorTimers, Safeguard } from '../model/types.js';
import { SimulatedAgent, type AgentWorld } from './agent.js';

/** NVMeofGwMon's defaults, milliseconds. */
export const productionTimers: MonitorTimers = {
  beaconGraceMs: 7_000, monTickMs: 5_000, skipFailoversMs: 16_000, deleteSuppressMs: 5_000,
  failbackMs: 3_000, blocklistWaitMs: 30_000, deleteGraceMs: 900_000,
};
export const beaconMs = 1_000;
export const disconnectPanicMs = 100_000;
/** How long a gateway goes on after the store has fenced it, before it finds out and exits. */
const fenceNoticeMs = 20_000;
export const pool = 'rbd';
export const group = 'grp1';

export interface SimulationOptions {
  timers?: Partial<MonitorTimers>;
  /** Default: all. */
  safeguards?: readonly Safeguard[];
  /** Delay of the next message or store operation, milliseconds; 0 by default, Infinity: a message that is lost. */
  delayMs?: (what: 'beacon' | 'map' | 'blocklist' | 'store-map') => number;
  /** How long after its exit a gateway is started again; default 1 s. */
  restartMs?: number;
  /** Puts something between the simulation and the model. */
  wrapModel?: (model: MonitorModel) => MonitorModel;
  /** Called after every input that the model has got, with the beacon if it was one. */
  onStep?: (simulation: Simulation, beacon?: Beacon) => void;
}

/**
 * The monitor model, honest gateways and a store in one simulated time. Messages of one session keep their
 * order; a cut session loses what is under way and subscribes again when it heals.
 */
export class Simulation implements AgentWorld {
  readonly model: MonitorModel;
  readonly agents = new Map<string, SimulatedAgent>();
  readonly effects: MonitorEffect[] = [];
  /** Sessions that are cut from the monitor, by gateway id. */
  readonly cut = new Set<string>();
  /** Addresses that the store has blocklisted. */
  readonly blocklisted = new Set<string>();
  storeEpoch = 1;
  /** The store answers nothing while this is set. */
  storeStalled = false;
  private readonly options: SimulationOptions;
  private readonly queue: { atMs: number; order: number; run: () => void }[] = [];
  private readonly mapFreeAtMs = new Map<string, number>();
  private readonly stalled: (() => void)[] = [];
  private time = 0;
  private order = 0;
  private nonces = 100;

  constructor(options: SimulationOptions = {}) {
    this.options = options;
    const timers = { ...productionTimers, ...options.timers };
    const model = new GatewayMonitorModel({ timers, nowMs: 0, ...(options.safeguards === undefined ? {} : { safeguards: options.safeguards }) });
    this.model = options.wrapModel?.(model) ?? model;
    const tick = (): void => {
      this.input(() => this.model.tick(this.time));
      this.at(this.time + timers.monTickMs, tick);
    };
    this.at(timers.monTickMs, tick);
  }

  nowMs(): number {
    return this.time;
  }

  freshNonce(): number {
    return ++this.nonces;
  }

  /** Creates gateways in the monitor, without a process yet. */
  create(...ids: string[]): void {
    for (const id of ids) {
      this.input(() => this.model.create(this.time, pool, group, id).effects);
      if (!this.agents.has(id)) this.agents.set(id, new SimulatedAgent(id, this, [1, 2, 3]));
    }
  }

  /** Starts the gateway's process. It beacons at once and then every `beaconMs`. */
  start(...ids: string[]): void {
    for (const id of ids) {
      const agent = this.agent(id);
      if (agent.alive) continue;
      agent.start();
      if (!this.cut.has(id)) this.emit(this.model.subscribe(agent.address));
      const incarnation = agent.incarnation;
      let fencedAtMs = Infinity;
      const loop = (): void => {
        if (!agent.alive || agent.incarnation !== incarnation) return;
        if (this.blocklisted.has(agent.nonce)) fencedAtMs = Math.min(fencedAtMs, this.time);
        if (this.time - fencedAtMs > fenceNoticeMs) return agent.exit();
        const silentMs = agent.lastMapMs === undefined ? 0 : this.time - agent.lastMapMs;
        if (silentMs > disconnectPanicMs) return agent.exit();
        agent.sendBeacon();
        this.at(this.time + beaconMs, loop);
      };
      loop();
    }
  }

  kill(...ids: string[]): void {
    for (const id of ids) {
      const agent = this.agent(id);
      if (agent.alive) this.model.unsubscribe(agent.address);
      agent.kill();
    }
  }

  exited(agent: SimulatedAgent): void {
    this.model.unsubscribe(agent.address);
    this.at(this.time + (this.options.restartMs ?? 1_000), () => this.start(agent.id));
  }

  partition(id: string): void {
    this.cut.add(id);
    this.model.unsubscribe(this.agent(id).address);
  }

  heal(id: string): void {
    if (!this.cut.delete(id)) return;
    const agent = this.agent(id);
    if (agent.alive) this.emit(this.model.subscribe(agent.address));
  }

  /** A restart that takes no time: what the monitor forgets by it, and every session anew. */
  restartMonitor(): void {
    this.input(() => {
      this.model.restart(this.time);
      return [];
    });
    for (const agent of this.agents.values()) if (agent.alive && !this.cut.has(agent.id)) this.emit(this.model.subscribe(agent.address));
  }

  resumeStore(): void {
    this.storeStalled = false;
    for (const run of this.stalled.splice(0)) run();
  }

  send(agent: SimulatedAgent, beacon: Beacon): void {
    const { incarnation, address } = agent;
    this.at(this.time + this.delay('beacon'), () => {
      if (this.cut.has(agent.id) || !agent.alive || agent.incarnation !== incarnation) return;
      this.input(() => this.model.beacon(this.time, address, beacon), beacon);
    });
  }

  whenStoreEpoch(epoch: number, then: () => void): void {
    const check = (): void => {
      if (this.storeEpoch >= epoch && !this.storeStalled) then();
      else this.at(this.time + 100, check);
    };
    this.at(this.time + this.delay('store-map'), check);
  }

  agent(id: string): SimulatedAgent {
    const agent = this.agents.get(id);
    if (agent === undefined) throw new Error(`no gateway ${id}`);
    return agent;
  }

  at(atMs: number, run: () => void): void {
    if (atMs === Infinity) return;
    this.queue.push({ atMs, order: this.order++, run });
  }

  runFor(ms: number): void {
    this.runUntil(this.time + ms);
  }

  runUntil(endMs: number): void {
    for (;;) {
      let next = -1;
      for (let i = 0; i < this.queue.length; i++) {
        const [a, b] = [this.queue[i]!, this.queue[next]];
        if (a.atMs <= endMs && (b === undefined || a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order))) next = i;
      }
      if (next < 0) break;
      const [event] = this.queue.splice(next, 1);
      this.time = Math.max(this.time, event!.atMs);
      event!.run();
    }
    this.time = endMs;
  }

  /** One input to the model, its effects carried out. */
  input(run: () => MonitorEffect[], beacon?: Beacon): void {
    const effects = run();
    this.options.onStep?.(this, beacon);
    this.emit(effects);
  }

  states(id: string): Record<string, string> {
    return this.model.gateways(pool, group).find((view) => view.id === id)?.states ?? {};
  }

  availability(id: string): string | undefined {
    return this.model.gateways(pool, group).find((view) => view.id === id)?.availability;
  }

  private delay(what: 'beacon' | 'map' | 'blocklist' | 'store-map'): number {
    return this.options.delayMs?.(what) ?? 0;
  }

  private emit(effects: readonly MonitorEffect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind === 'map') this.deliver(effect.address, effect.map);
      if (effect.kind === 'blocklist') this.at(this.time + this.delay('blocklist'), () => this.blocklist(effect.token, effect.addresses));
    }
  }

  private deliver(address: string, map: GatewayMap): void {
    const agent = [...this.agents.values()].find((each) => each.alive && each.address === address);
    if (agent === undefined) return;
    const atMs = Math.max(this.time + this.delay('map'), this.mapFreeAtMs.get(address) ?? 0);
    if (atMs === Infinity) return;
    this.mapFreeAtMs.set(address, atMs);
    this.at(atMs, () => {
      if (agent.address === address && !this.cut.has(agent.id)) agent.receive(map);
    });
  }

  private blocklist(token: number, addresses: readonly string[]): void {
    if (this.storeStalled) {
      this.stalled.push(() => this.blocklist(token, addresses));
      return;
    }
    this.storeEpoch += 1;
    for (const address of addresses) this.blocklisted.add(address);
    const epoch = this.storeEpoch;
    this.at(this.time + this.delay('blocklist'), () => this.input(() => this.model.blocklistDone(this.time, token, epoch)));
  }
}
