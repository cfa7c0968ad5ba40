import { fioFiles } from '../../history/fio/index.js';
import { jobFile, writeJobFile, type OptionValue } from 'fio-parser';
import { fioBytesPerSecondMin, fioWrites, type FioJobPlan, type FioPhaseName } from '../../plan/fio.js';
import { usageError } from '../../util/errors.js';
import type { FioCapabilities } from './capabilities.js';

/** What one process of fio is started with. */
export interface FioPhaseCommand {
  /** Arguments after the name of the binary; `job.fio` lies in the process's folder, which is its working directory. */
  args: string[];
  /** Text of `job.fio`. */
  jobFile: string;
  /** Traps of this fio that could not be avoided, for the record. */
  warnings: string[];
}

/** Names of files in a process's folder. */
export const jobFileName = 'job.fio';
/** Prefix of the per-I/O logs: `io_lat.1.log` is the log of the first section. */
export const logPrefix = 'io';

/** "Until the harness says stop": a day, which no scenario lasts, or more passes than fit into one. */
const untilStoppedS = 86_400;
const untilStoppedPasses = 1_000_000;
/** Largest I/O of the prefill, bytes. */
const prefillBytesMax = 131_072;

/**
 * The command and the job file of one phase of a job. Devices: NSID → the multipath head (`/dev/nvme0n1`), or a file.
 *
 * What is set, and why (all of it was tried with fio 3.33; docs/FIO.md shows the commands):
 *
 * - **The end of a job that ends by time is not verified.** When its time is over fio skips the verification of what it
 *   wrote last, and says 0. So what was written is verified while the job runs (`verify_backlog`), and a process of its
 *   own (`verify` phase) reads the whole region afterwards.
 * - **With time_based fio does not check the numbers of writes**, and finds no block that holds an older write. A job that
 *   verifies goes through its region again and again instead (`loops`), and its time is a limit (`runtime`).
 * - **That reading needs sound blocks everywhere**, so a `prefill` phase writes the region once.
 * - **verify_fatal=1 in the main phase:** the first corrupt block ends the job. Where errors are tolerated it would soon
 *   be overwritten otherwise, and the evidence with it. In the verify phase it is 0 with `continue_on_error=verify`, so that every
 *   corrupt block is named; fio's status is 0 then, and the reader counts messages and errors.
 * - **One block size, and the verify phase reads with the same.** With a larger one, a corrupt block that is not the
 *   last of its I/O is printed, but neither counted nor in the status.
 * - **serialize_overlap=1 with depth > 1:** a random map begins anew after each pass, and two writes to one block could
 *   be outstanding together; either may win, and fio would call it corruption.
 * - **continue_on_error=none:** a write that fails ends the job. Up to 3.42 its block would be reported as corrupt.
 * - **verify_state_save** is on in the main phase, where the state is evidence, and off elsewhere.
 * - **Reads verify nothing in the main phase of a job that only reads:** with `verify` a time-based reader ends after
 *   one pass (axboe/fio issue 1664). The verify phase reads it all.
 * - **No status-interval:** for each report fio waits until every job has noticed, and a job that begins its next pass
 *   waits for that report: one namespace that hangs would stop the others. `--eta` looks at the counters without waiting.
 * - **thread=1:** a SIGKILL to fio would otherwise leave its jobs running.
 *
 * Throws a usage error for an option that this fio does not have, and for a device that is one path instead of the
 * multipath head.
 */
export function buildPhase(job: FioJobPlan, phase: FioPhaseName, devices: ReadonlyMap<number, string>, fio: FioCapabilities): FioPhaseCommand {
  const warnings: string[] = [];
  const global: Record<string, OptionValue> = {
    ioengine: job.engine, direct: 1, thread: 1, randseed: job.seed, bs: phase === 'prefill' ? prefillBlockBytes(job) : job.blockBytes,
    // psync has no depth; fio would only warn.
    iodepth: job.engine === 'psync' ? 1 : job.queueDepth,
    ...(phase === 'prefill' ? prefillOptions(job) : phase === 'main' ? mainOptions(job, fio) : verifyOptions(job, fio)),
  };
  if (phase === 'main' && job.verify !== null && job.onIoError === 'continue' && fioWrites(job.mode) && !fio.skipsErroredWrites) {
    warnings.push(`${fio.versionText} reports blocks whose write ended in an error as corrupt; such a report proves nothing`);
  }
  for (const [name, value] of Object.entries(job.options)) {
    if (!fio.options.has(name)) throw usageError('FIO_OPTION', `fio job ${job.name}: ${fio.versionText} has no option ${name}`, 'Options that are aliases have to be given by their main name: see `fio --cmdhelp=all`.');
    global[name] = value;
  }
  const sections = job.sections.map((section) => ({
    name: section.name,
    options: { filename: deviceOf(job, section.nsid, devices), offset: section.offsetBytes, size: section.sizeBytes },
  }));
  const args = ['--output-format=json+', `--output=${fioFiles.report}`, '--eta=always', ...(phase === 'verify' ? ['--readonly'] : []), jobFileName];
  return { args, jobFile: writeJobFile(jobFile([{ name: 'global', options: global }, ...sections])), warnings };
}

