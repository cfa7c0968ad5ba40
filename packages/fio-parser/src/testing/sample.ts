/** JSON in the shape of fio's, made up; for tests that must run without fio, and as seed of fuzzed input. */

function latency(samples: number, extra: string): string {
  return `{ "min" : 1000, "max" : 9000, "mean" : 4321.500000, "stddev" : 12.250000, "N" : ${samples}${extra} }`;
}

function direction(ios: number, clatExtra: string): string {
  return `{
        "io_bytes" : ${ios * 4096},
        "io_kbytes" : ${ios * 4},
        "bw_bytes" : 409600,
        "bw" : 400,
        "iops" : 100.000000,
        "runtime" : 1000,
        "total_ios" : ${ios},
        "short_ios" : 0,
        "drop_ios" : 0,
        "slat_ns" : ${latency(0, '')},
        "clat_ns" : ${latency(ios, clatExtra)},
        "lat_ns" : ${latency(ios, '')},
        "bw_min" : 300,
        "bw_max" : 500,
        "bw_agg" : 100.000000,
        "bw_mean" : 400.000000,
        "bw_dev" : 10.000000,
        "bw_samples" : 2,
        "iops_min" : 75,
        "iops_max" : 125,
        "iops_mean" : 100.000000,
        "iops_stddev" : 2.500000,
        "iops_samples" : 2
      }`;
}

export interface SampleOptions {
  readonly version?: string;
  readonly names?: readonly string[];
  /** Lines for the middle of each job, each ending with a newline. */
  readonly between?: string;
  readonly clat?: string;
  /** Members of the job, ending with a comma. */
  readonly job?: string;
}

/** One whole report. */
export function sampleReport({ version = 'fio-3.33', names = ['a', 'b'], between = '', clat = '', job = '' }: SampleOptions = {}): string {
  const jobs = names.map(
    (name) => `    {
      "jobname" : "${name}",
      "groupid" : 0,
      "error" : 0,
      "eta" : 2147483647,
      "elapsed" : 2,
      "job options" : {
        "name" : "${name}",
        "rw" : "randrw"
      },
      ${job}"read" : ${direction(10, clat)},
${between}      "write" : ${direction(0, '')},
      "trim" : ${direction(0, '')},
      "sync" : {
        "total_ios" : 0,
        "lat_ns" : ${latency(0, '')}
      },
      "job_runtime" : 1000,
      "usr_cpu" : 1.500000,
      "sys_cpu" : 2.500000,
      "ctx" : 3,
      "majf" : 0,
      "minf" : 13,
      "iodepth_level" : { "1" : 100.000000, ">=64" : 0.000000 },
      "iodepth_submit" : { "0" : 0.000000, "4" : 100.000000 },
      "iodepth_complete" : { "0" : 0.000000, "4" : 100.000000 },
      "latency_ns" : { "2" : 0.000000 },
      "latency_us" : { "10" : 100.000000 },
      "latency_ms" : { ">=2000" : 0.000000 },
      "latency_depth" : 1,
      "latency_target" : 0,
      "latency_percentile" : 100.000000,
      "latency_window" : 0
    }`,
  );
  return `{
  "fio version" : "${version}",
  "timestamp" : 1700000000,
  "timestamp_ms" : 1700000000123,
  "time" : "Tue Nov 14 22:13:20 2023",
  "global options" : {
    "ioengine" : "null"
  },
  "jobs" : [
${jobs.join(',\n')}
  ],
  "disk_util" : [
    {
      "name" : "vda",
      "read_ios" : 1,
      "write_ios" : 2,
      "read_merges" : 3,
      "write_merges" : 4,
      "read_ticks" : 5,
      "write_ticks" : 6,
      "in_queue" : 7,
      "util" : 8.500000
    }
  ]
}
`;
}
