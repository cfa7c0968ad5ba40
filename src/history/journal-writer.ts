import { crc32c } from '../nvme/crc32c.js';
import type { PathproofError } from '../util/errors.js';
import { AppendFile } from './append-file.js';
import type { WriteSync } from './append-file.js';
import {
  badBytes, badNames, completeBytes, encodeJournalHeader, endBytes, frameHeaderBytes, framePayloadMaxBytes,
  invokeBytes, nameBytes, nameMaxBytes, namesMax, NameTable, opBlocksMax, outcomeNames, purposeNames, RecordType,
  setU64, versionsBytes, whatNames,
} from './journal-format.js';
import type { JournalOp, JournalOutcome, JournalPurpose } from './journal-format.js';
import type { BlockObservation, JournalHeader } from './journal-types.js';
import type { ReadObservations } from './read-observations.js';

/** Longest time that a completion may wait in memory. */
export const completionMaxMs = 20;
/** Stands for every further path or code once a journal has `namesMax` of them. */
export const tooManyNames = 'TOO_MANY_NAMES';

export interface JournalWriterOptions {
  /** Called once, with an infra error (DISK_FULL, FILE_WRITE_FAILED). */
  onError?: (error: PathproofError) => void;
  /** For tests: stands in for fs.writeSync. */
  writeSync?: WriteSync;
}

/**
 * Writes the I/O journal of one host. Records gather in one buffer and reach the file as a frame.
 *
 * The rule that makes the journal evidence: append the invoke records of a batch, call `flushSync`, and
 * only if it returned true submit the operations. An operation without an invoke record can then never
 * have reached a wire, even if this process is killed. Completions may wait `completionMaxMs`: one that
 * is lost makes its operation "outcome unknown", which is weaker, never wrong.
 */
export class JournalWriter {
  readonly #file: AppendFile;
  readonly #onError: ((error: PathproofError) => void) | undefined;
  readonly #buffer = Buffer.allocUnsafe(frameHeaderBytes + framePayloadMaxBytes);
  readonly #view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
  readonly #paths = new Map<string, number>();
  readonly #codes = new Map<string, number>();
  #at = frameHeaderBytes;
  #frames = 0;
  #invokes = 0;
  #completions = 0;
  #lastUs = 0;
  #timer: NodeJS.Timeout | undefined;
  #reported = false;
  #closed = false;

  private constructor(file: AppendFile, options: JournalWriterOptions) {
    this.#file = file;
    this.#onError = options.onError;
  }

  /** Creates the file and writes its header. Throws an infra error (FILE_EXISTS, FILE_OPEN_FAILED, DISK_FULL…). */
  static open(path: string, header: JournalHeader, options: JournalWriterOptions = {}): JournalWriter {
    const file = new AppendFile(path, options.writeSync);
    if (!file.write(encodeJournalHeader(header))) {
      file.close();
      throw file.failure!;
    }
    return new JournalWriter(file, options);
  }

