import type { BlockBackend } from '../gateway/backend.js';
import type { StoreChannel } from './channel.js';
import { StoreError } from './errors.js';
import { StoreLimit } from './limits.js';
import { StoreOp } from './wire.js';

/** An image of the store as a gateway's backend. Offsets and counts are logical blocks. */
export class RemoteImage implements BlockBackend {
  readonly blockSize: number;
  readonly blocks: number;
  readonly #channel: StoreChannel;
  readonly #handle: number;

  constructor(channel: StoreChannel, handle: number, blockSize: number, blocks: number) {
    this.#channel = channel;
    this.#handle = handle;
    this.blockSize = blockSize;
    this.blocks = blocks;
  }

  /** The result is a view into the receive buffer: copy it to keep it for long. At most 2 MiB. */
  async read(slba: number, nlb: number): Promise<Buffer> {
    this.#checkRange(slba, nlb);
    if (nlb * this.blockSize > StoreLimit.payloadBytesMax) throw tooLong(nlb * this.blockSize);
    return this.#channel.request(StoreOp.read, this.#handle, slba, nlb, null);
  }

  /** Resolves once the store has the data in the image's file. At most 2 MiB. */
  async write(slba: number, data: Buffer): Promise<void> {
    const nlb = data.length / this.blockSize;
    this.#checkRange(slba, nlb);
    if (data.length > StoreLimit.payloadBytesMax) throw tooLong(data.length);
    await this.#channel.request(StoreOp.write, this.#handle, slba, nlb, data);
  }

  /** The store keeps no volatile cache: this only finds out whether it (still) serves this client. */
  async flush(): Promise<void> {
    await this.#channel.request(StoreOp.flush, this.#handle, 0, 0, null);
  }

  async writeZeroes(slba: number, nlb: number): Promise<void> {
    this.#checkRange(slba, nlb);
    await this.#channel.request(StoreOp.writeZeroes, this.#handle, slba, nlb, null);
  }

  /** A deallocated block reads as zeroes. */
  async deallocate(slba: number, nlb: number): Promise<void> {
    this.#checkRange(slba, nlb);
    await this.#channel.request(StoreOp.deallocate, this.#handle, slba, nlb, null);
  }

  #checkRange(slba: number, nlb: number): void {
    if (Number.isInteger(slba) && Number.isInteger(nlb) && slba >= 0 && nlb > 0 && slba + nlb <= this.blocks) return;
    throw new StoreError('STORE_RANGE', 'range', `blocks ${slba}+${nlb} are outside the image (${this.blocks} blocks)`);
  }
}

const tooLong = (bytes: number): StoreError =>
  new StoreError('STORE_RANGE', 'range', `${bytes} bytes in one operation exceed ${StoreLimit.payloadBytesMax}`);
