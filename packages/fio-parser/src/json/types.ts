import type { Problem } from '../errors.js';
import type { LatencyHistogram } from '../histogram/histogram.js';
import type { FioMessage } from '../messages/types.js';
import type { FioVersion } from '../version.js';
import type { JsonObject } from './reader.js';

/** Latency of one kind in one direction. All zero when fio took no sample. */
export interface LatencyStats {
  readonly minNs: number;
  readonly maxNs: number;
  readonly meanNs: number;
  readonly stddevNs: number;
  /** I/Os measured. */
  readonly samples: number;
  /** As asked for by `percentile_list`, rising; empty when this latency has no percentiles. */
  readonly percentiles: readonly { readonly percent: number; readonly ns: number }[];
  /** Only with json+: every bin. */
  readonly histogram?: LatencyHistogram;
}

/** A series that fio sampled over time (every `bwavgtime` / `iopsavgtime`, 500 ms unless set). */
export interface SampledStats {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly stddev: number;
  readonly samples: number;
}

/** Latency of the I/Os of one priority; in 3.33 and 3.41, and only when two or more priorities were used. */
export interface PriorityLatency {
  /** Linux I/O priority class: 0 none, 1 realtime, 2 best effort, 3 idle. */
  readonly priorityClass: number;
  /** 0 (highest) … 7. */
  readonly level: number;
  /** Priority hint where fio has it, 0 otherwise. */
  readonly hint: number;
  /** Which latency this is: total with `lat_percentiles=1`, completion otherwise. */
  readonly of: 'total' | 'completion';
  readonly latency: LatencyStats;
}

/** Everything fio counts for reads, writes, trims, or all of them together ("mixed"). */
export interface DirectionStats {
  readonly ioBytes: number;
  /** Average over `runtimeMs`, bytes per second. */
  readonly bandwidthBytesPerS: number;
  readonly iops: number;
  readonly runtimeMs: number;
  readonly totalIos: number;
  readonly shortIos: number;
  readonly droppedIos: number;
  /** Submission, completion and total latency. */
  readonly submission: LatencyStats;
  readonly completion: LatencyStats;
  readonly total: LatencyStats;
  /** KiB per second. */
  readonly bandwidthKiBPerS: SampledStats;
  /** Share of this job in the bandwidth of its group, percent. */
  readonly bandwidthOfGroupPercent: number;
  readonly iopsSampled: SampledStats;
  readonly priorities: readonly PriorityLatency[];
  /** Of releases without `priorities` (3.29 and older, by its sources): I/Os with `cmdprio_percentage` and the others; absent when none had priority. */
  readonly highPriority?: LatencyStats;
  readonly lowPriority?: LatencyStats;
  readonly cacheHitPercent?: number;
}

/** fsync, fdatasync and sync_file_range of a job. */
export interface SyncStats {
  readonly totalIos: number;
  readonly latency: LatencyStats;
}

export interface SteadyState {
  /** The criterion as text, e.g. `iops_slope:0.300000%`. */
  readonly criterion: string;
  readonly durationS: number;
  readonly attained: boolean;
  /** The value reached, as fio prints it (a percentage has its sign). */
  readonly reached: string;
  readonly maxDeviation: number;
  readonly slope: number;
  /** Once per check interval (1 s unless set): KiB/s, IOPS, and ns when the criterion is a latency. */
  readonly bandwidthKiBPerS: readonly number[];
  readonly iops: readonly number[];
  readonly latencyNs: readonly number[];
}

/** Shares in percent by upper bound, e.g. `{ '2': 0, '4': 12.5, '>=64': 0 }`. */
export type Distribution = Readonly<Record<string, number>>;

/** One job, one group (`group_reporting`), or "All clients". */
export interface FioJob {
  readonly name: string;
  readonly groupId: number;
  /** errno of the first error that counted, 0 for none. 84 (EILSEQ) is a failed verification. */
  readonly error: number;
  /** Seconds until the end as fio estimates; absent when it cannot tell (it prints 2147483647 then). */
  readonly etaS?: number;
  readonly elapsedS: number;
  /** Wall clock, ms since 1970; in 3.41, not in 3.33. */
  readonly jobStartMs?: number;
  /** Options of the job as text, without those of [global]. A repeated option keeps its last value. */
  readonly options: Readonly<Record<string, string>>;
  readonly description?: string;
  /** With `unified_rw_reporting=mixed` only `mixed` is present, with `both` all of them. */
  readonly read?: DirectionStats;
  readonly write?: DirectionStats;
  readonly trim?: DirectionStats;
  readonly mixed?: DirectionStats;
  readonly sync?: SyncStats;
  readonly runtimeMs: number;
  readonly userCpuPercent: number;
  readonly systemCpuPercent: number;
  readonly contextSwitches: number;
  readonly majorFaults: number;
  readonly minorFaults: number;
  readonly ioDepthPercent: Distribution;
  readonly ioSubmitPercent: Distribution;
  readonly ioCompletePercent: Distribution;
  /** Share of I/Os with a latency up to the key, in ns, us and ms. */
  readonly latencyNsPercent: Distribution;
  readonly latencyUsPercent: Distribution;
  readonly latencyMsPercent: Distribution;
  /** Only with `continue_on_error`: all errors, and errno of the first. */
  readonly totalErrors?: number;
  readonly firstError?: number;
  readonly latencyTarget?: { readonly targetUs: number; readonly windowUs: number; readonly percentile: number; readonly depth: number };
  readonly steadyState?: SteadyState;
  readonly zoneResets?: number;
  /** Client/server runs only. */
  readonly hostname?: string;
  readonly port?: number;
  /** The whole object as fio wrote it, with what is not typed above. */
  readonly raw: JsonObject;
}

/** Block device counters over the run (`/sys/block/…/stat`). */
export interface DiskUtil {
  readonly name: string;
  readonly readIos: number;
  readonly writeIos: number;
  readonly readMerges: number;
  readonly writeMerges: number;
  /** Units of 512 bytes; in 3.41, not in 3.33. */
  readonly readSectors?: number;
  readonly writeSectors?: number;
  readonly readTicksMs: number;
  readonly writeTicksMs: number;
  readonly inQueueMs: number;
  readonly utilPercent: number;
  readonly hostname?: string;
  /** The whole object, e.g. with the `aggr_…` sums of a striped device. */
  readonly raw: JsonObject;
}

/** One JSON report. `--status-interval` makes fio print several; each is cumulative since the start. */
export interface FioReport {
  /** As printed, e.g. `fio-3.41`. */
  readonly versionText: string;
  readonly version?: FioVersion;
  /** Wall clock when it was printed, ms since 1970 (to the second where fio gives no better). */
  readonly timestampMs: number;
  readonly time: string;
  readonly globalOptions: Readonly<Record<string, string>>;
  /** Jobs whose object is whole; from `client_stats` in a client run. */
  readonly jobs: readonly FioJob[];
  readonly disks: readonly DiskUtil[];
  /** True when this came from `fio --client`; then the last job is named `All clients`. */
  readonly client: boolean;
  /** False when the text was cut off inside this report. */
  readonly complete: boolean;
  /** The job that the cut went through, as far as it goes; numbers in it are whole. */
  readonly cutJob?: JsonObject;
  /** 1-based line of its opening brace. */
  readonly line: number;
  readonly raw: JsonObject;
}

/** All that was found in fio's output. */
export interface FioJsonResult {
  readonly reports: readonly FioReport[];
  /** fio's own messages from before, between and inside the reports. */
  readonly messages: readonly FioMessage[];
  readonly problems: readonly Problem[];
}
