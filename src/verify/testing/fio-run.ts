import { Random } from '../../util/random.js';
import { resolveFioJobs, type FioJobInput, type FioPhaseName } from '../../plan/fio.js';
import { healthyRun, moments } from './healthy-run.js';
import { t, type DraftRun } from './run.js';

/** Offset of fio's log clock from the harness's in these runs, milliseconds; its error, microseconds. */
export const logZeroMs = 4_000_000;
export const clockErrUs = 1_500;

const mib = 1_048_576;
export const regionBytes = 3 * mib;

export interface SectionResult {
  name: string;
  error?: number;
  totalErrors?: number;
  runtimeMs?: number;
  reads?: number;
  writes?: number;
  readBytes?: number;
  writeBytes?: number;
}

/** A report as fio 3.33 prints it, with the fields that are read. */
export function fioReport(sections: readonly SectionResult[]): string {
  const direction = (ios: number, bytes: number): object => ({
    io_bytes: bytes, total_ios: ios, lat_ns: { min: 100_000, max: 9_000_000, mean: 200_000, stddev: 1, N: ios, bins: { 201_728: Math.max(0, ios - 1), 8_978_432: ios > 0 ? 1 : 0 } },
  });
  return JSON.stringify({
    'fio version': 'fio-3.33', timestamp: 1_700_000_000, timestamp_ms: 1_700_000_000_000, time: 'now',
    jobs: sections.map(({ name, error = 0, totalErrors, runtimeMs = 8_000, reads = 0, writes = 0, readBytes = reads * 4_096, writeBytes = writes * 4_096 }) => ({
      jobname: name, error, job_runtime: runtimeMs, elapsed: 9, ...(totalErrors === undefined ? {} : { total_err: totalErrors, first_error: error }),
      read: direction(reads, readBytes), write: direction(writes, writeBytes),
    })),
  }, null, 2);
}

/**
 * The healthy run (healthy-run.ts) with a fio job `mix` on the loaded namespaces 1, 2 and 3 beside the stamp workload.
 * Its logs show the same stalls: namespaces 1 and 3 (ANA group 1) stand still while gw1 is dead and while the group
 * goes home, namespace 2 goes on.
 */
export function fioRun(input: Partial<FioJobInput> = {}): DraftRun {
  const run = healthyRun();
  const { plan } = run;
  plan.fio = resolveFioJobs('scenario test', [{ name: 'mix', queueDepth: 1, verify: { backlogBlocks: 1 }, ...input }], plan.topology, plan.workload, new Random('seed'));
  const job = plan.fio[0]!;
  run.fioFiles = new Map();
  const names = job.sections.map(({ name }) => name);
  const m = moments;
  addProcess(run, 'prefill', 205, 209, 0, 'itself', fioReport(names.map((name) => ({ name, writes: 24, writeBytes: regionBytes }))));
  addProcess(run, 'main', m.loadBegin, m.loadEnd, 128, 'stop', fioReport(names.map((name) => ({ name, reads: 400, writes: 400 }))));
  addProcess(run, 'verify', m.loadEnd + 1, m.loadEnd + 8, 0, 'itself', fioReport(names.map((name) => ({ name, reads: 768, readBytes: regionBytes, totalErrors: 0 }))));
  for (const [index, { nsid }] of job.sections.entries()) run.fioFiles.set(`fio/host1/mix/main/io_lat.${index + 1}.log`, logOf(nsid));
  return run;
}

export function addProcess(run: DraftRun, phase: FioPhaseName, fromMs: number, toMs: number, exitCode: number, endedBy: 'itself' | 'stop' | 'kill', report: string): void {
  const id = { host: 'host1', job: 'mix', phase };
  const dir = `fio/host1/mix/${phase}`;
  const more = { dir, version: 'fio-3.33', devices: { 1: '/dev/nvme0n1' } };
  run.add(fromMs, { type: 'fio.process', ...id, state: 'started', ...more });
  run.add(toMs, { type: 'fio.clock', ...id, clock: 'monotonic', zeroUs: t(0) - logZeroMs * 1_000, zeroErrUs: clockErrUs });
  run.add(toMs, { type: 'fio.process', ...id, state: 'ended', ...more, exitCode, signal: null, endedBy });
  run.fioFiles!.set(`${dir}/report.json`, report);
}

/** One I/O at a time, one each 10 ms, alternating reads and writes; what meets a time without a path ends with it. */
export function logOf(nsid: number, stalls: readonly (readonly [fromMs: number, toMs: number])[] = nsid % 2 === 1 ? [[moments.killed, moments.resumed], [moments.inaccessible, moments.resumedHome]] : []): string {
  const lines: string[] = [];
  let write = 0;
  for (let ms = moments.loadBegin as number; ms < moments.loadEnd - 10;) {
    const stall = stalls.find(([fromMs, toMs]) => ms + 2 >= fromMs && ms < toMs);
    const endMs = stall === undefined ? ms + 2 : stall[1];
    lines.push(`${endMs + logZeroMs}, ${(endMs - ms) * 1_000_000}, ${write}, 4096, ${mib + (lines.length % 700) * 4_096}, 0`);
    write = 1 - write;
    ms = endMs + 8;
  }
  return `${lines.join('\n')}\n`;
}
