import { binBounds, binOf, binValueNs, PLAT_BINS } from './bins.js';

/**
 * A latency histogram made of fio's bins: exact counts, so histograms of several jobs, runs or seconds add up
 * and percentiles can be asked of the sum. Percentiles of percentiles would be wrong; use this instead.
 */
export class LatencyHistogram {
  readonly #counts: Map<number, number>;
  #total = 0;
  #sorted: { valueNs: number; count: number }[] | undefined;

  constructor(bins: Iterable<readonly [valueNs: number, count: number]> = []) {
    this.#counts = new Map();
    for (const [valueNs, count] of bins) this.#put(valueNs, count);
  }

  /** From the `bins` object of json+: keys are bin values in ns, values are counts. Keys that are no numbers are left out. */
  static fromJsonBins(bins: Readonly<Record<string, unknown>>): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const [key, count] of Object.entries(bins)) {
      if (/^\d+$/.test(key) && typeof count === 'number') histogram.#put(Number(key), count);
    }
    return histogram;
  }

  /** From single latencies in ns, each counted in fio's bin for it. */
  static fromLatenciesNs(latenciesNs: Iterable<number>): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const ns of latenciesNs) histogram.#put(binValueNs(binOf(ns)), 1);
    return histogram;
  }

  /**
   * From one line of a histogram log: counts of `2^coarseness` bins each. A coarse bin is valued at the middle of
   * its range.
   */
  static fromLogCounts(counts: readonly number[], coarseness: number): LatencyHistogram {
    const stride = 2 ** coarseness;
    const histogram = new LatencyHistogram();
    for (const [slot, count] of counts.entries()) {
      const first = slot * stride;
      if (count === 0 || first >= PLAT_BINS) continue;
      const { lowNs } = binBounds(first);
      const { highNs } = binBounds(Math.min(first + stride, PLAT_BINS) - 1);
      histogram.#put(stride === 1 ? binValueNs(first) : Math.floor((lowNs + highNs) / 2), count);
    }
    return histogram;
  }

  #put(valueNs: number, count: number): void {
    if (!(count > 0) || !Number.isFinite(valueNs)) return;
    this.#counts.set(valueNs, (this.#counts.get(valueNs) ?? 0) + count);
    this.#total += count;
    this.#sorted = undefined;
  }

  /** Number of I/Os counted. */
  get total(): number {
    return this.#total;
  }

  /** Bins with a count, by rising value. */
  get bins(): readonly { readonly valueNs: number; readonly count: number }[] {
    this.#sorted ??= [...this.#counts].map(([valueNs, count]) => ({ valueNs, count })).sort((a, b) => a.valueNs - b.valueNs);
    return this.#sorted;
  }

  /** The sum of this histogram and others, as a new one. */
  merge(...others: readonly LatencyHistogram[]): LatencyHistogram {
    const sum = new LatencyHistogram(this.#counts);
    for (const other of others) for (const [valueNs, count] of other.#counts) sum.#put(valueNs, count);
    return sum;
  }

  /**
   * The value in ns below or at which `percent` (0 … 100) of the I/Os lie, by fio's own rule: the first bin at
   * which the running count reaches `percent/100 * total`. Undefined for an empty histogram.
   */
  percentileNs(percent: number): number | undefined {
    if (!(percent >= 0 && percent <= 100)) throw new RangeError(`a percentile is between 0 and 100, not ${percent}`);
    const wanted = (percent / 100) * this.#total;
    let sum = 0;
    for (const { valueNs, count } of this.bins) {
      sum += count;
      // The product above may come out a hair too high (99.9 % of 1000 is 999.0000000000001).
      if (sum >= wanted - this.#total * Number.EPSILON) return valueNs;
    }
    return this.bins.at(-1)?.valueNs;
  }

  /** Mean of the bin values in ns; within 1/128 of the true mean. Undefined for an empty histogram. */
  get meanNs(): number | undefined {
    if (this.#total === 0) return undefined;
    let sum = 0;
    for (const { valueNs, count } of this.bins) sum += valueNs * count;
    return sum / this.#total;
  }

  get minNs(): number | undefined {
    return this.bins[0]?.valueNs;
  }

  get maxNs(): number | undefined {
    return this.bins.at(-1)?.valueNs;
  }

  /** The `bins` object that json+ would hold. */
  toJsonBins(): Record<string, number> {
    return Object.fromEntries(this.bins.map(({ valueNs, count }) => [String(valueNs), count]));
  }
}
