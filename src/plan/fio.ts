import { z } from 'zod';
import { usageError } from '../util/errors.js';
import { hostOf, namespacesOf } from './hosts.js';
import type { Random } from '../util/random.js';
import type { StampWorkload, Topology, TopologyNamespace } from './types.js';

/**
 * fio jobs as data: what a scenario says (`fioJobSchema`), and what it resolves to (`FioJobPlan`). How a job
 * becomes a command line, and which traps of fio that avoids, is in src/workload/fio/build.ts.
 */

/** fio's names for what a job does. */
export const fioModes = ['read', 'write', 'rw', 'randread', 'randwrite', 'randrw'] as const;
export type FioMode = (typeof fioModes)[number];

/**
 * Checks that put a header with a sum into every block. Not among them: `sha512`, which compares 128 bytes of the
 * block in fio 3.33; `pattern`, which has no header; `null`, which verifies nothing.
 */
export const fioVerifyMethods = ['crc32c', 'crc64', 'xxhash', 'md5', 'sha1', 'sha256', 'sha3-256'] as const;
export type FioVerifyMethod = (typeof fioVerifyMethods)[number];

export const fioEngines = ['libaio', 'io_uring', 'psync'] as const;
export type FioEngine = (typeof fioEngines)[number];

/** Phases of a job, each one process of fio, in this order. */
export const fioPhases = ['prefill', 'main', 'verify'] as const;
export type FioPhaseName = (typeof fioPhases)[number];

/**
 * Options that pathproof sets itself, because a wrong one makes fio's word worthless (docs/FIO.md says how). A
 * scenario's `options` may not name them.
 */
export const fioOwnedOptions: ReadonlySet<string> = new Set([
  'name', 'filename', 'directory', 'rw', 'readwrite', 'rwmixread', 'rwmixwrite', 'bs', 'blocksize', 'bsrange', 'bssplit', 'offset', 'size', 'filesize', 'io_size',
  'io_limit', 'number_ios', 'iodepth', 'ioengine', 'direct', 'buffered', 'thread', 'numjobs', 'time_based', 'runtime', 'timeout', 'loops', 'rate_iops', 'randseed',
  'randrepeat', 'allrandrepeat', 'verify', 'do_verify', 'verify_only', 'verify_fatal', 'verify_interval', 'verify_offset', 'verify_backlog', 'verify_backlog_batch',
  'verify_dump', 'verify_async', 'verify_pattern', 'verify_state_save', 'verify_state_load', 'verify_write_sequence', 'verify_header_seed', 'experimental_verify',
  'serialize_overlap', 'norandommap', 'continue_on_error', 'ignore_error', 'error_dump', 'group_reporting', 'unified_rw_reporting', 'exitall', 'exitall_on_error',
  'write_lat_log', 'write_bw_log', 'write_iops_log', 'write_hist_log', 'per_job_logs', 'log_avg_msec', 'log_offset', 'log_prio', 'log_issue_time', 'log_compression',
  'log_store_compressed', 'log_unix_epoch', 'log_alternate_epoch', 'log_alternate_epoch_clock_id', 'log_max_value', 'log_window_value', 'log_entries', 'disable_clat',
  'disable_lat', 'disable_slat', 'lat_percentiles', 'clat_percentiles', 'slat_percentiles', 'exec_prerun', 'exec_postrun', 'include', 'ioscheduler', 'stonewall', 'wait_for', 'new_group', 'ramp_time', 'startdelay', 'status_interval',
]);

const identifier = z.string().regex(/^[a-z][a-z0-9-]*$/, 'lower-case letters, digits and hyphens, beginning with a letter');

