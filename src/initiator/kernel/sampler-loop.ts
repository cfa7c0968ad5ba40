import fs from 'node:fs';
import os from 'node:os';
import { basename } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { PathCounters } from './path-counters.js';
import type { TrafficWindow } from './path-counters.js';
import { PathSampler } from './path-sampler.js';
import type { SampledChange } from './path-sampler.js';
import { sysfsCalls } from './sysfs.js';
import type { KernelRoots, SysfsCalls } from './sysfs.js';

/** Two samples are this far apart, milliseconds: with the jitter of a busy machine still about ten. */
export const samplePeriodMs = 8;
/**
 * Where a sample takes long (a processor that is emulated, or wanted by others) they are further apart, so that sampling
 * never takes more than this share of a processor from what it observes, but no further than the limit.
 */
export const samplerShareMax = 0.15;
export const samplePeriodMaxMs = 20;
/** How often new and vanished controllers and paths are looked for. One that vanishes is also noticed when it is read. */
export const rescanPeriodMs = 100;
/** How often the counters are read, and the density of the samples is reported. */
export const reportPeriodMs = 250;
/** The groups of the paths, which hardly ever change, are read with every so many reports. */
const reportsPerRefresh = 4;

/** How densely was looked, on the machine's own clock. */
export interface SampleCoverage {
  fromUs: number;
  toUs: number;
  samples: number;
  maxGapUs: number;
}

/** What the loop tells, all times on the machine's own clock, microseconds. */
export type SamplerMessage =
  /** All found by one sample, so not ordered among each other; `tUs`: when it was complete. */
  | { kind: 'changes'; tUs: number; changes: SampledChange[] }
  | { kind: 'report'; coverage: SampleCoverage; traffic: TrafficWindow }
  /** Everything up to now has been told. */
  | { kind: 'flushed'; number: number };

/** Words of the memory that the loop shares with whoever commands it. */
export const SamplerWord = { wake: 0, stop: 1, flush: 2 } as const;
export const samplerWords = 3;

export interface SamplerLoopOptions {
  nqn: string;
  roots: KernelRoots;
  control: SharedArrayBuffer;
  periodMs?: number;
}
interface SamplerLoopParts {
  calls: SysfsCalls;
  /** Microseconds of the machine's own monotonic clock. */
  now: () => number;
  post: (message: SamplerMessage) => void;
  /** Waits that long, or until the word `wake` is no longer `seen`. */
  wait: (control: Int32Array, seen: number, waitMs: number) => void;
}

/**
 * Samples until it is told to stop. It never returns to the event loop, because that would pace it less well
 * than a wait for the next due time; it is meant for a thread of its own (`samplerThread`).
 *
 * The gap that a report names is from the begin of one sample to the end of the next: no state can have gone
 * unread for longer.
 */
export function runSamplerLoop(options: SamplerLoopOptions, parts: SamplerLoopParts): void {
  const { calls, now, post, wait } = parts;
  const control = new Int32Array(options.control);
  const sampler = new PathSampler(options.roots, calls, options.nqn);
  const counters = new PathCounters(options.roots, calls, now);
  const pace = new Pace((options.periodMs ?? samplePeriodMs) * 1_000);
  let dueUs = now();
  let lastBeganUs = dueUs;
  let rescanDueUs = dueUs;
  let flushed = 0;
  let reports = 0;
  const coverage: SampleCoverage = { fromUs: dueUs, toUs: dueUs, samples: 0, maxGapUs: 0 };

  const report = (): void => {
    const traffic = counters.read(sampler.paths);
    if (coverage.samples > 0) post({ kind: 'report', coverage: { ...coverage }, traffic });
    Object.assign(coverage, { fromUs: coverage.toUs, samples: 0, maxGapUs: 0 });
  };
  for (;;) {
    // Read before the sample, so that whoever asked gets one that began afterwards.
    const seen = Atomics.load(control, SamplerWord.wake);
    const stop = Atomics.load(control, SamplerWord.stop) !== 0;
    const flush = Atomics.load(control, SamplerWord.flush);
    const beganUs = now();
    const rescan = beganUs >= rescanDueUs || flush !== flushed;
    if (rescan) rescanDueUs = beganUs + rescanPeriodMs * 1_000;
    const changes = sampler.sample(rescan);
    const tUs = now();
    coverage.toUs = tUs;
    coverage.samples++;
    coverage.maxGapUs = Math.max(coverage.maxGapUs, tUs - lastBeganUs);
    lastBeganUs = beganUs;
    if (changes.length > 0) post({ kind: 'changes', tUs, changes });

    if (tUs - coverage.fromUs >= reportPeriodMs * 1_000 || flush !== flushed || stop) {
      const regrouped = reports++ % reportsPerRefresh === 0 || flush !== flushed ? sampler.refresh() : [];
      if (regrouped.length > 0) post({ kind: 'changes', tUs: now(), changes: regrouped });
      report();
    }
    if (flush !== flushed) post({ kind: 'flushed', number: (flushed = flush) });
    if (stop) break;

    dueUs += pace.after(tUs - beganUs);
    const waitUs = dueUs - now();
    // What was missed is not made up for: two samples at once see no more than one.
    if (waitUs > 0) wait(control, seen, waitUs / 1_000);
    else dueUs -= waitUs;
  }
  counters.close();
  sampler.close();
}

/** How far apart samples are, by how long they take. */
class Pace {
  readonly #leastUs: number;
  #meanUs = 0;

  constructor(leastUs: number) {
    this.#leastUs = leastUs;
  }

  /** The time from the begin of a sample that took so long to the next, microseconds. */
  after(tookUs: number): number {
    // Slow to follow: one sample that was interrupted says nothing.
    this.#meanUs += (tookUs - this.#meanUs) / 16;
    return Math.min(Math.max(this.#leastUs, this.#meanUs / samplerShareMax), Math.max(this.#leastUs, samplePeriodMaxMs * 1_000));
  }
}

/** Before the workload's threads: what it takes is bounded, and looking late is what it is there to avoid. */
const samplerNice = -10;

/** The body of a sampler's thread. */
export function samplerThread(options: SamplerLoopOptions, port: MessagePort): void {
  preferThisThread();
  runSamplerLoop(options, {
    calls: sysfsCalls,
    now: () => {
      const [seconds, nanos] = process.hrtime();
      return seconds * 1_000_000 + Math.floor(nanos / 1_000);
    },
    post: (message) => port.postMessage(message),
    wait: (control, seen, waitMs) => void Atomics.wait(control, SamplerWord.wake, seen, waitMs),
  });
}

/** Linux has a priority per thread (setpriority(2), "C library/kernel differences"). Only root may raise it; without it the sampler works, too. */
function preferThisThread(): void {
  try {
    os.setPriority(Number(basename(fs.readlinkSync('/proc/thread-self'))), samplerNice);
  } catch {
    // Not root, or not Linux.
  }
}
