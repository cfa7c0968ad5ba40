import type { seededRandom } from './random.js';

/** What a link does to all bytes of one direction. Shared by the pipes of that direction. */
export class Valve {
  /** No byte, FIN or RST passes. */
  cut = false;
  delayUs = 0;
  jitterUs = 0;
  /** Payload bytes passed on, over all connections. */
  bytes = 0;
  /** What becomes of each chunk that passes; undefined: nothing. */
  change: ((chunk: Buffer) => Buffer) | undefined;
  readonly #random: ReturnType<typeof seededRandom>;

  constructor(random: ReturnType<typeof seededRandom>) {
    this.#random = random;
  }

  get delays(): boolean {
    return this.delayUs > 0 || this.jitterUs > 0;
  }
  /** Delay of the next chunk, microseconds. */
  nextDelayUs(): number {
    return this.jitterUs === 0 ? this.delayUs : this.delayUs + Math.floor(this.#random() * this.jitterUs);
  }
}
