import type { FioCapabilities } from './capabilities.js';

/**
 * The clocks of a node against the harness's monotonic clock: what has to be subtracted from a time of the node to get
 * the harness's time, microseconds. `errUs` bounds the error of both.
 */
export interface NodeClock {
  /** CLOCK_MONOTONIC of the node − the harness's clock. */
  monotonicOffUs: number;
  /** CLOCK_REALTIME of the node (since 1970) − the harness's clock. */
  realtimeOffUs: number;
  errUs: number;
}

/** Where the zero of a fio log lies in the harness's time. */
export interface LogAnchor {
  clock: FioCapabilities['logClock'];
  zeroUs: number;
  zeroErrUs: number;
}

/** A log has whole milliseconds, and fio drops the fraction. */
export const logResolutionUs = 1_000;

/**
 * The anchor of a log. With a log in the node's monotonic or real time it follows from the clock's offset; otherwise
 * the log begins when the job did, between the start of the process and the first thing heard from it (`startedUs`,
 * `heardUs`; harness time). `later` is a second look at the end: what the clocks drifted apart (or were set) between
 * the two is added to the error.
 */
export function anchorLog(how: FioCapabilities['logClock'], clock: NodeClock, process: { startedUs: number; heardUs: number }, later?: NodeClock): LogAnchor {
  if (how === 'start') {
    const { startedUs, heardUs } = process;
    return { clock: how, zeroUs: Math.round((startedUs + heardUs) / 2), zeroErrUs: Math.ceil((heardUs - startedUs) / 2) + logResolutionUs };
  }
  const off = (each: NodeClock): number => (how === 'monotonic' ? each.monotonicOffUs : each.realtimeOffUs);
  const last = later ?? clock;
  const driftUs = Math.abs(off(last) - off(clock));
  return {
    clock: how,
    zeroUs: Math.round(-(off(clock) + off(last)) / 2),
    zeroErrUs: Math.ceil(Math.max(clock.errUs, last.errUs) + driftUs / 2) + logResolutionUs,
  };
}
