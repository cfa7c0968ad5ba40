import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
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
const saidLinesMax = 15;
const setpriv = '/usr/bin/setpriv';

/**
 * SPDK's NVMe-oF target as a process of this gateway's own. It lives as long as the gateway at most: the kernel kills it when the
 * thread that started it ends (setpriv(1)), however that ended, so that a killed gateway serves nothing any more.
 */
export class SpdkTarget {
  /** Where its JSON-RPC server is. */
  readonly socket: string;
  /** `SPDK v26.01 …`. */
  readonly version: string;
  /** Settles with how it ended. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #end: { how?: string };

  private constructor(parts: { socket: string; version: string; ended: Promise<string>; child: ChildProcess; end: { how?: string } }) {
    this.socket = parts.socket;
    this.version = parts.version;
    this.ended = parts.ended;
    this.#child = parts.child;
    this.#end = parts.end;
  }

  /** Resolves when it answers. Rejects with SPDK_START, with what it said, and leaves none behind. */
  static async start({ program, args, dir, log, startMaxMs = startMaxDefaultMs }: SpdkTargetOptions): Promise<SpdkTarget> {
    const socket = join(dir, 'spdk.sock');
    // --no-pci: the NVMe devices of this machine are somebody's.
    const line = [setpriv, '--pdeathsig', 'KILL', '--', program, ...args, '--no-pci', '--rpc-socket', socket];
    const said: string[] = [];
    const child = spawn(line[0]!, line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (each) => {
        if (each.trim() === '') return;
        log(`SPDK: ${each}`);
        if (said.push(each) > saidLinesMax) said.shift();
      });
    }
    const end: { how?: string } = {};
    const ended = new Promise<string>((resolve) => {
      const settle = (how: string): void => {
        end.how ??= how;
        resolve(end.how);
      };
      child.once('error', (error) => settle(`it cannot be started: ${error.message}`));
      child.once('close', (code, signal) => settle(`it ended with ${code === null ? String(signal) : `exit code ${code}`}`));
    });
    const rpc = new JsonRpcClient(socket);
    try {
      const deadline = performance.now() + startMaxMs;
      for (;;) {
        if (end.how !== undefined) throw new Error(end.how);
        if (performance.now() >= deadline) throw new Error(`it does not answer after ${startMaxMs / 1_000} s`);
        // Until everything of it has started it answers only what is for its start; its socket is there before anybody listens on it.
        if (existsSync(socket) && await answers(rpc, Math.max(1, deadline - performance.now()))) break;
        await Promise.race([ended, sleep(lookMs)]);
      }
      const { version } = await rpc.call<{ version: string }>('spdk_get_version');
      return new SpdkTarget({ socket, version, ended, child, end });
    } catch (error) {
      child.kill('SIGKILL');
      if (end.how === undefined) await ended;
      throw infraError('SPDK_START', `${program}: ${messageOf(error)}`, { details: said, hint: hintFor(said) });
    } finally {
      rpc.close();
    }
  }

  get pid(): number | undefined {
    return this.#end.how === undefined ? this.#child.pid : undefined;
  }

  /** SIGTERM: it closes its images, so that the cluster knows at once that nobody has them open. After `graceMs` it is killed: storage that does not answer must not hold anybody up. */
  async stop(graceMs: number): Promise<void> {
    this.#child.kill('SIGTERM');
    const inTime = new AbortController();
    await Promise.race([this.ended, sleep(graceMs, inTime.signal)]);
    inTime.abort();
    await this.kill();
  }

  async kill(): Promise<void> {
    if (this.#end.how === undefined) this.#child.kill('SIGKILL');
    await this.ended;
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
  if (/hugepage|could not allocate|Cannot get hugepage/i.test(text)) return 'SPDK needs hugepages (scripts/setup.sh of SPDK), or --no-huge with enough of --mem-size (512 or more)';
  if (/openssl\.cnf|initialize OpenSSL/i.test(text)) return 'SPDK wants the configuration of OpenSSL: apt-get install -y openssl';
  return 'the inventory names program and arguments: gateways.spdk';
}
