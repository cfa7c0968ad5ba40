import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { connectUnix } from '../unix-socket.js';

/** The commands used here, with their arguments and results (QEMU's qapi/*.json). */
export interface QmpCommands {
  qmp_capabilities: { arguments: undefined; result: object };
  stop: { arguments: undefined; result: object };
  cont: { arguments: undefined; result: object };
  quit: { arguments: undefined; result: object };
  system_reset: { arguments: undefined; result: object };
  system_powerdown: { arguments: undefined; result: object };
  set_link: { arguments: { name: string; up: boolean }; result: object };
  'query-status': { arguments: undefined; result: { running: boolean; status: string } };
  'query-version': { arguments: undefined; result: { qemu: { major: number; minor: number; micro: number } } };
  'snapshot-save': { arguments: { 'job-id': string; tag: string; vmstate: string; devices: string[] }; result: object };
  'snapshot-load': { arguments: { 'job-id': string; tag: string; vmstate: string; devices: string[] }; result: object };
  'snapshot-delete': { arguments: { 'job-id': string; tag: string; devices: string[] }; result: object };
  'query-jobs': { arguments: undefined; result: { id: string; status: string; error?: string }[] };
  'job-dismiss': { arguments: { id: string }; result: object };
  'migrate-set-parameters': { arguments: { 'max-bandwidth': number }; result: object };
  'human-monitor-command': { arguments: { 'command-line': string }; result: string };
}

export interface QmpEvent { event: string; data: Record<string, unknown> }

const answerMaxMs = 30_000;
const retryMs = 20;

/** A command that QEMU refused; `code` is its error class. */
export class QmpError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'QmpError';
    this.code = code;
  }
}

/** QEMU's machine protocol over a unix socket: one JSON object a line (docs/interop/qmp-spec). */
export class QmpClient {
  /** Events in the order in which QEMU sent them. */
  onEvent: (event: QmpEvent) => void = () => undefined;
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }>();
  #nextId = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#line(line));
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject, timer } of this.#pending.values()) {
          clearTimeout(timer);
          reject(infraError('QMP_GONE', 'QEMU closed its control socket'));
        }
        this.#pending.clear();
        resolve();
      });
    });
  }

  /** Connects and negotiates; waits up to `timeoutMs` for the socket to appear. `abort` ends the wait with its reason. */
  static async connect(path: string, timeoutMs: number, abort?: AbortSignal): Promise<QmpClient> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      abort?.throwIfAborted();
      try {
        const client = new QmpClient(await connectUnix(path));
        await client.execute('qmp_capabilities');
        return client;
      } catch (error) {
        if (Date.now() >= deadline) throw infraError('QMP_CONNECT', `QEMU does not answer at ${path}`, { cause: error });
        await sleep(retryMs);
      }
    }
  }

  execute<K extends keyof QmpCommands>(command: K, ...args: QmpCommands[K]['arguments'] extends undefined ? [] : [QmpCommands[K]['arguments']]): Promise<QmpCommands[K]['result']> {
    return this.#send(command, args[0]);
  }

  #send<T>(command: string, args: object | undefined): Promise<T> {
    if (this.#socket.destroyed) return Promise.reject(infraError('QMP_GONE', 'QEMU is gone'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(infraError('QMP_SILENT', `QEMU did not answer ${command} within ${answerMaxMs / 1_000} s`));
      }, answerMaxMs);
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
      this.#socket.write(`${JSON.stringify({ execute: command, id, ...(args === undefined ? {} : { arguments: args }) })}\n`);
    });
  }

  /** Starts a job, waits until it has concluded, and throws a QmpError with the job's own error if it failed. */
  async job<K extends 'snapshot-save' | 'snapshot-load' | 'snapshot-delete'>(command: K, args: Omit<QmpCommands[K]['arguments'], 'job-id'>, timeoutMs: number): Promise<void> {
    const id = `pathproof-${this.#nextId}`;
    await this.#send(command, { 'job-id': id, ...args });
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const job = (await this.execute('query-jobs')).find((j) => j.id === id);
      if (job?.status === 'concluded') {
        await this.execute('job-dismiss', { id });
        if (job.error !== undefined) throw new QmpError('JOB', `${command}: ${job.error}`);
        return;
      }
      if (Date.now() >= deadline) throw infraError('QMP_JOB', `${command} did not end within ${timeoutMs / 1_000} s`);
      await sleep(retryMs);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #line(line: string): void {
    let message: { id?: number; return?: unknown; error?: { class: string; desc: string }; event?: string; data?: Record<string, unknown> };
    try {
      message = JSON.parse(line) as typeof message;
    } catch {
      return;
    }
    if (message.event !== undefined) this.onEvent({ event: message.event, data: message.data ?? {} });
    if (message.id === undefined) return;
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#pending.delete(message.id);
    clearTimeout(pending.timer);
    if (message.error === undefined) pending.resolve(message.return);
    else pending.reject(new QmpError(message.error.class, message.error.desc));
  }
}
