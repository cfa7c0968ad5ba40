import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nowUs } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import type { NodeClock } from './clock.js';
import type { FioCommandResult, FioExitStatus, FioRunner, RemoteProcess, StartOptions } from './runner.js';

const notFound = 127;
/** Most of a command's output that is kept, bytes. */
const outputMax = 16 * 1_048_576;

/** Runs fio on the harness's own machine. Its clocks are the harness's: the monotonic one needs no offset. */
export class LocalFioRunner implements FioRunner {
  readonly #parent: string;

  /** `parent`: where the folders of the processes are made. */
  constructor(parent: string = tmpdir()) {
    this.#parent = parent;
  }

  async exec(argv: readonly string[], { timeoutMs = 30_000 }: { timeoutMs?: number } = {}): Promise<FioCommandResult> {
    const chunks: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    let bytes = 0;
    const keep = (name: 'stdout' | 'stderr') => (chunk: Uint8Array): void => {
      bytes += chunk.length;
      if (bytes <= outputMax) chunks[name].push(Buffer.from(chunk));
    };
    const text = (name: 'stdout' | 'stderr'): string => Buffer.concat(chunks[name]).toString('utf8');
    let process: RemoteProcess;
    try {
      process = await this.start(argv, { cwd: this.#parent, onStdout: keep('stdout'), onStderr: keep('stderr') });
    } catch (error) {
      if ((error as { cause?: NodeJS.ErrnoException }).cause?.code !== 'ENOENT') throw error;
      return { code: notFound, signal: null, stdout: '', stderr: messageOf(error) };
    }
    const timer = setTimeout(() => void process.signal('SIGKILL'), timeoutMs);
    const status = await process.ended;
    clearTimeout(timer);
    return { ...status, stdout: text('stdout'), stderr: text('stderr') };
  }

  start(argv: readonly string[], { cwd, onStdout, onStderr }: StartOptions): Promise<RemoteProcess> {
    return new Promise((resolve, reject) => {
      const child = spawn(argv[0]!, argv.slice(1), { cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C' } });
      child.stdout.on('data', onStdout);
      child.stderr.on('data', onStderr);
      // `close` and not `exit`: by then all output has been read.
      const ended = new Promise<FioExitStatus>((end) => child.once('close', (code, signal) => end({ code, signal })));
      child.once('error', (error) => reject(infraError('FIO_START', `cannot start ${argv[0]}: ${messageOf(error)}`, { cause: error })));
      child.once('spawn', () => resolve({
        ended,
        signal: (signal) => {
          child.kill(signal);
          return Promise.resolve();
        },
      }));
    });
  }

  makeDir(): Promise<string> {
    return mkdtemp(join(this.#parent, 'fio-'));
  }

  writeFile(path: string, text: string): Promise<void> {
    return writeFile(path, text);
  }

  async collect(dir: string, into: string): Promise<void> {
    await mkdir(into, { recursive: true });
    for (const entry of await readdir(dir, { withFileTypes: true })) {
      if (entry.isFile()) await copyFile(join(dir, entry.name), join(into, entry.name));
    }
  }

  removeDir(dir: string): Promise<void> {
    return rm(dir, { recursive: true, force: true });
  }

  clock(): Promise<NodeClock> {
    const before = nowUs();
    const wallUs = Date.now() * 1_000;
    const after = nowUs();
    // Date.now() has whole milliseconds, rounded down.
    return Promise.resolve({ monotonicOffUs: 0, realtimeOffUs: wallUs + 500 - (before + after) / 2, errUs: 500 + (after - before) });
  }
}
