import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { Digests, IcRespPdu, Pdu } from '../../nvme/index.js';
import { encodePdu, Fes, NvmeCodecError, PduReader, pduBytes, termReqFor } from '../../nvme/index.js';
import { messageOf } from '../../util/errors.js';
import type { HostCounters } from './counters.js';
import { HostLimit } from './limits.js';
import { ConnectionLost } from './loss.js';
import type { LossCause } from './loss.js';

export interface ConnectionOptions {
  /** `gateway:controller:q1`, for messages. */
  label: string;
  host: string;
  port: number;
  /** A unix socket that leads to the controller (as `ssh -L` makes one), in place of address and port. Not for writes: it cannot be reset. */
  socketPath?: string | undefined;
  headerDigest: boolean;
  dataDigest: boolean;
  maxR2t: number;
  /** For the TCP connection and again for the ICResp. */
  connectTimeoutMs: number;
  counters: HostCounters;
}

export interface ConnectionEvents {
  /** Every PDU after the IC exchange. */
  onPdu(pdu: Pdu): void;
  /** The connection ended by itself; its socket is already destroyed. Called once, never for `destroy`. */
  onDown(lost: ConnectionLost): void;
}

const noBytes = Buffer.alloc(0);
const noDigests: Digests = { header: false, data: false };
/** The Linux host refuses less, and anything that is not whole dwords. */
const maxH2cDataMin = 4_096;

/**
 * The NVMe/TCP connection of one queue: socket, IC exchange, PDUs in and out.
 *
 * It ends only by resetting its socket: data that is not sent yet must not reach a controller that the
 * host has given up (nvme-tcp.md §6.5).
 */
