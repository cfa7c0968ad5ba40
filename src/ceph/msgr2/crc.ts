import { crc32c } from '../../nvme/crc32c.js';

/**
 * Ceph's crc32c: the register update alone, without the inversions before and after that the usual CRC-32C
 * (iSCSI, NVMe) has. `cephCrc32c("123456789", 0)` is 58e3fa20h (facts: msgr2.md §1).
 */
export function cephCrc32c(data: Uint8Array, seed: number): number {
  // crc32c() inverts its seed on the way in and its result on the way out: invert both once more.
  return ~crc32c(data, ~seed >>> 0) >>> 0;
}

/** Seed of segment checksums. The preamble's is 0. */
export const segmentCrcSeed = 0xffff_ffff;
