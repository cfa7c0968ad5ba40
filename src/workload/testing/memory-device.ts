import type { BlockDevice, IoOptions, IoResult } from '../device.js';

/** What a test makes of one operation: a result to give instead, a wait, or nothing (it just works). */
export type Interference = { result?: Partial<IoResult>; after?: Promise<unknown>; dropWrite?: boolean } | undefined;
export interface SeenIo {
  what: 'read' | 'write';
  slba: number;
  nlb: number;
  controller: string | undefined;
}

/** A block device in memory, for tests: honest unless `interfere` says otherwise. */
export class MemoryDevice implements BlockDevice {
  readonly uuid: string;
  readonly nsid: number;
  readonly blockSize: number;
  readonly blocks: number;
  transferMaxBytes = 1024 * 1024;
  readonly bytes: Buffer;
  readonly seen: SeenIo[] = [];
  /** Outstanding now, and at most ever. */
  outstanding = 0;
  outstandingMax = 0;
  /** Two outstanding writes shared a block. */
  overlappingWrites = 0;
  interfere: ((io: SeenIo, count: number) => Interference) | undefined;
  readonly #writing = new Set<SeenIo>();

  constructor(options: { uuid: string; nsid?: number; blockSize?: number; blocks?: number }) {
    this.uuid = options.uuid;
    this.nsid = options.nsid ?? 1;
    this.blockSize = options.blockSize ?? 512;
    this.blocks = options.blocks ?? 128;
    this.bytes = Buffer.alloc(this.blockSize * this.blocks);
  }

  read(slba: number, nlb: number, options?: IoOptions): Promise<IoResult> {
    return this.#run({ what: 'read', slba, nlb, controller: options?.controller }, options, () =>
      Buffer.from(this.bytes.subarray(slba * this.blockSize, (slba + nlb) * this.blockSize)));
  }

  write(slba: number, data: Buffer, options?: IoOptions): Promise<IoResult> {
    return this.#run({ what: 'write', slba, nlb: data.length / this.blockSize, controller: options?.controller }, options, () => {
      data.copy(this.bytes, slba * this.blockSize);
      return undefined;
    });
  }

  flush(): Promise<IoResult> {
    return Promise.resolve(okResult);
  }

  async #run(io: SeenIo, options: IoOptions | undefined, effect: () => Buffer | undefined): Promise<IoResult> {
    this.seen.push(io);
    this.outstandingMax = Math.max(this.outstandingMax, ++this.outstanding);
    if (io.what === 'write') {
      for (const other of this.#writing) if (io.slba < other.slba + other.nlb && other.slba < io.slba + io.nlb) this.overlappingWrites++;
      this.#writing.add(io);
    }
    const interference = this.interfere?.(io, this.seen.length);
    try {
      // A turn of the event loop, as every real device takes.
      await Promise.race([interference?.after ?? new Promise((resolve) => setImmediate(resolve)), aborted(options?.signal)]);
      if (options?.signal?.aborted === true) return { ...okResult, outcome: 'info', code: 'ABORTED', path: null };
      if (interference?.result !== undefined) return { ...okResult, ...interference.result };
      const data = interference?.dropWrite === true ? undefined : effect();
      return data === undefined ? okResult : { ...okResult, data };
    } finally {
      this.outstanding--;
      this.#writing.delete(io);
    }
  }
}

const okResult: IoResult = { outcome: 'ok', status: 0, dnr: false, code: '', path: 'gw1:nvme0:q1', sends: 1 };

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}
