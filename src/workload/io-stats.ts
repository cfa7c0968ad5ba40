import type { EventBody } from '../history/index.js';
import type { IoResult } from './device.js';
import { LatencyHistogram } from './histogram.js';

/** How often a namespace's statistics are reported while the load runs, milliseconds. */
export const statsPeriodMs = 250;

export type IoStatsEvent = Extract<EventBody, { type: 'io.stats' }>;

/** Totals since the start. */
export interface IoTotals {
  reads: number;
  writes: number;
  bytesRead: number;
  bytesWritten: number;
  failed: number;
  info: number;
}
const zeroes = (): IoTotals => ({ reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, failed: 0, info: 0 });

/** Statistics of one namespace: totals, and a window that each report closes. Reads and writes count those that ended ok. */
export class IoStats {
  readonly totals: IoTotals = zeroes();
  inflight = 0;
  #window: IoTotals = zeroes();
  #fromUs: number;
  readonly #latency = new LatencyHistogram();

  constructor(startUs: number) {
    this.#fromUs = startUs;
  }

  ended(what: 'read' | 'write', bytes: number, outcome: IoResult['outcome'], latencyUs: number): void {
    add(this.totals, what, bytes, outcome);
    add(this.#window, what, bytes, outcome);
    if (outcome === 'ok') this.#latency.record(latencyUs);
  }

  /** Nothing ended in the window and nothing is in flight. */
  get quiet(): boolean {
    const { reads, writes, failed, info } = this.#window;
    return this.inflight === 0 && reads + writes + failed + info === 0;
  }

  /** Closes the window at `toUs`. Latencies are of the operations that ended ok in it. */
  report(toUs: number, host: string, nsUuid: string, nsid: number, queued: number): IoStatsEvent {
    const event: IoStatsEvent = {
      type: 'io.stats', host, nsUuid, nsid, fromUs: this.#fromUs, toUs, ...this.#window,
      latencyMeanUs: Math.round(this.#latency.meanUs),
      latencyP99Us: this.#latency.quantileUs(0.99),
      latencyMaxUs: this.#latency.maxUs,
      inflight: this.inflight, queued,
    };
    this.skip(toUs);
    return event;
  }

  /** Begins a new window without a report. */
  skip(toUs: number): void {
    this.#fromUs = toUs;
    this.#window = zeroes();
    this.#latency.reset();
  }
}

function add(totals: IoTotals, what: 'read' | 'write', bytes: number, outcome: IoResult['outcome']): void {
  if (outcome === 'fail') totals.failed++;
  else if (outcome === 'info') totals.info++;
  else if (what === 'read') {
    totals.reads++;
    totals.bytesRead += bytes;
  } else {
    totals.writes++;
    totals.bytesWritten += bytes;
  }
}
