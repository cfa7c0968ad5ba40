import { FioParseError } from '../errors.js';
import { crc32c } from './crc.js';
import { CHECKSUM_BYTES, VERIFY_TYPES, type VerifyHeader, type VerifyType } from './types.js';

/** The first two bytes of every header, little-endian (`ca ac` on the medium). */
export const VERIFY_MAGIC = 0xacca;
const VERSIONED = 0x80;

/**
 * Reads the verify header at `at`.
 *
 * The crc is calculated, not judged: compare `crc` and `crcCalculated`. When they differ, any field may be wrong.
 *
 * @throws FioParseError BAD_MAGIC, UNSUPPORTED_VERSION, or TRUNCATED when fewer than 40 (48) bytes are left.
 */
export function parseVerifyHeader(block: Uint8Array, at = 0): VerifyHeader {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength).subarray(at);
  if (bytes.length < 40) throw new FioParseError('TRUNCATED', `${bytes.length} bytes are no verify header`, { offset: at });
  const magic = bytes.readUInt16LE(0);
  if (magic !== VERIFY_MAGIC) throw new FioParseError('BAD_MAGIC', `bad magic ${magic.toString(16)}, wanted ${VERIFY_MAGIC.toString(16)}`, { offset: at });
  const third = bytes[2]!;
  if ((third & VERSIONED) === 0) return unversioned(bytes);
  if (third !== 0x81) throw new FioParseError('UNSUPPORTED_VERSION', `verify header version ${third.toString(16)}; this reads 81 and older`, { offset: at + 2 });
  if (bytes.length < 48) throw new FioParseError('TRUNCATED', `${bytes.length} bytes are no verify header of version 81`, { offset: at });
  return version81(bytes);
}

function unversioned(bytes: Buffer): VerifyHeader {
  const typeNumber = bytes.readUInt16LE(2);
  return {
    version: 'unversioned',
    size: 40,
    ...common(bytes, typeNumber, 40),
    thread: bytes.readUInt16LE(32),
    numberio: BigInt(bytes.readUInt16LE(34)),
    crc: bytes.readUInt32LE(36),
    crcCalculated: crc32c(bytes.subarray(0, 36)),
  };
}

function version81(bytes: Buffer): VerifyHeader {
  return {
    version: 0x81,
    size: 48,
    ...common(bytes, bytes[3]!, 48),
    numberio: bytes.readBigUInt64LE(32),
    thread: bytes.readUInt16LE(40),
    crc: bytes.readUInt32LE(44),
    // The two bytes of padding are whatever was in memory, and are part of the sum.
    crcCalculated: crc32c(bytes.subarray(0, 44)),
  };
}

function common(bytes: Buffer, typeNumber: number, size: number) {
  const type = (VERIFY_TYPES as Readonly<Record<number, VerifyType>>)[typeNumber];
  return {
    typeNumber,
    type,
    length: bytes.readUInt32LE(4),
    seed: bytes.readBigUInt64LE(8),
    offset: Number(bytes.readBigUInt64LE(16)),
    timeNs: BigInt(bytes.readUInt32LE(24)) * 1_000_000_000n + BigInt(bytes.readUInt32LE(28)),
    payloadAt: size + (type === undefined ? 0 : CHECKSUM_BYTES[type]),
  };
}

/**
 * The interval with its header at the front: with `verify_offset` fio exchanges header and checksum with the bytes
 * at that offset before it writes. Returns a copy, or undefined when there is no header at the offset.
 */
export function withHeaderInFront(block: Uint8Array, verifyOffset: number): Buffer | undefined {
  const copy = Buffer.from(block);
  if (verifyOffset === 0) return copy;
  let header: VerifyHeader;
  try {
    header = parseVerifyHeader(copy, verifyOffset);
  } catch (error) {
    if (error instanceof FioParseError) return undefined;
    throw error;
  }
  const size = header.payloadAt;
  if (verifyOffset < size || verifyOffset + size > copy.length) return undefined;
  const front = Buffer.from(copy.subarray(0, size));
  copy.copy(copy, 0, verifyOffset, verifyOffset + size);
  front.copy(copy, verifyOffset);
  return copy;
}
