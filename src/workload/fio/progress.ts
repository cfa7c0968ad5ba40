import { parseFioJson, type DirectionStats, type FioReport } from 'fio-parser';

/** Totals of one process of fio since its start, all its jobs together. */
export interface FioProgress {
  elapsedMs: number;
  reads: number;
  writes: number;
  bytesRead: number;
  bytesWritten: number;
  /** Errors that `continue_on_error` counted, and jobs that ended with one. */
  errors: number;
}

/** The totals of a report. Reads that verify are reads, too. */
export function progressOf(report: FioReport): FioProgress {
  const progress: FioProgress = { elapsedMs: 0, reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, errors: 0 };
  for (const job of report.jobs) {
    progress.elapsedMs = Math.max(progress.elapsedMs, job.runtimeMs);
    add(progress, 'reads', 'bytesRead', job.read);
    add(progress, 'writes', 'bytesWritten', job.write);
    progress.errors += job.totalErrors ?? (job.error === 0 ? 0 : 1);
  }
  return progress;
}

function add(progress: FioProgress, ios: 'reads' | 'writes', bytes: 'bytesRead' | 'bytesWritten', stats: DirectionStats | undefined): void {
  progress[ios] += stats?.totalIos ?? 0;
  progress[bytes] += stats?.ioBytes ?? 0;
}

/** The progress that the text of one report tells; undefined when it is none. */
export function progressFromText(text: string): FioProgress | undefined {
  const report = parseFioJson(text).reports.at(-1);
  return report === undefined ? undefined : progressOf(report);
}

/** Rates between two looks, `passedMs` apart; 0 for the first. Counters that went back (another process) count as 0. */
export function ratesBetween(before: FioProgress | undefined, now: FioProgress, passedMs: number): { readIops: number; writeIops: number } {
  const rate = (later: number, earlier: number): number => (passedMs <= 0 ? 0 : Math.round(Math.max(0, later - earlier) / (passedMs / 1_000)));
  return before === undefined ? { readIops: 0, writeIops: 0 } : { readIops: rate(now.reads, before.reads), writeIops: rate(now.writes, before.writes) };
}
