import { createHash } from 'node:crypto';
import type { BlockObservation } from '../../history/journal-types.js';
import { crc32c } from '../../nvme/crc32c.js';

/**
 * The stamp that fills every logical block the workload writes (docs/FORMAT.md, "Stamped block").
 *
 *   0  magic, 8 bytes          48  LBA, u64
 *   8  format version, u16     56  version, u64 (writer × 2^40 + sequence)
 *  10  reserved, u16 = 0       64  writer, u32
 *  12  block size, u32         68  CRC32C of the whole block, this field taken as zero
 *  16  run id, 16 bytes        72  pattern up to the end of the block
 *  32  namespace UUID, 16 bytes
 *
 * All integers are little-endian. The first 48 bytes are the same in every block of one namespace and
 * run, so one comparison settles them on the read path.
 */
export const stampMagic = Buffer.from('PPSTAMP\0', 'latin1');
export const stampFormatVersion = 1;
export const stampHeaderBytes = 72;
/** The smallest block that leaves room for a pattern. NVMe's smallest LBA format is 512. */
export const blockBytesMin = 128;
/** The largest block size that a stamp is meant for; NVMe controllers in the field use 512 and 4096. */
export const blockBytesMax = 65_536;

const constantBytes = 48;
const blockSizeAt = 12;
const runIdAt = 16;
const uuidAt = 32;
const lbaAt = 48;
const versionAt = 56;
const writerAt = 64;
const crcAt = 68;
const two32 = 0x1_0000_0000;

/** What `inspect` returns for anything but a sound block; `observe` then says what it is. */
export const notSound = -1;

/** The 16 bytes by which a stamp names its run: the first half of the SHA-256 of the run id's text. */
export function runIdBytes(runId: string): Buffer {
  return createHash('sha256').update(runId, 'utf8').digest().subarray(0, 16);
}

/** The 16 bytes of a UUID in its text order (RFC 9562). Throws a RangeError for anything else. */
export function uuidToBytes(uuid: string): Buffer {
  const hex = uuid.replaceAll('-', '');
  if (!/^[0-9a-fA-F]{32}$/.test(hex)) throw new RangeError(`not a UUID: ${uuid}`);
  return Buffer.from(hex, 'hex');
}

/** Text of 16 bytes as a UUID, lower case. */
export function bytesToUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

export interface StampOptions {
  runId: string;
  nsUuid: string;
  /** Bytes of one logical block: a multiple of 4 from `blockBytesMin` to `blockBytesMax`. */
  blockSize: number;
}

/** Writes and reads the stamps of one namespace in one run. */
export class StampCodec {
  readonly blockSize: number;
  /** The bytes that all stamps of this namespace and run begin with. */
  readonly #constant: Buffer;
  readonly #zeroBlock: Buffer;

