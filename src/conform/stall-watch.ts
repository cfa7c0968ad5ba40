import { nowUs } from '../util/clock.js';

const periodMs = 50;
/** Not worth remembering: the resolution of timers, and what every busy program has. */
const usualMs = 20;

/** Notices when this process itself stands still: gateways that are silent and looks that are late are its own fault then. */
export class StallWatch {
  readonly #stalls: { atMs: number; ms: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  #lastMs = nowUs() / 1_000;

  constructor() {
    this.#timer = setInterval(() => {
      const atMs = nowUs() / 1_000;
      const ms = atMs - this.#lastMs - periodMs;
      if (ms > usualMs) this.#stalls.push({ atMs, ms });
      this.#lastMs = atMs;
    }, periodMs);
  }

  /** Longest stall since this moment of the monotonic clock, milliseconds. */
  maxMs(sinceMs: number): number {
    return Math.max(usualMs, ...this.#stalls.filter(({ atMs }) => atMs > sinceMs).map(({ ms }) => ms));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
