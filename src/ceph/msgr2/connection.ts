import { connect, type Socket } from 'node:net';
import { canonicalHost } from './address.js';
import { keepalive2, keepalive2Ack } from './control.js';
import { CephError } from './errors.js';
import { tagName, Tag } from './frame.js';
import type { Frame } from './frame.js';
import { ClientHandshake } from './handshake.js';
import type { HandshakeOptions, HandshakeResult } from './handshake.js';
import { Limit } from './limits.js';
import { decodeMessage, encodeMessage } from './message.js';
import type { Message } from './message.js';
import { ownNowUs } from '../../util/clock.js';
import { messageOf } from '../../util/errors.js';

export interface MonEndpoint {
  /** IP address or name to connect to. */
  host: string;
  port: number;
  /** The monitor's own address, where `host` and `port` are those of a relay in front of it. */
  announced?: { host: string; port: number };
}

export interface ConnectionOptions {
  endpoint: MonEndpoint;
  handshake: Omit<HandshakeOptions, 'target'>;
  /** Between two KEEPALIVE2 frames, milliseconds. */
  keepaliveMs: number;
  /** Without an answer to any of them for this long the connection is given up, milliseconds. */
  keepaliveTimeoutMs: number;
}

/** Called in this order: ready once, then messages, then closed once; or closed alone. */
export interface ConnectionEvents {
  ready(result: HandshakeResult): void;
  /** A throw ends the connection with what was thrown. */
  message(message: Message): void;
  /** `error` is why, also when it was `close` that was called. */
  closed(error: CephError): void;
}

/**
 * One TCP connection to one monitor: the handshake, messages with their sequence numbers, and keepalives. The
 * session is lossy: when the connection ends, everything that was not answered is lost, and a new one begins at 1.
 */
export class MonConnection {
  readonly endpoint: MonEndpoint;
  readonly #o: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #socket: Socket;
  #handshake: ClientHandshake | undefined;
  #ready: HandshakeResult | undefined;
  #sendSeq = 0n;
  #receivedSeq = 0n;
  #keepaliveTimer: NodeJS.Timeout | undefined;
  #lastAckUs = 0;
  #closed = false;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#o = options;
    this.#events = events;
    this.endpoint = options.endpoint;
    const { host, port } = options.endpoint;
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('connect', () => this.#guarded(() => this.#begin()));
    this.#socket.on('data', (chunk: Buffer) => this.#guarded(() => this.#onData(chunk)));
    this.#socket.on('error', (error) => this.close(new CephError(this.#ready === undefined ? 'MON_UNREACHABLE' : 'MON_DISCONNECTED', error.message, error)));
    this.#socket.on('end', () => this.close(this.#peerClosed()));
    this.#socket.on('close', () => this.close(this.#peerClosed()));
  }

  get ready(): boolean {
    return this.#ready !== undefined && !this.#closed;
  }

  /** False: not sent, because the handshake is not done or the monitor does not take what was sent before. */
  send(message: Message): boolean {
    if (!this.ready || this.#socket.writableLength + message.front.length + message.data.length > Limit.outputBytesMax) return false;
    this.#sendSeq += 1n;
    this.#sendFrame(encodeMessage(message, { seq: this.#sendSeq, ackSeq: this.#receivedSeq }));
    return true;
  }

  /** Ends the connection at once. Only the first reason counts. */
  close(error: CephError): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#keepaliveTimer);
    this.#socket.destroy();
    this.#events.closed(error);
  }

  #begin(): void {
    const target = this.endpoint.announced ?? { host: this.#socket.remoteAddress ?? this.endpoint.host, port: this.endpoint.port };
    this.#handshake = new ClientHandshake({ ...this.#o.handshake, target: { host: canonicalHost(target.host), port: target.port } });
    this.#socket.write(this.#handshake.start());
  }

  #onData(chunk: Buffer): void {
    if (this.#closed) return;
    if (this.#ready !== undefined) {
      this.#ready.reader.push(chunk);
    } else {
      for (const bytes of this.#handshake!.push(chunk)) this.#socket.write(bytes);
      const { result } = this.#handshake!;
      if (result === undefined) return;
      this.#ready = result;
      this.#lastAckUs = ownNowUs();
      this.#keepaliveTimer = setInterval(() => this.#keepalive(), this.#o.keepaliveMs);
      this.#events.ready(result);
    }
    // A handler may close the connection: what is still in the reader is not for anybody then.
    while (!this.#isClosed()) {
      const received = this.#ready.reader.next();
      if (received === undefined) return;
      this.#onFrame(received.frame);
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame.tag) {
      case Tag.message: {
        const message = decodeMessage(frame);
        if (message.seq <= this.#receivedSeq) return;
        this.#receivedSeq = message.seq;
        return this.#events.message(message);
      }
      case Tag.keepalive2:
        return this.#sendFrame(keepalive2Ack.encode(keepalive2.decode(frame)));
      case Tag.keepalive2Ack:
        this.#lastAckUs = ownNowUs();
        return;
      case Tag.ack:
        // Lossy in both directions: nobody resends, so nothing waits for it.
        return;
      default:
        throw new CephError('MSGR_UNEXPECTED', `${tagName(frame.tag)} on an open session`);
    }
  }

  #keepalive(): void {
    // An answer may lie in the socket's buffer if this process was stalled: let it be read before the verdict.
    if (this.#silentMs() > this.#o.keepaliveTimeoutMs) setImmediate(() => this.#giveUpIfSilent());
    const nowMs = Date.now();
    this.#sendFrame(keepalive2.encode({ seconds: Math.floor(nowMs / 1_000), nanoseconds: (nowMs % 1_000) * 1_000_000 }));
  }

  #giveUpIfSilent(): void {
    const silentMs = this.#silentMs();
    if (silentMs > this.#o.keepaliveTimeoutMs) this.close(new CephError('MON_KEEPALIVE', `no keepalive answer for ${Math.round(silentMs)} ms`));
  }

  #silentMs(): number {
    return (ownNowUs() - this.#lastAckUs) / 1_000;
  }

  #sendFrame(frame: Frame): void {
    this.#socket.write(this.#ready!.encoder.encode(frame));
  }

  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.close(error instanceof CephError ? error : new CephError('MON_DISCONNECTED', messageOf(error), error));
    }
  }

  #peerClosed(): CephError {
    // A monitor without a quorum, or one that the announced address is not of, closes without a word.
    return this.#ready === undefined
      ? new CephError('MON_UNREACHABLE', `the monitor closed the connection${this.#handshake === undefined ? '' : ` in step ${this.#handshake.step}`}`)
      : new CephError('MON_DISCONNECTED', 'the monitor closed the connection');
  }

  /** A method, so that the compiler does not take an earlier look for the present. */
  #isClosed(): boolean {
    return this.#closed;
  }
}
