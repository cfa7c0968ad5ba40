import type { Socket } from 'node:net';
import { StoreError, StoreStatus } from './errors.js';
import { StoreLimit } from './limits.js';
import type { AnswerSink, Session } from './session.js';
import { fillResponse, FrameReader, requestRules, responseHeaderBytes, StoreOp } from './wire.js';

/** What a connection asks of the server that accepted it. */
export interface ConnectionOwner {
  readonly epoch: number;
  /** One whole request frame, `[start, end)` of `buffer`. Throws StoreError if it breaks the protocol. */
  request(connection: Connection, buffer: Buffer, start: number, end: number): void;
  failed(connection: Connection, error: StoreError): void;
  closed(connection: Connection): void;
}

/**
 * One client's TCP connection: cuts requests out of the stream, sends answers in batches, and stops
 * taking requests while it owes the client more than `promisedBytesMax`.
 */
export class Connection implements AnswerSink {
  session: Session | null = null;
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #helloTimer: NodeJS.Timeout;
  /** Frames read but not yet handed on. */
  #backlog: { buffer: Buffer; start: number; end: number }[] = [];
  #out: Buffer[] = [];
  #flushing = false;
  #open = true;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    const reader = new FrameReader(requestRules, (buffer, start, end) => this.#frame(buffer, start, end));
    this.#helloTimer = setTimeout(() => this.fail(new StoreError('STORE_PROTOCOL', 'io', 'no hello in time')), StoreLimit.helloTimeoutMs);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      try {
        if (this.#open) reader.push(chunk);
      } catch (error) {
        this.fail(error);
      }
    });
    socket.on('drain', () => this.#pump());
    socket.on('error', () => undefined);
    socket.on('close', () => this.#ended());
  }

  /** The hello was accepted: this connection now speaks for `session`. */
  adopt(session: Session): void {
    clearTimeout(this.#helloTimer);
    this.session = session;
  }

  answer(op: number, status: number, id: number, answerNumber: number, payload: Buffer | null, framed: boolean): void {
    if (!this.#open) return;
    const payloadBytes = payload === null ? 0 : framed ? payload.length - responseHeaderBytes : payload.length;
    const header = framed ? payload! : Buffer.allocUnsafe(responseHeaderBytes);
    fillResponse(header, op, status, id, answerNumber, this.#owner.epoch, payloadBytes);
    this.#out.push(header);
    if (payload !== null && !framed) this.#out.push(payload);
    if (!this.#flushing) {
      // All completions of one poll phase leave in one writev.
      this.#flushing = true;
      setImmediate(() => this.#flush());
    }
  }

  /** Tells the client that it has been fenced, without a request. */
  noticeFenced(): void {
    this.answer(StoreOp.notice, StoreStatus.fenced, 0, 0, null, false);
  }

  /** The session has a newer connection: nothing that this one still carries may count. */
  replaced(): void {
    this.session = null;
    this.destroy();
  }

  /** Drops this connection, and only this one, because of what it sent. */
  fail(error: unknown): void {
    if (!this.#open) return;
    this.#owner.failed(this, error instanceof StoreError ? error : new StoreError('STORE_PROTOCOL', 'io', String(error)));
    this.destroy();
  }

  /** Sends what is queued, then ends the connection. */
  end(): void {
    this.#flush();
    this.#socket.destroySoon();
    this.#ended();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#ended();
  }

  #frame(buffer: Buffer, start: number, end: number): void {
    if (!this.#open) return;
    if (this.#backlog.length > 0 || this.#congested) {
      this.#backlog.push({ buffer, start, end });
      this.#socket.pause();
      return;
    }
    this.#owner.request(this, buffer, start, end);
  }

  get #congested(): boolean {
    return this.#socket.writableLength > StoreLimit.promisedBytesMax
      || (this.session !== null && this.session.promisedBytes > StoreLimit.promisedBytesMax);
  }

  #pump(): void {
    if (this.#backlog.length === 0) return;
    try {
      let taken = 0;
      while (this.#open && taken < this.#backlog.length && !this.#congested) {
        const { buffer, start, end } = this.#backlog[taken++]!;
        this.#owner.request(this, buffer, start, end);
      }
      this.#backlog.splice(0, taken);
    } catch (error) {
      this.fail(error);
    }
    if (this.#open && this.#backlog.length === 0) this.#socket.resume();
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#open || this.#out.length === 0) return;
    const out = this.#out;
    this.#out = [];
    if (out.length === 1) {
      this.#socket.write(out[0]!);
    } else {
      this.#socket.cork();
      for (const buffer of out) this.#socket.write(buffer);
      this.#socket.uncork();
    }
    this.#pump();
  }

  #ended(): void {
    if (!this.#open) return;
    this.#open = false;
    clearTimeout(this.#helloTimer);
    this.#backlog = [];
    this.#out = [];
    this.#owner.closed(this);
  }
}
