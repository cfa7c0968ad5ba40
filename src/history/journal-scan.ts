import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../nvme/crc32c.js';
import {
  badBytes, badNames, completeBytes, decodeHeaderJson, decodePreamble, endBytes, frameHeaderBytes, framePayloadMaxBytes,
  getU64, invokeBytes, JournalFormatError, nameBytes, NameTable, opBlocksMax, outcomeNames, preambleBytes, purposeNames, RecordType,
  versionsBytes, whatNames,
} from './journal-format.js';
import type { JournalOp, JournalOutcome, JournalPurpose } from './journal-format.js';
import type { BlockObservation, JournalHeader } from './journal-types.js';

/**
 * Gets the records of a journal one by one, as arguments and not as objects: ten million of them are
 * read without garbage. Strings are the same instances each time.
 */
export interface JournalVisitor {
  invoke(op: number, tUs: number, what: JournalOp, purpose: JournalPurpose, ns: number, slba: number, nlb: number, version: number): void;
  /** `blocks`: how many blocks the `versions` and `bad` calls that follow will cover, 0 for all but a read that ended ok. */
  complete(op: number, tUs: number, outcome: JournalOutcome, status: number, code: string, path: string | null, sends: number, blocks: number): void;
  /** Blocks `block` … `block + count − 1` of the read (0 = its slba) are sound and carry `version`. */
  versions(op: number, block: number, count: number, version: number): void;
  /** Block `block` of the read is not sound. */
  bad(op: number, block: number, seen: BlockObservation): void;
}

/**
 * - `clean`: the writer closed it.
 * - `unfinished`: it stops after a whole frame, without the end record: the writer was stopped.
 * - `torn`: it stops inside a frame. What stands before it is sound.
 * - `corrupt`: something in it is damaged; nothing after that was read.
 */
export type JournalEnd = 'clean' | 'unfinished' | 'torn' | 'corrupt';

export interface JournalScan {
  header: JournalHeader;
  invokes: number;
  completions: number;
  end: JournalEnd;
  /** In words; empty exactly when `end` is `clean`. */
  problems: string[];
}

/** Read ahead; at least two of the largest frames. */
const windowBytes = 1024 * 1024;

/**
 * Reads a journal frame by frame with bounded memory. Reading is synchronous: the file is in the page
 * cache or on a disk, and an await per frame would cost more than the read.
 */
export class JournalCursor {
  readonly header: JournalHeader;
  readonly problems: string[] = [];
  end: JournalEnd | undefined;
  invokes = 0;
  completions = 0;
  readonly #name: string;
  readonly #fd: number;
  readonly #window = Buffer.allocUnsafe(windowBytes);
  readonly #view = new DataView(this.#window.buffer, this.#window.byteOffset, windowBytes);
  readonly #paths: (string | null)[] = [null];
  readonly #codes: string[] = [''];
  /** Unread bytes of the window: [from, to). `#offset` is where `from` lies in the file. */
  #from = 0;
  #to = 0;
  #offset = 0;
  #frames = 0;
  #ended = false;
  #closed = false;

