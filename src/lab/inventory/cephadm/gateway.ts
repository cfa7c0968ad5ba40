import { z } from 'zod';
import type { EventBody } from '../../../history/events.js';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import type { GatewayMachine } from '../../machine.js';
import { pingCommand } from '../../qemu/lab/qemu-gateway.js';
import type { SshConnection } from '../../ssh/connection.js';
import type { GatewayNode } from '../../types.js';
import type { Changes } from '../changes.js';
import type { Change } from '../commands.js';
import { hostNamed, type Inventory, type InventoryHost } from '../file.js';
import type { UndoEntry } from '../journal.js';
import { cephadmHostOf, killGateway, listListeners, removeListener, serviceOf, startGateway, stopGateway } from './commands.js';
import { GatewayWatch, watchPeriodUs, type RunningGateway } from './gateway-watch.js';
import { TargetWord } from './target-word.js';

export interface CephadmGatewayOptions {
  name: string;
  inventory: Inventory;
  machine: GatewayMachine;
  /** Switches the machine on again. */
  boot: () => Promise<void>;
  /** `errUs`: how long the event may be late, microseconds. */
  emit: (event: EventBody, errUs?: number) => void;
  changes: Changes;
  /** Where it listens. */
  listener: string;
  subNqn: string;
  /** A host that may use the subsystem. */
  hostNqn: string;
  /** Folder for a socket; short. */
  dir: string;
  /** Of something of the store's. */
  storeAddress: string;
  /** It has begun to run. */
  onRunning: () => void;
}

/** Until what was asked for has been seen. */
const endMaxMs = 60_000;
const startMaxMs = 120_000;
const pollMs = 50;
/** Of ceph-nvmeof's command line. */
const cliMaxMs = 60_000;
const cliRetryMs = 1_000;

/** What `listener list` prints. */
const listenersSchema = z.object({ listeners: z.array(z.object({ host_name: z.string(), traddr: z.string(), trsvcid: z.union([z.string(), z.number()]) })) });

/**
 * A gateway that is there already: cephadm has deployed it, systemd starts it, and no program of ours is in it. What it does is seen
 * from outside: its container by its host (gateway-watch.ts), its ANA groups by its own log page (target-word.ts).
 */
export class CephadmGateway implements GatewayNode {
  readonly name: string;
  /** No program of ours is in it that could be asked. */
  readonly member = undefined;
  readonly #o: CephadmGatewayOptions;
  #watch: GatewayWatch | undefined;
  #word: TargetWord | undefined;
  #running: RunningGateway | null = null;
  /** Somebody asked for the end that comes next. */
  #meant = false;
  #ended: UndoEntry | undefined;
  /** Listeners that a fault has removed. */
  readonly #removed: { change: Change; undo: UndoEntry }[] = [];

