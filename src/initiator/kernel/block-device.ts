import fs from 'node:fs';
import type { BlockDevice, IoOptions, IoResult } from '../../workload/device.js';
import { infraError, messageOf } from '../../util/errors.js';
import type { AlignedPool, AlignedSlot } from './aligned-pool.js';

export interface KernelBlockDeviceOptions {
  /** `/dev/nvme0n1`: the multipath head. */
  path: string;
  uuid: string;
  nsid: number;
  blockSize: number;
  blocks: number;
  /** The largest request that the kernel does not split, bytes. */
  transferMaxBytes: number;
  /** Its buffers bound the size of an operation, too. */
  pool: AlignedPool;
  /** For tests on file systems without O_DIRECT. */
  direct?: boolean;
  calls?: BlockCalls;
}

/** The system calls of the device; tests stand in for them. Results come as Node's callbacks give them. */
export interface BlockCalls {
  read(fd: number, buffer: Buffer, length: number, position: number, done: (error: NodeJS.ErrnoException | null, bytes: number) => void): void;
  write(fd: number, buffer: Buffer, length: number, position: number, done: (error: NodeJS.ErrnoException | null, bytes: number) => void): void;
  sync(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void;
}
const blockCalls: BlockCalls = {
  read: (fd, buffer, length, position, done) => fs.read(fd, buffer, 0, length, position, done),
  write: (fd, buffer, length, position, done) => fs.write(fd, buffer, 0, length, position, done),
  sync: (fd, done) => fs.fdatasync(fd, done),
};

/**
 * Errors that only a target's answer becomes (block/blk-core.c, blk_errors; drivers/nvme/host/core.c,
 * nvme_error_status): a full or write-protected namespace, an LBA out of range, a medium error, a failed
 * protection check, an opcode that is not known.
 */
const answered: ReadonlySet<string> = new Set(['ENOSPC', 'ENODATA', 'EREMOTEIO', 'EOPNOTSUPP', 'ENOTSUP', 'EILSEQ', 'EINVAL', 'EROFS']);
/** Errors of the call itself, before any request was made. */
const neverSubmitted: ReadonlySet<string> = new Set(['EBADF', 'EFAULT']);

/**
 * A namespace through the kernel's multipath head, opened with O_DIRECT.
 *
 * What the ends mean:
 * - *ok*: the call returned every byte.
 * - *fail*: a read that ended with an error, which has no effect anywhere; or a write whose error can only be
 *   a target's answer (`answered`).
 * - *info*: a write that ended with any other error. EIO is all that the kernel says when it gives up (no
 *   path left, a controller lost) as well as for an answer that it has no better number for, and a command that
 *   it took back from a dead connection may still be executed by its old controller. ENOLINK is a path error. A write
 *   of which only a part was done is `info` too. And whatever was aborted.
 *
 * The kernel can take nothing back, so an abort only ends the waiting: the operation itself goes on, and its
 * buffer with it. It does not tell the path either, nor how often it has sent: `path` is null, `sends` 1 for
 * whatever was handed to it.
 *
 * Each operation holds one of libuv's threads, for as long as the kernel queues it: UV_THREADPOOL_SIZE must
 * be above the queue depths of all namespaces together.
 */
export class KernelBlockDevice implements BlockDevice {
  readonly uuid: string;
  readonly nsid: number;
  readonly blockSize: number;
  readonly blocks: number;
  readonly transferMaxBytes: number;
  readonly #fd: number;
  readonly #path: string;
  readonly #pool: AlignedPool;
  readonly #calls: BlockCalls;
  #outstanding = 0;
  #closed = false;

  private constructor(fd: number, options: KernelBlockDeviceOptions) {
    this.#fd = fd;
    this.#path = options.path;
    this.#pool = options.pool;
    this.#calls = options.calls ?? blockCalls;
    this.uuid = options.uuid;
    this.nsid = options.nsid;
    this.blockSize = options.blockSize;
    this.blocks = options.blocks;
    this.transferMaxBytes = Math.min(options.transferMaxBytes, options.pool.slotBytes);
  }

  /** Throws an infra error (HOST_DEVICE_OPEN). Opening reads nothing, so it does not hang without a path. */
  static open(options: KernelBlockDeviceOptions): KernelBlockDevice {
    const { O_RDWR, O_DIRECT } = fs.constants;
    try {
      return new KernelBlockDevice(fs.openSync(options.path, O_RDWR | (options.direct === false ? 0 : O_DIRECT)), options);
    } catch (cause) {
      throw infraError('HOST_DEVICE_OPEN', `${options.path} cannot be opened: ${messageOf(cause)}`, { cause });
    }
  }

