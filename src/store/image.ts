import type { BlockFile, IoCallback } from './block-file.js';
import { StoreLimit } from './limits.js';
import { RangeLock } from './range-lock.js';

const zeroes = Buffer.alloc(StoreLimit.zeroChunkBytes);

/** Asked between two pieces of a long operation: true ends it early. */
export type StopQuery = () => boolean;

/** One image: a sparse file, its geometry, and the order of what happens to it. Counts are blocks. */
export class Image {
  readonly name: string;
  readonly blockSize: number;
  readonly blocks: number;
  readonly order = new RangeLock();
  readonly #file: BlockFile;

  constructor(name: string, bytes: number, blockSize: number, file: BlockFile) {
    this.name = name;
    this.blockSize = blockSize;
    this.blocks = bytes / blockSize;
    this.#file = file;
  }

  read(slba: number, into: Buffer, at: number, bytes: number, done: IoCallback): void {
    this.#file.pread(into, at, bytes, slba * this.blockSize, done);
  }

  write(slba: number, data: Buffer, done: IoCallback): void {
    this.#file.pwrite(data, 0, data.length, slba * this.blockSize, done);
  }

  /**
   * Makes a range read as zeroes. Node cannot punch holes, so a piece is written only where it is not
   * zero yet: what was a hole stays one. Ends early, with what is done so far, once `stop` says so.
   */
  zero(slba: number, nlb: number, stop: StopQuery, done: IoCallback): void {
    const end = (slba + nlb) * this.blockSize;
    const present = Buffer.allocUnsafe(Math.min(StoreLimit.zeroChunkBytes, nlb * this.blockSize));
    const next = (position: number): void => {
      if (position >= end || stop()) return done(null);
      const bytes = Math.min(present.length, end - position);
      const after: IoCallback = (error) => (error === null ? next(position + bytes) : done(error));
      this.#file.pread(present, 0, bytes, position, (error) => {
        if (error !== null) return done(error);
        if (present.compare(zeroes, 0, bytes, 0, bytes) === 0) return next(position + bytes);
        if (stop()) return done(null);
        this.#file.pwrite(zeroes, 0, bytes, position, after);
      });
    };
    next(slba * this.blockSize);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