  constructor(options: CephadmGatewayOptions) {
    this.name = options.name;
    this.#o = options;
  }

  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** Begins to look. Resolves once it runs. */
  async attach(): Promise<void> {
    const { name, inventory, emit } = this.#o;
    this.#watch = new GatewayWatch({ name, ssh: this.#ssh, fsid: inventory.cluster.fsid, service: serviceOf(inventory), onGateway: (running) => this.#onGateway(running), emit });
    await this.untilRuns(startMaxMs);
    const { listener, subNqn, hostNqn, dir } = this.#o;
    this.#word = new TargetWord({
      gateway: name, subNqn, hostNqn, listener, emit,
      open: async () => {
        const path = `${dir}/${name}.nvme`;
        // The connection may have been lost with the host's power.
        await this.#ssh.exec('true');
        await this.#ssh.forward(path, listener);
        return path;
      },
    });
  }

  /** Lets go of it; it goes on. */
  async detach(): Promise<void> {
    this.#watch?.stop();
    await this.#word?.stop();
  }

  async kill(): Promise<void> {
    await this.#end(killGateway(this.#o.inventory));
  }

  async stop(): Promise<void> {
    await this.#end(stopGateway(this.#o.inventory));
  }

  async start(): Promise<void> {
    if (this.pid !== undefined) return;
    if (!this.powered()) await this.#o.boot();
    await this.#ssh.exec(startGateway(this.#o.inventory), { timeoutMs: startMaxMs });
    await this.untilRuns(startMaxMs);
    if (this.#ended !== undefined) this.#o.changes.undone(this.#ended);
    this.#ended = undefined;
    // They are in the group's state in RADOS, which a gateway begins with.
    await this.addListeners();
  }

  async powerOff(): Promise<void> {
    this.#meant = true;
    await this.#o.machine.kill();
    // Nobody is left there who could say so.
    this.#onGateway(null);
  }

  powered(): boolean {
    return this.#o.machine.identity !== undefined;
  }

  async alive(pid: number): Promise<boolean> {
    if (!this.powered()) return false;
    return (await this.#ssh.exec(`test -d /proc/${pid}`, { okCodes: [0, 1] })).exitCode === 0;
  }

  async reachesStore(): Promise<boolean> {
    if (!this.powered()) return false;
    return (await this.#ssh.exec(pingCommand(this.#o.storeAddress), { okCodes: 'any' })).exitCode === 0;
  }

  /** Those of the run's subsystem, `ADDRESS:PORT`, as the gateways themselves say. */
  async listeners(): Promise<string[]> {
    const host = cephadmHostOf(this.#host);
    const { listeners } = listenersSchema.parse(JSON.parse((await this.#ssh.exec(listListeners(this.#o.inventory), { timeoutMs: cliMaxMs })).stdout));
    return listeners.filter(({ host_name: name }) => name === host).map(({ traddr, trsvcid }) => `${traddr}:${trsvcid}`);
  }

  /** Other subsystems of the gateway keep theirs: the monitor counts a gateway as without listeners only when it has none at all. */
  async removeListeners(): Promise<void> {
    const { inventory, changes, name } = this.#o;
    const known = new Map(this.#host.fabrics!.map((address) => [`${address}:${inventory.gateways.port}`, address]));
    const found = await this.listeners();
    const unknown = found.filter((listener) => !known.has(listener));
    if (unknown.length > 0) throw new Error(`${name} has a listener that the inventory does not name: ${unknown.join(', ')}`);
    for (const listener of found) {
      const change = removeListener(inventory, this.#host, known.get(listener)!);
      this.#removed.push({ change, undo: await changes.make(name, change, cliMaxMs) });
    }
  }

  /** Each as it was noted. A gateway that has just begun does not answer yet. */
  async addListeners(): Promise<void> {
    const deadline = Date.now() + startMaxMs;
    while (this.#removed.length > 0) {
      const { change, undo } = this.#removed[0]!;
      try {
        await this.#ssh.exec(change.undo, { timeoutMs: cliMaxMs });
      } catch (error) {
        if (Date.now() >= deadline) throw error;
        await sleep(cliRetryMs);
        continue;
      }
      this.#o.changes.undone(undo);
      this.#removed.shift();
    }
  }

  /** Somebody else ends it next, as cephadm does, and it is meant. */
  expectEnd(): void {
    this.#meant = true;
  }

  /** Resolves when a container of it runs. An infra error when none does in time. */
  async untilRuns(timeoutMs: number): Promise<void> {
    await this.#until(() => this.pid !== undefined, timeoutMs, 'GATEWAY_START', 'no container of it runs');
  }

  get #host(): InventoryHost {
    return hostNamed(this.#o.inventory, this.name);
  }

  get #ssh(): SshConnection {
    return this.#o.machine.ssh;
  }

  async #end(change: ReturnType<typeof killGateway>): Promise<void> {
    const before = this.#running;
    if (before === null) throw new Error(`${this.name} is not running`);
    this.#meant = true;
    this.#ended ??= this.#o.changes.note(this.name, change.what, change.undo);
    await this.#ssh.exec(change.command, { timeoutMs: endMaxMs });
    await this.#until(() => this.#running?.container !== before.container, endMaxMs, 'GATEWAY_END', 'it does not end');
  }

  #onGateway(running: RunningGateway | null): void {
    const before = this.#running;
    if (before?.container === running?.container && before?.pid === running?.pid) return;
    this.#running = running;
    if (before !== null) {
      this.#note('exited', { pid: before.pid, expected: this.#meant, ...(this.#meant ? {} : { detail: 'it did not say why' }) });
      this.#meant = false;
    }
    if (running === null) return;
    this.#note('started', { pid: running.pid });
    this.#note('ready', { pid: running.pid, detail: `${running.daemon}, container ${running.container.slice(0, 12)}` });
    this.#o.onRunning();
  }

  #note(state: Extract<EventBody, { type: 'node' }>['state'], more: Partial<Extract<EventBody, { type: 'node' }>>): void {
    this.#o.emit({ type: 'node', name: this.name, role: 'gateway', state, ...more }, watchPeriodUs);
  }

  async #until(reached: () => boolean, timeoutMs: number, code: string, problem: string): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!reached()) {
      if (Date.now() >= deadline) throw infraError(code, `${this.name}: ${problem} within ${timeoutMs / 1_000} s`);
      await sleep(pollMs);
    }
  }
}
