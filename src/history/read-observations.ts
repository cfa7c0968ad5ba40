import type { BlockObservation } from './journal-types.js';
import { opBlocksMax } from './journal-format.js';

/**
 * What one read found, block by block: an array of numbers for the sound blocks and a list for the rare
 * others. One instance is filled again for every read, so that a sound read allocates nothing.
 */
export class ReadObservations {
  /** Version of each block; −1 where `bad` says what was found. */
  readonly versions = new Float64Array(opBlocksMax);
  readonly bad: { block: number; seen: BlockObservation }[] = [];
  #count = 0;

  /** Blocks observed. */
  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
    if (this.bad.length > 0) this.bad.length = 0;
  }
  /** The next block is sound (version 0: zeroes). */
  addVersion(version: number): void {
    this.versions[this.#count++] = version;
  }
  /** The next block is not sound. */
  addBad(seen: Exclude<BlockObservation, { kind: 'version' }>): void {
    this.bad.push({ block: this.#count, seen });
    this.versions[this.#count++] = -1;
  }
}
