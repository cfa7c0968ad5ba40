import { FioParseError } from '../errors.js';
import { checkChecksum, type ChecksumResult } from './checksum.js';
import { contentOf, diffPayload, type PayloadDiff } from './diff.js';
import { parseVerifyHeader, withHeaderInFront } from './header.js';
import { matchSeed } from './seed.js';
import type { VerifyHeader, VerifyType } from './types.js';

/** What is known about an interval besides its bytes. */
export interface ExplainOptions {
  /** Where the interval was read, bytes from the start of the file. */
  readonly offset: number;
  /** `verify_offset` of the job. */
  readonly verifyOffset?: number;
  /** `verify_pattern` as bytes, repeated from the start of the I/O. Not for patterns with `%o`. */
  readonly pattern?: Uint8Array;
  /**
   * `random` (the default): the payload comes from the seed alone and is generated again to be compared. `other`: it
   * does not (`buffer_compress_percentage`, `dedupe_percentage`, a pattern with `%o`), only checksums count.
   */
  readonly payload?: 'random' | 'other';
  /** Where in its I/O the interval begins, bytes; matters for a pattern that does not divide the interval. */
  readonly intervalAt?: number;
  /** What the last write of this interval carried, from a log or the workload; each part is optional. */
  readonly expected?: { readonly numberio?: bigint; readonly thread?: number; readonly seed?: bigint; readonly type?: VerifyType };
}

export type FindingCode =
  | 'NO_HEADER'
  | 'HEADER_VERSION'
  | 'HEADER_CRC'
  | 'LENGTH'
  | 'MISPLACED'
  | 'STALE'
  | 'FUTURE'
  | 'WRITER'
  | 'SEED'
  | 'TYPE'
  | 'CHECKSUM'
  | 'PAYLOAD'
  | 'UNSURE'
  | 'WEAK_CHECKSUM';

export interface Finding {
  readonly code: FindingCode;
  readonly message: string;
}

/** One interval, explained. */
export interface BlockReport {
  readonly offset: number;
  /**
   * `good`: header and payload were checked and are right. `bad`: something is wrong. `unknown`: nothing is wrong, but
   * the payload could not be checked (no checksum, no pattern, no seed that fits).
   */
  readonly verdict: 'good' | 'bad' | 'unknown';
  readonly header?: VerifyHeader;
  readonly checksum?: ChecksumResult;
  /** Where the payload is wrong; absent when it is right or could not be generated again. */
  readonly diff?: PayloadDiff;
  readonly findings: readonly Finding[];
  /** One sentence: whose, when, which offset, what is wrong. */
  readonly summary: string;
}

const INTERVAL_MAX = 2 ** 32;

/** Explains one verify interval: `block` is exactly that, header included. Never throws for bad data. */
export function explainBlock(block: Uint8Array, options: ExplainOptions): BlockReport {
  const findings: Finding[] = [];
  const add = (code: FindingCode, message: string): void => void findings.push({ code, message });
  const bytes = withHeaderInFront(block, options.verifyOffset ?? 0) ?? Buffer.from(block);
  const header = headerOf(bytes, add);
  if (header === undefined) return finish(options.offset, findings, {});
  const trusted = header.crc === header.crcCalculated;
  if (!trusted) add('HEADER_CRC', `the header is damaged: crc ${hex(header.crc)}, calculated ${hex(header.crcCalculated)}`);
  checkHeader(header, bytes.length, options, add);
  const payloadRight = checkPayload(bytes, header, options, add);
  return finish(options.offset, findings, { header, ...payloadRight });
}

function headerOf(bytes: Buffer, add: (code: FindingCode, message: string) => void): VerifyHeader | undefined {
  try {
    return parseVerifyHeader(bytes);
  } catch (error) {
    if (!(error instanceof FioParseError)) throw error;
    if (error.code === 'UNSUPPORTED_VERSION') add('HEADER_VERSION', error.message);
    else add('NO_HEADER', `no verify header; the block holds ${WHAT[contentOf(bytes)]}`);
    return undefined;
  }
}

