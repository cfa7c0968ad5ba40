import { encodeDsmRanges, IoOpcode, Limit } from '../../nvme/index.js';
import type { BlockDevice, IoOptions, IoResult } from '../../workload/device.js';
import { Activations } from './activation.js';
import type { ActivationRecord } from './activation.js';
import type { HostCounters } from './counters.js';
import { Dispatcher } from './dispatcher.js';
import type { HostEmitter } from './events.js';
import { IoRequest } from './io-request.js';
import type { NamespaceIdentity } from './join.js';
import { displayUuid } from './join.js';
import { HostLimit } from './limits.js';
import type { ScannedNamespace } from './namespace-scan.js';
import type { ResolvedHostOptions } from './options.js';
import { Path } from './path.js';
import type { Controller } from './controller.js';

export interface HeadContext { options: ResolvedHostOptions; counters: HostCounters; emitter: HostEmitter }

/** Requeue list of a head, as of now. */
export interface RequeueState { depth: number; bytes: number; oldestUs: number }

/**
 * The multipath node of one namespace: a block device over all its paths. It holds I/O while no path is
 * usable and moves it when one fails. All offsets and counts are logical blocks.
 */
export class NamespaceHead implements BlockDevice {
  /** As in Linux: subsystem instance and NSID. */
  readonly name: string;
  readonly nsid: number;
  /** Its UUID, else its NGUID in UUID form, else `eui.<EUI64>`. */
  readonly uuid: string;
  readonly nguid: string;
  /** The identifiers as the first path reported them. */
  readonly identity: NamespaceIdentity;
  readonly shared: boolean;
  readonly blockSize: number;
  blocks: number;
  anaGroup: number;
  readonly dispatcher: Dispatcher;
  readonly activations: Activations;
  readonly #c: HeadContext;

  constructor(name: string, ns: ScannedNamespace, context: HeadContext) {
    const { options, counters, emitter } = context;
    this.name = name;
    this.nsid = ns.nsid;
    this.uuid = displayUuid(ns);
    this.nguid = ns.nguid;
    this.identity = { nsid: ns.nsid, uuid: ns.uuid, nguid: ns.nguid, eui64: ns.eui64 };
    this.shared = ns.shared;
    this.blockSize = ns.blockSize;
    this.blocks = ns.blocks;
    this.anaGroup = ns.anaGroup;
    this.#c = context;
    this.activations = new Activations(this.uuid, options.activateHook, options.activateTimeoutMs, counters, () => this.dispatcher.activateAgain());
    this.dispatcher = new Dispatcher({ nsUuid: this.uuid, nsid: this.nsid, options, counters, emitter, activations: this.activations });
  }

  get paths(): readonly Path[] {
    return this.dispatcher.paths;
  }

  /** The path that policy `numa` uses, or for the others the first of the active ones; null: none is usable. */
  get currentPath(): Path | null {
    return this.dispatcher.selector.current;
  }

  get requeue(): RequeueState {
    const { depth, bytes, oldestUs } = this.dispatcher.requeue;
    return { depth, bytes, oldestUs };
  }

  /** Bytes of the largest I/O: the least MDTS of the live controllers. A larger one fails with `INVALID_ARGUMENT`. */
  get transferMaxBytes(): number {
    let least: number = HostLimit.transferMaxBytes;
    for (const path of this.dispatcher.paths) least = Math.min(least, path.controller.session?.transferMaxBytes ?? least);
    return least;
  }

  read(slba: number, nlb: number, options?: IoOptions): Promise<IoResult> {
    return this.#run(IoOpcode.read, slba, nlb, null, nlb * this.blockSize, options);
  }

  /** `data` must not change until the result: it may be sent again on another path. */
  write(slba: number, data: Buffer, options?: IoOptions): Promise<IoResult> {
    return this.#run(IoOpcode.write, slba, data.length / this.blockSize, data, 0, options);
  }

  flush(options?: IoOptions): Promise<IoResult> {
    return this.#start(IoOpcode.flush, 0, 0, null, 0, options);
  }

