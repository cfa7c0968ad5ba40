import { crc32c } from '../nvme/crc32c.js';
import type { JournalHeader, JournalRecord } from './journal-types.js';

/**
 * The bytes of an I/O journal (docs/FORMAT.md, "I/O journal"), shared by its writer and its reader.
 *
 *   preamble   magic, 8 B │ format, u16 │ 0, u16 │ JSON bytes, u32 │ CRC32C of all that and the JSON, u32
 *   header     JSON
 *   frame …    payload bytes, u32 │ number, u32 │ CRC32C of payload, u32 │ CRC32C of these 12 B, u32 │ payload
 *
 * Integers are little-endian. A frame holds whole records. Its header has a CRC of its own, so that a
 * frame cut short at the end of the file (torn: the writer was stopped) is told apart from a length
 * that was damaged (corrupt: nothing after it can be trusted).
 */
export const journalMagic = Buffer.from('\x89PPJ\r\n\x1a\n', 'latin1');
export const journalFormat = 1;
export const preambleBytes = 20;
export const headerJsonMaxBytes = 1024 * 1024;
export const frameHeaderBytes = 16;
/** Holds the largest record, a completion of `opBlocksMax` blocks that are all bad, and many small ones. */
export const framePayloadMaxBytes = 256 * 1024;
/** Logical blocks of one operation. */
export const opBlocksMax = 4_096;
/** Different paths, and different codes, in one journal. */
export const namesMax = 65_535;
export const nameMaxBytes = 512;

/** First byte of each record. */
export const RecordType = { invoke: 1, complete: 2, versions: 3, bad: 4, name: 5, end: 6 } as const;
/** Sizes in bytes, all multiples of 8. A name has its text after it, padded to 8. */
export const invokeBytes = 40;
export const completeBytes = 32;
export const versionsBytes = 16;
export const badBytes = 40;
export const nameBytes = 8;
export const endBytes = 24;

export type JournalOp = Extract<JournalRecord, { kind: 'invoke' }>['what'];
export type JournalPurpose = Extract<JournalRecord, { kind: 'invoke' }>['purpose'];
export type JournalOutcome = Extract<JournalRecord, { kind: 'complete' }>['outcome'];

/** Position in a list = value in the file. Append only. */
export const whatNames = ['read', 'write'] as const satisfies readonly JournalOp[];
export const purposeNames = ['load', 'probe', 'reread-at-once', 'reread-delayed', 'audit'] as const satisfies readonly JournalPurpose[];
export const outcomeNames = ['ok', 'fail', 'info'] as const satisfies readonly JournalOutcome[];
/** Kinds of a bad block; 0 is not used. */
export const badNames = ['', 'torn', 'misdirected', 'wrong-namespace', 'foreign-run', 'garbage'] as const;
/** Which table a name belongs to. */
export const NameTable = { path: 0, code: 1 } as const;

const two32 = 0x1_0000_0000;

/** An integer from 0 to 2^53 − 1. */
export function setU64(view: DataView, at: number, value: number): void {
  const low = value >>> 0;
  view.setUint32(at, low, true);
  view.setUint32(at + 4, (value - low) / two32, true);
}
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * two32;
}

/** Preamble and header. Throws a RangeError for a header that is too long. */
export function encodeJournalHeader(header: JournalHeader): Buffer {
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  if (json.length > headerJsonMaxBytes) throw new RangeError(`journal header of ${json.length} bytes; at most ${headerJsonMaxBytes}`);
  const preamble = Buffer.alloc(preambleBytes);
  journalMagic.copy(preamble, 0);
  preamble.writeUInt16LE(journalFormat, 8);
  preamble.writeUInt32LE(json.length, 12);
  preamble.writeUInt32LE(crc32c(json, crc32c(preamble.subarray(0, 16))), 16);
  return Buffer.concat([preamble, json]);
}

/** What is wrong with a file as a journal, in words. */
export class JournalFormatError extends Error {
  readonly code = 'JOURNAL_FORMAT';
}

/** Length of the JSON that follows a preamble. Throws a JournalFormatError. */
export function decodePreamble(preamble: Buffer): number {
  if (preamble.length < preambleBytes) throw new JournalFormatError('is too short for a journal: the writer was stopped before its first record');
  if (journalMagic.compare(preamble, 0, journalMagic.length) !== 0) throw new JournalFormatError('is no journal (wrong magic)');
  const format = preamble.readUInt16LE(8);
  if (format !== journalFormat) throw new JournalFormatError(`has journal format ${format}; this version reads ${journalFormat}`);
  const jsonBytes = preamble.readUInt32LE(12);
  if (jsonBytes > headerJsonMaxBytes) throw new JournalFormatError(`has a header of ${jsonBytes} bytes; at most ${headerJsonMaxBytes}`);
  return jsonBytes;
}

/** Throws a JournalFormatError for a bad CRC or a header that is no journal header. */
export function decodeHeaderJson(preamble: Buffer, json: Buffer): JournalHeader {
  const stored = preamble.readUInt32LE(16);
  if (crc32c(json, crc32c(preamble.subarray(0, 16))) !== stored) throw new JournalFormatError('has a damaged header (CRC)');
  const header = JSON.parse(json.toString('utf8')) as Partial<JournalHeader>;
  if (typeof header.host !== 'string' || typeof header.runId !== 'string' || typeof header.writer !== 'number' || !Array.isArray(header.namespaces)) {
    throw new JournalFormatError('has a header without runId, host, writer and namespaces');
  }
  return header as JournalHeader;
}