const WHAT = { zeroes: 'only zeroes: never written, trimmed, or lost', constant: 'one byte over and over', 'fio-data': 'payload of a fio write', other: 'other data' } as const;

function checkHeader(header: VerifyHeader, length: number, options: ExplainOptions, add: (code: FindingCode, message: string) => void): void {
  const expected = options.expected ?? {};
  if (header.length !== length) add('LENGTH', `written as an interval of ${header.length} bytes, read as ${length}`);
  if (header.offset !== options.offset) add('MISPLACED', `this belongs to offset ${header.offset}, not to ${options.offset}`);
  if (header.type === undefined) add('TYPE', `type ${header.typeNumber} has no header`);
  else if (expected.type !== undefined && !sameType(header.type, expected.type)) add('TYPE', `written with verify=${header.type}, expected ${expected.type}`);
  if (expected.thread !== undefined && header.thread !== expected.thread) add('WRITER', `written by job ${header.thread}, expected job ${expected.thread}`);
  if (expected.seed !== undefined && header.seed !== expected.seed) add('SEED', `generated from seed ${header.seed}, expected ${expected.seed}`);
  if (expected.numberio === undefined) return;
  if (header.version === 'unversioned') {
    // Only 16 bits: older or newer cannot be told, different can.
    const wanted = expected.numberio & 0xffffn;
    if (header.numberio !== wanted) add('STALE', `holds write ${header.numberio}, expected ${expected.numberio} (${wanted} in 16 bits)`);
  } else if (header.numberio < expected.numberio) {
    add('STALE', `holds the older write ${header.numberio}; write ${expected.numberio} is lost`);
  } else if (header.numberio > expected.numberio) {
    add('FUTURE', `holds the newer write ${header.numberio}, expected ${expected.numberio}`);
  }
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

/** crc32c-intel is crc32c by another instruction; fio itself writes the number of the latter for both. */
function sameType(a: VerifyType, b: VerifyType): boolean {
  const plain = (type: VerifyType): VerifyType => (type === 'crc32c-intel' ? 'crc32c' : type);
  return plain(a) === plain(b);
}

function checkPayload(
  bytes: Buffer,
  header: VerifyHeader,
  options: ExplainOptions,
  add: (code: FindingCode, message: string) => void,
): { checksum?: ChecksumResult; diff?: PayloadDiff; checked: boolean } {
  // What a damaged header says of its type and length is worth a try, as long as it stays inside the block.
  if (header.type === undefined || header.length > bytes.length || header.length > INTERVAL_MAX || header.payloadAt >= header.length) return { checked: false };
  const interval = bytes.subarray(0, header.length);
  const checksum = checkChecksum(header.type, interval.subarray(header.payloadAt), interval.subarray(header.size, header.payloadAt));
  const strong = checksum !== undefined && checksum.weak === undefined;
  const whole = expectedPayload(interval, header, options);
  // A checksum over everything has the last word: payload that comes from more than the seed is no corruption.
  const diff = whole === undefined || (strong && checksum.matches) ? undefined : diffPayload(interval, whole.expected, whole.from, whole.to);
  if (checksum?.matches === false) add('CHECKSUM', `${header.type} is ${checksum.stored.toString('hex')} and should be ${checksum.calculated.toString('hex')} for this payload`);
  if (diff !== undefined && !strong && options.pattern === undefined && mayBeCompressible(interval, diff, whole!.to)) {
    add('UNSURE', `${describe(diff, header.offset)}; or it was written with buffer_compress_percentage`);
    return { ...(checksum === undefined ? {} : { checksum }), diff, checked: false };
  }
  if (diff !== undefined) add('PAYLOAD', describe(diff, header.offset));
  else if (checksum?.matches === false && whole === undefined && contentOf(interval, header.payloadAt) === 'fio-data') {
    add('PAYLOAD', 'the payload is that of another fio write');
  }
  if (checksum?.weak !== undefined && diff === undefined) {
    add('WEAK_CHECKSUM', `this fio compares only ${checksum.weak.coversBytes} bytes of each interval with verify=sha512`);
  }
  const checked = whole !== undefined || strong;
  return { ...(checksum === undefined ? {} : { checksum }), ...(diff === undefined ? {} : { diff }), checked };
}

/** Words that may follow another rule where a generated piece ends: one of each seed bucket. */
const UNRULY_BYTES = 128;

/** With `buffer_compress_percentage` fio writes a generated piece first and one filler byte to the end. */
function mayBeCompressible(interval: Buffer, diff: PayloadDiff, end: number): boolean {
  const first = diff.ranges[0]!;
  if (diff.ranges.at(-1)!.to !== end) return false;
  const content = contentOf(interval, Math.min(first.from + UNRULY_BYTES, end - 1), end);
  return content === 'zeroes' || content === 'constant';
}

function expectedPayload(interval: Buffer, header: VerifyHeader, options: ExplainOptions): { expected: Buffer; from: number; to: number } | undefined {
  const { pattern } = options;
  if (pattern === undefined || pattern.length === 0) return options.payload === 'other' ? undefined : matchSeed(interval, header.seed, header.payloadAt);
  const expected = Buffer.allocUnsafe(interval.length);
  for (let at = 0; at < expected.length; at += 1) expected[at] = pattern[((options.intervalAt ?? 0) + at) % pattern.length]!;
  return { expected, from: header.payloadAt, to: interval.length };
}

function describe(diff: PayloadDiff, base: number): string {
  const places = diff.ranges.slice(0, 4).map(({ from, to, content }) => `${from}…${to - 1} (${content}, at ${base + from} of the file)`);
  const more = diff.ranges.length > 4 ? `, and ${diff.ranges.length - 4} more` : '';
  return `${diff.wrongBytes} bytes (${diff.wrongBits} bits) are wrong, ${SHAPES[diff.shape]}: ${places.join(', ')}${more}`;
}

const SHAPES = { 'bit-flip': 'a single bit', torn: 'torn at a sector', sectors: 'whole sectors', bytes: 'not by sectors' } as const;

function finish(offset: number, findings: readonly Finding[], parts: { header?: VerifyHeader; checksum?: ChecksumResult; diff?: PayloadDiff; checked?: boolean }): BlockReport {
  const { checked, ...rest } = parts;
  const bad = findings.filter(({ code }) => code !== 'WEAK_CHECKSUM' && code !== 'UNSURE');
  const verdict = bad.length > 0 ? 'bad' : checked === true ? 'good' : 'unknown';
  const { header } = parts;
  const who =
    header === undefined
      ? `offset ${offset}`
      : `offset ${offset}: write ${header.numberio} of job ${header.thread} for offset ${header.offset}, at ${header.timeNs / 1_000_000n} ms of fio's clock`;
  const what = findings.length > 0 ? findings.map(({ message }) => message).join('; ') : verdict === 'good' ? 'as written' : 'the payload could not be checked';
  return { offset, verdict, ...rest, findings, summary: `${who}: ${what}` };
}

/**
 * Compares a block written with `verify=pattern`, which has no header, with its pattern.
 *
 * @param phase where in its I/O the block begins, bytes.
 * @throws FioParseError BAD_ARGUMENT for an empty pattern.
 */
export function explainPatternBlock(block: Uint8Array, pattern: Uint8Array, phase = 0): PayloadDiff | undefined {
  if (pattern.length === 0) throw new FioParseError('BAD_ARGUMENT', 'an empty pattern');
  const actual = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const expected = Buffer.allocUnsafe(actual.length);
  for (let at = 0; at < expected.length; at += 1) expected[at] = pattern[(phase + at) % pattern.length]!;
  return diffPayload(actual, expected, 0, actual.length);
}
