import { Fes, Status } from '../../nvme/index.js';
import type { H2cDataPdu } from '../../nvme/index.js';
import type { Command } from './command.js';
import { ProtocolError } from './protocol-error.js';

/** Data of one command on its way from the host. */
interface Transfer {
  command: Command;
  bytes: number;
  /** Undefined until the first data: one H2CData that carries everything is used without a copy. */
  data: Buffer | undefined;
  requested: number;
  received: number;
  outstanding: number;
  digestError: boolean;
  then: (data: Buffer) => void;
}

/** What one R2T asked for. */
interface Window { transfer: Transfer; next: number; end: number }

/** H2CData header offsets, for the FEI of a TermReq. */
const H2cField = { flags: 1, cid: 8, ttag: 10, offset: 12, length: 16 } as const;

/**
 * Fetches the data of commands by R2T: several outstanding for one command, as far as both sides allow,
 * and any number of commands at once.
 *
 *   R2T 1 ──▶ H2CData … LAST ─┐ window 1
 *   R2T 2 ──▶ H2CData … LAST ─┤ window 2      each window is filled in order, from its first byte;
 *   R2T 3 (when 1 is filled) ─┘ …             DATAO is absolute in the command's data
 */
export class Transfers {
  readonly #windows = new Map<number, Window>();
  readonly #sendR2t: (cid: number, ttag: number, offset: number, length: number) => void;
  readonly #windowBytes: number;
  readonly #outstandingMax: number;
  #lastTtag = 0;

  /** `outstandingMax`: R2Ts per command, the lower of the host's MAXR2T and ours. */
  constructor(o: { windowBytes: number; outstandingMax: number; sendR2t: (cid: number, ttag: number, offset: number, length: number) => void }) {
    this.#windowBytes = o.windowBytes;
    this.#outstandingMax = o.outstandingMax;
    this.#sendR2t = o.sendR2t;
  }

  /** R2Ts whose data has not come yet. */
  get outstanding(): number {
    return this.#windows.size;
  }

  /** Asks for `bytes` (> 0) of data; `then` gets them. Fails the command itself if a data digest was wrong. */
  start(command: Command, bytes: number, then: (data: Buffer) => void): void {
    const transfer: Transfer = { command, bytes, data: undefined, requested: 0, received: 0, outstanding: 0, digestError: false, then };
    this.#request(transfer);
  }

  /** Throws ProtocolError if no R2T asked for this data. */
  onData(pdu: H2cDataPdu): void {
    const window = this.#windows.get(pdu.ttag);
    if (window === undefined) throw new ProtocolError('TARGET_R2T_UNKNOWN', `H2CData for ttag ${pdu.ttag}`, Fes.invalidPduHeaderField, H2cField.ttag);
    const { transfer } = window;
    if (pdu.cid !== transfer.command.cid) {
      throw new ProtocolError('TARGET_R2T_UNKNOWN', `H2CData with cid ${pdu.cid} for ttag ${pdu.ttag} of cid ${transfer.command.cid}`, Fes.invalidPduHeaderField, H2cField.cid);
    }
    if (pdu.offset !== window.next) {
      throw new ProtocolError('TARGET_H2C_RANGE', `H2CData at ${pdu.offset}, expected ${window.next}`, Fes.dataTransferOutOfRange, H2cField.offset);
    }
    const end = pdu.offset + pdu.data.length;
    if (end > window.end) {
      throw new ProtocolError('TARGET_H2C_RANGE', `H2CData up to ${end}, the R2T ends at ${window.end}`, Fes.dataTransferOutOfRange, H2cField.length);
    }
    if (pdu.last !== (end === window.end)) {
      throw new ProtocolError('TARGET_H2C_LAST', `H2CData up to ${end} of ${window.end} ${pdu.last ? 'with' : 'without'} LAST`, Fes.invalidPduHeaderField, H2cField.flags);
    }
    if (pdu.dataDigestError === true) transfer.digestError = true;
    if (pdu.data.length === transfer.bytes) {
      transfer.data = pdu.data;
    } else {
      transfer.data ??= Buffer.allocUnsafe(transfer.bytes);
      pdu.data.copy(transfer.data, pdu.offset);
    }
    window.next = end;
    transfer.received += pdu.data.length;
    if (!pdu.last) return;
    this.#windows.delete(pdu.ttag);
    transfer.outstanding--;
    if (transfer.received === transfer.bytes) this.#finish(transfer);
    else this.#request(transfer);
  }

  /** The connection is gone: nobody is told, its commands die with it. */
  clear(): void {
    this.#windows.clear();
  }

  #request(transfer: Transfer): void {
    while (transfer.outstanding < this.#outstandingMax && transfer.requested < transfer.bytes) {
      const offset = transfer.requested;
      const length = Math.min(this.#windowBytes, transfer.bytes - offset);
      const ttag = this.#freeTtag();
      this.#windows.set(ttag, { transfer, next: offset, end: offset + length });
      transfer.requested += length;
      transfer.outstanding++;
      this.#sendR2t(transfer.command.cid, ttag, offset, length);
    }
  }

  #finish(transfer: Transfer): void {
    // Not fatal (transport specification, data digest): this command failed in transit and may be sent again.
    if (transfer.digestError) transfer.command.fail(Status.transientTransportError, false);
    else transfer.then(transfer.data!);
  }

  /** Queue entries × outstanding R2Ts stays below 2^16, so there always is one. */
  #freeTtag(): number {
    do this.#lastTtag = (this.#lastTtag + 1) & 0xffff; while (this.#windows.has(this.#lastTtag));
    return this.#lastTtag;
  }
}
