import type { JournalHeader, JournalRecord, JournalSource } from '../history/journal-types.js';
import type { IoSample } from './types.js';

/**
 * The latency of every I/O of a run, thinned out to what a page can draw, without losing a spike.
 *
 * Until the limit is reached every operation is a point. Beyond it the points are: the slowest operations
 * of the whole run, and per time bucket and class (namespace × read ok, write ok, failed, unknown outcome)
 * the fastest, the median, the slowest and a few at random. The bucket width doubles whenever the limit would be exceeded,
 * so memory stays bounded by the limit and not by the length of the run.
 */
export interface SampleLimits {
  /** Points kept at most, as long as one bucket per class fits into it. */
  maxPoints: number;
  /** How many of them are the slowest operations of the run. */
  slowestPoints: number;
}
export const defaultSampleLimits: SampleLimits = { maxPoints: 20_000, slowestPoints: 2_000 };

/** Width of a bucket when thinning starts, microseconds. */
const firstBucketUs = 1_000;
/** Values per bucket that its median is estimated from. */
const reservoirSize = 9;
/** Fastest, median, slowest, and others so that a picture of the points shows where most of them are. */
const pointsPerBucket = 6;
/** Bucket indices stay below this: a class and an index share one exact double. */
const indexSpan = 2 ** 40;

interface Bucket {
  fastest: IoSample;
  slowest: IoSample;
  count: number;
  reservoir: IoSample[];
}

/** Takes samples in any order, gives back at most `maxPoints` of them in order of time. */
export class SampleDecimator {
  readonly #limits: SampleLimits;
  /** All samples, until there are too many; undefined from then on. */
  #exact: IoSample[] | undefined = [];
  readonly #classes = new Map<string, number>();
  #buckets = new Map<number, Bucket>();
  #bucketUs = firstBucketUs;
  #points = 0;
  readonly #slowest: SlowestSamples;
  #random = 0x9e3779b9;

  constructor(limits: SampleLimits = defaultSampleLimits) {
    this.#limits = limits;
    this.#slowest = new SlowestSamples(Math.min(limits.slowestPoints, Math.floor(limits.maxPoints / 2)));
  }

