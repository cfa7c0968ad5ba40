import type { JournalPurpose, JournalWriter } from '../history/index.js';
import { opBlocksMax, ReadObservations, writerShift } from '../history/index.js';
import { nowUs } from '../util/clock.js';
import type { BlockDevice, IoOptions, IoResult } from './device.js';
import { notSound, StampCodec } from './stamp/codec.js';

/** Sequence numbers that one writer may use: the low 40 bits of a version. */
const sequenceMax = writerShift - 1;

/** How a journaled operation ended, for whoever started it. */
export interface IoEnd {
  result: IoResult;
  /** Invoke → completion, microseconds. */
  latencyUs: number;
  /** Blocks that a read found sound (zeroes included). */
  soundBlocks: number;
  /** In words, one per block that was not sound. */
  bad: string[];
}

/** Hears of every operation, for statistics. */
export interface IoObserver {
  started(ns: number): void;
  ended(ns: number, what: 'read' | 'write', bytes: number, outcome: IoResult['outcome'], latencyUs: number): void;
}

export interface JournaledIoOptions {
  /** In the order of the journal header's namespaces. */
  devices: readonly BlockDevice[];
  runId: string;
  /** 0 … 8191: a version is writer × 2^40 + sequence. */
  writer: number;
  journal: JournalWriter;
  observer?: IoObserver;
  /** A device rejected, which none may (see BlockDevice). */
  onDeviceError?: (error: unknown) => void;
}

interface PendingIo {
  ns: number;
  what: 'read' | 'write';
  purpose: JournalPurpose;
  slba: number;
  nlb: number;
  /** 0 for a read. */
  version: number;
  data: Buffer | undefined;
  options: IoOptions | undefined;
  done: (end: IoEnd) => void;
}

/**
 * Stamped I/O with its evidence: every operation of the workload goes through here.
 *
 * Operations asked for in one turn of the event loop form a batch: their invoke records are written with
 * one system call, and only then are they submitted. So the journal knows every operation that could
 * have reached a wire, and the price of that is one small write per batch.
 */
export class JournaledIo {
  readonly #devices: readonly BlockDevice[];
  readonly #codecs: StampCodec[];
  readonly #journal: JournalWriter;
  readonly #writer: number;
  readonly #observer: IoObserver | undefined;
  readonly #onDeviceError: ((error: unknown) => void) | undefined;
  readonly #observations = new ReadObservations();
  readonly #idleWaiters: (() => void)[] = [];
  #batch: PendingIo[] = [];
  #op = 0;
  #sequence = 0;
  #outstanding = 0;
  #detached = false;

  constructor(options: JournaledIoOptions) {
    if (!Number.isInteger(options.writer) || options.writer < 0 || options.writer > 8191) throw new RangeError(`writer ${options.writer}: 0 to 8191`);
    this.#devices = options.devices;
    this.#codecs = options.devices.map((device) => new StampCodec({ runId: options.runId, nsUuid: device.uuid, blockSize: device.blockSize }));
    this.#journal = options.journal;
    this.#writer = options.writer;
    this.#observer = options.observer;
    this.#onDeviceError = options.onDeviceError;
  }

  /** Operations asked for and not ended. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** Never rejects. `ns` indexes the devices. */
  read(ns: number, slba: number, nlb: number, purpose: JournalPurpose, options?: IoOptions): Promise<IoEnd> {
    return this.#enqueue(ns, 'read', purpose, slba, nlb, 0, undefined, options);
  }

