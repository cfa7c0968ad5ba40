import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { nowUs } from '../util/clock.js';
import type { Hello, HelloReply } from './control.js';
import { errorOfStatus, StoreError, StoreStatus } from './errors.js';
import { StoreLimit } from './limits.js';
import {
  encodeRequest, FrameReader, protocolVersion, readU48, responseHeaderBytes, responseRules, StoreOp, type RequestFields,
} from './wire.js';

export interface ChannelOptions {
  host: string;
  port: number;
  /** For people and for holds: `gw1`. */
  name: string;
  nonce: number;
  /** Limit of one attempt (TCP connect and hello) before the next. Default 5 s. */
  attemptTimeoutMs?: number;
  /** Waits between attempts grow from the first to the second, doubling. Defaults 20 and 500 ms. */
  backoffMinMs?: number;
  backoffMaxMs?: number;
  /** Default none: like librados, an operation waits as long as it takes. */
  requestTimeoutMs?: number;
  /** Images to be open on every new connection. */
  images: () => Hello['images'];
}

interface Pending {
  fields: RequestFields;
  payload: Buffer | null;
  resolve: (payload: Buffer) => void;
  reject: (error: StoreError) => void;
  sinceUs: number;
  mayTimeOut: boolean;
}

/**
 * The client's end of a session with the store: requests and their answers, over one connection after
 * another.
 *
 * ```text
 * request ─▶ waiting (FIFO) ─▶ pending, on the wire (≤ clientInflightMax) ─▶ answer
 *                                 ▲ re-sent in order of ids after a reconnect
 * ```
 *
 * Like librados, it does not give up: a lost connection is made again with backoff, and everything
 * without an answer is sent again under its old id. What ends an operation early is only being
 * fenced, `requestTimeoutMs` if set, or `close`.
 */
export class StoreChannel {
  readonly #options: ChannelOptions;
  readonly #instance = randomBytes(12).toString('hex');
  readonly #pending = new Map<number, Pending>();
  #waiting: Pending[] = [];
  #toSend: Pending[] = [];
  #flushing = false;
  #socket: net.Socket | null = null;
  #ready = false;
  #closed = false;
  #fenced = false;
  #lastId = 0;
  #helloId = 0;
  #connectSeq = 0;
  #failedAttempts = 0;
  /** What requests confirm: every answer up to this number has come, or has been asked for again. */
  #confirmed = 0;
  /** Answers to ids up to this one do not advance `#confirmed` on this connection. */
  #resentUpToId = 0;
  #epoch = 0;
  #lastProblem = 'no attempt yet';
  #retryTimer: NodeJS.Timeout | null = null;
  #attemptTimer: NodeJS.Timeout | null = null;
  readonly #sweepTimer: NodeJS.Timeout | null = null;
  readonly onFenced: (() => void)[] = [];
  readonly onDisconnect: ((reason: string) => void)[] = [];
  readonly onReady: (() => void)[] = [];
  /** The store refused a hello for good (wrong version, …). */
  readonly onRefused: ((error: StoreError) => void)[] = [];

  constructor(options: ChannelOptions) {
    this.#options = options;
    const limitMs = options.requestTimeoutMs;
    if (limitMs !== undefined) {
      this.#sweepTimer = setInterval(() => this.#sweep(limitMs), Math.max(5, Math.min(250, limitMs / 4)));
      this.#sweepTimer.unref();
    }
    this.#attempt();
  }

  get epoch(): number {
    return this.#epoch;
  }
  get fenced(): boolean {
    return this.#fenced;
  }
  get ready(): boolean {
    return this.#ready;
  }
  get lastProblem(): string {
    return this.#lastProblem;
  }

