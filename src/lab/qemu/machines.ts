import { join } from 'node:path';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { infraError } from '../../util/errors.js';
import type { Accel } from './accel.js';
import type { LabDesign } from './design.js';
import type { LabImage } from './image/image.js';
import { accessFile } from './kept.js';
import { fabricNames } from './network.js';
import { boot, bootAll, makeNodes, restoreAll, saveAll } from './nodes.js';
import type { ProcessIdentity } from './processes.js';
import type { NodeProgress } from './progress.js';
import { adoptSwitch, startSwitch, type RunningSwitch, type SwitchClient } from './switch/index.js';
import { ensureKeys } from './vm/keys.js';
import type { QemuVm } from './vm/vm.js';

export interface MachinesOptions {
  design: LabDesign;
  image: LabImage;
  accel: Accel;
  /** Folder of the snapshots and of the keys that belong to them. */
  stateDir: string;
  progress: NodeProgress;
  /** Each process that starts, the switch's and the machines', also later ones. */
  onStarted: (identity: ProcessIdentity) => void;
}

/** The virtual machines of one lab and the switch between them. */
export class Machines {
  /** Sockets, scratch files and logs; short, and gone with the machines. */
  readonly dir: string;
  readonly nodes: ReadonlyMap<string, QemuVm>;
  readonly #fabrics: RunningSwitch;
  readonly #progress: NodeProgress;

  private constructor(dir: string, nodes: ReadonlyMap<string, QemuVm>, fabrics: RunningSwitch, progress: NodeProgress) {
    this.#progress = progress;
    this.dir = dir;
    this.nodes = nodes;
    this.#fabrics = fabrics;
  }

  /** A folder for the machines, whose name is short enough for sockets. */
  static makeDir(): string {
    return mkdtempSync(join(tmpdir(), 'pathproof-'));
  }

  /** The switch runs, the machines are off. */
  static async create(o: MachinesOptions, dir: string): Promise<Machines> {
    const logDir = join(dir, 'logs');
    mkdirSync(logDir);
    try {
      const names = o.design.nodes.map((n) => n.name);
      const fabrics = await startSwitch({ dir, seed: o.design.key, fabrics: fabricNames.map((name) => ({ name, nodes: names })) }, join(logDir, 'switch.log'));
      o.onStarted(fabrics.identity);
      const nodes = makeNodes(o.design.nodes, { image: o.image, accel: o.accel, keys: await ensureKeys(o.stateDir), dir, stateDir: o.stateDir, logDir, progress: o.progress, onStarted: o.onStarted });
      return new Machines(dir, nodes, fabrics, o.progress);
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Those that another command has left up in `dir`. */
  static async adopt(o: MachinesOptions, dir: string, processes: readonly ProcessIdentity[]): Promise<Machines> {
    const identity = processes.find(({ name }) => name === 'switch');
    if (identity === undefined) throw infraError('LAB_ADOPT', 'the switch of the lab that is up does not run any more', { hint: 'end the rest by `pathproof lab down --all`' });
    const fabrics = await adoptSwitch(dir, identity);
    const nodes = makeNodes(o.design.nodes, { image: o.image, accel: o.accel, keys: await ensureKeys(o.stateDir), dir, stateDir: o.stateDir, logDir: join(dir, 'logs'), progress: o.progress, onStarted: o.onStarted });
    await Promise.all([...nodes.values()].map(async (vm) => {
      const running = processes.find(({ name }) => name === vm.name);
      if (running !== undefined) await vm.adopt(running);
    }));
    return new Machines(dir, nodes, fabrics, o.progress);
  }

  get switch(): SwitchClient {
    return this.#fabrics.client;
  }

  get logDir(): string {
    return join(this.dir, 'logs');
  }

  node(name: string): QemuVm {
    const vm = this.nodes.get(name);
    if (vm === undefined) throw new Error(`the lab has no node ${name}`);
    return vm;
  }

  async boot(): Promise<void> {
    await bootAll(this.nodes.values(), this.#progress);
    this.#writeAccess();
  }

  /** Powers one node on again. */
  async bootNode(name: string): Promise<void> {
    await boot(this.node(name), this.#progress);
    this.#writeAccess();
  }

  async save(tag: string): Promise<void> {
    await saveAll(this.nodes.values(), tag);
  }

  /** Removes a snapshot of machines that are off. */
  async forget(tag: string): Promise<void> {
    for (const vm of this.nodes.values()) await vm.forgetSnapshot(tag);
  }

  /** Every rule of the switch goes, every node is as it was when the snapshot was saved. */
  async restore(tag: string): Promise<void> {
    await this.switch.healAll();
    await restoreAll(this.nodes.values(), tag);
    this.#writeAccess();
  }

  /** How another command gets into the nodes: each process of QEMU has a port of its own. */
  #writeAccess(): void {
    writeFileSync(join(this.dir, accessFile), JSON.stringify(Object.fromEntries([...this.nodes].map(([name, { ssh }]) => [name, ssh.files]))));
  }

  processes(): ProcessIdentity[] {
    return [this.#fabrics.identity, ...[...this.nodes.values()].flatMap((vm) => (vm.identity === undefined ? [] : [vm.identity]))];
  }

  /** Lets go of machines that stay up. */
  release(): void {
    this.switch.close();
    for (const vm of this.nodes.values()) vm.letGo();
  }

  /** Powers everything off and removes its folder. */
  async end(): Promise<void> {
    await Promise.all([...this.nodes.values()].map((vm) => vm.kill()));
    await this.#fabrics.end();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
