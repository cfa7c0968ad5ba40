import type { StampWorkload } from '../../plan/types.js';
import { nowUs, sleep } from '../../util/clock.js';
import type { Random } from '../../util/random.js';
import type { BlockDevice, IoOptions } from '../device.js';
import type { IoEnd, JournaledIo } from '../journaled-io.js';
import { BlockPicker } from './picker.js';
import { rereadDepth, sweepBlocks } from './reread.js';

/** A slot whose operation did not end ok waits this long, so that a device that refuses everything at once is not asked in a busy loop. */
export const failureBackoffMs = 10;
/** A paced namespace makes up for at most this much time in which it could not issue. */
const catchUpMaxUs = 100_000;

export interface LoadContext {
  io: JournaledIo;
  /** Index into the journal header's namespaces. */
  ns: number;
  device: BlockDevice;
  /** Blocks of the working set, from LBA 0. */
  blocks: number;
  workload: StampWorkload;
  random: Random;
  signal: AbortSignal;
}

/** What drives one namespace. */
export interface NamespaceDriver {
  /** Begins; resolves once the namespace holds something to prove (at once for a loaded one). Never rejects. */
  start(): Promise<void>;
  /** Issues nothing more. What is outstanding ends by itself. */
  stop(): void;
}

/** The closed loop: as soon as one of `queueDepth` operations ends, the next begins, at most `maxIops` a second. */
export class ClosedLoop implements NamespaceDriver {
  readonly #context: LoadContext;
  readonly #picker: BlockPicker;
  readonly #choice: Random;
  readonly #sizesNlb: number[];
  readonly #periodUs: number;
  readonly #ioOptions: IoOptions;
  /** Slots in use, those that wait after a failure included. */
  #used = 0;
  #dueUs = 0;
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(context: LoadContext) {
    const { workload, blocks, device, random, signal } = context;
    this.#context = context;
    this.#picker = new BlockPicker(blocks, random.fork('place'));
    this.#choice = random.fork('choice');
    this.#sizesNlb = workload.ioBytes.map((bytes) => bytes / device.blockSize);
    this.#periodUs = workload.maxIops === 0 ? 0 : 1_000_000 / workload.maxIops;
    this.#ioOptions = { signal };
  }

  start(): Promise<void> {
    this.#running = true;
    this.#dueUs = nowUs();
    this.#pump();
    return Promise.resolve();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pump(): void {
    const { queueDepth } = this.#context.workload;
    while (this.#running && this.#used < queueDepth) {
      if (this.#periodUs > 0 && !this.#isDue()) return;
      this.#issue();
    }
  }

  /** Takes one operation's worth of the rate, or sets a timer for when there is one. */
  #isDue(): boolean {
    const now = nowUs();
    this.#dueUs = Math.max(this.#dueUs, now - catchUpMaxUs);
    if (now >= this.#dueUs) {
      this.#dueUs += this.#periodUs;
      return true;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#pump();
    }, Math.ceil((this.#dueUs - now) / 1_000));
    return false;
  }

  #issue(): void {
    const { io, ns, workload } = this.#context;
    const nlb = this.#choice.pick(this.#sizesNlb);
    const isRead = this.#choice.percent(workload.readPercent);
    this.#used++;
    // Where every place is being written, the slot reads instead: see BlockPicker.
    const slba = isRead ? -1 : this.#picker.pickWrite(nlb);
    const ended = slba === -1
      ? io.read(ns, this.#picker.pickRead(nlb), nlb, 'load', this.#ioOptions)
      : io.write(ns, slba, nlb, 'load', this.#ioOptions);
    void ended.then((end) => {
      if (slba !== -1) this.#picker.release(slba, nlb);
      this.#ended(end);
    });
  }

  #ended(end: IoEnd): void {
    const free = (): void => {
      this.#used--;
      this.#pump();
    };
    if (end.result.outcome === 'ok' || !this.#running) free();
    else setTimeout(free, failureBackoffMs);
  }
}

/**
 * A namespace without load: filled once, then one read of one random block every `probePeriodMs`. A
 * probe that is still outstanding when the next is due stands for it: its latency is the stall.
 */
export class Prober implements NamespaceDriver {
  readonly #context: LoadContext;
  readonly #picker: BlockPicker;
  #timer: NodeJS.Timeout | undefined;
  #probing = false;
  #running = false;

  constructor(context: LoadContext) {
    this.#context = context;
    this.#picker = new BlockPicker(context.blocks, context.random.fork('probe'));
  }

  async start(): Promise<void> {
    this.#running = true;
    await this.#fill();
    if (!this.#running) return;
    this.#timer = setInterval(() => this.#probe(), this.#context.workload.probePeriodMs);
    this.#probe();
  }

  stop(): void {
    this.#running = false;
    clearInterval(this.#timer);
  }

  /** Writes the whole working set once: probes of zeroes would prove little. Repeats what did not end ok until stopped. */
  async #fill(): Promise<void> {
    const { io, ns, device, blocks, signal } = this.#context;
    const nlbMax = sweepBlocks(device);
    let next = 0;
    const worker = async (): Promise<void> => {
      while (this.#running && next < blocks) {
        const slba = next;
        const nlb = Math.min(nlbMax, blocks - slba);
        next += nlb;
        while (this.#running) {
          const end = await io.write(ns, slba, nlb, 'load', { signal });
          if (end.result.outcome === 'ok') break;
          await sleep(failureBackoffMs, signal);
        }
      }
    };
    await Promise.all(Array.from({ length: rereadDepth }, worker));
  }

  #probe(): void {
    if (this.#probing || !this.#running) return;
    this.#probing = true;
    const { io, ns, signal } = this.#context;
    void io.read(ns, this.#picker.pickRead(1), 1, 'probe', { signal }).then(() => {
      this.#probing = false;
    });
  }
}
