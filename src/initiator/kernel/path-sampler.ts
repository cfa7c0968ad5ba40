import { join } from 'node:path';
import { ifPresent, isAbsence, listFolder, readAttribute, readNumber } from './sysfs.js';
import type { KernelRoots, SysfsCalls } from './sysfs.js';
import { headOfPath, isControllerName, isPathName, parseAddress } from './states.js';
import { controllerOfPath } from './topology.js';

export interface SampledController {
  name: string;
  traddr: string;
  trsvcid: string;
  cntlid: number;
  /** The kernel's text. */
  state: string | undefined;
}
export interface SampledPath {
  name: string;
  controller: string;
  nsUuid: string;
  nsid: number;
  anaGroup: number;
  /** The kernel's text; undefined: the controller has no ANA. */
  anaState: string | undefined;
}
export type SampledChange =
  | { kind: 'controller'; controller: SampledController }
  | { kind: 'controller-gone'; name: string }
  | { kind: 'path'; path: SampledPath }
  | { kind: 'path-gone'; name: string };

/** An attribute that is read again and again through one descriptor. */
interface KeptFile {
  /** −1: this kernel does not have it. */
  fd: number;
  text: string | undefined;
  /** What was read last: compared byte by byte, a text is made only of what is new. */
  bytes: Buffer;
  length: number;
}
interface KeptController {
  seen: SampledController;
  state: KeptFile;
}
interface KeptPath {
  seen: SampledPath;
  ana: KeptFile;
}

/** NVMe base specification 2.1, section 4.7. */
const nqnPrefix = 'nqn.';
/** The longest text of a state is `deleting (no IO)`. */
const stateBytesMax = 64;

/**
 * Samples the states of all controllers and paths of one subsystem. sysfs tells nobody when they change (no
 * sysfs_notify in drivers/nvme/host), so they are read: through descriptors that stay open, which costs a
 * tenth of opening them anew.
 *
 * One `sample` reads every state once. Everything that it finds happened after the sample before; what it
 * finds at the same time cannot be ordered.
 */
export class PathSampler {
  readonly #roots: KernelRoots;
  readonly #calls: SysfsCalls;
  readonly #nqn: string;
  readonly #buffer = Buffer.alloc(stateBytesMax);
  readonly #controllers = new Map<string, KeptController>();
  readonly #paths = new Map<string, KeptPath>();
  /** Controllers of other subsystems: looked at again only when they are new. */
  readonly #foreign = new Set<string>();
  #listed = '';

  constructor(roots: KernelRoots, calls: SysfsCalls, nqn: string) {
    this.#roots = roots;
    this.#calls = calls;
    this.#nqn = nqn;
  }

