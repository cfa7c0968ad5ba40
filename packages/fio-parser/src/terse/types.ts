import type { Problem } from '../errors.js';
import type { FioMessage } from '../messages/types.js';
import type { FioVersion } from '../version.js';

/** Terse latencies are microseconds; min and max are cut to whole ones. */
export interface TerseLatency {
  readonly minUs: number;
  readonly maxUs: number;
  readonly meanUs: number;
  readonly stddevUs: number;
}

/** One direction of a terse line. */
export interface TerseDirection {
  readonly totalKiB: number;
  readonly bandwidthKiBPerS: number;
  readonly iops: number;
  readonly runtimeMs: number;
  readonly submission: TerseLatency;
  readonly completion: TerseLatency;
  /** Of the completion latency (of the total one with `lat_percentiles=1`), whole us; at most 20, unused ones left out. */
  readonly percentiles: readonly { readonly percent: number; readonly us: number }[];
  readonly total: TerseLatency;
  readonly bandwidthMinKiBPerS: number;
  readonly bandwidthMaxKiBPerS: number;
  readonly bandwidthOfGroupPercent: number;
  readonly bandwidthMeanKiBPerS: number;
  readonly bandwidthStddevKiBPerS: number;
  /** Version 5 only: bandwidth samples and the sampled IOPS. */
  readonly bandwidthSamples?: number;
  readonly iopsSampled?: { readonly min: number; readonly max: number; readonly mean: number; readonly stddev: number; readonly samples: number };
}

export interface TerseDisk {
  readonly name: string;
  readonly readIos: number;
  readonly writeIos: number;
  readonly readMerges: number;
  readonly writeMerges: number;
  readonly readTicksMs: number;
  readonly writeTicksMs: number;
  readonly inQueueMs: number;
  readonly utilPercent: number;
}

/** One line of `--output-format=terse` (`--minimal`): one job or one group. */
export interface TerseJob {
  readonly terseVersion: 3 | 4 | 5;
  readonly versionText: string;
  readonly version?: FioVersion;
  readonly name: string;
  readonly groupId: number;
  /** errno, 0 for none. */
  readonly error: number;
  /** With `unified_rw_reporting=mixed` only `mixed` is there. Version 3 has no `trim`. */
  readonly read?: TerseDirection;
  readonly write?: TerseDirection;
  readonly trim?: TerseDirection;
  readonly mixed?: TerseDirection;
  readonly userCpuPercent: number;
  readonly systemCpuPercent: number;
  readonly contextSwitches: number;
  readonly majorFaults: number;
  readonly minorFaults: number;
  /** Percent of I/Os at depths 1, 2, 4, 8, 16, 32, >=64. NaN where fio divided by zero I/Os. */
  readonly ioDepthPercent: readonly number[];
  /** Percent of I/Os with a latency up to 2, 4, 10, 20, 50, 100, 250, 500, 750, 1000 us. */
  readonly latencyUsPercent: readonly number[];
  /** The same for ms, then 2000 and >=2000. */
  readonly latencyMsPercent: readonly number[];
  readonly disks: readonly TerseDisk[];
  /** Only with `continue_on_error`. */
  readonly totalErrors?: number;
  readonly firstError?: number;
  readonly description?: string;
  /** 1-based line in the text. */
  readonly line: number;
}

export interface TerseResult {
  readonly jobs: readonly TerseJob[];
  readonly messages: readonly FioMessage[];
  readonly problems: readonly Problem[];
}
