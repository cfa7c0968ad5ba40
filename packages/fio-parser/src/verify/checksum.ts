import { createHash } from 'node:crypto';

import { crc16, crc32, crc32c, crc64, crc7 } from './crc.js';
import { fioSha256 } from './sha256.js';
import type { VerifyType } from './types.js';
import { xxh32 } from './xxh32.js';

/** Result of checking the checksum behind a header. */
export interface ChecksumResult {
  readonly matches: boolean;
  readonly stored: Buffer;
  readonly calculated: Buffer;
  /**
   * Set when a match says little: `sha512` of fio 3.33 (3.41 does better) stores no digest at all, only 128 bytes of
   * the payload. `coversBytes` of the payload are compared, wherever else it is corrupt fio does not see it.
   */
  readonly weak?: { readonly coversBytes: number };
}

const SHA512_BLOCK = 128;
const XXHASH_SEED = 1;

/** The checksum fio stores for `payload`; undefined for types without one. */
export function fioChecksum(type: VerifyType, payload: Uint8Array): Buffer | undefined {
  switch (type) {
    case 'meta':
    case 'pattern_hdr':
      return undefined;
    case 'md5':
    case 'sha3-224':
    case 'sha3-256':
    case 'sha3-384':
    case 'sha3-512':
      return createHash(type).update(payload).digest();
    case 'sha1':
      // Five words in the order of the machine instead of big-endian.
      return createHash('sha1').update(payload).digest().swap32();
    case 'sha256':
      return fioSha256(payload);
    case 'sha512':
      return sha512(payload);
    case 'crc64':
      return u64(crc64(payload));
    case 'crc32':
      return u32(crc32(payload));
    case 'crc32c':
    case 'crc32c-intel':
      return u32(crc32c(payload));
    case 'xxhash':
      return u32(xxh32(payload, XXHASH_SEED));
    case 'crc16': {
      const out = Buffer.alloc(2);
      out.writeUInt16LE(crc16(payload));
      return out;
    }
    case 'crc7':
      return Buffer.from([crc7(payload)]);
  }
}

/** Checks `stored`; undefined for types without a checksum. */
export function checkChecksum(type: VerifyType, payload: Uint8Array, stored: Uint8Array): ChecksumResult | undefined {
  const calculated = fioChecksum(type, payload);
  if (calculated === undefined) return undefined;
  const kept = Buffer.from(stored);
  if (calculated.equals(kept)) return { matches: true, stored: kept, calculated };
  if (type === 'sha512' && payload.length >= SHA512_BLOCK && unfinishedSha512(payload).equals(kept)) {
    return { matches: true, stored: kept, calculated, weak: { coversBytes: SHA512_BLOCK } };
  }
  return { matches: false, stored: kept, calculated };
}

/** The digest, then the second half of the last padded block, which fio leaves in its buffer of 128 bytes. */
function sha512(payload: Uint8Array): Buffer {
  const tail = payload.length % SHA512_BLOCK;
  const padded = Buffer.alloc(tail < SHA512_BLOCK - 16 ? SHA512_BLOCK : 2 * SHA512_BLOCK);
  padded.set(payload.subarray(payload.length - tail));
  padded[tail] = 0x80;
  padded.writeBigUInt64BE(BigInt(payload.length) * 8n, padded.length - 8);
  const last = padded.subarray(padded.length - SHA512_BLOCK);
  return Buffer.concat([createHash('sha512').update(payload).digest(), last.subarray(64)]);
}

/** The buffer before the last step, which older releases forget: the rest of the payload over its first block. */
function unfinishedSha512(payload: Uint8Array): Buffer {
  const buffer = Buffer.from(payload.subarray(0, SHA512_BLOCK));
  buffer.set(payload.subarray(payload.length - (payload.length % SHA512_BLOCK)));
  return buffer;
}

function u32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
}

function u64(value: bigint): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(value);
  return out;
}
