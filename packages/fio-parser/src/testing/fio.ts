import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { parseFioVersion, type FioVersion } from '../version.js';

/** The fio that tests run: FIO_BIN, or Debian's. */
const BINARY = process.env['FIO_BIN'] ?? '/usr/bin/fio';

function probe(): FioVersion | undefined {
  if (!existsSync(BINARY)) return undefined;
  const { status, stdout } = spawnSync(BINARY, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return status === 0 ? parseFioVersion(stdout) : undefined;
}

/** Undefined when there is no fio that runs. */
export const fioVersion = probe();

/** For the title of a skipped suite. */
export const fioTitle = fioVersion === undefined ? `(skipped: no fio runs at ${BINARY}; install fio or set FIO_BIN)` : `(fio ${fioVersion.major}.${fioVersion.minor})`;

export interface FioRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const RUN_MAX_MS = 60_000;

/** Runs fio in `cwd` and waits, at most a minute. A status that is not 0 is a result, not an error. */
export function runFio(cwd: string, ...args: string[]): Promise<FioRun> {
  return runFioFor(RUN_MAX_MS, cwd, ...args);
}

/** Like runFio with another limit; then fio is killed, and `signal` says so. Use --thread, or its jobs live on. */
export function runFioFor(maxMs: number, cwd: string, ...args: string[]): Promise<FioRun> {
  return new Promise((resolve) => {
    const child = execFile(BINARY, args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 27, timeout: maxMs, killSignal: 'SIGKILL', env: { ...process.env, LC_ALL: 'C' } }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}

/** The binary, for tests that manage the process themselves. */
export const fioBinary = BINARY;

/** A directory for one test file; `remove` it at the end. */
export async function workDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'fio-parser-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
