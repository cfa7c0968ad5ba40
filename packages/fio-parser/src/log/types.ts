import type { Problem } from '../errors.js';
import type { FioVersion } from '../version.js';

/** fio's data directions, in the order of their numbers in logs. */
export const LOG_DIRECTIONS = ['read', 'write', 'trim', 'sync', 'datasync', 'sync_file_range', 'syncfs', 'wait'] as const;
export type LogDirection = (typeof LOG_DIRECTIONS)[number];

/** The columns a log line can have, in this order. `max` comes with `log_window_value=both` (3.41 has it, 3.33 does not). */
export const LOG_COLUMNS = ['time', 'value', 'max', 'direction', 'blockSize', 'offset', 'priority', 'issueTime'] as const;
export type LogColumn = (typeof LOG_COLUMNS)[number];

/** An I/O priority as the kernel encodes it, with `log_prio=1`. */
export interface LogPriority {
  /** 0 none, 1 realtime, 2 best effort, 3 idle. */
  readonly priorityClass: number;
  /** 0 (highest) … 7. */
  readonly level: number;
  /** Hint bits, where kernel and fio have them. */
  readonly hint: number;
}

/** One line of a latency, bandwidth or IOPS log: one I/O, or the average of a window (`log_avg_msec`). */
export interface LogRecord {
  /** ms since the job started, or since the epoch that `log_alternate_epoch` chose. The end of the I/O or window. */
  readonly timeMs: number;
  /** Latency in ns, bandwidth in KiB/s, or IOPS, by the kind of the log. An average in a windowed log. */
  readonly value: number;
  /** The largest value of the window. */
  readonly max?: number;
  readonly direction: LogDirection;
  /** Bytes; 0 in a windowed log. */
  readonly blockSize: number;
  /** Bytes from the start of the file; 0 in a windowed log. */
  readonly offset?: number;
  /** True for realtime class without `log_prio`; fio 3.17 and newer, by its sources. */
  readonly highPriority?: boolean;
  readonly priority?: LogPriority;
  /** When the I/O was issued, ns since the job started; `log_issue_time=1` (3.41 has it, 3.33 does not). 0 in `_lat` logs: fio fills only `_slat` and `_clat`. */
  readonly issueTimeNs?: number;
}

/** What is known about a log beforehand; everything may be left out. */
export interface LogOptions {
  /** The exact columns; ends all guessing. */
  readonly columns?: readonly LogColumn[];
  /** The fio that wrote it: before 3.17 there is no priority column (by its sources; not tried). */
  readonly version?: FioVersion;
  /** Told of each problem as it is found. */
  readonly onProblem?: (problem: Problem) => void;
}

/** What a log turned out to be; the return value of the generator, and complete only at the end. */
export interface LogSummary {
  readonly records: number;
  readonly lines: number;
  /** Empty when there was no line to see them in. */
  readonly columns: readonly LogColumn[];
  /** Other arrangements that fit all lines looked at. Not empty: pass `columns` or `version` to be sure. */
  readonly alternatives: readonly (readonly LogColumn[])[];
  readonly compression: 'none' | 'gzip' | 'fio';
  /** The first PROBLEMS_MAX ones. */
  readonly problems: readonly Problem[];
}

/** One line of a histogram log (`write_hist_log`): I/Os per latency bin since the line before. */
export interface HistogramRecord {
  readonly timeMs: number;
  readonly direction: LogDirection;
  readonly blockSize: number;
  /** `log_hist_coarseness`: a count covers `2^coarseness` bins. */
  readonly coarseness: number;
  readonly counts: readonly number[];
}
