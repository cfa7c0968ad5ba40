import { createHash } from 'node:crypto';

/**
 * A small seeded generator: sfc32 (Doty-Humphrey's "small fast counting" family, 128 bits of state with
 * a 32-bit counter, so every seed has a period of at least 2^32). Not for secrets.
 *
 * A fork's stream depends only on the names on the way to it, never on how much the parent was used: a
 * consumer that draws one number more does not change what its siblings draw. That is what keeps a plan
 * and a replay stable while code around them changes.
 */
export class Random {
  readonly seed: string;
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: string) {
    this.seed = seed;
    const hash = createHash('sha256').update(seed, 'utf8').digest();
    this.#a = hash.readInt32LE(0);
    this.#b = hash.readInt32LE(4);
    this.#c = hash.readInt32LE(8);
    this.#counter = hash.readInt32LE(12);
  }

  /** An independent generator, named. The separator keeps ("a", "bc") and ("ab", "c") apart. */
  fork(name: string): Random {
    return new Random(`${this.seed}\u0000${name}`);
  }

  /** 0 … 2^32 − 1. */
  u32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** [0, 1) with 32 bits of resolution. */
  float(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** 0 … n − 1, each equally likely. Throws a RangeError unless 1 ≤ n ≤ 2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 0x1_0000_0000) throw new RangeError(`int(${n}): n must be an integer from 1 to 2^32`);
    // The top of the range that is no whole multiple of n would favour small results: draw again there.
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n);
    let value = this.u32();
    while (value >= limit) value = this.u32();
    return value % n;
  }

  /** One of the values, each equally likely. Throws a RangeError on an empty list. */
  pick<T>(values: readonly T[]): T {
    return values[this.int(values.length)] as T;
  }

  /** True in `percent` of 100 calls. */
  percent(percent: number): boolean {
    return this.float() * 100 < percent;
  }

  /** A shuffled copy (Fisher–Yates). */
  shuffle<T>(values: readonly T[]): T[] {
    const copy = [...values];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
    }
    return copy;
  }
}
