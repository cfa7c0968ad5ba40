/**
 * The checksums of `verify=`, as fio computes them. They are not the textbook ones: none has a final inversion, and
 * crc7 is not shifted up. Results agree with files written by fio 3.33 and 3.41.
 */

function table32(polynomial: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[byte] = crc >>> 0;
  }
  return table;
}

const CRC32C = table32(0x82f6_3b78);
const CRC16 = table32(0xa001);

function reflected(table: Uint32Array, data: Uint8Array, seed: number): number {
  let crc = seed;
  for (let at = 0; at < data.length; at += 1) crc = table[(crc ^ data[at]!) & 0xff]! ^ (crc >>> 8);
  return crc >>> 0;
}

/** CRC-32C (Castagnoli), all ones at the start, not inverted at the end: fio's `crc32c` and the sum of its headers. */
export function crc32c(data: Uint8Array): number {
  return reflected(CRC32C, data, 0xffff_ffff);
}

const CRC32 = ((): Uint32Array => {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = crc < 0 ? (crc << 1) ^ 0x04c1_1db7 : crc << 1;
    table[byte] = crc >>> 0;
  }
  return table;
})();

/** CRC-32 as POSIX cksum begins it: polynomial 0x04c11db7, most significant bit first, starts at 0, not inverted. */
export function crc32(data: Uint8Array): number {
  let crc = 0;
  for (let at = 0; at < data.length; at += 1) crc = (crc << 8) ^ CRC32[((crc >>> 24) ^ data[at]!) & 0xff]!;
  return crc >>> 0;
}

/** CRC-16/ARC: polynomial 0x8005 reflected, starts at 0. */
export function crc16(data: Uint8Array): number {
  return reflected(CRC16, data, 0);
}

const CRC7 = ((): Uint8Array => {
  const table = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x80) !== 0 ? (crc << 1) ^ (0x09 << 1) : crc << 1;
    table[byte] = (crc & 0xff) >> 1;
  }
  return table;
})();

/** CRC-7 (polynomial 0x09), 7 bits, starts at 0, not shifted up as MMC does. */
export function crc7(data: Uint8Array): number {
  let crc = 0;
  for (let at = 0; at < data.length; at += 1) crc = CRC7[((crc << 1) ^ data[at]!) & 0xff]!;
  return crc;
}

/** CRC-64 with the reflected polynomial 0x95ac9329ac4bc9b5 (as Redis), starts at 0; two 32-bit halves per entry. */
const CRC64 = ((): { high: Uint32Array; low: Uint32Array } => {
  const high = new Uint32Array(256);
  const low = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1n) !== 0n ? (crc >> 1n) ^ 0x95ac_9329_ac4b_c9b5n : crc >> 1n;
    high[byte] = Number(crc >> 32n);
    low[byte] = Number(crc & 0xffff_ffffn);
  }
  return { high, low };
})();

export function crc64(data: Uint8Array): bigint {
  let high = 0;
  let low = 0;
  for (let at = 0; at < data.length; at += 1) {
    const index = (low ^ data[at]!) & 0xff;
    low = CRC64.low[index]! ^ ((low >>> 8) | (high << 24));
    high = CRC64.high[index]! ^ (high >>> 8);
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
