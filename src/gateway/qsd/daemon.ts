import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../util/clock.js';
import { infraError, type PathproofError } from '../../util/errors.js';
import { Companion } from '../companion.js';

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

/** qemu-storage-daemon(1) with an NBD export of each device on one unix socket. It lives as long as the gateway at most. */
export class StorageDaemon {
  readonly socket: string;
  /** Settles with how it ended, and what it said last. */
  readonly ended: Promise<string>;
  readonly #process: Companion;

  private constructor(socket: string, process: Companion) {
    this.socket = socket;
    this.#process = process;
    this.ended = process.ended.then(() => endOf(process)!);
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
    const process = new Companion({ name: 'qemu-storage-daemon', program, args, log });
    const startedMs = performance.now();
    let sayAtMs = startedMs + stillWaitingMs;
    while (!existsSync(pidFile)) {
      await Promise.race([process.ended, sleep(lookMs)]);
      const nowMs = performance.now();
      const late = nowMs - startedMs >= openMaxMs;
      const end = endOf(process);
      if (end !== undefined || late) {
        await process.kill();
        throw qsdError(end ?? `not all devices are open after ${openMaxMs / 1_000} s`, process.said);
      }
      if (nowMs >= sayAtMs) {
        log(`waiting for the storage since ${Math.round((nowMs - startedMs) / 1_000)} s`);
        sayAtMs += stillWaitingMs;
      }
    }
    return new StorageDaemon(socket, process);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** SIGTERM: it closes its devices; see Companion. */
  stop(graceMs: number): Promise<void> {
    return this.#process.stop(graceMs);
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}

function endOf({ end, said }: Companion): string | undefined {
  return end === undefined ? undefined : [end, ...said.slice(-1)].join(': ');
}

function qsdError(why: string, details: readonly string[]): PathproofError {
  return infraError('QSD', why, {
    details: [...details],
    ...(details.some((line) => /Unknown driver 'rbd'|rbd.*(module|not found)/i.test(line)) ? { hint: 'apt-get install -y qemu-block-extra' } : {}),
  });
}
