import type { Socket } from 'node:net';
import { adminInCapsuleMaxBytes, decodeSqe, encodePdu, Fes, makeCqe, NvmeCodecError, PduReader, Status, termReqFor } from '../../nvme/index.js';
import type { CapsuleCmdPdu, IcReqPdu, Pdu, TermReqPdu } from '../../nvme/index.js';
import { messageOf } from '../../util/errors.js';
import { Command } from './command.js';
import type { Controller } from './controller.js';
import type { Listener } from './listener.js';
import type { TargetSettings } from './options.js';
import { ProtocolError } from './protocol-error.js';
import { Transfers } from './transfers.js';

/** What a connection is after its Connect command succeeded: queue `qid` of a controller. */
export interface TargetQueue {
  controller: Controller;
  qid: number;
  /** Real number of entries. */
  entries: number;
  /** False: the host disabled SQ flow control, so SQHD is invalid and SUCCESS allowed. */
  flowControl: boolean;
}

/** Commands that a host may send ahead before its Connect was answered. */
const entriesBeforeConnect = 32;
/** SQHD of a queue without SQ flow control. */
const sqhdInvalid = 0xffff;

/**
 * One TCP connection: IC exchange, PDUs in, PDUs out, and its end. What the commands mean is not its
 * business: it hands them to `onCommand` and takes their completions.
 *
 *   ic ──ICReq──▶ open ──protocol error──▶ terminating (TermReq sent, deaf) ──▶ closed
 */
