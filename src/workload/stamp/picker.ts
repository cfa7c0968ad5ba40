import type { Random } from '../../util/random.js';

/** Random places tried for a write before the whole working set is searched. */
const triesMax = 8;

/**
 * Chooses where in the working set an operation goes, and keeps two writes that are outstanding at the
 * same time apart.
 *
 * NVMe orders nothing between outstanding commands, and a write of several blocks is atomic only up to
 * AWUN: two overlapping writes may leave blocks of both in any mixture, and that is no fault of the
 * target. The checker copes with it, but an oracle whose writes may legally mix proves less about
 * those blocks. Reads may overlap writes: they return the old version or the new one, block by block.
 *
 * Once a write has ended, however it ended, its blocks are free: overwriting a write of unknown
 * outcome is exactly what shows a stale one that lands later.
 */
export class BlockPicker {
  readonly #random: Random;
  /** 1: a write to this block is outstanding. */
  readonly #busy: Uint8Array;

  /** `blocks`: size of the working set, from LBA 0. */
  constructor(blocks: number, random: Random) {
    this.#busy = new Uint8Array(blocks);
    this.#random = random;
  }

  /** First LBA for a read of `nlb` blocks. */
  pickRead(nlb: number): number {
    return this.#random.int(this.#busy.length - nlb + 1);
  }

  /** First LBA for a write of `nlb` blocks, which is then held until `release`; −1 when there is no room beside the outstanding ones. */
  pickWrite(nlb: number): number {
    const places = this.#busy.length - nlb + 1;
    let slba = this.#random.int(places);
    for (let tries = 1; !this.#isFree(slba, nlb); tries++) {
      if (tries === triesMax) {
        slba = this.#search(slba, nlb, places);
        if (slba === -1) return -1;
        break;
      }
      slba = this.#random.int(places);
    }
    this.#busy.fill(1, slba, slba + nlb);
    return slba;
  }

  release(slba: number, nlb: number): void {
    this.#busy.fill(0, slba, slba + nlb);
  }

  #isFree(slba: number, nlb: number): boolean {
    for (let lba = slba; lba < slba + nlb; lba++) if (this.#busy[lba] === 1) return false;
    return true;
  }

  /** The first free place from `from` on, around the end. */
  #search(from: number, nlb: number, places: number): number {
    for (let i = 0; i < places; i++) {
      const slba = (from + i) % places;
      if (this.#isFree(slba, nlb)) return slba;
    }
    return -1;
  }
}
