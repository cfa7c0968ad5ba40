import { BackendError } from '../../backend.js';
import type { BackendErrorKind, BlockBackend } from '../../backend.js';

/** A backend in memory, whose operations a test can hold or fail. */
export class MemoryBackend implements BlockBackend {
  readonly blockSize: number;
  blocks: number;
  readonly calls: string[] = [];
  /** Set: every operation rejects with it. */
  failWith: BackendErrorKind | undefined;
  /** Set: operations wait for this before they start. */
  gate: Promise<void> | undefined;
  #data: Buffer;

  constructor(blocks: number, blockSize = 512) {
    this.blocks = blocks;
    this.blockSize = blockSize;
    this.#data = Buffer.alloc(blocks * blockSize);
  }

  /** Grows or shrinks it; the caller tells the target. */
  resize(blocks: number): void {
    const data = Buffer.alloc(blocks * this.blockSize);
    this.#data.copy(data);
    this.#data = data;
    this.blocks = blocks;
  }

  peek(slba: number, nlb: number): Buffer {
    return Buffer.from(this.#at(slba, nlb));
  }

  async read(slba: number, nlb: number): Promise<Buffer> {
    await this.#enter(`read ${slba}+${nlb}`);
    return this.peek(slba, nlb);
  }

  async write(slba: number, data: Buffer): Promise<void> {
    await this.#enter(`write ${slba}+${data.length / this.blockSize}`);
    data.copy(this.#data, slba * this.blockSize);
  }

  async flush(): Promise<void> {
    await this.#enter('flush');
  }

  async writeZeroes(slba: number, nlb: number): Promise<void> {
    await this.#enter(`writeZeroes ${slba}+${nlb}`);
    this.#at(slba, nlb).fill(0);
  }

  async deallocate(slba: number, nlb: number): Promise<void> {
    await this.#enter(`deallocate ${slba}+${nlb}`);
    this.#at(slba, nlb).fill(0);
  }

  async #enter(call: string): Promise<void> {
    this.calls.push(call);
    await this.gate;
    if (this.failWith !== undefined) throw new BackendError(this.failWith, `test: ${this.failWith}`);
  }

  #at(slba: number, nlb: number): Buffer {
    return this.#data.subarray(slba * this.blockSize, (slba + nlb) * this.blockSize);
  }
}