  /**
   * Sends one request and resolves to its answer's payload. `payload` must not change until then.
   * Rejects with StoreError: what the store answered, STORE_FENCED, STORE_TIMEOUT or STORE_CLOSED.
   */
  request(op: number, handle: number, slba: number, nlb: number, payload: Buffer | null, mayTimeOut = true): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError());
      if (this.#fenced) return reject(fencedError());
      const pending: Pending = {
        fields: { op, id: 0, handle, slba, nlb }, payload, resolve, reject, sinceUs: nowUs(), mayTimeOut,
      };
      if (this.#pending.size >= StoreLimit.clientInflightMax) this.#waiting.push(pending);
      else this.#start(pending);
    });
  }

  /** Rejects all that is open with STORE_CLOSED; resolves when the socket is gone. */
  close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#retryTimer, this.#attemptTimer, this.#sweepTimer]) if (timer !== null) clearTimeout(timer);
    this.#rejectAll(closedError());
    const socket = this.#socket;
    if (socket === null || socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      socket.once('close', () => resolve());
      socket.destroy();
    });
  }

  #start(pending: Pending): void {
    pending.fields.id = ++this.#lastId;
    this.#pending.set(pending.fields.id, pending);
    if (this.#ready) this.#send(pending);
  }

  #send(pending: Pending): void {
    this.#toSend.push(pending);
    if (this.#flushing) return;
    // What one poll phase brings leaves in one writev.
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    const socket = this.#socket;
    const batch = this.#toSend;
    if (!this.#ready || socket === null || batch.length === 0) return;
    this.#toSend = [];
    socket.cork();
    for (const { fields, payload } of batch) {
      socket.write(encodeRequest(fields, this.#confirmed, payload?.length ?? 0));
      if (payload !== null && payload.length > 0) socket.write(payload);
    }
    socket.uncork();
  }

  #attempt(): void {
    const { host, port, attemptTimeoutMs = 5_000 } = this.#options;
    const socket = net.connect({ host, port, noDelay: true });
    this.#socket = socket;
    let problem = 'closed by the store';
    const reader = new FrameReader(responseRules, (buffer, start, end) => {
      if (this.#socket === socket && !socket.destroyed) this.#response(buffer, start, end);
    });
    socket.on('connect', () => this.#sendHello(socket));
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => (problem = error.code ?? error.message));
    socket.on('close', () => this.#lost(socket, problem));
    this.#attemptTimer = setTimeout(() => {
      problem = `no answer to hello within ${attemptTimeoutMs} ms`;
      socket.destroy();
    }, attemptTimeoutMs);
  }

  #sendHello(socket: net.Socket): void {
    const hello: Hello = {
      version: protocolVersion, name: this.#options.name, nonce: this.#options.nonce,
      instance: this.#instance, connectSeq: ++this.#connectSeq, images: this.#options.images(),
    };
    const payload = Buffer.from(JSON.stringify(hello));
    this.#helloId = ++this.#lastId;
    socket.write(encodeRequest({ op: StoreOp.hello, id: this.#helloId, handle: 0, slba: 0, nlb: 0 }, 0, payload.length));
    socket.write(payload);
  }

  #response(buffer: Buffer, start: number, end: number): void {
    const op = buffer[start + 6]!;
    const status = buffer[start + 7]!;
    const id = readU48(buffer, start + 8);
    const number = readU48(buffer, start + 16);
    this.#epoch = Math.max(this.#epoch, buffer.readUInt32LE(start + 24));
    const payload = buffer.subarray(start + responseHeaderBytes, end);
    if (!this.#ready) return this.#helloAnswered(id, status, payload);
    // An answer to a request sent after the re-sent ones shows that those have arrived too. Before that,
    // a confirmation could make the store forget an answer that was lost and not yet asked for again.
    if (id > this.#resentUpToId) {
      this.#resentUpToId = 0;
      this.#confirmed = number;
    }
    if (op === StoreOp.notice) {
      if (status === StoreStatus.fenced) this.#becomeFenced(true);
      return;
    }
    const pending = this.#pending.get(id);
    // An operation that was given up meanwhile (timeout): its answer comes too late to matter.
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (status === StoreStatus.ok) {
      pending.resolve(payload);
    } else {
      pending.reject(errorOfStatus(status, payload.toString('utf8')));
      if (status === StoreStatus.fenced) this.#becomeFenced(false);
    }
    if (this.#waiting.length > 0) this.#start(this.#waiting.shift()!);
  }

  #helloAnswered(id: number, status: number, payload: Buffer): void {
    const text = payload.toString('utf8');
    if (id !== this.#helloId) throw new StoreError('STORE_PROTOCOL', 'io', 'an answer before the answer to hello');
    if (status !== StoreStatus.ok) {
      const error = errorOfStatus(status, text);
      this.#lastProblem = error.message;
      if (status === StoreStatus.fenced) this.#becomeFenced(true);
      else for (const listener of this.onRefused) listener(error);
      return;
    }
    const reply = JSON.parse(text) as HelloReply;
    // A store that does not know this session has no answers of it either: numbers begin anew.
    if (!reply.resumed) this.#confirmed = 0;
    this.#ready = true;
    this.#failedAttempts = 0;
    if (this.#attemptTimer !== null) clearTimeout(this.#attemptTimer);
    this.#resentUpToId = this.#lastId;
    this.#toSend = [...this.#pending.values()];
    this.#flush();
    while (this.#waiting.length > 0 && this.#pending.size < StoreLimit.clientInflightMax) this.#start(this.#waiting.shift()!);
    for (const listener of this.onReady) listener();
  }

  #lost(socket: net.Socket, problem: string): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    const wasReady = this.#ready;
    this.#ready = false;
    this.#toSend = [];
    if (this.#attemptTimer !== null) clearTimeout(this.#attemptTimer);
    this.#lastProblem = problem;
    if (this.#closed) return;
    if (wasReady) for (const listener of this.onDisconnect) listener(problem);
    if (this.#fenced || this.#closed) return;
    const { backoffMinMs = 20, backoffMaxMs = 500 } = this.#options;
    const delayMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#failedAttempts++, 16));
    this.#retryTimer = setTimeout(() => this.#attempt(), delayMs);
  }

  /** `settled`: the store has nothing of this client under way any more, so open operations can end. */
  #becomeFenced(settled: boolean): void {
    const first = !this.#fenced;
    this.#fenced = true;
    if (settled) this.#rejectAll(fencedError());
    if (first) for (const listener of this.onFenced) listener();
  }

  #rejectAll(error: StoreError): void {
    const open = [...this.#pending.values(), ...this.#waiting];
    this.#pending.clear();
    this.#waiting = [];
    this.#toSend = [];
    for (const pending of open) pending.reject(error);
  }

  #sweep(limitMs: number): void {
    const before = nowUs() - limitMs * 1000;
    const late = [...this.#pending.values(), ...this.#waiting].filter((pending) => pending.mayTimeOut && pending.sinceUs < before);
    if (late.length === 0) return;
    for (const pending of late) this.#pending.delete(pending.fields.id);
    this.#waiting = this.#waiting.filter((pending) => !late.includes(pending));
    // The caller gets its buffers back; bytes of them that still wait in the socket must not be sent.
    this.#socket?.destroy();
    for (const pending of late) pending.reject(new StoreError('STORE_TIMEOUT', 'unreachable', `no answer from the store within ${limitMs} ms`));
  }
}

const closedError = (): StoreError => new StoreError('STORE_CLOSED', 'unreachable', 'the store client is closed');
const fencedError = (): StoreError => new StoreError('STORE_FENCED', 'fenced', 'the store has blocklisted this client');