  add(sample: IoSample): void {
    if (this.#exact === undefined) return this.#thin(sample);
    this.#exact.push(sample);
    if (this.#exact.length <= this.#limits.maxPoints) return;
    const all = this.#exact;
    this.#exact = undefined;
    for (const each of all) this.#thin(each);
  }

  result(): IoSample[] {
    const kept = this.#exact ?? [...this.#kept()];
    return kept.sort((a, b) => a.tUs - b.tUs || a.latencyUs - b.latencyUs);
  }

  #kept(): Set<IoSample> {
    const kept = new Set<IoSample>(this.#slowest.samples());
    for (const bucket of this.#buckets.values()) {
      const byLatency = [...bucket.reservoir].sort((a, b) => a.latencyUs - b.latencyUs);
      const must = new Set([bucket.fastest, byLatency[byLatency.length >> 1]!, bucket.slowest]);
      // The reservoir is a fair draw in random order as it is.
      for (const sample of bucket.reservoir) if (must.size < pointsPerBucket) must.add(sample);
      for (const sample of must) kept.add(sample);
    }
    return kept;
  }

  #thin(sample: IoSample): void {
    this.#slowest.add(sample);
    const name = `${sample.ns} ${sample.outcome === 'ok' ? sample.what : sample.outcome}`;
    let number = this.#classes.get(name);
    if (number === undefined) this.#classes.set(name, (number = this.#classes.size));
    const key = number * indexSpan + Math.floor(sample.tUs / this.#bucketUs);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      this.#buckets.set(key, { fastest: sample, slowest: sample, count: 1, reservoir: [sample] });
      this.#points++;
    } else {
      bucket.count++;
      if (bucket.count <= pointsPerBucket) this.#points++;
      if (sample.latencyUs < bucket.fastest.latencyUs) bucket.fastest = sample;
      if (sample.latencyUs > bucket.slowest.latencyUs) bucket.slowest = sample;
      if (bucket.reservoir.length < reservoirSize) bucket.reservoir.push(sample);
      else {
        const place = this.#below(bucket.count);
        if (place < reservoirSize) bucket.reservoir[place] = sample;
      }
    }
    while (this.#points > this.#limits.maxPoints - this.#slowest.size && this.#buckets.size > this.#classes.size) this.#widen();
  }

  /** Doubles the bucket width and joins neighbours. */
  #widen(): void {
    this.#bucketUs *= 2;
    const joined = new Map<number, Bucket>();
    this.#points = 0;
    for (const [key, bucket] of this.#buckets) {
      const number = Math.floor(key / indexSpan);
      const wider = number * indexSpan + Math.floor((key - number * indexSpan) / 2);
      const other = joined.get(wider);
      joined.set(wider, other === undefined ? bucket : this.#join(other, bucket));
    }
    for (const bucket of joined.values()) this.#points += Math.min(bucket.count, pointsPerBucket);
    this.#buckets = joined;
  }

  #join(a: Bucket, b: Bucket): Bucket {
    const left = [...a.reservoir];
    const right = [...b.reservoir];
    const reservoir: IoSample[] = [];
    while (reservoir.length < reservoirSize && left.length + right.length > 0) {
      // Each side gives in proportion to the operations that it stands for.
      const fromLeft = right.length === 0 || (left.length > 0 && this.#below(a.count + b.count) < a.count);
      const side = fromLeft ? left : right;
      reservoir.push(side.splice(this.#below(side.length), 1)[0]!);
    }
    return {
      fastest: a.fastest.latencyUs <= b.fastest.latencyUs ? a.fastest : b.fastest,
      slowest: a.slowest.latencyUs >= b.slowest.latencyUs ? a.slowest : b.slowest,
      count: a.count + b.count,
      reservoir,
    };
  }

  /** A number in [0, limit), xorshift32 from a fixed seed: the same journal gives the same picture. */
  #below(limit: number): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x >>> 0;
    return Math.floor((this.#random / 2 ** 32) * limit);
  }
}

/** The `capacity` slowest samples seen: a binary heap with the fastest of them on top. */
class SlowestSamples {
  readonly #capacity: number;
  readonly #heap: IoSample[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#heap.length;
  }

  samples(): readonly IoSample[] {
    return this.#heap;
  }

  add(sample: IoSample): void {
    const heap = this.#heap;
    if (heap.length < this.#capacity) {
      heap.push(sample);
      for (let at = heap.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1;
        if (heap[parent]!.latencyUs <= heap[at]!.latencyUs) break;
        [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
        at = parent;
      }
    } else if (this.#capacity > 0 && sample.latencyUs > heap[0]!.latencyUs) {
      heap[0] = sample;
      for (let at = 0; ; ) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) {
          if (child < heap.length && heap[child]!.latencyUs < heap[least]!.latencyUs) least = child;
        }
        if (least === at) break;
        [heap[least], heap[at]] = [heap[at]!, heap[least]!];
        at = least;
      }
    }
  }
}

type Invoke = Extract<JournalRecord, { kind: 'invoke' }>;

/**
 * Reads all journals of a run once, in memory bounded by `limits` and the operations in flight.
 * An operation that has no completion counts as `info` that lasted to the last record of its journal.
 */
export async function samplesFromJournal(source: JournalSource, limits: SampleLimits = defaultSampleLimits): Promise<IoSample[]> {
  const decimator = new SampleDecimator(limits);
  for (const header of await source.headers()) {
    const open = new Map<number, Invoke>();
    let lastUs = 0;
    for await (const chunk of source.records(header)) {
      for (const record of chunk) {
        lastUs = record.tUs;
        if (record.kind === 'invoke') {
          open.set(record.op, record);
          continue;
        }
        const invoke = open.get(record.op);
        // A completion without its invoke: the journal checker's business, not a latency.
        if (invoke === undefined) continue;
        open.delete(record.op);
        decimator.add(sampleOf(header, invoke, record.tUs, record.outcome, record.path));
      }
    }
    for (const invoke of open.values()) decimator.add(sampleOf(header, invoke, lastUs, 'info', null));
  }
  return decimator.result();
}

function sampleOf(header: JournalHeader, invoke: Invoke, endUs: number, outcome: IoSample['outcome'], path: string | null): IoSample {
  return {
    tUs: invoke.tUs,
    latencyUs: Math.max(0, endUs - invoke.tUs),
    what: invoke.what,
    ns: header.namespaces[invoke.ns]?.nsid ?? 0,
    outcome,
    path,
    op: invoke.op,
  };
}
