import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa, type Options } from 'execa';
import type { ChildProcess } from 'node:child_process';
import { infraError } from '../../util/errors.js';
import type { NodeEvent } from '../../history/events.js';
import type { MemberMessage } from '../member/member.js';
import { MemberRequests } from '../member/requests.js';

/** How long a member may take from spawn to `ready`. Node itself needs 0.1–0.5 s; a loaded machine several times that. */
const readyTimeoutMs = 20_000;
const logTailLines = 15;

export interface MemberExit { exitCode: number | null; signal: string | null }

/**
 * A member of the loopback lab seen from the harness: a process of its own with its own pid and log
 * file, a request channel, and an `exited` promise. It never throws for an exit: whoever meant the exit
 * knows, and the lab judges the rest.
 */
export class MemberProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<MemberExit>;
  readonly info: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #requests: MemberRequests;
  #gone = false;

  constructor(options: { name: string; entry: string; config: unknown; logFile: string; onEvent: (event: NodeEvent) => void; /** A command that becomes the member's process, e.g. in a network namespace. */ within?: readonly string[] }) {
    this.name = options.name;
    this.#requests = new MemberRequests(options.name);
    this.logFile = options.logFile;
    const log = openSync(options.logFile, 'a');
    const { file, nodeOptions } = entryOf(options.entry);
    const [program, ...args] = [...(options.within ?? []), process.execPath, ...nodeOptions, file, JSON.stringify(options.config)];
    const spawned = execa(program, args, {
      ipc: true, reject: false, buffer: false, serialization: 'json',
      stdio: ['ignore', log, log, 'ipc'],
      // Its own process group: a Ctrl-C in the terminal must reach the harness only.
      detached: true, cleanup: false,
    } as unknown as Options);
    closeSync(log);
    // execa's own promise settles at exit (reject: false); the exit is followed below.
    void spawned.catch(() => undefined);
    this.#child = spawned;
    if (this.#child.pid === undefined) throw infraError('MEMBER_SPAWN', `cannot start ${options.name}`, { hint: 'Is the machine out of processes or memory?' });
    this.pid = this.#child.pid;

    let ready: (info: unknown) => void;
    let notReady: (error: Error) => void;
    this.info = new Promise((resolve, reject) => {
      ready = resolve;
      notReady = reject;
    });
    // Whoever starts a member awaits `info`; one that is killed while starting must not crash the harness.
    this.info.catch(() => undefined);
    const readyTimer = setTimeout(() => notReady(this.#startError(`was not ready within ${readyTimeoutMs / 1_000} s`)), readyTimeoutMs);
    this.#child.on('message', (message) => {
      const m = message as unknown as MemberMessage;
      if (m.kind === 'event') options.onEvent(m.event);
      else if (m.kind === 'ready') {
        clearTimeout(readyTimer);
        ready(m.info);
      } else if (m.kind === 'reply') this.#requests.settle(m);
    });
    this.exited = new Promise((resolve) => {
      const done = (exitCode: number | null, signal: string | null): void => {
        if (this.#gone) return;
        this.#gone = true;
        clearTimeout(readyTimer);
        notReady(this.#startError(`ended before it was ready (${signal ?? `exit code ${exitCode}`})`));
        this.#requests.failAll(new Error(`${this.name} ended`));
        resolve({ exitCode, signal });
      };
      this.#child.on('exit', done);
      this.#child.on('error', () => done(null, null));
    });
  }

  get running(): boolean {
    return !this.#gone;
  }

  /** Calls a method of the member. Rejects when the member says no, ends, or does not answer in time (a minute by default). */
  request<T = unknown>(method: string, params: unknown = {}, timeoutMs?: number): Promise<T> {
    if (this.#gone) return Promise.reject(new Error(`${this.name} is not running`));
    return this.#requests.open<T>(method, (id) => {
      this.#child.send({ kind: 'request', id, method, params }, undefined, undefined, (error) => {
        if (error !== null) this.#requests.fail(id, error);
      });
    }, timeoutMs);
  }

  /** Sends a signal; false when the process is already gone. */
  signal(signal: NodeJS.Signals): boolean {
    return !this.#gone && this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL for one that does not end within two seconds. */
  async end(): Promise<void> {
    if (this.#gone) return;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), 2_000);
    await this.exited;
    clearTimeout(timer);
  }

  /** The last lines of its log, for an error message. */
  logTail(): string[] {
    return logTail(this.logFile);
  }

  #startError(what: string): Error {
    return infraError('MEMBER_START', `${this.name} ${what}`, { hint: `Its whole log: ${this.logFile}`, details: this.logTail() });
  }
}

export function logTail(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-logTailLines);
  } catch {
    return [];
  }
}

/**
 * The file to run for a member. Built code runs as it is; from the TypeScript sources (tests, editors)
 * Node needs a loader for the child, too.
 */
function entryOf(entry: string): { file: string; nodeOptions: string[] } {
  const fromSource = import.meta.url.endsWith('.ts');
  const file = fileURLToPath(new URL(`./members/${entry}.${fromSource ? 'ts' : 'js'}`, import.meta.url));
  return { file, nodeOptions: fromSource ? ['--import', import.meta.resolve('tsx')] : [] };
}
