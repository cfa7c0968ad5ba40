import fs from 'node:fs';
import { infraError, messageOf } from '../util/errors.js';
import type { PathproofError } from '../util/errors.js';

/** The one system call that a test replaces, to see a full disk. Returns the bytes it wrote, maybe fewer than asked. */
export type WriteSync = (fd: number, data: Uint8Array, offset: number, length: number) => number;

/**
 * A file that is only ever appended to, with synchronous writes: once `write` has returned, the bytes
 * are in the page cache and outlive this process, however it ends. (They do not outlive the machine;
 * `close` syncs them to the disk.)
 *
 * After the first failed write nothing more is written, because a hole in the middle would be worse
 * than a missing end; `failure` then says why.
 */
export class AppendFile {
  readonly path: string;
  #fd: number;
  #open = true;
  readonly #writeSync: WriteSync;
  #failure: PathproofError | undefined;
  #bytes = 0;

  /** Throws an infra error (FILE_EXISTS, FILE_OPEN_FAILED): evidence is never overwritten. */
  constructor(path: string, writeSync: WriteSync = fs.writeSync) {
    this.path = path;
    this.#writeSync = writeSync;
    try {
      this.#fd = fs.openSync(path, 'ax');
    } catch (cause) {
      const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST';
      throw infraError(exists ? 'FILE_EXISTS' : 'FILE_OPEN_FAILED', `cannot create ${path}: ${messageOf(cause)}`, {
        cause,
        hint: exists ? 'A run never writes over an earlier one: choose another folder.' : 'Is the folder there, and writable?',
      });
    }
  }

  get failure(): PathproofError | undefined {
    return this.#failure;
  }

  /** Written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Writes all of `data[0, length)`. False: it failed, now or before; see `failure`. */
  write(data: Uint8Array, length: number = data.length): boolean {
    if (this.#failure !== undefined || !this.#open) return false;
    try {
      for (let done = 0; done < length; ) {
        const written = this.#writeSync(this.#fd, data, done, length - done);
        done += written;
        this.#bytes += written;
      }
      return true;
    } catch (cause) {
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      this.#failure = infraError(full ? 'DISK_FULL' : 'FILE_WRITE_FAILED', `cannot append to ${this.path}: ${messageOf(cause)}`, {
        cause,
        hint: 'The run cannot be judged without its evidence; free some space and repeat it.',
      });
      return false;
    }
  }

  /** Syncs and closes; safe to call twice. A failed sync is a failed write. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      fs.fsyncSync(this.#fd);
    } catch (cause) {
      this.#failure ??= infraError('FILE_WRITE_FAILED', `cannot sync ${this.path}: ${messageOf(cause)}`, { cause });
    }
    fs.closeSync(this.#fd);
  }
}
