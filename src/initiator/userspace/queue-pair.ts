import type { C2hDataPdu, Cqe, Pdu, R2tPdu } from '../../nvme/index.js';
import { Fes, makeCqe, NvmeCodecError, Status } from '../../nvme/index.js';
import type { QueuedCommand } from './command.js';
import { Connection } from './connection.js';
import type { ConnectionOptions } from './connection.js';
import type { DataHolds, HeldTransfer } from './data-hold.js';
import { Deadlines } from './deadlines.js';
import { Fifo } from './fifo.js';
import { HostLimit } from './limits.js';
import { ConnectionLost } from './loss.js';
import { Slot, SlotTable } from './slots.js';

export interface QueuePairOptions extends ConnectionOptions {
  /** 0: admin. */
  qid: number;
  /** Entries; one less can be in flight. */
  entries: number;
  controller: string;
  holds: DataHolds;
  /**
   * The connection is gone, its socket destroyed. Called once, never for `destroy`. The owner must then
   * call `destroy` to end what was in flight: not done here, so that the path can be taken out of use first.
   */
  onDown(lost: ConnectionLost): void;
}

export type Submission = 'sent' | 'waiting' | 'full' | 'down';

const noData = Buffer.alloc(0);

/**
 * One NVMe/TCP queue pair: a connection and up to `entries − 1` commands in flight.
 *
 *     submit → free slot? → capsule out → (R2T → H2CData)* → C2HData* → CapsuleResp → onAnswer
 *                 └─ none: waiting FIFO, served when a slot is released
 */
export class QueuePair {
  readonly qid: number;
  readonly label: string;
  /** Largest payload that goes in the capsule; the rest waits for R2Ts. */
  inCapsuleMaxBytes = 0;
  /** Answers so far; keep-alive with TBKAS looks at it. */
  answers = 0;
  readonly #o: QueuePairOptions;
  readonly #connection: Connection;
  readonly #slots: SlotTable;
  readonly #deadlines: Deadlines;
  readonly #waiting = new Fifo<QueuedCommand>();
  #abandoned = false;

