/**
 * A fixed histogram of latencies in microseconds: buckets that grow with the value, 16 to each power of
 * two, so that a percentile is at most 6.25 % too high. No allocation after construction.
 */
const subBits = 4;
const sub = 1 << subBits;
/** Values above 2^36 µs (19 h) are counted in the last bucket. */
const powerMax = 36;
const bucketCount = (powerMax - subBits + 1) * sub;

export class LatencyHistogram {
  readonly #counts = new Uint32Array(bucketCount);
  #count = 0;
  #sumUs = 0;
  #maxUs = 0;

  get count(): number {
    return this.#count;
  }
  get maxUs(): number {
    return this.#maxUs;
  }
  /** 0 when nothing was recorded. */
  get meanUs(): number {
    return this.#count === 0 ? 0 : this.#sumUs / this.#count;
  }

  /** Negative values count as 0. */
  record(us: number): void {
    const value = us < 0 ? 0 : Math.floor(us);
    this.#counts[bucketOf(value)]!++;
    this.#count++;
    this.#sumUs += value;
    if (value > this.#maxUs) this.#maxUs = value;
  }

  /** The upper edge of the bucket that holds the quantile (0 < q ≤ 1), never above the largest value; 0 when empty. */
  quantileUs(q: number): number {
    if (this.#count === 0) return 0;
    const rank = Math.max(1, Math.ceil(q * this.#count));
    let seen = 0;
    for (let bucket = 0; bucket < bucketCount; bucket++) {
      seen += this.#counts[bucket]!;
      if (seen >= rank) return bucket === bucketCount - 1 ? this.#maxUs : Math.min(upperEdge(bucket), this.#maxUs);
    }
    return this.#maxUs;
  }

  reset(): void {
    if (this.#count === 0) return;
    this.#counts.fill(0);
    this.#count = 0;
    this.#sumUs = 0;
    this.#maxUs = 0;
  }
}

/** Values below 16 have a bucket each; above, the power of two and the four bits below its leading one. */
function bucketOf(value: number): number {
  if (value < sub) return value;
  const power = value < 0x8000_0000 ? 31 - Math.clz32(value) : Math.floor(Math.log2(value));
  if (power >= powerMax) return bucketCount - 1;
  const fraction = Math.floor(value / 2 ** (power - subBits)) - sub;
  return (power - subBits + 1) * sub + fraction;
}

/** The largest value of a bucket. */
function upperEdge(bucket: number): number {
  if (bucket < sub) return bucket;
  const power = Math.floor(bucket / sub) + subBits - 1;
  const fraction = bucket % sub;
  return (sub + fraction + 1) * 2 ** (power - subBits) - 1;
}