export const fioJobSchema = z.strictObject({
  /** Names the job's folder below `fio/<host>/` of the run. */
  name: identifier,
  /** Of the job's host: NSIDs, or all, or those that the stamp workload loads or leaves idle. Default: loaded. */
  namespaces: z.union([z.enum(['all', 'loaded', 'idle']), z.array(z.int().min(1)).min(1)], 'all, loaded, idle, or a list of NSIDs').optional(),
  /** Default: the first host. */
  host: identifier.optional(),
  /** Default: randrw. */
  mode: z.enum(fioModes).optional(),
  /** Share of reads of `rw` and `randrw`. Default: 50. */
  readPercent: z.int().min(0).max(100).optional(),
  /** One size only: with several fio cannot check the numbers of writes. Default: 4096. */
  blockBytes: z.int().min(512).max(1_048_576).multipleOf(512).optional(),
  /** Outstanding I/Os per namespace. Default: 4. */
  queueDepth: z.int().min(1).max(1_024).optional(),
  /** Upper limit of reads, and of writes, per second and namespace. 0 (default): none. */
  rateIops: z.int().min(0).max(10_000_000).optional(),
  /** Region of each namespace. Default: what the stamp workload and other jobs leave. */
  offsetMiB: z.int().min(0).optional(),
  sizeMiB: z.int().min(1).optional(),
  /** It ends after this time; default: with the load. */
  runtimeMs: z.int().min(100).max(86_400_000).optional(),
  /** It ends when the region was gone through this often, each time verified by the process that wrote it. */
  passes: z.int().min(1).max(10_000).optional(),
  /** Default: libaio. */
  engine: z.enum(fioEngines).optional(),
  /** false: nothing is verified. Default: crc32c, verified while it runs and at its end. */
  verify: z.union([z.literal(false), z.strictObject({
    method: z.enum(fioVerifyMethods).optional(),
    /** Written blocks after which they are read back and checked, while the job goes on. Default: 256. */
    backlogBlocks: z.int().min(1).max(1_000_000).optional(),
  })], 'false, or { method, backlogBlocks }').optional(),
  /** stop (default): the first I/O error ends the job. continue: errors are counted. */
  onIoError: z.enum(['stop', 'continue']).optional(),
  /** A latency log with a line per I/O, for the analysis of stalls. Default: true. */
  log: z.boolean().optional(),
  /** More options of fio, by its names. */
  options: z.record(z.string().regex(/^[a-z0-9_]+$/, 'a name of a fio option'), z.union([z.string().regex(/^[^\n;#]*$/, 'no line break, ";" or "#"'), z.number(), z.boolean()])).optional(),
}).superRefine((job, context) => {
  if (job.runtimeMs !== undefined && job.passes !== undefined) context.addIssue({ code: 'custom', path: ['passes'], message: 'a job ends by runtimeMs or by passes, not by both' });
  if (job.readPercent !== undefined && job.mode !== undefined && !job.mode.endsWith('rw')) context.addIssue({ code: 'custom', path: ['readPercent'], message: `${job.mode} is no mixture` });
  for (const name of Object.keys(job.options ?? {})) {
    if (fioOwnedOptions.has(name)) context.addIssue({ code: 'custom', path: ['options', name], message: 'pathproof sets this option itself (docs/FIO.md)' });
  }
});
export type FioJobInput = z.input<typeof fioJobSchema>;

/** One namespace of a job: one section of its job file, and so one job of fio. */
export interface FioSection {
  /** `ns<nsid>`. */
  name: string;
  nsid: number;
  uuid: string;
  offsetBytes: number;
  sizeBytes: number;
}

/** A resolved job. Everything that fio is told follows from it, the devices of the host and the version of fio. */
export interface FioJobPlan {
  name: string;
  host: string;
  /** In the order of fio's own job numbers (1 …), which name its logs. */
  sections: FioSection[];
  mode: FioMode;
  readPercent: number;
  blockBytes: number;
  queueDepth: number;
  /** 0: none. */
  rateIops: number;
  engine: FioEngine;
  end: { by: 'load' } | { by: 'time'; ms: number } | { by: 'passes'; count: number };
  verify: { method: FioVerifyMethod; backlogBlocks: number } | null;
  onIoError: 'stop' | 'continue';
  log: boolean;
  /** Of fio's generators. */
  seed: number;
  options: Record<string, string>;
  /** The processes of fio that have to run, all of them, for the job to be proved. */
  phases: FioPhaseName[];
}

/** True when the job writes in its main phase. */
export function fioWrites(mode: FioMode): boolean {
  return !mode.endsWith('read');
}
/** True when it reads of its own (not to verify). */
export function fioReads(mode: FioMode, readPercent: number): boolean {
  return mode.endsWith('read') || (mode.endsWith('rw') && readPercent > 0);
}

const mib = 1_048_576;

/**
 * fio moves at least this much each second on any machine that can run a lab at all, bytes: 4 KiB at 128 IOPS. A run's
 * limits count on it, so no phase that they bound may be held back to less.
 */
export const fioBytesPerSecondMin = 524_288;

/**
 * Resolves the fio jobs of a scenario. Throws a usage error that names the job when a namespace does not exist or
 * regions overlap: each other, or the blocks that the stamp workload owns.
 */
export function resolveFioJobs(where: string, inputs: readonly FioJobInput[], topology: Topology, workload: StampWorkload, random: Random): FioJobPlan[] {
  const seen = new Set<string>();
  const regions = new Regions(where, inputs, topology, workload);
  return inputs.map((input, index) => {
    const fail = (field: string, text: string, hint?: string): never => {
      throw usageError('BAD_FIO_JOB', `${where}: fio.${index} (${input.name})${field === '' ? '' : `.${field}`}: ${text}`, hint);
    };
    if (seen.has(input.name)) fail('name', 'a second job has this name');
    seen.add(input.name);
    const host = hostOfJob(input, topology);
    if (!topology.hosts.some(({ name }) => name === host)) fail('host', `there is no host ${host}`, `Hosts: ${topology.hosts.map(({ name }) => name).join(', ')}`);
    const blockBytes = input.blockBytes ?? 4_096;
    const namespaces = chosen(input, topology, (why) => fail('namespaces', why));
    if (namespaces.length === 0) fail('namespaces', `no namespace of ${host} is ${String(input.namespaces ?? 'loaded')}`);
    for (const { blockSize, nsid } of namespaces) {
      if (blockBytes % blockSize !== 0) fail('blockBytes', `${blockBytes} is no multiple of the block size ${blockSize} of namespace ${nsid}`);
    }
    const mode = input.mode ?? 'randrw';
    const verify = input.verify === false ? null : { method: input.verify?.method ?? 'crc32c', backlogBlocks: input.verify?.backlogBlocks ?? 256 };
    return {
      name: input.name, host,
      sections: namespaces.map((namespace) => ({ name: `ns${namespace.nsid}`, nsid: namespace.nsid, uuid: namespace.uuid, ...regions.take(index, namespace, blockBytes) })),
      mode,
      readPercent: mode.endsWith('rw') ? (input.readPercent ?? 50) : mode.endsWith('read') ? 100 : 0,
      blockBytes,
      queueDepth: input.queueDepth ?? 4,
      rateIops: input.rateIops ?? 0,
      engine: input.engine ?? 'libaio',
      end: input.runtimeMs !== undefined ? { by: 'time', ms: input.runtimeMs } : input.passes !== undefined ? { by: 'passes', count: input.passes } : { by: 'load' },
      verify,
      onIoError: input.onIoError ?? 'stop',
      log: input.log ?? true,
      seed: random.fork(input.name).u32(),
      options: Object.fromEntries(Object.entries(input.options ?? {}).map(([name, value]) => [name, typeof value === 'boolean' ? (value ? '1' : '0') : String(value)])),
      phases: verify === null ? ['main'] : ['prefill', 'main', 'verify'],
    };
  });
}

function hostOfJob({ host }: FioJobInput, topology: Topology): string {
  return host ?? topology.hosts[0]?.name ?? '';
}

/** A job runs on one host and does I/O to that host's namespaces only: two hosts that write to one would corrupt each other's blocks. */
function chosen(input: FioJobInput, topology: Topology, refuse: (why: string) => never): TopologyNamespace[] {
  const { namespaces = 'loaded' } = input;
  const host = hostOfJob(input, topology);
  const own = namespacesOf(topology, host);
  if (namespaces === 'all') return own;
  if (namespaces === 'loaded' || namespaces === 'idle') return own.filter(({ idle }) => idle === (namespaces === 'idle'));
  return [...new Set(namespaces)].map((nsid) => {
    const namespace = topology.namespaces.find((each) => each.nsid === nsid) ?? refuse(`there is no namespace ${nsid}`);
    if (!own.includes(namespace)) refuse(`namespace ${nsid} belongs to ${hostOf(topology, namespace)}, the job runs on ${host}`);
    return namespace;
  });
}

/** Shares the space of each namespace out: the stamp workload's blocks come first and belong to it alone. */
class Regions {
  readonly #where: string;
  readonly #inputs: readonly FioJobInput[];
  readonly #topology: Topology;
  readonly #stampBytes: (namespace: TopologyNamespace) => number;
  readonly #taken = new Map<number, { job: string; fromBytes: number; toBytes: number }[]>();

  constructor(where: string, inputs: readonly FioJobInput[], topology: Topology, workload: StampWorkload) {
    this.#where = where;
    this.#inputs = inputs;
    this.#topology = topology;
    this.#stampBytes = ({ blockSize }) => Math.ceil((workload.workingSetBlocks * blockSize) / mib) * mib;
  }

  take(index: number, namespace: TopologyNamespace, blockBytes: number): { offsetBytes: number; sizeBytes: number } {
    const input = this.#inputs[index]!;
    const fail = (field: string, text: string): never => {
      throw usageError('BAD_FIO_JOB', `${this.#where}: fio.${index} (${input.name}).${field}: ${text}`, 'A namespace is shared out by lab.namespaceMiB, workload.workingSetBlocks, and offsetMiB and sizeMiB of each fio job.');
    };
    const endBytes = namespace.blocks * namespace.blockSize;
    const firstBytes = this.#stampBytes(namespace);
    const { offsetBytes, sizeBytes } = input.offsetMiB === undefined && input.sizeMiB === undefined
      ? this.#share(index, namespace, firstBytes, endBytes)
      : { offsetBytes: input.offsetMiB === undefined ? firstBytes : input.offsetMiB * mib, sizeBytes: input.sizeMiB === undefined ? undefined : input.sizeMiB * mib };
    const wholeBytes = Math.floor((sizeBytes ?? endBytes - offsetBytes) / blockBytes) * blockBytes;
    if (wholeBytes < blockBytes) fail('sizeMiB', `nothing of namespace ${namespace.nsid} (${endBytes / mib} MiB) is left for it: the first ${firstBytes / mib} MiB belong to the stamp workload`);
    if (offsetBytes % blockBytes !== 0) fail('offsetMiB', `the region does not begin at a multiple of ${blockBytes} bytes`);
    if (offsetBytes < firstBytes) fail('offsetMiB', `the first ${firstBytes / mib} MiB of a namespace belong to the stamp workload`);
    if (offsetBytes + wholeBytes > endBytes) fail('sizeMiB', `the region ends behind namespace ${namespace.nsid}, which has ${endBytes / mib} MiB`);
    const taken = this.#taken.get(namespace.nsid) ?? [];
    const other = taken.find(({ fromBytes, toBytes }) => offsetBytes < toBytes && offsetBytes + wholeBytes > fromBytes);
    if (other !== undefined) fail('offsetMiB', `the region overlaps that of ${other.job} on namespace ${namespace.nsid}: fio would find the other’s blocks and call them corrupt`);
    this.#taken.set(namespace.nsid, [...taken, { job: input.name, fromBytes: offsetBytes, toBytes: offsetBytes + wholeBytes }]);
    return { offsetBytes, sizeBytes: wholeBytes };
  }

  /** Jobs without a region of their own share the rest of the namespace evenly, in whole MiB. */
  #share(index: number, namespace: TopologyNamespace, firstBytes: number, endBytes: number): { offsetBytes: number; sizeBytes: number } {
    const sharers = this.#inputs.flatMap((input, at) => {
      const uses = chosen(input, this.#topology, (why) => {
        throw usageError('BAD_FIO_JOB', `${this.#where}: fio.${at} (${input.name}).namespaces: ${why}`);
      }).includes(namespace);
      return uses && input.offsetMiB === undefined && input.sizeMiB === undefined ? [at] : [];
    });
    const shareBytes = Math.floor((endBytes - firstBytes) / sharers.length / mib) * mib;
    return { offsetBytes: firstBytes + sharers.indexOf(index) * shareBytes, sizeBytes: shareBytes };
  }
}
