/** `verify=` types that put a header in front of each interval, by the number in the header. */
export const VERIFY_TYPES = {
  1: 'meta',
  2: 'md5',
  3: 'crc64',
  4: 'crc32',
  5: 'crc32c',
  6: 'crc32c-intel',
  7: 'crc16',
  8: 'crc7',
  9: 'sha256',
  10: 'sha512',
  11: 'sha3-224',
  12: 'sha3-256',
  13: 'sha3-384',
  14: 'sha3-512',
  15: 'xxhash',
  16: 'sha1',
  17: 'pattern_hdr',
} as const;
export type VerifyTypeNumber = keyof typeof VERIFY_TYPES;
export type VerifyType = (typeof VERIFY_TYPES)[VerifyTypeNumber];

/** Bytes that each type keeps behind the header: its checksum, or more (sha256 and sha512 store a whole block). */
export const CHECKSUM_BYTES: Readonly<Record<VerifyType, number>> = {
  meta: 0,
  md5: 16,
  crc64: 8,
  crc32: 4,
  crc32c: 4,
  'crc32c-intel': 4,
  crc16: 2,
  crc7: 1,
  sha256: 64,
  sha512: 128,
  'sha3-224': 28,
  'sha3-256': 32,
  'sha3-384': 48,
  'sha3-512': 64,
  xxhash: 4,
  sha1: 20,
  pattern_hdr: 0,
};

/**
 * The header of one verify interval. All numbers are of the machine that wrote; this reads little-endian ones.
 *
 *   as fio 3.33:    magic u16, type u16, length u32, seed u64, offset u64, seconds u32, nanoseconds u32,
 *                   thread u16, numberio u16, crc u32                                            = 40 bytes
 *   as fio 3.41:    magic u16, version u8, type u8, length u32, seed u64, offset u64, seconds u32, nanoseconds u32,
 *                   numberio u64, thread u16, pad u16, crc u32                                   = 48 bytes
 */
export interface VerifyHeader {
  /** `unversioned` headers have 40 bytes, version 0x81 ones 48. */
  readonly version: 'unversioned' | 0x81;
  readonly size: 40 | 48;
  readonly typeNumber: number;
  /** Undefined for a number that is no type with a header. */
  readonly type: VerifyType | undefined;
  /** Of the interval with this header, bytes: `verify_interval`, or the block size. */
  readonly length: number;
  /** What the payload was generated from; 0 with `verify_pattern`. */
  readonly seed: bigint;
  /** Where in the file fio wrote this, bytes. */
  readonly offset: number;
  /**
   * When the I/O was prepared: ns on fio's own clock. Seconds since fio started with the default `clocksource=cpu`,
   * CLOCK_MONOTONIC otherwise; not comparable between runs.
   */
  readonly timeNs: bigint;
  /** 1-based number of the job that wrote it. */
  readonly thread: number;
  /** Number of the write within its job, from 0; only its low 16 bits in an unversioned header. */
  readonly numberio: bigint;
  readonly crc: number;
  /** Calculated over the header bytes before the crc. */
  readonly crcCalculated: number;
  /** Header and checksum together: the payload begins here. */
  readonly payloadAt: number;
}