  constructor(options: QueuePairOptions) {
    this.#o = options;
    this.qid = options.qid;
    this.label = options.label;
    this.#connection = new Connection(options, {
      onPdu: (pdu) => this.#onPdu(pdu),
      onDown: (lost) => {
        this.#deadlines.stop();
        options.onDown(lost);
      },
    });
    this.#slots = new SlotTable(options.entries - 1);
    this.#deadlines = new Deadlines(
      this.#slots.slots,
      (slot) => this.#onExpired(slot),
      (count) => void (options.counters.timeoutsForgiven += count),
    );
  }

  get open(): boolean {
    return this.#connection.open && !this.#abandoned;
  }

  /** Commands on the wire without an answer. */
  get inflight(): number {
    return this.#slots.busyCount;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** TCP connect and IC exchange. Rejects with `ConnectionLost`. */
  connect(): Promise<void> {
    return this.#connection.connect();
  }

  submit(command: QueuedCommand): Submission {
    if (!this.open) return 'down';
    const slot = this.#slots.take();
    if (slot !== undefined) {
      this.#send(slot, command);
      return 'sent';
    }
    if (this.#waiting.length >= HostLimit.waitingPerQueueMax) return 'full';
    this.#waiting.push(command);
    return 'waiting';
  }

  /**
   * Gives up on a command whose owner wants it no longer; its late answer is then ignored and counted.
   * `done` is called when nothing of the payload will be read any more: at once, unless the socket still
   * holds it. Data that an R2T may yet ask for is copied first. Returns false if the command is not here.
   */
  orphan(command: QueuedCommand, done: (sent: boolean) => void): boolean {
    if (this.#waiting.remove(command)) {
      done(false);
      return true;
    }
    const slot = this.#slots.slots.find((candidate) => candidate.command === command);
    if (slot === undefined) return false;
    slot.command = null;
    if (slot.payload !== null && !slot.inCapsule) slot.payload = Buffer.from(slot.payload);
    this.#whenUnpinned(slot.payloadEnd, () => done(true));
    return true;
  }

  /** Resets the connection; what was in flight waits for `destroy`. */
  disconnect(lost: ConnectionLost): void {
    this.#deadlines.stop();
    this.#connection.destroy(lost);
  }

  /** Resets the connection and ends everything that is in flight or waiting. */
  destroy(lost: ConnectionLost): void {
    this.disconnect(lost);
    const sent = this.#slots.slots.filter((slot) => slot.busy);
    const commands = sent.map((slot) => slot.command);
    for (const slot of sent) this.#slots.release(slot);
    const waiting = [...this.#waiting];
    while (this.#waiting.shift() !== undefined);
    for (const command of commands) command?.onLost(lost, true);
    for (const command of waiting) command.onLost(lost, false);
  }

  /**
   * Ends everything that is in flight or waiting, as `destroy`, but leaves the connection as it is: what a
   * DataHold keeps can still be sent on it, and late answers are ignored and counted.
   */
  abandon(lost: ConnectionLost): void {
    this.#abandoned = true;
    this.#deadlines.stop();
    const sent = this.#slots.slots.filter((slot) => slot.busy);
    const commands = sent.map((slot) => slot.command);
    for (const slot of sent) {
      slot.command = null;
      if (slot.payload !== null && !slot.inCapsule) slot.payload = Buffer.from(slot.payload);
    }
    const waiting = [...this.#waiting];
    while (this.#waiting.shift() !== undefined);
    for (const command of commands) command?.onLost(lost, true);
    for (const command of waiting) command.onLost(lost, false);
  }

  #onExpired(slot: Slot): void {
    const cause = slot.command?.timeoutCause ?? (this.qid === 0 ? 'admin-timeout' : 'io-timeout');
    const { counters, holds, label } = this.#o;
    if (cause === 'io-timeout') counters.ioTimeouts += 1;
    else if (cause === 'admin-timeout') counters.adminTimeouts += 1;
    const message = `cid ${slot.cid} unanswered`;
    if (holds.keepersOf([this]).length === 0) return this.#connection.end(cause, message);
    this.#deadlines.stop();
    this.#o.onDown(new ConnectionLost(cause, `${label}: ${message}`));
  }

  #send(slot: Slot, command: QueuedCommand): void {
    const payload = command.payload;
    const inCapsule = payload !== null && payload.length <= this.inCapsuleMaxBytes;
    slot.command = command;
    slot.payload = payload;
    slot.inCapsule = inCapsule;
    slot.readBytes = command.readBytes;
    this.#connection.send({ type: 'CapsuleCmd', sqe: command.encode(slot.cid, inCapsule), data: inCapsule ? payload : noData });
    if (inCapsule) slot.payloadEnd = this.#connection.enqueued;
    this.#deadlines.start(slot, command.timeoutMs);
    command.onSent();
  }

  /** Calls `then` once the socket no longer refers to bytes before `position` (a payload, which its owner may then reuse). */
  #whenUnpinned(position: number, then: () => void): void {
    if (position === 0 || this.#connection.isFlushed(position)) return then();
    this.#o.counters.pinnedCompletions += 1;
    this.#connection.whenFlushed(then);
  }

  #onPdu(pdu: Pdu): void {
    switch (pdu.type) {
      case 'CapsuleResp': {
        const slot = this.#slotOf(pdu.cqe.cid, pdu.type);
        if (slot !== undefined) this.#finish(slot, pdu.cqe);
        return;
      }
      case 'C2HData':
        return this.#onReadData(pdu);
      case 'R2T':
        return this.#onR2t(pdu);
      case 'ICReq':
      case 'ICResp':
      case 'H2CTermReq':
      case 'C2HTermReq':
      case 'CapsuleCmd':
      case 'H2CData':
        return this.#violation('WRONG_COMMAND', `${pdu.type} in the middle of a connection`, Fes.pduSequenceError);
    }
  }

  #violation(code: NvmeCodecError['code'], message: string, fes: number, fei = 0): void {
    this.#connection.violation(new NvmeCodecError(code, message, fes, fei));
  }

  /** The slot of a cid that the controller named; undefined if the PDU is to be ignored. */
  #slotOf(cid: number, what: string): Slot | undefined {
    const found = this.#slots.find(cid);
    if (found instanceof Slot) return found;
    if (found === 'stale') this.#o.counters.lateCompletions += 1;
    else this.#violation('FIELD_RANGE', `${what} for cid ${cid}, which no slot can have`, Fes.invalidPduHeaderField, 8);
    return undefined;
  }

  #onReadData(pdu: C2hDataPdu): void {
    const slot = this.#slotOf(pdu.cid, pdu.type);
    if (slot === undefined) return;
    const end = pdu.offset + pdu.data.length;
    // In order and without holes, as SPDK's host also demands: otherwise a hole could pass for data.
    if (pdu.offset !== slot.received || end > slot.readBytes) {
      const message = `C2HData ${pdu.offset}+${pdu.data.length} after ${slot.received} of ${slot.readBytes}`;
      return this.#violation('FIELD_RANGE', message, Fes.dataTransferOutOfRange, 12);
    }
    if (pdu.dataDigestError === true) {
      slot.dataDigestError = true;
      this.#o.counters.dataDigestErrors += 1;
    }
    if (pdu.data.length === slot.readBytes) slot.data = pdu.data;
    else {
      slot.data ??= Buffer.allocUnsafe(slot.readBytes);
      pdu.data.copy(slot.data, pdu.offset);
    }
    slot.received = end;
    if (pdu.success) this.#finish(slot, makeCqe({ cid: pdu.cid }));
  }

  #finish(slot: Slot, answer: Cqe): void {
    const { command, data, payloadEnd } = slot;
    let cqe = answer;
    if (cqe.status === 0 && command !== null && !isComplete(slot, command)) {
      return this.#violation('TRUNCATED', `success for cid ${slot.cid} before all its data was moved`, Fes.pduSequenceError);
    }
    // Damaged data, intact stream: the command failed, the connection did not.
    if (slot.dataDigestError && cqe.status === 0) cqe = makeCqe({ cid: cqe.cid, status: Status.transientTransportError });
    const whole = data === null || slot.received === data.length ? data : data.subarray(0, slot.received);
    this.#slots.release(slot);
    this.answers += 1;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#send(this.#slots.take()!, next);
    if (command === null) this.#o.counters.lateCompletions += 1;
    else if (payloadEnd === 0) command.onAnswer(cqe, whole);
    else this.#whenUnpinned(payloadEnd, () => command.onAnswer(cqe, whole));
  }

  #onR2t(pdu: R2tPdu): void {
    const { counters, holds, controller, maxR2t } = this.#o;
    const slot = this.#slotOf(pdu.cid, pdu.type);
    if (slot === undefined) return;
    counters.r2ts += 1;
    if (slot.payload === null || slot.inCapsule) {
      return this.#violation('WRONG_COMMAND', 'R2T for a command without data to send', Fes.pduSequenceError);
    }
    if (pdu.offset !== slot.requested || pdu.offset + pdu.length > slot.payload.length) {
      const message = `R2T ${pdu.offset}+${pdu.length} after ${slot.requested} of ${slot.payload.length}`;
      return this.#violation('FIELD_RANGE', message, Fes.dataTransferOutOfRange, 12);
    }
    if (slot.r2tsOutstanding >= maxR2t) {
      return this.#violation('FIELD_RANGE', `over ${maxR2t} R2Ts outstanding`, Fes.limitExceeded);
    }
    slot.requested += pdu.length;
    if (holds.active && slot.command !== null) {
      const about = { ...slot.command.describe(), controller, qid: this.qid, cid: pdu.cid, offset: pdu.offset, length: pdu.length };
      if (this.#hold(slot, pdu, about)) return;
    }
    this.#sendData(slot, pdu);
  }

  /** False: nobody wants this transfer held. */
  #hold(slot: Slot, pdu: R2tPdu, about: HeldTransfer): boolean {
    const hold = this.#o.holds.find(about);
    if (hold === undefined) return false;
    this.#o.counters.r2tsHeld += 1;
    slot.r2tsOutstanding += 1;
    hold.add(about, this, () => {
      // The generation in the cid tells whether the slot still is this command's.
      if (!this.#connection.open || this.#slots.find(pdu.cid) !== slot) return false;
      slot.r2tsOutstanding -= 1;
      this.#sendData(slot, pdu);
      return true;
    });
    return true;
  }

  /** The data of one R2T, in PDUs of at most MAXH2CDATA; LAST marks the end of this R2T. */
  #sendData(slot: Slot, r2t: R2tPdu): void {
    const { maxH2cData } = this.#connection;
    const end = r2t.offset + r2t.length;
    for (let offset = r2t.offset; offset < end; offset += maxH2cData) {
      const to = Math.min(end, offset + maxH2cData);
      const data = slot.payload!.subarray(offset, to);
      this.#connection.send({ type: 'H2CData', cid: r2t.cid, ttag: r2t.ttag, offset, data, last: to === end });
    }
    slot.payloadEnd = this.#connection.enqueued;
  }
}

/** Was all data moved that a successful command must have moved? A controller that says otherwise lies about the data. */
function isComplete(slot: Slot, command: QueuedCommand): boolean {
  if (command.exactRead && slot.received < slot.readBytes) return false;
  if (slot.payload === null || slot.inCapsule) return true;
  return slot.requested === slot.payload.length && slot.r2tsOutstanding === 0;
}