export class Connection {
  readonly listener: Listener;
  readonly remote: string;
  queue: TargetQueue | undefined;
  readonly #socket: Socket;
  readonly #settings: TargetSettings;
  readonly #reader: PduReader;
  readonly #commands = new Map<number, Command>();
  readonly #onCommand: (command: Command) => void;
  readonly #onClosed: (connection: Connection) => void;
  #transfers: Transfers | undefined;
  #state: 'ic' | 'open' | 'terminating' | 'closed' = 'ic';
  #alignBytes = 4;
  #sqhd = 0;
  #corked = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket, o: {
    listener: Listener;
    settings: TargetSettings;
    onCommand: (command: Command) => void;
    onClosed: (connection: Connection) => void;
  }) {
    this.#socket = socket;
    this.#settings = o.settings;
    this.#onCommand = o.onCommand;
    this.#onClosed = o.onClosed;
    this.listener = o.listener;
    this.remote = `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`;
    this.#reader = new PduReader({
      role: 'controller',
      maxDataBytes: o.settings.maxH2cDataBytes,
      maxInCapsuleBytes: Math.max(o.settings.inCapsuleBytes, adminInCapsuleMaxBytes),
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#close());
    this.#timer = setTimeout(() => this.reset(), o.settings.connectTimeoutMs);
  }

  get outstanding(): number {
    return this.#commands.size;
  }

  /** R2Ts whose data has not come yet. */
  get awaitingData(): number {
    return this.#transfers?.outstanding ?? 0;
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  /** The Connect command succeeded. */
  attach(queue: TargetQueue): void {
    this.queue = queue;
    clearTimeout(this.#timer);
  }

  command(cid: number): Command | undefined {
    return this.#commands.get(cid);
  }

  /** Calls `then` with the `bytes` of data of this command, from its capsule or by R2T. The SGL was checked. */
  receive(command: Command, bytes: number, then: (data: Buffer) => void): void {
    if (bytes === 0 || command.sqe.sgl.kind === 'in-capsule') {
      if (command.capsule.dataDigestError === true) command.fail(Status.transientTransportError, false);
      else then(command.capsule.data);
      return;
    }
    this.#transfers?.start(command, bytes, then);
  }

  /** Only through Command: sends the completion queue entry. */
  complete(command: Command, status: number, dnr: boolean, result: number | bigint): void {
    if (!this.#forget(command)) return;
    this.#sendCqe(command.cid, status, dnr, result);
  }

  /** Only through Command: sends the data and the completion. */
  completeWithData(command: Command, data: Buffer): void {
    if (!this.#forget(command)) return;
    const noCqe = this.queue?.flowControl === false && data.length > 0;
    const step = this.#settings.c2hDataBytes;
    for (let offset = 0; offset < data.length; offset += step) {
      const last = offset + step >= data.length;
      const part = data.length <= step ? data : data.subarray(offset, offset + step);
      this.#send({ type: 'C2HData', cid: command.cid, offset, data: part, last, success: last && noCqe });
    }
    if (!noCqe) this.#sendCqe(command.cid, Status.success, false, 0);
  }

  /** Drops the connection with a RST: what is not sent yet must not reach the host any more. */
  reset(): void {
    if (this.#state === 'closed') return;
    this.#socket.resetAndDestroy();
    this.#close();
  }

  /** Closes after what was sent has gone out (answered Disconnect). */
  end(): void {
    if (this.#state === 'open') this.#linger();
  }

  #onData(chunk: Buffer): void {
    if (this.#state === 'terminating' || this.#state === 'closed') return;
    try {
      this.#reader.pushInto(chunk, (pdu) => this.#onPdu(pdu));
    } catch (error) {
      if (error instanceof NvmeCodecError) {
        this.#terminate(error.code, error.message, termReqFor('C2HTermReq', error, this.#reader.offendingHeader));
      } else if (error instanceof ProtocolError) {
        this.#terminate(error.code, error.message, { type: 'C2HTermReq', fes: error.fes, fei: error.fei, header: Buffer.alloc(0) });
      } else {
        this.#settings.onEvent({ type: 'internal-error', message: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) });
        this.reset();
      }
    }
  }

  #onPdu(pdu: Pdu): void {
    // Ended by an earlier PDU of the same chunk.
    if (this.#state === 'terminating' || this.#state === 'closed') return;
    switch (pdu.type) {
      case 'ICReq':
        return this.#onIcReq(pdu);
      case 'CapsuleCmd':
        this.#requireOpen(pdu);
        return this.#onCapsule(pdu);
      case 'H2CData':
        this.#requireOpen(pdu);
        return this.#transfers?.onData(pdu);
      case 'H2CTermReq':
        this.#settings.onEvent({ type: 'protocol-error', remote: this.remote, code: 'H2C_TERM_REQ', message: `host ended the connection: fes ${pdu.fes} fei ${pdu.fei}` });
        return this.reset();
      case 'ICResp': case 'C2HTermReq': case 'CapsuleResp': case 'C2HData': case 'R2T':
        // The reader refuses what is not for a controller.
        throw new ProtocolError('TARGET_PDU_SEQUENCE', `${pdu.type} from a host`);
    }
  }

  #requireOpen(pdu: Pdu): void {
    if (this.#state !== 'open') throw new ProtocolError('TARGET_PDU_SEQUENCE', `${pdu.type} before ICReq`);
  }

  #onIcReq(pdu: IcReqPdu): void {
    if (this.#state !== 'ic') throw new ProtocolError('TARGET_PDU_SEQUENCE', 'second ICReq');
    if (pdu.pfv !== 0) throw new ProtocolError('TARGET_UNSUPPORTED_PARAMETER', `PFV ${pdu.pfv}`, Fes.unsupportedParameter, 8);
    const s = this.#settings;
    const digests = { header: pdu.headerDigest && s.allowHeaderDigest, data: pdu.dataDigest && s.allowDataDigest };
    this.#state = 'open';
    this.#send({ type: 'ICResp', pfv: 0, cpda: 0, headerDigest: digests.header, dataDigest: digests.data, maxH2cData: s.maxH2cDataBytes });
    this.#reader.digests = digests;
    this.#alignBytes = (pdu.hpda + 1) * 4;
    this.#transfers = new Transfers({
      windowBytes: s.r2tBytes,
      outstandingMax: Math.min(s.r2tOutstandingMax, pdu.maxR2t),
      sendR2t: (cid, ttag, offset, length) => this.#send({ type: 'R2T', cid, ttag, offset, length }),
    });
  }

  #onCapsule(capsule: CapsuleCmdPdu): void {
    if (this.#commands.size >= (this.queue?.entries ?? entriesBeforeConnect)) {
      throw new ProtocolError('TARGET_QUEUE_OVERRUN', `more than ${this.#commands.size} commands outstanding`);
    }
    const sqe = decodeSqe(capsule.sqe);
    if (this.#commands.has(sqe.cid)) return this.#sendCqe(sqe.cid, Status.commandIdConflict, true, 0);
    const command = new Command(this, sqe, capsule);
    this.#commands.set(sqe.cid, command);
    this.#onCommand(command);
  }

  #forget(command: Command): boolean {
    if (this.#commands.get(command.cid) !== command) return false;
    this.#commands.delete(command.cid);
    return this.#state === 'open';
  }

  #sendCqe(cid: number, status: number, dnr: boolean, result: number | bigint): void {
    const { queue } = this;
    if (queue?.flowControl === false) this.#sqhd = sqhdInvalid;
    else this.#sqhd = (this.#sqhd + 1) % (queue?.entries ?? entriesBeforeConnect);
    const cqe = typeof result === 'bigint'
      ? makeCqe({ cid, result, sqhd: this.#sqhd, status, dnr })
      : makeCqe({ cid, dw0: result, sqhd: this.#sqhd, status, dnr });
    this.#send({ type: 'CapsuleResp', cqe });
  }

  /** Everything that is sent in one turn of the event loop leaves in one writev. */
  #send(pdu: Pdu): void {
    if (this.#state === 'closed') return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    for (const buffer of encodePdu(pdu, this.#reader.digests, this.#alignBytes)) this.#socket.write(buffer);
  }

  #terminate(code: string, message: string, termReq: TermReqPdu): void {
    this.#settings.onEvent({ type: 'protocol-error', remote: this.remote, code, message });
    this.#send(termReq);
    this.#linger();
  }

  /** Sends what is corked, then FIN; a peer that does not close in time is cut off. */
  #linger(): void {
    this.#state = 'terminating';
    this.#transfers?.clear();
    // end() flushes what is corked (node:stream), so the last PDU goes out ahead of the FIN.
    this.#socket.end();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.reset(), this.#settings.termReqLingerMs);
  }

  #close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    this.#transfers?.clear();
    this.#commands.clear();
    this.#onClosed(this);
  }
}
