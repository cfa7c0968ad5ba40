import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../util/clock.js';
import { infraError, PathproofError } from '../../util/errors.js';

/** One block device of the daemon: the options of its `--blockdev`, and the name of its export. */
export interface ExportedDevice {
  /** Letters, digits, `-` and `_`, up to 31, a letter first: what QEMU takes for a node. */
  name: string;
  blockdev: Record<string, unknown>;
}

export interface StorageDaemonOptions {
  /** Folder for its sockets; short, since a socket's path has at most 107 bytes. */
  dir: string;
  devices: readonly ExportedDevice[];
  /** Default `qemu-storage-daemon`. */
  program?: string;
  /** How long it may take until all devices are open. An RBD image waits for its cluster. */
  openMaxMs: number;
  log: (line: string) => void;
}

const lookMs = 25;
const stillWaitingMs = 10_000;
const saidLinesMax = 15;
const setpriv = '/usr/bin/setpriv';

/**
 * qemu-storage-daemon(1) with an NBD export of each device on one unix socket. It lives as long as the gateway at most: the kernel
 * kills it when the thread that started it ends (setpriv, where there is one; a container ends with its first process anyway).
 */
export class StorageDaemon {
  readonly socket: string;
  /** Settles with how it ended. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  #end: string | undefined;

  private constructor(socket: string, child: ChildProcess, said: readonly string[]) {
    this.socket = socket;
    this.#child = child;
    this.ended = new Promise((resolve) => {
      const settle = (how: string): void => {
        this.#end ??= [how, ...said.slice(-1)].join(': ');
        resolve(this.#end);
      };
      child.once('error', (error) => settle(`qemu-storage-daemon cannot be started: ${error.message}`));
      child.once('close', (code, signal) => settle(`qemu-storage-daemon ended with ${code === null ? String(signal) : `exit code ${code}`}`));
    });
  }

  /** Resolves when every device is open and exported. Rejects with QSD, with what it said, and leaves none behind. */
  static async start({ dir, devices, program = 'qemu-storage-daemon', openMaxMs, log }: StorageDaemonOptions): Promise<StorageDaemon> {
    const socket = join(dir, 'nbd.sock');
    const pidFile = join(dir, 'qsd.pid');
    const args = [
      ...devices.flatMap(({ name, blockdev }) => ['--blockdev', JSON.stringify({ ...blockdev, 'node-name': name })]),
      // Newer releases let 100 clients in unless told otherwise.
      '--nbd-server', `addr.type=unix,addr.path=${socket},max-connections=${devices.length + 1}`,
      ...devices.flatMap(({ name }) => ['--export', JSON.stringify({ type: 'nbd', id: `export-${name}`, 'node-name': name, name, writable: true })]),
      // Written when all of the above is done.
      '--pidfile', pidFile,
    ];
    const line = existsSync(setpriv) ? [setpriv, '--pdeathsig', 'KILL', '--', program, ...args] : [program, ...args];
    const said: string[] = [];
    const child = spawn(line[0]!, line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        for (const each of text.split('\n').filter((part) => part.trim() !== '')) {
          log(each);
          if (said.push(each) > saidLinesMax) said.shift();
        }
      });
    }
    const daemon = new StorageDaemon(socket, child, said);
    const startedMs = performance.now();
    let sayAtMs = startedMs + stillWaitingMs;
    while (!existsSync(pidFile)) {
      await Promise.race([daemon.ended, sleep(lookMs)]);
      const nowMs = performance.now();
      const late = nowMs - startedMs >= openMaxMs;
      if (daemon.#end !== undefined || late) {
        const why = daemon.#end ?? `not all devices are open after ${openMaxMs / 1_000} s`;
        await daemon.kill();
        throw qsdError(why, said);
      }
      if (nowMs >= sayAtMs) {
        log(`waiting for the storage since ${Math.round((nowMs - startedMs) / 1_000)} s`);
        sayAtMs += stillWaitingMs;
      }
    }
    return daemon;
  }

  get pid(): number | undefined {
    return this.#end === undefined ? this.#child.pid : undefined;
  }

  /** SIGTERM: it closes its devices. After `graceMs` it is killed: a cluster that does not answer must not hold anybody up. */
  async stop(graceMs: number): Promise<void> {
    this.#child.kill('SIGTERM');
    const inTime = new AbortController();
    await Promise.race([this.ended, sleep(graceMs, inTime.signal)]);
    inTime.abort();
    await this.kill();
  }

  async kill(): Promise<void> {
    if (this.#end === undefined) this.#child.kill('SIGKILL');
    await this.ended;
  }
}

function qsdError(why: string, details: readonly string[]): PathproofError {
  return infraError('QSD', why, {
    details: [...details],
    ...(details.some((line) => /Unknown driver 'rbd'|rbd.*(module|not found)/i.test(line)) ? { hint: 'apt-get install -y qemu-block-extra' } : {}),
  });
}
