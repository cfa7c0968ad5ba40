import { createReadStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FioProcessId } from '../events.js';

/**
 * The artifacts of fio in a run's folder (docs/FORMAT.md): one folder for each process of fio, named by host, job and
 * phase.
 */
export const fioFiles = {
  /** What fio was told. */
  jobFile: 'job.fio',
  /** The command line, as a person would type it. */
  command: 'command.txt',
  /** fio's JSON report, which it writes at its end, with its notices in it. */
  report: 'report.json',
  /** Standard output without the progress lines. */
  stdout: 'stdout.txt',
  stderr: 'stderr.txt',
} as const;

/** The folder of one process, relative to the run's folder. */
export function fioDir({ host, job, phase }: FioProcessId): string {
  return `fio/${host}/${job}/${phase}`;
}

/** Name of the per-I/O log of fio's n-th job, without the `.gz` that is added when it is stored. */
export function fioLogName(jobNumber: number): string {
  return `io_lat.${jobNumber}.log`;
}

/** Reads artifacts; paths are relative to the run's folder. Absent files are undefined, unreadable ones throw. */
export interface FioSource {
  text(dir: string, name: string): Promise<string | undefined>;
  bytes(dir: string, name: string): Promise<Uint8Array | undefined>;
  list(dir: string): Promise<string[]>;
  /** A file as a stream; only for names that `list` gave. */
  open(dir: string, name: string): AsyncIterable<Uint8Array>;
}

/** The artifacts of a stored run. */
export function openFioSource(runDir: string): FioSource {
  const absent = (error: unknown): undefined => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  };
  return {
    text: (dir, name) => readFile(join(runDir, dir, name), 'utf8').catch(absent),
    bytes: (dir, name) => readFile(join(runDir, dir, name)).catch(absent),
    list: async (dir) => (await readdir(join(runDir, dir)).catch(absent))?.sort() ?? [],
    open: (dir, name) => createReadStream(join(runDir, dir, name)) as AsyncIterable<Buffer>,
  };
}