  /** Writes freshly stamped blocks, all with one new version. Never rejects. */
  write(ns: number, slba: number, nlb: number, purpose: JournalPurpose, options?: IoOptions): Promise<IoEnd> {
    if (this.#sequence >= sequenceMax) throw new RangeError(`writer ${this.#writer} has used all of its ${sequenceMax} versions`);
    const version = this.#writer * writerShift + ++this.#sequence;
    // Always a new buffer: after a failover the old connection may still hold the last one.
    const data = Buffer.allocUnsafe(nlb * this.#devices[ns]!.blockSize);
    this.#codecs[ns]!.stampBlocks(data, slba, version, this.#writer);
    return this.#enqueue(ns, 'write', purpose, slba, nlb, version, data, options);
  }

  /** Resolves once nothing is outstanding. */
  whenIdle(): Promise<void> {
    if (this.#outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** What still ends is no longer journaled: such operations stay "outcome unknown". Call before the journal is closed. */
  detach(): void {
    this.#detached = true;
  }

  #enqueue(ns: number, what: 'read' | 'write', purpose: JournalPurpose, slba: number, nlb: number, version: number, data: Buffer | undefined, options: IoOptions | undefined): Promise<IoEnd> {
    if (nlb < 1 || nlb > opBlocksMax) throw new RangeError(`${nlb} blocks in one operation; 1 to ${opBlocksMax}`);
    this.#outstanding++;
    this.#observer?.started(ns);
    return new Promise((done) => {
      this.#batch.push({ ns, what, purpose, slba, nlb, version, data, options, done });
      // After this turn's completions, so that the operations that replace them share one journal write.
      if (this.#batch.length === 1) setImmediate(() => this.#submit());
    });
  }

  #submit(): void {
    const batch = this.#batch;
    this.#batch = [];
    if (this.#detached) {
      for (const io of batch) this.#end(io, neverSent('DETACHED'), 0, undefined);
      return;
    }
    const firstOp = this.#op;
    const startUs = nowUs();
    for (const io of batch) this.#journal.invoke(++this.#op, startUs, io.what, io.purpose, io.ns, io.slba, io.nlb, io.version);
    if (!this.#journal.flushSync()) {
      for (const io of batch) this.#end(io, neverSent('JOURNAL_FAILED'), 0, undefined);
      return;
    }
    batch.forEach((io, i) => {
      const op = firstOp + 1 + i;
      this.#start(io).then(
        (result) => this.#complete(op, startUs, io, result),
        // A device that breaks its contract: what it did is unknown.
        (error: unknown) => {
          this.#onDeviceError?.(error);
          this.#complete(op, startUs, io, { outcome: 'info', status: 0, dnr: false, code: 'DEVICE_THREW', path: null, sends: 1 });
        },
      );
    });
  }

  async #start(io: PendingIo): Promise<IoResult> {
    const device = this.#devices[io.ns]!;
    return io.data === undefined ? device.read(io.slba, io.nlb, io.options) : device.write(io.slba, io.data, io.options);
  }

  #complete(op: number, startUs: number, io: PendingIo, answer: IoResult): void {
    const endUs = nowUs();
    const device = this.#devices[io.ns]!;
    let result = answer;
    let seen: ReadObservations | undefined;
    if (io.what === 'read' && result.outcome === 'ok') {
      if (result.data?.length === io.nlb * device.blockSize) seen = this.#look(io, result.data);
      else result = { ...result, outcome: 'fail', code: 'SHORT_DATA' };
    }
    if (!this.#detached) this.#journal.complete(op, endUs, result.outcome, result.status, result.code, result.path, result.sends, seen);
    this.#end(io, result, endUs - startUs, seen);
  }

  #look(io: PendingIo, data: Buffer): ReadObservations {
    const codec = this.#codecs[io.ns]!;
    const seen = this.#observations;
    seen.clear();
    for (let i = 0, at = 0; i < io.nlb; i++, at += codec.blockSize) {
      const version = codec.inspect(data, at, io.slba + i);
      if (version !== notSound) {
        seen.addVersion(version);
        continue;
      }
      const what = codec.observe(data, at, io.slba + i);
      if (what.kind === 'version') seen.addVersion(what.version);
      else seen.addBad(what);
    }
    return seen;
  }

  #end(io: PendingIo, result: IoResult, latencyUs: number, seen: ReadObservations | undefined): void {
    this.#outstanding--;
    this.#observer?.ended(io.ns, io.what, io.nlb * this.#devices[io.ns]!.blockSize, result.outcome, latencyUs);
    const bad = seen === undefined || seen.bad.length === 0 ? [] : seen.bad.map(({ block, seen: what }) => `LBA ${io.slba + block}: ${what.kind}`);
    io.done({ result, latencyUs, soundBlocks: (seen?.count ?? 0) - bad.length, bad });
    if (this.#outstanding === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }
}

function neverSent(code: string): IoResult {
  return { outcome: 'fail', status: 0, dnr: false, code, path: null, sends: 0 };
}
