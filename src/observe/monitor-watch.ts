import type { EventBody, NodeEvent } from '../history/events.js';
import { parseNvmeGwShow } from '../monitor/show-parser.js';
import { nowUs } from '../util/clock.js';
import { messageOf } from '../util/errors.js';

/** How often coverage is reported, milliseconds. */
export const monitorCoveragePeriodMs = 250;
/** A look that takes longer is given up, milliseconds: a `ceph` command over a cut connection may hang for ever. */
export const monitorLookTimeoutMs = 10_000;

export interface MonitorWatchOptions {
  /** One look: the output of `nvme-gw show POOL GROUP`, e.g. of a `ceph` command on a cluster node. */
  show: () => Promise<string>;
  /** Pause from the end of one look to the beginning of the next, milliseconds. */
  periodMs: number;
  emit: (event: NodeEvent) => void;
  /** Names the observer in coverage events. Default `monitor`. */
  observer?: string;
  timeoutMs?: number;
  /** A look that failed: told once for as long as it lasts. Looking goes on. */
  onError?: (error: Error) => void;
  /** For tests: the clock, microseconds. */
  now?: () => number;
}

/**
 * Follows a monitor that can only be asked: polls `show`, reports a `mon.map` event when the answer differs
 * from the one before, and tells how densely it has looked.
 *
 * An answer shows the map of some moment between question and answer. So the gap between two looks is
 * counted from the question of the first to the answer of the second: a state that lasted longer than
 * `maxGapUs` was seen. A look that failed or does not parse is no look.
 */
export class MonitorWatch {
  private readonly options: MonitorWatchOptions;
  private readonly now: () => number;
  private readonly coverageTimer: NodeJS.Timeout;
  private readonly running: Promise<void>;
  private wake: () => void = () => undefined;
  private stopped = false;
  private failing = false;
  private lastMap = '';
  /** When the last good look was asked for; at first, when watching began. */
  private lastAskedUs: number;
  private fromUs: number;
  private samples = 0;
  private maxGapUs = 0;

  constructor(options: MonitorWatchOptions) {
    this.options = options;
    this.now = options.now ?? nowUs;
    this.fromUs = this.lastAskedUs = this.now();
    this.coverageTimer = setInterval(() => this.report(), monitorCoveragePeriodMs);
    this.running = this.run();
  }

  /** Ends watching, after the look under way, and reports the rest. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.running;
    clearInterval(this.coverageTimer);
    this.report();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      await this.look();
      await this.pause();
    }
  }

  private pause(): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.options.periodMs);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private async look(): Promise<void> {
    const askedUs = this.now();
    try {
      const show = parseNvmeGwShow(await this.ask());
      const answeredUs = this.now();
      this.samples += 1;
      this.maxGapUs = Math.max(this.maxGapUs, answeredUs - this.lastAskedUs);
      this.lastAskedUs = askedUs;
      this.failing = false;
      const body: EventBody = { type: 'mon.map', ...show };
      const text = JSON.stringify(body);
      if (text === this.lastMap) return;
      this.lastMap = text;
      this.options.emit({ ...body, tUs: answeredUs });
    } catch (error) {
      if (!this.failing) this.options.onError?.(error instanceof Error ? error : new Error(messageOf(error)));
      this.failing = true;
    }
  }

  /** The answer of this look, and of no later one: what comes after the timeout is dropped. */
  private async ask(): Promise<string> {
    const timeoutMs = this.options.timeoutMs ?? monitorLookTimeoutMs;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`the monitor did not answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([this.options.show(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  private report(): void {
    const toUs = this.now();
    if (toUs === this.fromUs) return;
    // Without a good look the gap is still growing: say how long it is by now.
    const maxGapUs = Math.max(this.maxGapUs, toUs - this.lastAskedUs);
    this.options.emit({
      type: 'observe.coverage', observer: this.options.observer ?? 'monitor', fromUs: this.fromUs, toUs, samples: this.samples, maxGapUs, tUs: toUs,
    });
    this.fromUs = toUs;
    this.samples = 0;
    this.maxGapUs = 0;
  }
}