  /**
   * Compares without reading: fails with status 285h (Compare Failure) on a difference. Never sent again
   * after its connection was lost: it then ends `info` with `NOT_REPLAYED`.
   */
  compare(slba: number, data: Buffer, options?: IoOptions): Promise<IoResult> {
    return this.#run(IoOpcode.compare, slba, data.length / this.blockSize, data, 0, options);
  }

  writeZeroes(slba: number, nlb: number, options?: IoOptions): Promise<IoResult> {
    return this.#run(IoOpcode.writeZeroes, slba, nlb, null, 0, options);
  }

  /** Dataset Management, deallocate: a hint; what a later read returns is the namespace's choice. */
  deallocate(slba: number, nlb: number, options?: IoOptions): Promise<IoResult> {
    if (!this.#inside(slba, nlb)) return invalid();
    return this.#start(IoOpcode.datasetManagement, slba, 0, encodeDsmRanges([{ slba, nlb }]), 0, options);
  }

  /** "Set namespace active" on the path of this controller (name or gateway). Never rejects; see `ActivationRecord.error`. */
  activate(controller: string): Promise<ActivationRecord> {
    const path = this.paths.find((candidate) => candidate.controllerName === controller || candidate.gateway === controller);
    if (path === undefined) {
      return Promise.resolve({ path: controller, requestedUs: 0, acknowledgedUs: null, aenUs: null, optimizedUs: null, error: 'NO_SUCH_PATH' });
    }
    return this.activations.activate(path);
  }

  /** Sets the path selection policy and, as Linux does, forgets the current path. */
  setPolicy(policy: ResolvedHostOptions['policy']): void {
    this.dispatcher.selector.policy = policy;
    this.dispatcher.update('iopolicy');
  }

  addPath(name: string, controller: Controller, ns: ScannedNamespace): Path {
    const path = new Path(name, controller, ns, this, this.#c.counters, this.#c.emitter);
    path.scanned(ns);
    this.dispatcher.paths.push(path);
    return path;
  }

  /** The namespace has a new size; paths that still report the old one are out of use until they are scanned. */
  resize(blocks: number): void {
    this.blocks = blocks;
    for (const path of this.paths) path.refresh('capacity');
    this.dispatcher.update('capacity');
  }

  removePath(path: Path, cause: string): void {
    this.dispatcher.paths = this.dispatcher.paths.filter((candidate) => candidate !== path);
    path.gone(cause);
    this.dispatcher.update(cause);
  }

  close(): void {
    this.activations.close();
    this.dispatcher.close();
  }

  #run(opcode: number, slba: number, nlb: number, payload: Buffer | null, readBytes: number, options: IoOptions | undefined): Promise<IoResult> {
    const bytes = nlb * this.blockSize;
    if (!this.#inside(slba, nlb) || nlb > Limit.nlbMax) return invalid();
    if (opcode !== IoOpcode.writeZeroes && bytes > this.transferMaxBytes) return invalid();
    return this.#start(opcode, slba, nlb, payload, readBytes, options);
  }

  #inside(slba: number, nlb: number): boolean {
    return Number.isInteger(slba) && Number.isInteger(nlb) && slba >= 0 && nlb > 0 && slba + nlb <= this.blocks;
  }

  #start(opcode: number, slba: number, nlb: number, payload: Buffer | null, readBytes: number, options: IoOptions | undefined): Promise<IoResult> {
    return new Promise((resolve) => {
      const signal = options?.signal;
      const io: IoRequest = new IoRequest(
        this.dispatcher,
        { opcode, nsid: this.nsid, slba, nlb, payload, readBytes, timeoutMs: this.#c.options.ioTimeoutMs, pinned: options?.controller ?? null, signal },
        resolve,
      );
      if (signal !== undefined && !signal.aborted) {
        const onAbort = (): void => this.dispatcher.abort(io);
        signal.addEventListener('abort', onAbort, { once: true });
        io.unlisten = () => signal.removeEventListener('abort', onAbort);
      }
      this.dispatcher.submit(io);
    });
  }
}

function invalid(): Promise<IoResult> {
  return Promise.resolve({ outcome: 'fail', status: 0, dnr: true, code: 'INVALID_ARGUMENT', path: null, sends: 0 });
}
