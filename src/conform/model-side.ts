import {
  GatewayMonitorModel, parseNvmeGwShow,
  type Beacon, type CommandReply, type GatewayMap, type MonitorClient, type MonitorEffect, type MonitorTimers, type Safeguard,
} from '../monitor/index.js';
import { answerCommand } from '../monitor/commands.js';
import { nowUs, sleep } from '../util/clock.js';
import type { GatewaySession, GroupLook, MonitorSide } from './side.js';

export interface ModelSideOptions {
  name: string;
  pool: string;
  timers: MonitorTimers;
  /** Default: all. */
  safeguards?: readonly Safeguard[];
  /** Makes the model; a test puts one with a defect in its place. */
  create?: (options: { timers: MonitorTimers; nowMs: number; safeguards?: readonly Safeguard[] }) => GatewayMonitorModel;
}

const nowMs = (): number => nowUs() / 1_000;

/**
 * The embedded model as a monitor in this process: its tick, its sessions and a store that executes a blocklist at
 * once. The loopback lab puts a protocol in between, which decides nothing and has tests of its own.
 */
export class ModelSide implements MonitorSide {
  readonly name: string;
  readonly commitMs = 0;
  readonly failure = undefined;
  readonly #pool: string;
  readonly #timers: MonitorTimers;
  readonly #model: GatewayMonitorModel;
  readonly #clients = new Map<string, ModelClient>();
  readonly #observers = new Map<string, { onLook: (look: GroupLook) => void; gwEpoch: number | undefined }>();
  readonly #store = new InstantStore();
  #ticking: NodeJS.Timeout | undefined;
  #nextNonce = 1;

  constructor({ name, pool, timers, safeguards, create = (options) => new GatewayMonitorModel(options) }: ModelSideOptions) {
    this.name = name;
    this.#pool = pool;
    this.#timers = timers;
    this.#model = create({ timers, nowMs: nowMs(), ...(safeguards === undefined ? {} : { safeguards }) });
    this.#startTicking();
  }

  connect(): GatewaySession {
    const address = `127.0.0.1:0/${this.#nextNonce++}`;
    const client = new ModelClient({
      beacon: (beacon) => this.#apply(this.#model.beacon(nowMs(), address, beacon)),
      command: (command) => this.command(command),
      closed: () => {
        this.#clients.delete(address);
        this.#model.unsubscribe(address);
      },
    });
    this.#clients.set(address, client);
    // Never at once: the first beacon of an agent that starts finds no connection, as with any other monitor.
    setTimeout(() => {
      if (this.#ticking !== undefined && this.#clients.get(address) === client) this.#welcome(address, client);
    }, 0);
    return { client, waitForStoreEpoch: (epoch) => this.#store.wait(epoch) };
  }

  command(command: Record<string, string | number>): Promise<CommandReply> {
    return answerCommand({ model: this.#model, store: this.#store, nowMs, apply: (effects) => this.#apply(effects) }, command);
  }

  observe(group: string, onLook: (look: GroupLook) => void): () => void {
    this.#observers.set(group, { onLook, gwEpoch: undefined });
    this.#lookAt(group);
    return () => this.#observers.delete(group);
  }

  sampleGapMaxMs(): number {
    return 0;
  }

  async restart(downMs: number): Promise<void> {
    clearInterval(this.#ticking);
    this.#ticking = undefined;
    for (const client of this.#clients.values()) client.setConnected(false);
    await sleep(downMs);
    this.#model.restart(nowMs());
    this.#startTicking();
    for (const [address, client] of this.#clients) this.#welcome(address, client);
  }

  async close(): Promise<void> {
    clearInterval(this.#ticking);
    this.#observers.clear();
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  #startTicking(): void {
    this.#ticking = setInterval(() => this.#apply(this.#model.tick(nowMs())), this.#timers.monTickMs);
  }

  #welcome(address: string, client: ModelClient): void {
    client.setConnected(true);
    this.#apply(this.#model.subscribe(address));
  }

  #apply(effects: readonly MonitorEffect[]): void {
    for (const effect of effects) {
      switch (effect.kind) {
        // In a turn of its own: what a gateway answers must not come into the middle of these effects.
        case 'map': queueMicrotask(() => this.#clients.get(effect.address)?.deliver(effect.map)); break;
        case 'blocklist':
          void this.#store.blocklist(effect.addresses).then((epoch) => this.#apply(this.#model.blocklistDone(nowMs(), effect.token, epoch)));
          break;
        case 'commit': for (const group of this.#observers.keys()) this.#lookAt(group); break;
      }
    }
  }

  /** Every change of a state moves the group's epoch. */
  #lookAt(group: string): void {
    const observer = this.#observers.get(group);
    const now = this.#model.gwEpoch(this.#pool, group);
    if (observer === undefined || observer.gwEpoch === now) return;
    observer.gwEpoch = now;
    const { epoch, gwEpoch, gateways } = parseNvmeGwShow(this.#model.show(nowMs(), this.#pool, group));
    observer.onLook({ nowMs: nowMs(), epoch, gwEpoch, gateways, missed: false });
  }
}

interface ModelLink {
  beacon: (beacon: Beacon) => void;
  command: (command: Record<string, string | number>) => Promise<CommandReply>;
  closed: () => void;
}

/** The session of one incarnation with the model. Beacons while the monitor is down are lost. */
class ModelClient implements MonitorClient {
  readonly #to: ModelLink;
  readonly #onMap: ((map: GatewayMap) => void)[] = [];
  readonly #onConnection: ((connected: boolean) => void)[] = [];
  #connected = false;
  #closed = false;

  constructor(to: ModelLink) {
    this.#to = to;
  }

  onMap(listener: (map: GatewayMap) => void): void {
    this.#onMap.push(listener);
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#onConnection.push(listener);
    if (this.#connected) queueMicrotask(() => this.#connected && listener(true));
  }

  sendBeacon(beacon: Beacon): void {
    if (this.#connected) this.#to.beacon(structuredClone(beacon));
  }

  command(command: Record<string, string | number>): Promise<CommandReply> {
    return this.#to.command(command);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#connected = false;
    this.#to.closed();
  }

  deliver(map: GatewayMap): void {
    if (this.#connected) for (const listener of this.#onMap) listener(map);
  }

  setConnected(connected: boolean): void {
    if (this.#closed || this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#onConnection) listener(connected);
  }
}

/** Executes every blocklist at once. One epoch per request, as an osdmap has. */
class InstantStore {
  readonly #addresses: string[] = [];
  #epoch = 1;
  #waiting: { epoch: number; resolve: () => void }[] = [];

  async blocklist(addresses: string[]): Promise<number> {
    this.#addresses.push(...addresses);
    this.#epoch += 1;
    const due = this.#waiting.filter(({ epoch }) => epoch <= this.#epoch);
    this.#waiting = this.#waiting.filter(({ epoch }) => epoch > this.#epoch);
    for (const { resolve } of due) resolve();
    return this.#epoch;
  }

  async list(): Promise<string[]> {
    return [...this.#addresses];
  }

  wait(epoch: number): Promise<void> {
    if (epoch <= this.#epoch) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ epoch, resolve }));
  }
}