function prefillOptions(job: FioJobPlan): Record<string, OptionValue> {
  // A job that is held back must not flood the device before it begins either.
  const rate = job.rateIops > 0 ? { rate: Math.max(job.rateIops * job.blockBytes, fioBytesPerSecondMin) } : {};
  return { rw: 'write', ...headerOptions(job), ...rate, do_verify: 0, verify_state_save: 0 };
}

function mainOptions(job: FioJobPlan, fio: FioCapabilities): Record<string, OptionValue> {
  const verifies = job.verify !== null && fioWrites(job.mode);
  return {
    rw: job.mode,
    ...(job.mode.endsWith('rw') ? { rwmixread: job.readPercent } : {}),
    ...(job.rateIops > 0 ? { rate_iops: job.rateIops } : {}),
    ...endOptions(job, verifies),
    continue_on_error: job.onIoError === 'continue' ? 'io' : 'none',
    ...(fioWrites(job.mode) && job.queueDepth > 1 && job.engine !== 'psync' ? { serialize_overlap: 1 } : {}),
    ...(verifies ? { ...headerOptions(job), do_verify: 1, verify_fatal: 1, verify_dump: 1, verify_state_save: 1 } : {}),
    // Passes are verified one by one, each write by its number; a backlog would take that away.
    ...(verifies && job.end.by !== 'passes' ? { verify_backlog: job.verify!.backlogBlocks } : {}),
    // Total latency only: with a full queue the time in the submission is part of a stall, and one log is enough.
    disable_slat: 1, disable_clat: 1, lat_percentiles: 1, clat_percentiles: 0,
    ...(job.log ? logOptions(fio) : {}),
  };
}

function verifyOptions(job: FioJobPlan, fio: FioCapabilities): Record<string, OptionValue> {
  return {
    rw: 'read', ...headerOptions(job), do_verify: 1, verify_fatal: 0, verify_dump: 1, verify_state_save: 0, continue_on_error: 'verify',
    // A reader cannot know which write was the last one.
    ...(fio.options.has('verify_write_sequence') ? { verify_write_sequence: 0 } : {}),
    ...(fio.options.has('verify_header_seed') ? { verify_header_seed: 0 } : {}),
  };
}

function headerOptions({ verify, blockBytes }: FioJobPlan): Record<string, OptionValue> {
  return verify === null ? {} : { verify: verify.method, verify_interval: blockBytes };
}

function endOptions({ end }: FioJobPlan, verifies: boolean): Record<string, OptionValue> {
  const again: Record<string, OptionValue> = verifies ? { loops: untilStoppedPasses } : { time_based: 1 };
  switch (end.by) {
    case 'load':
      return { ...again, runtime: `${untilStoppedS}s` };
    case 'time':
      return { ...again, runtime: `${end.ms}ms` };
    case 'passes':
      return { loops: end.count };
  }
}

function logOptions(fio: FioCapabilities): Record<string, OptionValue> {
  return {
    write_lat_log: logPrefix, per_job_logs: 1, log_offset: 1,
    ...(fio.logClock === 'monotonic' ? { log_alternate_epoch: 1, log_alternate_epoch_clock_id: clockMonotonic } : fio.logClock === 'realtime' ? { log_unix_epoch: 1 } : {}),
  };
}

/** CLOCK_MONOTONIC of Linux, as clock_gettime(2) numbers it. */
const clockMonotonic = 1;

/** The largest power of two of blocks that every region is a multiple of: fio drops the rest of a region. */
function prefillBlockBytes({ blockBytes, sections }: FioJobPlan): number {
  let bytes = blockBytes;
  while (bytes * 2 <= prefillBytesMax && sections.every(({ sizeBytes }) => sizeBytes % (bytes * 2) === 0)) bytes *= 2;
  return bytes;
}

function deviceOf(job: FioJobPlan, nsid: number, devices: ReadonlyMap<number, string>): string {
  const device = devices.get(nsid);
  if (device === undefined) throw usageError('FIO_DEVICE', `fio job ${job.name}: the host has no device for namespace ${nsid}`);
  // nvme0c1n1: the hidden device of one path. I/O to it would not fail over.
  if (/\/nvme\d+c\d+n\d+$/.test(device)) throw usageError('FIO_DEVICE', `fio job ${job.name}: ${device} is one path of namespace ${nsid}, not its multipath head`);
  return device;
}
