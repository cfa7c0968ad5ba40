import type { EventBody, NodeEvent } from '../history/events.js';
import { parseNvmeGwShow } from '../monitor/show-parser.js';
import { nowUs } from '../util/clock.js';
import { messageOf } from '../util/errors.js';

/** How often coverage is reported, milliseconds. */
export const monitorCoveragePeriodMs = 250;
/** A look that takes longer is given up, milliseconds: a `ceph` command over a cut connection may hang for ever. */
export const monitorLookTimeoutMs = 10_000;

/** A look that has not been answered after this long is not waited for before the next is asked, milliseconds. */
export const monitorOverlapMs = 250;
/** Looks that may be under way at once: four a second then, fewer than at a monitor that answers at once. */
const monitorLooksMax = 4;

export interface MonitorWatchOptions {
  /** One look: the output of `nvme-gw show POOL GROUP`, e.g. of a `ceph` command on a cluster node. */
  show: () => Promise<string>;
  /** Pause from the end of one look to the beginning of the next, milliseconds; the monitor's being slow cuts it short (`monitorOverlapMs`). */
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
 *
 * A monitor that is slow is asked again before it has answered, or the gap would be twice its time to answer:
 *
 * ```
 *   asked    1───────▶  2───────▶          gap of 1 and 2: from the first 1 to the arrow of 2
 *   beside   1───────▶
 *              2───────▶
 * ```
 *
 * An answer that comes after that of a later question is dropped.
 */
export class MonitorWatch {
  private readonly options: MonitorWatchOptions;
  private readonly now: () => number;
  private readonly coverageTimer: NodeJS.Timeout;
  private readonly running: Promise<void>;
  /** End the pauses. */
  private readonly wakes = new Set<() => void>();
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

  /** Ends watching, after the looks under way, and reports the rest. */
  async stop(): Promise<void> {
    this.stopped = true;
    for (const wake of this.wakes) wake();
    await this.running;
    clearInterval(this.coverageTimer);
    this.report();
  }

  private async run(): Promise<void> {
    const underWay = new Set<Promise<void>>();
    while (!this.stopped) {
      const look = this.look();
      underWay.add(look);
      void look.then(() => underWay.delete(look));
      await Promise.race([look.then(() => this.pause(this.options.periodMs)), this.pause(monitorOverlapMs)]);
      if (underWay.size >= monitorLooksMax) await Promise.race(underWay);
    }
    await Promise.all(underWay);
  }

  private pause(ms: number): Promise<void> {
    if (this.stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.wakes.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.wakes.add(wake);
    });
  }

  private async look(): Promise<void> {
    const askedUs = this.now();
    try {
      const show = parseNvmeGwShow(await this.ask());
      // One that was asked later has been answered: this one knows nothing newer.
      if (askedUs < this.lastAskedUs) return;
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