  /** Throws a JournalFormatError when the header cannot be read, and what fs throws. Call `close` in the end. */
  constructor(file: string) {
    this.#name = path.basename(file);
    this.#fd = fs.openSync(file, 'r');
    try {
      this.#need(preambleBytes);
      const preamble = this.#take(Math.min(preambleBytes, this.#to - this.#from));
      const jsonBytes = decodePreamble(preamble);
      const json = Buffer.allocUnsafe(jsonBytes);
      // The header may be longer than the window.
      for (let done = 0; done < jsonBytes; ) {
        if (!this.#need(1)) throw new JournalFormatError('is cut short in its header: the writer was stopped before its first record');
        done += this.#take(Math.min(jsonBytes - done, this.#to - this.#from)).copy(json, done);
      }
      this.header = decodeHeaderJson(preamble, json);
    } catch (error) {
      fs.closeSync(this.#fd);
      throw error instanceof JournalFormatError ? new JournalFormatError(`${this.#name} ${error.message}`) : error;
    }
  }

  /** Decodes one more frame into `visitor`. False at the end, whatever its kind: see `end` and `problems`. */
  next(visitor: JournalVisitor): boolean {
    if (this.end !== undefined) return false;
    if (!this.#need(frameHeaderBytes)) {
      const left = this.#to - this.#from;
      if (left > 0) return this.#stop('torn', `stops ${left} bytes into the header of frame ${this.#frames + 1} at byte ${this.#offset}: the writer was stopped in it`);
      if (this.#ended) return this.#stop('clean');
      return this.#stop('unfinished', 'has no end record: the writer was stopped before it closed the journal');
    }
    if (this.#ended) return this.#stop('corrupt', `goes on after its end record, at byte ${this.#offset}`);
    const at = this.#from;
    const view = this.#view;
    const payloadBytes = view.getUint32(at, true);
    const number = view.getUint32(at + 4, true);
    if (crc32c(this.#window.subarray(at, at + 12)) !== view.getUint32(at + 12, true) || payloadBytes === 0 || payloadBytes > framePayloadMaxBytes) {
      return this.#stop('corrupt', `is damaged in the header of frame ${this.#frames + 1} at byte ${this.#offset}; the rest was not read`);
    }
    if (number !== this.#frames + 1) {
      return this.#stop('corrupt', `goes from frame ${this.#frames} to frame ${number} at byte ${this.#offset}; the rest was not read`);
    }
    if (!this.#need(frameHeaderBytes + payloadBytes)) {
      return this.#stop('torn', `stops inside frame ${number} at byte ${this.#offset}: the writer was stopped in it`);
    }
    const from = this.#from + frameHeaderBytes;
    if (crc32c(this.#window.subarray(from, from + payloadBytes)) !== view.getUint32(this.#from + 8, true)) {
      return this.#stop('corrupt', `is damaged in frame ${number} at byte ${this.#offset} (CRC); the rest was not read`);
    }
    this.#frames = number;
    const stoppedAt = this.#decode(from, from + payloadBytes, visitor);
    if (stoppedAt !== -1) {
      return this.#stop('corrupt', `has a record that this version cannot read in frame ${number}, at byte ${this.#offset + stoppedAt - this.#from}; the rest was not read`);
    }
    this.#take(frameHeaderBytes + payloadBytes);
    return true;
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    fs.closeSync(this.#fd);
  }

  result(): JournalScan {
    return { header: this.header, invokes: this.invokes, completions: this.completions, end: this.end ?? 'unfinished', problems: [...this.problems] };
  }

  /** The records in [at, to) of the window. −1, or where a record begins that makes no sense. */
  #decode(from: number, to: number, visitor: JournalVisitor): number {
    const view = this.#view;
    let at = from;
    while (at < to) {
      const left = to - at;
      switch (view.getUint8(at)) {
        case RecordType.invoke: {
          const what = whatNames[view.getUint8(at + 1)];
          const purpose = purposeNames[view.getUint8(at + 2)];
          if (left < invokeBytes || what === undefined || purpose === undefined) return at;
          this.invokes++;
          visitor.invoke(
            view.getUint16(at + 6, true) * 0x1_0000_0000 + view.getUint32(at + 8, true), getU64(view, at + 16), what, purpose,
            view.getUint16(at + 4, true), getU64(view, at + 24), view.getUint32(at + 12, true), getU64(view, at + 32),
          );
          at += invokeBytes;
          break;
        }
        case RecordType.complete: {
          if (left < completeBytes) return at;
          const next = this.#decodeComplete(at, to, visitor);
          if (next === -1) return at;
          at = next;
          break;
        }
        case RecordType.name: {
          const next = left < nameBytes ? -1 : this.#decodeName(at, to);
          if (next === -1) return at;
          at = next;
          break;
        }
        case RecordType.end: {
          if (left !== endBytes) return at;
          this.#ended = true;
          this.#checkCounts(getU64(view, at + 8), getU64(view, at + 16));
          at += endBytes;
          break;
        }
        default:
          return at;
      }
    }
    return -1;
  }

  /** Returns where the next record begins, or −1. */
  #decodeComplete(at: number, to: number, visitor: JournalVisitor): number {
    const view = this.#view;
    const outcome = outcomeNames[view.getUint8(at + 1)];
    const path = this.#paths[view.getUint32(at + 12, true)];
    const code = this.#codes[view.getUint16(at + 24, true)];
    const entries = view.getUint16(at + 26, true);
    const blocks = view.getUint32(at + 28, true);
    if (outcome === undefined || path === undefined || code === undefined || blocks > opBlocksMax) return -1;
    const op = view.getUint16(at + 4, true) * 0x1_0000_0000 + view.getUint32(at + 8, true);
    this.completions++;
    visitor.complete(op, getU64(view, at + 16), outcome, view.getUint16(at + 2, true), code, path, view.getUint16(at + 6, true), blocks);
    let next = at + completeBytes;
    let block = 0;
    for (let entry = 0; entry < entries; entry++) {
      if (to - next < versionsBytes) return -1;
      const type = view.getUint8(next);
      const count = view.getUint32(next + 4, true);
      if (count > blocks - block) return -1;
      if (type === RecordType.versions) {
        visitor.versions(op, block, count, getU64(view, next + 8));
        next += versionsBytes;
      } else {
        const seen = type === RecordType.bad && to - next >= badBytes ? this.#decodeBad(next) : undefined;
        if (seen === undefined) return -1;
        visitor.bad(op, block, seen);
        next += badBytes;
      }
      block += count;
    }
    return block === blocks ? next : -1;
  }

  #decodeBad(at: number): BlockObservation | undefined {
    const view = this.#view;
    const version = getU64(view, at + 8);
    const lba = getU64(view, at + 16);
    const hex = this.#window.toString('hex', at + 24, at + badBytes);
    const kind: (typeof badNames)[number] | undefined = badNames[view.getUint8(at + 1)];
    switch (kind) {
      case 'torn': return { kind: 'torn', version };
      case 'misdirected': return { kind: 'misdirected', version, lba };
      case 'foreign-run': return { kind: 'foreign-run', version, lba };
      case 'garbage': return { kind: 'garbage', firstBytesHex: hex };
      case 'wrong-namespace': {
        const nsUuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
        return { kind: 'wrong-namespace', version, nsUuid, lba };
      }
      case '': case undefined: return undefined;
    }
  }

  /** Returns where the next record begins, or −1. Names of a table are numbered from 1 in the order of their records. */
  #decodeName(at: number, to: number): number {
    const table = this.#view.getUint8(at + 1);
    const index = this.#view.getUint16(at + 2, true);
    const textBytes = this.#view.getUint32(at + 4, true);
    const next = at + nameBytes + Math.ceil(textBytes / 8) * 8;
    if (next > to) return -1;
    const names = table === NameTable.path ? this.#paths : table === NameTable.code ? this.#codes : undefined;
    if (names?.length !== index) return -1;
    (names as string[]).push(this.#window.toString('utf8', at + nameBytes, at + nameBytes + textBytes));
    return next;
  }

  #checkCounts(invokes: number, completions: number): void {
    if (invokes === this.invokes && completions === this.completions) return;
    this.problems.push(`${this.#name} says in its end record that it holds ${invokes} invokes and ${completions} completions, but holds ${this.invokes} and ${this.completions}`);
    this.end = 'corrupt';
  }

  #stop(end: JournalEnd, problem?: string): false {
    this.end = end;
    if (problem !== undefined) this.problems.push(`${this.#name} ${problem}`);
    return false;
  }

  /** Makes `bytes` from the current position on present in the window. False: the file ends before. */
  #need(bytes: number): boolean {
    if (this.#to - this.#from >= bytes) return true;
    this.#window.copyWithin(0, this.#from, this.#to);
    this.#to -= this.#from;
    this.#from = 0;
    while (this.#to < bytes) {
      const read = fs.readSync(this.#fd, this.#window, this.#to, windowBytes - this.#to, null);
      if (read === 0) return false;
      this.#to += read;
    }
    return true;
  }

  #take(bytes: number): Buffer {
    const taken = this.#window.subarray(this.#from, this.#from + bytes);
    this.#from += bytes;
    this.#offset += bytes;
    return taken;
  }
}

/**
 * Reads a whole journal into `visitor`, synchronously. Throws a JournalFormatError when even its header
 * cannot be read, and what fs throws; anything later is in the result's `problems`.
 */
export function scanJournal(file: string, visitor: JournalVisitor): JournalScan {
  const cursor = new JournalCursor(file);
  try {
    while (cursor.next(visitor));
    return cursor.result();
  } finally {
    cursor.close();
  }
}
