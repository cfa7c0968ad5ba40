import { directionStats, syncStats } from './direction.js';
import type { Fields } from './fields.js';
import type { DirectionStats, DiskUtil, Distribution, FioJob, SteadyState } from './types.js';

/** fio's word for "no idea" in `eta`. */
const ETA_UNKNOWN_S = 2_147_483_647;

export function job(fields: Fields): FioJob {
  const etaS = fields.optionalNumber('eta');
  const sync = fields.object('sync');
  const target = fields.optionalNumber('latency_depth');
  const steady = fields.object('steadystate');
  return {
    name: fields.string('jobname'),
    groupId: fields.number('groupid'),
    error: fields.number('error'),
    ...(etaS === undefined || etaS === ETA_UNKNOWN_S ? {} : { etaS }),
    // The report of a client has neither.
    elapsedS: fields.optionalNumber('elapsed') ?? 0,
    ...optional('jobStartMs', fields.optionalNumber('job_start')),
    options: fields.object('job options')?.stringEntries() ?? {},
    ...optional('description', fields.optionalString('desc')),
    ...direction(fields, 'read'),
    ...direction(fields, 'write'),
    ...direction(fields, 'trim'),
    ...direction(fields, 'mixed'),
    ...(sync === undefined ? {} : { sync: syncStats(sync) }),
    runtimeMs: fields.optionalNumber('job_runtime') ?? 0,
    userCpuPercent: fields.number('usr_cpu'),
    systemCpuPercent: fields.number('sys_cpu'),
    contextSwitches: fields.number('ctx'),
    majorFaults: fields.number('majf'),
    minorFaults: fields.number('minf'),
    ioDepthPercent: distribution(fields, 'iodepth_level'),
    ioSubmitPercent: distribution(fields, 'iodepth_submit'),
    ioCompletePercent: distribution(fields, 'iodepth_complete'),
    latencyNsPercent: distribution(fields, 'latency_ns'),
    latencyUsPercent: distribution(fields, 'latency_us'),
    latencyMsPercent: distribution(fields, 'latency_ms'),
    ...optional('totalErrors', fields.optionalNumber('total_err')),
    ...optional('firstError', fields.optionalNumber('first_error')),
    ...(target === undefined
      ? {}
      : {
          latencyTarget: {
            targetUs: fields.number('latency_target'),
            windowUs: fields.number('latency_window'),
            percentile: fields.number('latency_percentile'),
            depth: target,
          },
        }),
    ...(steady === undefined ? {} : { steadyState: steadyState(steady) }),
    ...optional('zoneResets', fields.optionalNumber('zone_resets')),
    ...optional('hostname', fields.optionalString('hostname')),
    ...optional('port', fields.optionalNumber('port')),
    raw: fields.raw,
  };
}

export function diskUtil(fields: Fields): DiskUtil {
  return {
    name: fields.string('name'),
    readIos: fields.number('read_ios'),
    writeIos: fields.number('write_ios'),
    readMerges: fields.number('read_merges'),
    writeMerges: fields.number('write_merges'),
    ...optional('readSectors', fields.optionalNumber('read_sectors')),
    ...optional('writeSectors', fields.optionalNumber('write_sectors')),
    readTicksMs: fields.number('read_ticks'),
    writeTicksMs: fields.number('write_ticks'),
    inQueueMs: fields.number('in_queue'),
    utilPercent: fields.number('util'),
    ...optional('hostname', fields.optionalString('hostname')),
    raw: fields.raw,
  };
}

function direction<K extends 'read' | 'write' | 'trim' | 'mixed'>(fields: Fields, key: K): { readonly [P in K]?: DirectionStats } {
  const found = fields.object(key);
  return found === undefined ? {} : ({ [key]: directionStats(found) } as { readonly [P in K]?: DirectionStats });
}

function distribution(fields: Fields, key: string): Distribution {
  return Object.fromEntries(fields.object(key)?.numberEntries() ?? []);
}

function steadyState(fields: Fields): SteadyState {
  const data = fields.object('data');
  return {
    criterion: fields.string('ss'),
    durationS: fields.number('duration'),
    attained: fields.number('attained') !== 0,
    reached: fields.string('criterion'),
    maxDeviation: fields.number('max_deviation'),
    slope: fields.number('slope'),
    bandwidthKiBPerS: data?.numbers('bw') ?? [],
    iops: data?.numbers('iops') ?? [],
    latencyNs: data?.numbers('lat_ns') ?? [],
  };
}

/** An entry for `exactOptionalPropertyTypes`: absent instead of undefined. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}