  /** Why nothing more is written; undefined while all is well. */
  get failure(): PathproofError | undefined {
    return this.#file.failure;
  }
  /** Length of the file, bytes. */
  get bytes(): number {
    return this.#file.bytes;
  }
  get counts(): { invokes: number; completions: number } {
    return { invokes: this.#invokes, completions: this.#completions };
  }

  /**
   * An operation is about to be submitted. `op` is unique in this journal (below 2^48); `ns` indexes the
   * header's namespaces; `version` is what a write carries, 0 for a read.
   */
  invoke(op: number, tUs: number, what: JournalOp, purpose: JournalPurpose, ns: number, slba: number, nlb: number, version: number): void {
    if (nlb < 1 || nlb > opBlocksMax) throw new RangeError(`${nlb} blocks in one operation; 1 to ${opBlocksMax}`);
    const at = this.#reserve(invokeBytes);
    const view = this.#view;
    view.setUint8(at, RecordType.invoke);
    view.setUint8(at + 1, whatNames.indexOf(what));
    view.setUint8(at + 2, purposeNames.indexOf(purpose));
    view.setUint8(at + 3, 0);
    view.setUint16(at + 4, ns, true);
    setOp(view, at + 6, at + 8, op);
    view.setUint32(at + 12, nlb, true);
    setU64(view, at + 16, this.#inOrder(tUs));
    setU64(view, at + 24, slba);
    setU64(view, at + 32, version);
    this.#invokes++;
  }

  /**
   * An operation has ended. `status` is SCT << 8 | SC; `sends` counts above 65,535 as that. `observed`:
   * what a read that ended ok found, one entry per block.
   */
  complete(op: number, tUs: number, outcome: JournalOutcome, status: number, code: string, path: string | null, sends: number, observed?: ReadObservations): void {
    // Names come first: a record may only use what stands before it.
    const pathIndex = path === null ? 0 : this.#name(this.#paths, NameTable.path, path);
    const codeIndex = code === '' ? 0 : this.#name(this.#codes, NameTable.code, code);
    const blocks = observed?.count ?? 0;
    // Room for the worst case, so that a completion and its observations share a frame.
    const at = this.#reserve(completeBytes + (observed === undefined ? 0 : (blocks - observed.bad.length) * versionsBytes + observed.bad.length * badBytes));
    const view = this.#view;
    const entries = observed === undefined ? 0 : this.#observe(at + completeBytes, observed);
    view.setUint8(at, RecordType.complete);
    view.setUint8(at + 1, outcomeNames.indexOf(outcome));
    view.setUint16(at + 2, status, true);
    setOp(view, at + 4, at + 8, op);
    view.setUint16(at + 6, Math.min(sends, 0xffff), true);
    view.setUint32(at + 12, pathIndex, true);
    setU64(view, at + 16, this.#inOrder(tUs));
    view.setUint16(at + 24, codeIndex, true);
    view.setUint16(at + 26, entries, true);
    view.setUint32(at + 28, blocks, true);
    this.#completions++;
  }

  /** Writes what waits as one frame. False: the file cannot be written, so no operation may be submitted. */
  flushSync(): boolean {
    const payloadBytes = this.#at - frameHeaderBytes;
    if (payloadBytes === 0) return this.#file.failure === undefined && !this.#closed;
    const view = this.#view;
    view.setUint32(0, payloadBytes, true);
    view.setUint32(4, ++this.#frames, true);
    view.setUint32(8, crc32c(this.#buffer.subarray(frameHeaderBytes, this.#at)), true);
    view.setUint32(12, crc32c(this.#buffer.subarray(0, 12)), true);
    const written = this.#file.write(this.#buffer, this.#at);
    this.#at = frameHeaderBytes;
    if (!written) this.#reportFailure();
    return written;
  }

  /** Writes what waits and the end record, syncs and closes; safe to call twice. */
  close(): void {
    if (this.#closed) return;
    const at = this.#reserve(endBytes);
    setU64(this.#view, at, RecordType.end);
    setU64(this.#view, at + 8, this.#invokes);
    setU64(this.#view, at + 16, this.#completions);
    this.flushSync();
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#file.close();
    if (this.#file.failure !== undefined) this.#reportFailure();
  }

  /** Where a record of `bytes` may be put; starts a frame anew if it has no room. */
  #reserve(bytes: number): number {
    if (this.#closed) throw new Error('the journal is closed');
    if (this.#at + bytes > this.#buffer.length) this.flushSync();
    const at = this.#at;
    this.#at += bytes;
    // A timer that is let run costs less than one that is set and cleared with every batch.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (!this.#closed) this.flushSync();
    }, completionMaxMs);
    return at;
  }

  /** Equal versions in a row become one entry. Gives back what `#reserve` held for the worst case. */
  #observe(from: number, observed: ReadObservations): number {
    const view = this.#view;
    const { versions, count } = observed;
    let at = from;
    let entries = 0;
    let nextBad = 0;
    for (let block = 0; block < count; entries++) {
      const version = versions[block]!;
      if (version === -1) {
        writeBad(view, this.#buffer, at, observed.bad[nextBad++]!.seen);
        at += badBytes;
        block++;
        continue;
      }
      let end = block + 1;
      while (end < count && versions[end] === version) end++;
      view.setUint32(at, RecordType.versions, true);
      view.setUint32(at + 4, end - block, true);
      setU64(view, at + 8, version);
      at += versionsBytes;
      block = end;
    }
    this.#at = at;
    return entries;
  }

  #name(table: Map<string, number>, tableCode: number, text: string): number {
    const known = table.get(text);
    if (known !== undefined) return known;
    if (table.size >= namesMax - 1 && text !== tooManyNames) return this.#name(table, tableCode, tooManyNames);
    const index = table.size + 1;
    table.set(text, index);
    const bytes = Buffer.from(text, 'utf8').subarray(0, nameMaxBytes);
    const padded = Math.ceil(bytes.length / 8) * 8;
    const at = this.#reserve(nameBytes + padded);
    const view = this.#view;
    view.setUint8(at, RecordType.name);
    view.setUint8(at + 1, tableCode);
    view.setUint16(at + 2, index, true);
    view.setUint32(at + 4, bytes.length, true);
    this.#buffer.fill(0, at + nameBytes, at + nameBytes + padded);
    bytes.copy(this.#buffer, at + nameBytes);
    return index;
  }

  /**
   * Times of a journal never go back. Raising one is safe: an invoke is still written before the
   * operation starts, and a completion that looks later only weakens what it proves.
   */
  #inOrder(tUs: number): number {
    if (tUs > this.#lastUs) this.#lastUs = tUs;
    return this.#lastUs;
  }

  #reportFailure(): void {
    if (this.#reported || this.#file.failure === undefined) return;
    this.#reported = true;
    this.#onError?.(this.#file.failure);
  }
}

/** 48 bits in two places: the records have no eight free bytes in a row. */
function setOp(view: DataView, highAt: number, lowAt: number, op: number): void {
  const low = op >>> 0;
  view.setUint16(highAt, (op - low) / 0x1_0000_0000, true);
  view.setUint32(lowAt, low, true);
}

function writeBad(view: DataView, buffer: Buffer, at: number, seen: BlockObservation): void {
  view.setUint8(at, RecordType.bad);
  view.setUint8(at + 1, badNames.indexOf(seen.kind as (typeof badNames)[number]));
  view.setUint16(at + 2, 0, true);
  view.setUint32(at + 4, 1, true);
  setU64(view, at + 8, 'version' in seen ? seen.version : 0);
  setU64(view, at + 16, 'lba' in seen ? seen.lba : 0);
  buffer.fill(0, at + 24, at + badBytes);
  if (seen.kind === 'wrong-namespace') buffer.write(seen.nsUuid.replaceAll('-', ''), at + 24, 16, 'hex');
  else if (seen.kind === 'garbage') buffer.write(seen.firstBytesHex, at + 24, 16, 'hex');
}
