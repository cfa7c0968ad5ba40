import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { Companion } from '../companion.js';
import { JsonRpcClient, SpdkRpcError } from './json-rpc.js';

export interface SpdkTargetOptions {
  /** SPDK's `nvmf_tgt` (or `spdk_tgt`), absolute. */
  program: string;
  /** Its options: cores, memory. What it is reached by and what it must not touch is added here. */
  args: readonly string[];
  /** Folder for its socket; short, since a socket's path has at most 107 bytes. */
  dir: string;
  log: (line: string) => void;
  startMaxMs?: number;
}

/** An emulated processor takes its time to set up the memory. */
const startMaxDefaultMs = 60_000;
const lookMs = 50;

/** SPDK's NVMe-oF target as a process of this gateway's own: a killed gateway serves nothing any more. */
export class SpdkTarget {
  /** Where its JSON-RPC server is. */
  readonly socket: string;
  /** `SPDK v26.01 …`. */
  readonly version: string;
  readonly #process: Companion;

  private constructor(socket: string, version: string, process: Companion) {
    this.socket = socket;
    this.version = version;
    this.#process = process;
  }

  /** Resolves when it answers. Rejects with SPDK_START, with what it said, and leaves none behind. */
  static async start({ program, args, dir, log, startMaxMs = startMaxDefaultMs }: SpdkTargetOptions): Promise<SpdkTarget> {
    const socket = join(dir, 'spdk.sock');
    // --no-pci: the NVMe devices of this machine are somebody's.
    const target = new Companion({ name: 'SPDK', program, args: [...args, '--no-pci', '--rpc-socket', socket], log: (line) => log(`SPDK: ${line}`) });
    const rpc = new JsonRpcClient(socket);
    try {
      const deadline = performance.now() + startMaxMs;
      for (;;) {
        if (target.end !== undefined) throw new Error(target.end);
        if (performance.now() >= deadline) throw new Error(`it does not answer after ${startMaxMs / 1_000} s`);
        // Until everything of it has started it answers only what is for its start; its socket is there before anybody listens on it.
        if (existsSync(socket) && await answers(rpc, Math.max(1, deadline - performance.now()))) break;
        await Promise.race([target.ended, sleep(lookMs)]);
      }
      const { version } = await rpc.call<{ version: string }>('spdk_get_version');
      return new SpdkTarget(socket, version, target);
    } catch (error) {
      await target.kill();
      throw infraError('SPDK_START', `${program}: ${messageOf(error)}`, { details: target.said, hint: hintFor(target.said) });
    } finally {
      rpc.close();
    }
  }

  /** Settles with how it ended. */
  get ended(): Promise<string> {
    return this.#process.ended;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** In good order it closes its images, so that the cluster knows at once that nobody has them open. */
  stop(graceMs: number): Promise<void> {
    return this.#process.stop(graceMs);
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}

async function answers(rpc: JsonRpcClient, maxMs: number): Promise<boolean> {
  try {
    await rpc.call('framework_wait_init', undefined, maxMs);
    return true;
  } catch (error) {
    if (error instanceof SpdkRpcError) throw error;
    return false;
  }
}

function hintFor(said: readonly string[]): string {
  const text = said.join('\n');
  if (/hugepage|could not allocate/i.test(text)) return 'SPDK needs hugepages (scripts/setup.sh of SPDK), or --no-huge with enough of --mem-size (512 or more)';
  if (/openssl\.cnf|initialize OpenSSL/i.test(text)) return 'SPDK wants the configuration of OpenSSL: apt-get install -y openssl';
  return 'the inventory names program and arguments: gateways.spdk';
}
