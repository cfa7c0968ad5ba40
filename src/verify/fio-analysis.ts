import { binOf, binValueNs, LatencyHistogram } from 'fio-parser';
import type { Period } from './timeline.js';

/**
 * What a per-I/O log of one namespace tells about stalls: a fold over its completions, in the order of the log, in
 * bounded memory. Pure; times in microseconds of the harness's clock.
 */

/** One line of the log. */
export interface Completion {
  /** When it ended. */
  tUs: number;
  latencyUs: number;
}

/** A stretch in which latencies are gathered, and named. */
export interface Stretch extends Period {
  name: string;
}

/** A moment after which the first completion is looked for. */
export interface Mark {
  name: string;
  tUs: number;
  /** Only I/O that was issued after the mark counts; what was in flight then may end for any reason. */
  issuedAfter: boolean;
}

/** A time without a completion, longer than the floor. */
export interface Gap {
  /** The completion before it, and the one that ended it. */
  fromUs: number;
  toUs: number;
  /** Since when something was outstanding in it: the stall. The same as `fromUs`, unless the job had nothing to do. */
  stallFromUs: number;
}

export interface AnalysisOptions {
  stretches: readonly Stretch[];
  marks: readonly Mark[];
  /** Gaps shorter than this are a busy machine's daily life. */
  gapFloorUs: number;
}

/** Gaps kept; beyond it the shorter half is dropped and the floor raised. */
export const gapsMax = 2_000;
/** Completions are counted in buckets of this length, for throughput over time. */
export const bucketUs = 100_000;
/** Throughput is compared over windows of this length. */
export const throughputWindowUs = 1_000_000;
/** "Recovered" is this share of the baseline. */
export const recoveredShare = 0.9;
/** Buckets kept: a day and a bit. */
const bucketsMax = 1_000_000;

export interface LatencySummary {
  completions: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  maxUs: number;
}

export class LogAnalysis {
  readonly #options: AnalysisOptions;
  readonly #histograms: Map<number, number>[];
  readonly #counts: number[];
  readonly #maxima: number[];
  readonly #firsts = new Map<string, number>();
  readonly #buckets = new Map<number, number>();
  #gaps: Gap[] = [];
  #floorUs: number;
  #lastUs = -Infinity;
  #firstUs = Infinity;
  #completions = 0;
  #backwardsUs = 0;
  #pending: Mark[];

  constructor(options: AnalysisOptions) {
    this.#options = options;
    this.#floorUs = options.gapFloorUs;
    this.#histograms = options.stretches.map(() => new Map<number, number>());
    this.#counts = options.stretches.map(() => 0);
    this.#maxima = options.stretches.map(() => 0);
    this.#pending = [...options.marks];
  }