  get controllers(): SampledController[] {
    return [...this.#controllers.values()].map(({ seen }) => seen);
  }

  get paths(): SampledPath[] {
    return [...this.#paths.values()].map(({ seen }) => seen);
  }

  /** Reads all states; where one has gone, or with `rescan`, looks for what is new and what is gone, too. */
  sample(rescan: boolean): SampledChange[] {
    const changes: SampledChange[] = [];
    let vanished = false;
    for (const kept of this.#controllers.values()) {
      const { text } = kept.state;
      if (!this.#read(kept.state)) vanished = true;
      else if (kept.state.text !== text) {
        // A controller that is live again may have another id.
        kept.seen = { ...this.#identify(kept.seen.name), state: kept.state.text };
        changes.push({ kind: 'controller', controller: kept.seen });
      }
    }
    for (const kept of this.#paths.values()) {
      const { text } = kept.ana;
      if (kept.ana.fd < 0) continue;
      if (!this.#read(kept.ana)) vanished = true;
      else if (kept.ana.text !== text) {
        kept.seen = { ...kept.seen, anaState: kept.ana.text, anaGroup: this.#groupOf(kept.seen) };
        changes.push({ kind: 'path', path: kept.seen });
      }
    }
    if (rescan || vanished) this.#rescan(changes, vanished);
    return changes;
  }

  /** Reads what the state files do not show: a path's group may change without its state. */
  refresh(): SampledChange[] {
    const changes: SampledChange[] = [];
    for (const kept of this.#paths.values()) {
      const anaGroup = this.#groupOf(kept.seen);
      if (anaGroup === kept.seen.anaGroup) continue;
      kept.seen = { ...kept.seen, anaGroup };
      changes.push({ kind: 'path', path: kept.seen });
    }
    return changes;
  }

  close(): void {
    for (const { state } of this.#controllers.values()) this.#close(state);
    for (const { ana } of this.#paths.values()) this.#close(ana);
    this.#controllers.clear();
    this.#paths.clear();
    this.#listed = '';
  }

  /** False: the object is gone. */
  #read(file: KeptFile): boolean {
    try {
      const length = this.#calls.readSync(file.fd, this.#buffer);
      if (!this.#isAsBefore(file, length)) {
        file.length = length;
        this.#buffer.copy(file.bytes, 0, 0, length);
        file.text = this.#buffer.toString('latin1', 0, length).trim();
      }
      return true;
    } catch (error) {
      if (isAbsence(error)) return false;
      throw error;
    }
  }

  #isAsBefore(file: KeptFile, length: number): boolean {
    if (length !== file.length) return false;
    for (let i = 0; i < length; i++) if (this.#buffer[i] !== file.bytes[i]) return false;
    return true;
  }

  #rescan(changes: SampledChange[], vanished: boolean): void {
    const names = listFolder(this.#calls, this.#roots.sys, 'class/nvme').filter(isControllerName);
    const blocks = listFolder(this.#calls, this.#roots.sys, 'block').filter(isPathName);
    const listed = `${names.join()} ${blocks.join()}`;
    if (listed === this.#listed && !vanished) return;
    this.#listed = listed;
    // One that went and came back under its name within a rescan answers through its old descriptor no more.
    for (const [name, kept] of this.#paths) if (!blocks.includes(name) || !this.#alive(kept.ana)) this.#forgetPath(name, kept, changes);
    for (const [name, kept] of this.#controllers) if (!names.includes(name) || !this.#read(kept.state)) this.#forgetController(name, kept, changes);
    for (const name of this.#foreign) if (!names.includes(name)) this.#foreign.delete(name);
    for (const name of names) if (!this.#controllers.has(name) && !this.#foreign.has(name)) this.#addController(name, changes);
    for (const name of blocks) if (!this.#paths.has(name)) this.#addPath(name, changes);
  }

  #alive(file: KeptFile): boolean {
    return file.fd < 0 || this.#read(file);
  }

  #addController(name: string, changes: SampledChange[]): void {
    const folder = join(this.#roots.sys, 'class/nvme', name);
    const subsysnqn = readAttribute(this.#calls, folder, 'subsysnqn');
    // Coming or going: the next rescan knows more. While a controller connects for the first time it has no
    // subsystem, and Linux prints that as "(efault)".
    if (subsysnqn?.startsWith(nqnPrefix) !== true) return this.#lookAgain();
    if (subsysnqn !== this.#nqn) return void this.#foreign.add(name);
    const state = this.#open(folder, 'state');
    if (state === undefined) return this.#lookAgain();
    const seen = { ...this.#identify(name), state: state.text };
    this.#controllers.set(name, { seen, state });
    changes.push({ kind: 'controller', controller: seen });
  }

  #addPath(name: string, changes: SampledChange[]): void {
    const controller = controllerOfPath(this.#roots, this.#calls, name);
    if (controller === undefined) return this.#lookAgain();
    if (this.#foreign.has(controller)) return;
    const folder = join(this.#roots.sys, 'block', name);
    const nsid = readNumber(this.#calls, folder, 'nsid');
    const uuid = readAttribute(this.#calls, folder, 'uuid') ?? readAttribute(this.#calls, this.#roots.sys, 'block', headOfPath(name), 'uuid');
    if (nsid === undefined || !this.#controllers.has(controller)) return this.#lookAgain();
    const ana = this.#open(folder, 'ana_state') ?? keptFile(-1);
    const seen: SampledPath = { name, controller, nsUuid: uuid?.toLowerCase() ?? '', nsid, anaGroup: readNumber(this.#calls, folder, 'ana_grpid') ?? 0, anaState: ana.text };
    this.#paths.set(name, { seen, ana });
    changes.push({ kind: 'path', path: seen });
  }

  #lookAgain(): void {
    this.#listed = '';
  }

  #forgetController(name: string, kept: KeptController, changes: SampledChange[]): void {
    this.#close(kept.state);
    this.#controllers.delete(name);
    changes.push({ kind: 'controller-gone', name });
    this.#lookAgain();
  }

  #forgetPath(name: string, kept: KeptPath, changes: SampledChange[]): void {
    this.#close(kept.ana);
    this.#paths.delete(name);
    changes.push({ kind: 'path-gone', name });
    this.#lookAgain();
  }

  #identify(name: string): Omit<SampledController, 'state'> {
    const folder = join(this.#roots.sys, 'class/nvme', name);
    return { name, ...parseAddress(readAttribute(this.#calls, folder, 'address')), cntlid: readNumber(this.#calls, folder, 'cntlid') ?? -1 };
  }

  #groupOf({ name, anaGroup }: SampledPath): number {
    return readNumber(this.#calls, this.#roots.sys, 'block', name, 'ana_grpid') ?? anaGroup;
  }

  #open(folder: string, attribute: string): KeptFile | undefined {
    const fd = ifPresent(() => this.#calls.openSync(join(folder, attribute)));
    if (fd === undefined) return undefined;
    const file = keptFile(fd);
    if (this.#read(file)) return file;
    this.#close(file);
    return undefined;
  }

  #close(file: KeptFile): void {
    if (file.fd >= 0) this.#calls.closeSync(file.fd);
    file.fd = -1;
  }
}

function keptFile(fd: number): KeptFile {
  return { fd, text: undefined, bytes: Buffer.alloc(stateBytesMax), length: -1 };
}