  constructor(options: StampOptions) {
    const { blockSize } = options;
    if (!Number.isInteger(blockSize) || blockSize % 4 !== 0 || blockSize < blockBytesMin || blockSize > blockBytesMax) {
      throw new RangeError(`block size ${blockSize}: must be a multiple of 4 from ${blockBytesMin} to ${blockBytesMax}`);
    }
    this.blockSize = blockSize;
    this.#zeroBlock = Buffer.alloc(blockSize);
    this.#constant = Buffer.alloc(constantBytes);
    stampMagic.copy(this.#constant, 0);
    this.#constant.writeUInt16LE(stampFormatVersion, 8);
    this.#constant.writeUInt32LE(blockSize, blockSizeAt);
    runIdBytes(options.runId).copy(this.#constant, runIdAt);
    uuidToBytes(options.nsUuid).copy(this.#constant, uuidAt);
  }

  /**
   * Fills `buffer`, a whole number of blocks, with stamps for the LBAs from `slba` on; all carry
   * `version`. Throws a RangeError for a version that is not positive or no safe integer: 0 means
   * "never written".
   */
  stampBlocks(buffer: Buffer, slba: number, version: number, writer: number): void {
    const { blockSize } = this;
    if (buffer.length === 0 || buffer.length % blockSize !== 0) throw new RangeError(`${buffer.length} bytes are no whole number of ${blockSize}-byte blocks`);
    if (!Number.isSafeInteger(version) || version <= 0) throw new RangeError(`version ${version} cannot be stamped`);
    const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    for (let at = 0, lba = slba; at < buffer.length; at += blockSize, lba++) {
      buffer.set(this.#constant, at);
      view.setUint32(at + lbaAt, lba % two32, true);
      view.setUint32(at + lbaAt + 4, Math.floor(lba / two32), true);
      view.setUint32(at + versionAt, version % two32, true);
      view.setUint32(at + versionAt + 4, Math.floor(version / two32), true);
      view.setUint32(at + writerAt, writer, true);
      view.setUint32(at + crcAt, 0, true);
      fillPattern(view, at + stampHeaderBytes, at + blockSize, version, lba);
      view.setUint32(at + crcAt, crc32c(buffer.subarray(at, at + blockSize)), true);
    }
  }

  /**
   * The version of a sound block, 0 for zeroes, `notSound` for anything else. Costs one small view and
   * no other allocation. The CRC field is zeroed while the CRC is computed, and restored.
   */
  inspect(buffer: Buffer, at: number, lba: number): number {
    if (this.#constant.compare(buffer, at, at + constantBytes) !== 0) return this.#isZero(buffer, at) ? 0 : notSound;
    if (readU64(buffer, at + lbaAt) !== lba) return notSound;
    if (!this.#crcHolds(buffer, at)) return notSound;
    const version = readU64(buffer, at + versionAt);
    return version > 0 ? version : notSound;
  }

  /** What the block at `at`, read from `lba`, is. For the rare block for which `inspect` returned `notSound`. */
  observe(buffer: Buffer, at: number, lba: number): BlockObservation {
    if (this.#isZero(buffer, at)) return { kind: 'version', version: 0 };
    const garbage = (): BlockObservation => ({ kind: 'garbage', firstBytesHex: buffer.toString('hex', at, at + 16) });
    if (stampMagic.compare(buffer, at, at + stampMagic.length) !== 0) return garbage();
    const version = readU64(buffer, at + versionAt);
    if (!this.#crcHolds(buffer, at)) return { kind: 'torn', version: Number.isSafeInteger(version) ? version : 0 };
    const differs = (from: number, to: number): boolean => this.#constant.compare(buffer, at + from, at + to, from, to) !== 0;
    const stampedLba = readU64(buffer, at + lbaAt);
    // A sound CRC over fields that this format cannot have was written by something else.
    if (differs(0, runIdAt) || !Number.isSafeInteger(version) || version === 0) return garbage();
    if (differs(runIdAt, uuidAt)) return { kind: 'foreign-run', version, lba: stampedLba };
    if (differs(uuidAt, lbaAt)) return { kind: 'wrong-namespace', version, nsUuid: bytesToUuid(buffer.subarray(at + uuidAt, at + lbaAt)), lba: stampedLba };
    if (stampedLba !== lba) return { kind: 'misdirected', version, lba: stampedLba };
    return { kind: 'version', version };
  }

  #isZero(buffer: Buffer, at: number): boolean {
    // The magic's first byte is not zero, so a written block is told apart without touching the rest.
    return buffer[at] === 0 && this.#zeroBlock.compare(buffer, at, at + this.blockSize) === 0;
  }

  #crcHolds(buffer: Buffer, at: number): boolean {
    const stored = buffer.readUInt32LE(at + crcAt);
    buffer.writeUInt32LE(0, at + crcAt);
    const computed = crc32c(buffer.subarray(at, at + this.blockSize));
    buffer.writeUInt32LE(stored, at + crcAt);
    return computed === stored;
  }
}

/**
 * Words that differ in every position for every (version, LBA), so that a block made of two writes
 * shows its seam to a person who looks at the bytes; the CRC is what decides.
 */
function fillPattern(view: DataView, from: number, to: number, version: number, lba: number): void {
  const low = version % two32;
  const high = Math.floor(version / two32);
  let word = (Math.imul(low, 0x85eb_ca6b) ^ Math.imul(high + 1, 0xc2b2_ae35) ^ Math.imul(lba + 1, 0x27d4_eb2f)) | 0;
  for (let at = from; at < to; at += 4) {
    word = (word + 0x9e37_79b9) | 0;
    view.setInt32(at, word, true);
  }
}

/** Exact up to 2^53; above it a rounded value that is no safe integer. */
function readU64(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * two32;
}