  get path(): string {
    return this.#path;
  }

  /** Operations that the kernel still has, aborted ones included. */
  get outstanding(): number {
    return this.#outstanding;
  }

  async read(slba: number, nlb: number, options: IoOptions = {}): Promise<IoResult> {
    const bytes = nlb * this.blockSize;
    const refused = this.#refuse(slba, nlb, bytes, options);
    if (refused !== undefined) return refused;
    const slot = await this.#slot(options.signal);
    if (slot === undefined) return neverSent('ABORTED');
    return this.#submit(slot, options.signal, (done) => this.#calls.read(this.#fd, slot.buffer, bytes, slba * this.blockSize, done), (error, done) => {
      if (error !== null) return failure(error, 'fail');
      if (done !== bytes) return { ...sent('fail'), code: 'SHORT_READ' };
      // A copy: the buffer goes to the next operation.
      return { ...sent('ok'), data: Buffer.from(slot.buffer.subarray(0, bytes)) };
    });
  }

  async write(slba: number, data: Buffer, options: IoOptions = {}): Promise<IoResult> {
    const refused = this.#refuse(slba, data.length / this.blockSize, data.length, options);
    if (refused !== undefined) return refused;
    const slot = await this.#slot(options.signal);
    if (slot === undefined) return neverSent('ABORTED');
    data.copy(slot.buffer);
    return this.#submit(slot, options.signal, (done) => this.#calls.write(this.#fd, slot.buffer, data.length, slba * this.blockSize, done), (error, done) => {
      if (error !== null) return failure(error, 'info');
      return done === data.length ? sent('ok') : { ...sent('info'), code: 'SHORT_WRITE' };
    });
  }

  async flush(options: IoOptions = {}): Promise<IoResult> {
    const refused = this.#refuse(0, 1, this.blockSize, options);
    if (refused !== undefined) return refused;
    return this.#submit(undefined, options.signal, (done) => this.#calls.sync(this.#fd, (error) => done(error, 0)), (error) => (error === null ? sent('ok') : failure(error, 'info')));
  }

  /** Nothing more is submitted. What is outstanding goes on; the descriptor is closed once it has ended. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#outstanding === 0) this.#closeFile();
  }

  #refuse(slba: number, nlb: number, bytes: number, options: IoOptions): IoResult | undefined {
    if (this.#closed) return neverSent('DEVICE_CLOSED');
    if (options.signal?.aborted === true) return neverSent('ABORTED');
    // Nobody outside the kernel can choose a path for an operation.
    if (options.controller !== undefined) return neverSent('PATH_NOT_SELECTABLE');
    if (!Number.isInteger(nlb) || nlb < 1 || slba < 0 || slba + nlb > this.blocks || bytes > this.#pool.slotBytes) return neverSent('OUT_OF_RANGE');
    return undefined;
  }

  /** Undefined: aborted, or closed, while it waited for a buffer. */
  async #slot(signal: AbortSignal | undefined): Promise<AlignedSlot | undefined> {
    const slot = this.#pool.tryTake() ?? await this.#pool.take(signal);
    if (!this.#closed) return slot;
    slot?.release();
    return undefined;
  }

  #submit(slot: AlignedSlot | undefined, signal: AbortSignal | undefined, start: (done: (error: NodeJS.ErrnoException | null, bytes: number) => void) => void, judge: (error: NodeJS.ErrnoException | null, bytes: number) => IoResult): Promise<IoResult> {
    return new Promise((resolve) => {
      const abort = (): void => resolve({ ...sent('info'), code: 'ABORTED' });
      signal?.addEventListener('abort', abort, { once: true });
      this.#outstanding++;
      start((error, bytes) => {
        signal?.removeEventListener('abort', abort);
        resolve(judge(error, bytes));
        slot?.release();
        this.#outstanding--;
        if (this.#closed && this.#outstanding === 0) this.#closeFile();
      });
    });
  }

  #closeFile(): void {
    fs.close(this.#fd, () => undefined);
  }
}

function sent(outcome: IoResult['outcome']): IoResult {
  return { outcome, status: 0, dnr: false, code: '', path: null, sends: 1 };
}

function neverSent(code: string): IoResult {
  return { outcome: 'fail', status: 0, dnr: false, code, path: null, sends: 0 };
}

/** `doubtful`: what an error is that may or may not be a target's answer. */
function failure(error: NodeJS.ErrnoException, doubtful: 'fail' | 'info'): IoResult {
  const code = error.code ?? 'UNKNOWN';
  if (neverSubmitted.has(code)) return neverSent(code);
  return { ...sent(answered.has(code) ? 'fail' : doubtful), code };
}
