import { Worker } from 'node:worker_threads';
import { samplerWords, SamplerWord } from './sampler-loop.js';
import type { SamplerLoopOptions, SamplerMessage } from './sampler-loop.js';
import type { KernelRoots } from './sysfs.js';

export interface SamplerOptions {
  nqn: string;
  roots: KernelRoots;
  /**
   * The module that the thread runs. Loaded there, it must call `samplerThread` with `workerData`: a program
   * in one file is its own entry, and has to tell by `isMainThread` what it is.
   */
  entry: URL;
  periodMs?: number;
  onMessage: (message: SamplerMessage) => void;
  /** The thread has ended although nobody asked it to: nothing is observed any more. */
  onError: (error: Error) => void;
}

/** How long a flush or the end of the thread may take: a sample, and a machine that is busy. */
const answerMaxMs = 5_000;

/** The sampler in a thread of its own, so that neither it nor the workload's event loop delays the other. */
export class Sampler {
  readonly #worker: Worker;
  readonly #control = new SharedArrayBuffer(samplerWords * Int32Array.BYTES_PER_ELEMENT);
  readonly #words = new Int32Array(this.#control);
  readonly #flushes = new Map<number, () => void>();
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor(options: SamplerOptions) {
    const { entry, nqn, roots, periodMs, onMessage, onError } = options;
    const loop: SamplerLoopOptions = { nqn, roots, control: this.#control, ...(periodMs === undefined ? {} : { periodMs }) };
    this.#worker = new Worker(entry, { workerData: loop });
    this.#worker.on('message', (message: SamplerMessage) => {
      if (message.kind === 'flushed') this.#settleFlushes(message.number);
      else onMessage(message);
    });
    let failure: Error | undefined;
    this.#worker.on('error', (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        resolve();
        this.#settleFlushes(Infinity);
        if (!this.#stopping) onError(failure ?? new Error(`the sampler's thread ended with exit code ${code}`));
      });
    });
  }

  /** Takes another sample and resolves when all that was seen up to then has been told. */
  flush(): Promise<void> {
    if (this.#stopping) return this.#ended;
    const number = Atomics.add(this.#words, SamplerWord.flush, 1) + 1;
    const done = new Promise<void>((resolve) => this.#flushes.set(number, resolve));
    this.#wake();
    return within(done, answerMaxMs, 'the sampler does not answer');
  }

  /** Tells the rest and ends the thread. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopping = true;
    Atomics.store(this.#words, SamplerWord.stop, 1);
    this.#wake();
    await within(this.#ended, answerMaxMs, 'the sampler does not end').catch(() => this.#worker.terminate());
  }

  #wake(): void {
    Atomics.add(this.#words, SamplerWord.wake, 1);
    Atomics.notify(this.#words, SamplerWord.wake);
  }

  #settleFlushes(upTo: number): void {
    for (const [number, resolve] of this.#flushes) {
      if (number > upTo) continue;
      this.#flushes.delete(number);
      resolve();
    }
  }
}

async function within(promise: Promise<void>, ms: number, message: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([promise, new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(message)), ms);
    })]);
  } finally {
    clearTimeout(timer);
  }
}