  add({ tUs, latencyUs }: Completion): void {
    this.#completions += 1;
    if (tUs < this.#lastUs) this.#backwardsUs = Math.max(this.#backwardsUs, this.#lastUs - tUs);
    const issuedUs = tUs - latencyUs;
    if (latencyUs >= this.#floorUs) this.#extend(issuedUs, tUs);
    if (tUs - this.#lastUs >= this.#floorUs && this.#lastUs !== -Infinity) this.#gap({ fromUs: this.#lastUs, toUs: tUs, stallFromUs: Math.max(this.#lastUs, issuedUs) });
    this.#firstUs = Math.min(this.#firstUs, tUs);
    this.#lastUs = Math.max(this.#lastUs, tUs);
    for (const [index, { fromUs, toUs }] of this.#options.stretches.entries()) {
      if (tUs < fromUs || tUs >= toUs) continue;
      const bin = binOf(latencyUs * 1_000);
      const histogram = this.#histograms[index]!;
      histogram.set(bin, (histogram.get(bin) ?? 0) + 1);
      this.#counts[index]! += 1;
      if (latencyUs > this.#maxima[index]!) this.#maxima[index] = latencyUs;
    }
    if (this.#pending.length > 0) {
      this.#pending = this.#pending.filter((mark) => {
        if (tUs < mark.tUs || (mark.issuedAfter && issuedUs < mark.tUs)) return true;
        this.#firsts.set(mark.name, tUs);
        return false;
      });
    }
    const bucket = Math.floor(tUs / bucketUs);
    const before = this.#buckets.get(bucket);
    if (before !== undefined || this.#buckets.size < bucketsMax) this.#buckets.set(bucket, (before ?? 0) + 1);
  }

  get completions(): number {
    return this.#completions;
  }
  get firstUs(): number {
    return this.#firstUs;
  }
  get lastUs(): number {
    return this.#lastUs;
  }
  /** How far the log stepped back at most; a log is written in the order of completions. */
  get backwardsUs(): number {
    return this.#backwardsUs;
  }
  /** Below it gaps were dropped. */
  get gapFloorUs(): number {
    return this.#floorUs;
  }

  /** Longest stall first. */
  gaps(): Gap[] {
    return [...this.#gaps].sort(byStall);
  }

  /** The first completion after a mark; undefined: there was none. */
  firstAfter(mark: string): number | undefined {
    return this.#firsts.get(mark);
  }

  /** Latencies of the I/O that ended in a stretch; undefined: none did. */
  latencies(stretch: string): LatencySummary | undefined {
    const index = this.#options.stretches.findIndex(({ name }) => name === stretch);
    if (index === -1 || this.#counts[index] === 0) return undefined;
    const histogram = new LatencyHistogram([...this.#histograms[index]!].map(([bin, count]) => [binValueNs(bin), count]));
    const maxUs = Math.round(this.#maxima[index]!);
    // A bin is valued at its middle, which may lie above the largest value in it.
    const us = (percent: number): number => Math.min(maxUs, Math.round(histogram.percentileNs(percent)! / 1_000));
    return { completions: this.#counts[index]!, p50Us: us(50), p99Us: us(99), p999Us: us(99.9), maxUs };
  }

  /** Completions per second in a period, whole buckets only; undefined: it is shorter than a window. */
  rate({ fromUs, toUs }: Period): number | undefined {
    const first = Math.ceil(Math.max(fromUs, this.#firstUs) / bucketUs);
    const end = Math.floor(Math.min(toUs, this.#lastUs) / bucketUs);
    if ((end - first) * bucketUs < throughputWindowUs) return undefined;
    return this.#sum(first, end) / (((end - first) * bucketUs) / 1e6);
  }

  /**
   * When throughput was back at `recoveredShare` of `baseline` (completions per second) for a whole window, looked for
   * from `fromUs` on. The longest gap that overlaps the fault comes first: before it has ended nothing has recovered,
   * however late it began. Undefined: it never was, as far as the log goes.
   */
  recoveredUs(fault: Period, baseline: number): number | undefined {
    const gap = this.gaps().find(({ fromUs, toUs }) => fromUs < fault.toUs && toUs > fault.fromUs);
    const fromUs = Math.max(fault.fromUs, gap?.toUs ?? -Infinity);
    const perWindow = throughputWindowUs / bucketUs;
    const wanted = recoveredShare * baseline * (throughputWindowUs / 1e6);
    // The bucket of the moment itself: its beginning was the gap.
    const first = Math.floor(fromUs / bucketUs);
    const last = Math.floor(this.#lastUs / bucketUs) - perWindow;
    for (let at = first; at <= last; at++) {
      if (this.#sum(at, at + perWindow) >= wanted) return Math.max(fromUs, at * bucketUs);
    }
    return undefined;
  }

  #sum(first: number, end: number): number {
    let sum = 0;
    for (let at = first; at < end; at++) sum += this.#buckets.get(at) ?? 0;
    return sum;
  }

  #gap(gap: Gap): void {
    this.#gaps.push(gap);
    if (this.#gaps.length <= gapsMax) return;
    this.#gaps.sort(byStall);
    this.#gaps = this.#gaps.slice(0, gapsMax / 2);
    const shortest = this.#gaps.at(-1)!;
    this.#floorUs = Math.max(this.#floorUs, shortest.toUs - shortest.stallFromUs);
  }

  /** An I/O that was outstanding while a gap ended makes it a stall from its issue on. */
  #extend(issuedUs: number, endedUs: number): void {
    for (const gap of this.#gaps) {
      if (issuedUs < gap.stallFromUs && issuedUs < gap.toUs && endedUs >= gap.toUs) gap.stallFromUs = Math.max(gap.fromUs, issuedUs);
    }
  }
}

function byStall(a: Gap, b: Gap): number {
  return b.toUs - b.stallFromUs - (a.toUs - a.stallFromUs);
}
