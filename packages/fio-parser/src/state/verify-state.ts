import { FioParseError } from '../errors.js';
import { crc32c } from '../verify/crc.js';

/**
 * Verify state files (`verify_state_save=1`): what a job had written when it stopped. One file per job, named
 * `<prefix>-<job>-<number>-verify.state`, little-endian on every machine:
 *
 *   version u64, size u64, crc u64        crc32c (fio's: no final inversion) of the `size` bytes that follow
 *   version 3 (fio 3.33):
 *     completions u64, depth u32, files u32, numberio u64, index u64, generator, name[64],
 *     depth * files times: file number u64, offset u64
 *   version 5 (fio 3.41):
 *     depth u32, pad, numberio u64, index u64, generator, name[64], depth times: numberio u64 in flight, or all ones
 *   generator: wide u64, then 4 * u32 (taus88) or 6 * u64 (taus258), 48 bytes in either case
 */
export type VerifyState = VerifyStateV3 | VerifyStateV5;

/** State of the generator that chooses the offsets; the run that verifies continues with it. */
export interface RandomState {
  /** True for `random_generator=tausworthe64` (and where fio needs more than 32 bits). */
  readonly wide: boolean;
  readonly words: readonly bigint[];
}

interface VerifyStateBase {
  readonly jobName: string;
  /** 0-based number of the job (thread number minus 1). */
  readonly index: number;
  /** `iodepth` of the job. */
  readonly depth: number;
  /** Writes issued. */
  readonly numberio: bigint;
  readonly random: RandomState;
}

export interface VerifyStateV3 extends VerifyStateBase {
  readonly version: 3;
  readonly files: number;
  /** Completed writes that are listed, at most depth * files. */
  readonly completions: number;
  /** The last completed writes, newest last completed first; earlier writes are not listed. */
  readonly completed: readonly { readonly file: number; readonly offset: number }[];
}

export interface VerifyStateV5 extends VerifyStateBase {
  readonly version: 5;
  /** Numbers of the writes that were issued and not completed: what they touched may hold old or new data. */
  readonly inFlight: readonly bigint[];
}

const HEADER_SIZE = 24;
const RANDOM_SIZE = 56;
const NAME_SIZE = 64;
/** Largest state accepted: a depth of 65536 with 255 files. */
export const VERIFY_STATE_MAX = 2 ** 28;
const NOT_IN_FLIGHT = 0xffff_ffff_ffff_ffffn;

/**
 * Reads one verify state file.
 *
 * @throws FioParseError TRUNCATED, UNSUPPORTED_VERSION, BAD_CRC, or BAD_LENGTH when sizes contradict each other.
 */
export function parseVerifyState(bytes: Uint8Array): VerifyState {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length < HEADER_SIZE) throw new FioParseError('TRUNCATED', `a verify state of ${buffer.length} bytes has no header`, { offset: buffer.length });
  const version = buffer.readBigUInt64LE(0);
  const size = buffer.readBigUInt64LE(8);
  const wanted = buffer.readBigUInt64LE(16);
  if (version !== 3n && version !== 5n) throw new FioParseError('UNSUPPORTED_VERSION', `verify state version ${version}; this reads 3 and 5`, { offset: 0 });
  if (size > VERIFY_STATE_MAX) throw new FioParseError('BAD_LENGTH', `a verify state of ${size} bytes; at most ${VERIFY_STATE_MAX}`, { offset: 8 });
  if (BigInt(buffer.length - HEADER_SIZE) < size) {
    throw new FioParseError('TRUNCATED', `the verify state ends after ${buffer.length - HEADER_SIZE} of ${size} bytes`, { offset: buffer.length });
  }
  const body = buffer.subarray(HEADER_SIZE, HEADER_SIZE + Number(size));
  const actual = BigInt(crc32c(body));
  if (actual !== wanted) throw new FioParseError('BAD_CRC', `the verify state is corrupt: crc ${wanted.toString(16)}, calculated ${actual.toString(16)}`, { offset: 16 });
  return version === 3n ? version3(body) : version5(body);
}

function version3(body: Buffer): VerifyStateV3 {
  const fixed = 32 + RANDOM_SIZE + NAME_SIZE;
  need(body, fixed);
  const completions = body.readBigUInt64LE(0);
  const depth = body.readUInt32LE(8);
  const files = body.readUInt32LE(12);
  exactly(body, fixed + depth * files * 16);
  const listed = completions < BigInt(depth * files) ? Number(completions) : depth * files;
  return {
    version: 3,
    completions: listed,
    depth,
    files,
    numberio: body.readBigUInt64LE(16),
    index: Number(body.readBigUInt64LE(24)),
    random: randomState(body, 32),
    jobName: name(body, 32 + RANDOM_SIZE),
    completed: Array.from({ length: listed }, (_, index) => ({
      file: Number(body.readBigUInt64LE(fixed + index * 16)),
      offset: Number(body.readBigUInt64LE(fixed + index * 16 + 8)),
    })),
  };
}

function version5(body: Buffer): VerifyStateV5 {
  const fixed = 24 + RANDOM_SIZE + NAME_SIZE;
  need(body, fixed);
  const depth = body.readUInt32LE(0);
  exactly(body, fixed + depth * 8);
  return {
    version: 5,
    depth,
    numberio: body.readBigUInt64LE(8),
    index: Number(body.readBigUInt64LE(16)),
    random: randomState(body, 24),
    jobName: name(body, 24 + RANDOM_SIZE),
    inFlight: Array.from({ length: depth }, (_, index) => body.readBigUInt64LE(fixed + index * 8)).filter((numberio) => numberio !== NOT_IN_FLIGHT),
  };
}

function randomState(body: Buffer, at: number): RandomState {
  const wide = body.readBigUInt64LE(at) !== 0n;
  const words = wide
    ? Array.from({ length: 6 }, (_, index) => body.readBigUInt64LE(at + 8 + index * 8))
    : Array.from({ length: 4 }, (_, index) => BigInt(body.readUInt32LE(at + 8 + index * 4)));
  return { wide, words };
}

function name(body: Buffer, at: number): string {
  const end = body.indexOf(0, at);
  return body.toString('utf8', at, end < 0 || end > at + NAME_SIZE ? at + NAME_SIZE : end);
}

function need(body: Buffer, size: number): void {
  if (body.length < size) throw new FioParseError('BAD_LENGTH', `a verify state body of ${body.length} bytes; at least ${size}`, { offset: HEADER_SIZE + body.length });
}

function exactly(body: Buffer, size: number): void {
  if (body.length !== size) throw new FioParseError('BAD_LENGTH', `a verify state body of ${body.length} bytes where depth and files ask for ${size}`, { offset: HEADER_SIZE });
}

/**
 * Whether a run that loads this state still verifies write number `numberio` (0-based): fio stops at the first write
 * that was not issued, or was in flight. Version 3 lists only the last completions, by offset; a number alone cannot
 * be judged there beyond "was issued".
 */
export function wasCompleted(state: VerifyStateV5, numberio: bigint): boolean {
  return numberio < state.numberio && !state.inFlight.includes(numberio);
}

/** The file name fio gives a state: slashes in the job name become dots. */
export function verifyStateName(jobName: string, index: number, prefix = 'local'): string {
  return `${prefix}-${jobName.replaceAll('/', '.')}-${index}-verify.state`;
}