export class Connection {
  /** Largest payload of one H2CData PDU, as the controller announced it. */
  maxH2cData = maxH2cDataMin;
  /** Bytes handed to the socket since it was opened. */
  enqueued = 0;
  readonly #o: ConnectionOptions;
  readonly #events: ConnectionEvents;
  readonly #reader = new PduReader({ role: 'host', maxDataBytes: HostLimit.pduDataMaxBytes });
  readonly #take = (pdu: Pdu): void => this.#onPdu(pdu);
  readonly #uncork = (): void => {
    this.#corked = false;
    this.#socket?.uncork();
  };
  #socket: Socket | undefined;
  #state: 'closed' | 'opening' | 'open' | 'down' = 'closed';
  #opened: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #digests = noDigests;
  /** (CPDA + 1) * 4. */
  #alignBytes = 4;
  #corked = false;

  constructor(options: ConnectionOptions, events: ConnectionEvents) {
    this.#o = options;
    this.#events = events;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** TCP connect and IC exchange. Rejects with `ConnectionLost`; `onDown` is then called too. */
  connect(): Promise<void> {
    const { host, port, socketPath, connectTimeoutMs, headerDigest, dataDigest, maxR2t } = this.#o;
    this.#state = 'opening';
    return new Promise<void>((resolve, reject) => {
      const expire = (what: string): NodeJS.Timeout => setTimeout(() => this.end('connect-timeout', `no ${what} within ${connectTimeoutMs} ms`), connectTimeoutMs);
      let timer = expire('TCP connection');
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        this.#opened = undefined;
        then();
      };
      this.#opened = { resolve: () => settle(resolve), reject: (error) => settle(() => reject(error)) };
      // Half-open allowed: without it Node answers a FIN with end(), which would still send what is queued.
      const socket = connect(socketPath === undefined ? { host, port, allowHalfOpen: true, noDelay: true } : { path: socketPath, allowHalfOpen: true });
      this.#socket = socket;
      let connected = false;
      socket.on('connect', () => {
        connected = true;
        clearTimeout(timer);
        timer = expire('ICResp');
        this.#write(encodePdu({ type: 'ICReq', pfv: 0, hpda: 0, headerDigest, dataDigest, maxR2t }, noDigests));
      });
      socket.on('data', (chunk: Buffer) => this.#onData(chunk));
      socket.on('error', (error) => this.end(connected ? 'transport-reset' : 'connect-failed', messageOf(error)));
      socket.on('end', () => this.end('transport-closed', 'the controller closed the connection'));
      socket.on('close', () => this.end('transport-closed', 'the connection closed'));
    });
  }

  send(pdu: Pdu): void {
    this.#write(encodePdu(pdu, this.#digests, this.#alignBytes));
  }

  /** Has everything before `position` of the byte stream left this process's memory? */
  isFlushed(position: number): boolean {
    const socket = this.#socket;
    return socket === undefined || socket.destroyed || this.enqueued - socket.writableLength >= position;
  }

  /** Calls `then` once the socket refers to none of the bytes queued so far, or is destroyed. */
  whenFlushed(then: () => void): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return then();
    socket.write(noBytes, () => then());
  }

  /** Gives the connection up because of something seen on it. */
  end(reason: LossCause, message: string): void {
    if (this.#state === 'down') return;
    const lost = new ConnectionLost(reason, `${this.#o.label}: ${message}`);
    if (reason.startsWith('transport-') || reason.startsWith('connect-')) this.#o.counters.transportErrors += 1;
    this.destroy(lost);
    this.#events.onDown(lost);
  }

  /** Resets the socket: nothing is sent or called back any more. */
  destroy(lost: ConnectionLost): void {
    if (this.#state === 'down') return;
    this.#state = 'down';
    const socket = this.#socket;
    // Before it is connected nothing was sent, and resetAndDestroy would first wait for the connection; a unix socket has no reset.
    if (socket?.connecting === true || this.#o.socketPath !== undefined) socket?.destroy();
    else socket?.resetAndDestroy();
    this.#opened?.reject(lost);
  }

  /** The controller broke the protocol: tell it, if nothing else is queued before, and reset. */
  violation(error: NvmeCodecError, header: Buffer = noBytes): void {
    if (this.#state === 'down') return;
    const { counters } = this.#o;
    const digest = error.fes === Fes.headerDigestError;
    if (digest) counters.headerDigestErrors += 1;
    else counters.protocolErrors += 1;
    const socket = this.#socket!;
    if (socket.writableLength === 0) {
      for (const buffer of encodePdu(termReqFor('H2CTermReq', error, header), noDigests)) socket.write(buffer);
      if (this.#corked) socket.uncork();
      counters.termReqsSent += 1;
    }
    this.end(digest ? 'header-digest' : 'protocol-error', error.message);
  }

  /** PDUs of one turn of the event loop leave in one system call. */
  #write(buffers: readonly Buffer[]): void {
    const socket = this.#socket!;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      process.nextTick(this.#uncork);
    }
    for (const buffer of buffers) socket.write(buffer);
    this.enqueued += pduBytes(buffers);
  }

  #onData(chunk: Buffer): void {
    try {
      this.#reader.pushInto(chunk, this.#take);
    } catch (error) {
      if (!(error instanceof NvmeCodecError)) throw error;
      this.violation(error, this.#reader.offendingHeader);
    }
  }

  #onPdu(pdu: Pdu): void {
    switch (this.#state) {
      case 'open':
        if (pdu.type === 'C2HTermReq') this.#onTermReq(pdu.fes, pdu.fei);
        else this.#events.onPdu(pdu);
        return;
      case 'opening':
        if (pdu.type === 'ICResp') this.#onIcResp(pdu);
        else if (pdu.type === 'C2HTermReq') this.#onTermReq(pdu.fes, pdu.fei);
        else this.violation(new NvmeCodecError('WRONG_COMMAND', `${pdu.type} before ICResp`, Fes.pduSequenceError));
        return;
      case 'down':
        // Came in the same chunk as what ended the connection.
        if (pdu.type === 'CapsuleResp' || pdu.type === 'C2HData') this.#o.counters.lateCompletions += 1;
        return;
      case 'closed':
        return;
    }
  }

  #onIcResp(pdu: IcRespPdu): void {
    const { headerDigest, dataDigest } = this.#o;
    const refuse = (why: string): void => this.violation(new NvmeCodecError('FIELD_RANGE', `ICResp: ${why}`, Fes.unsupportedParameter));
    if (pdu.pfv !== 0) return refuse(`PFV ${pdu.pfv}`);
    if (pdu.headerDigest !== headerDigest || pdu.dataDigest !== dataDigest) return refuse('digests are not those asked for');
    if (pdu.maxH2cData < maxH2cDataMin || pdu.maxH2cData % 4 !== 0) return refuse(`MAXH2CDATA ${pdu.maxH2cData}`);
    this.#digests = { header: headerDigest, data: dataDigest };
    this.#reader.digests = this.#digests;
    this.#alignBytes = (pdu.cpda + 1) * 4;
    this.maxH2cData = pdu.maxH2cData;
    this.#state = 'open';
    this.#opened?.resolve();
  }

  #onTermReq(fes: number, fei: number): void {
    this.#o.counters.termReqsReceived += 1;
    this.end('term-req', `the controller ended the connection: FES ${fes}, FEI ${fei}`);
  }
}
