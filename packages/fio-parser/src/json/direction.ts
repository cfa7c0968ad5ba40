import { LatencyHistogram } from '../histogram/histogram.js';
import type { Fields } from './fields.js';
import type { DirectionStats, LatencyStats, PriorityLatency, SampledStats, SyncStats } from './types.js';

const NO_LATENCY: LatencyStats = { minNs: 0, maxNs: 0, meanNs: 0, stddevNs: 0, samples: 0, percentiles: [] };

export function latencyStats(fields: Fields | undefined): LatencyStats {
  if (fields === undefined) return NO_LATENCY;
  const bins = fields.object('bins');
  const percentiles = (fields.object('percentile')?.numberEntries() ?? [])
    .map(([percent, ns]) => ({ percent: Number(percent), ns }))
    .filter(({ percent }) => Number.isFinite(percent))
    .sort((a, b) => a.percent - b.percent);
  return {
    minNs: fields.number('min'),
    maxNs: fields.number('max'),
    meanNs: fields.number('mean'),
    stddevNs: fields.number('stddev'),
    // 3.33 and 3.41 always have it; older ones were not seen.
    samples: fields.optionalNumber('N') ?? 0,
    percentiles,
    ...(bins === undefined ? {} : { histogram: LatencyHistogram.fromJsonBins(bins.raw) }),
  };
}

/** `read`, `write`, `trim` or `mixed` of a job. */
export function directionStats(fields: Fields): DirectionStats {
  const cacheHitPercent = fields.optionalNumber('cachehit');
  // Releases without `prios` (3.29 and older, by its sources) called them after the kind of latency that has percentiles.
  const high = fields.object('clat_high_prio') ?? fields.object('lat_high_prio');
  const low = fields.object('clat_low_prio') ?? fields.object('lat_low_prio');
  return {
    ioBytes: fields.number('io_bytes'),
    bandwidthBytesPerS: fields.number('bw_bytes'),
    iops: fields.number('iops'),
    runtimeMs: fields.number('runtime'),
    totalIos: fields.number('total_ios'),
    shortIos: fields.number('short_ios'),
    droppedIos: fields.number('drop_ios'),
    submission: latencyStats(fields.object('slat_ns')),
    completion: latencyStats(fields.object('clat_ns')),
    total: latencyStats(fields.object('lat_ns')),
    bandwidthKiBPerS: sampled(fields, 'bw', 'bw_dev'),
    bandwidthOfGroupPercent: fields.number('bw_agg'),
    iopsSampled: sampled(fields, 'iops', 'iops_stddev'),
    priorities: fields.objects('prios').map(priority),
    ...(high === undefined ? {} : { highPriority: latencyStats(high) }),
    ...(low === undefined ? {} : { lowPriority: latencyStats(low) }),
    ...(cacheHitPercent === undefined ? {} : { cacheHitPercent }),
  };
}

export function syncStats(fields: Fields): SyncStats {
  return { totalIos: fields.number('total_ios'), latency: latencyStats(fields.object('lat_ns')) };
}

function sampled(fields: Fields, prefix: string, deviation: string): SampledStats {
  return {
    min: fields.number(`${prefix}_min`),
    max: fields.number(`${prefix}_max`),
    mean: fields.number(`${prefix}_mean`),
    stddev: fields.number(deviation),
    samples: fields.optionalNumber(`${prefix}_samples`) ?? 0,
  };
}

function priority(fields: Fields): PriorityLatency {
  const total = fields.object('lat_ns');
  return {
    priorityClass: fields.number('prioclass'),
    level: fields.number('prio'),
    hint: fields.optionalNumber('priohint') ?? 0,
    of: total === undefined ? 'completion' : 'total',
    latency: latencyStats(total ?? fields.object('clat_ns')),
  };
}
