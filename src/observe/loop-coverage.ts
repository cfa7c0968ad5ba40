import type { EventBody, NodeEvent } from '../history/events.js';
import { nowUs } from '../util/clock.js';

/** How often the event loop is asked for a sign of life, and how often that is reported, milliseconds. */
export const tickMs = 5;
export const coveragePeriodMs = 250;

export interface LoopCoverageOptions {
  /** E.g. `host:host1`. */
  observer: string;
  emit: (event: NodeEvent) => void;
  periodMs?: number;
  /** For tests: the clock, microseconds. */
  now?: () => number;
}

/**
 * How densely a change-driven observer looked. The initiator tells every change the moment its event loop
 * handles it, so what it may have missed or seen late is exactly the time in which the loop did not turn:
 * a sample is a timer tick that ran, and the gap is the longest time between two of them. Reports follow
 * each other without a hole, the last one at `stop`.
 */
export class LoopCoverage {
  readonly #options: LoopCoverageOptions;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  readonly #periodUs: number;
  #fromUs: number;
  #lastTickUs: number;
  #samples = 0;
  #maxGapUs = 0;

  constructor(options: LoopCoverageOptions) {
    this.#options = options;
    this.#now = options.now ?? nowUs;
    this.#periodUs = (options.periodMs ?? coveragePeriodMs) * 1_000;
    this.#fromUs = this.#lastTickUs = this.#now();
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  /** Reports up to now, at a moment whose record must not end before it (e.g. the end of what is judged). */
  flush(): void {
    this.#tick();
    this.#report(this.#lastTickUs);
  }

  /** Reports the rest. */
  stop(): void {
    clearInterval(this.#timer);
    this.flush();
  }

  #tick(): void {
    const now = this.#now();
    this.#maxGapUs = Math.max(this.#maxGapUs, now - this.#lastTickUs);
    this.#lastTickUs = now;
    this.#samples++;
    if (now - this.#fromUs >= this.#periodUs) this.#report(now);
  }

  #report(toUs: number): void {
    if (toUs === this.#fromUs) return;
    const body: EventBody = { type: 'observe.coverage', observer: this.#options.observer, fromUs: this.#fromUs, toUs, samples: this.#samples, maxGapUs: this.#maxGapUs };
    this.#options.emit({ ...body, tUs: toUs });
    this.#fromUs = toUs;
    this.#samples = 0;
    this.#maxGapUs = 0;
  }
}
