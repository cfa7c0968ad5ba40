import { endianness } from 'node:os';

/**
 * CRC32C (Castagnoli, reflected polynomial 82F63B78h): the header and data digest of NVMe/TCP and the
 * checksum of stamped blocks. Node's zlib.crc32 has the other polynomial.
 *
 * Slicing-by-16: sixteen tables of 256 entries take sixteen input bytes per step, read as four words where
 * that is possible. The tables are signed because V8 XORs Int32Array elements without a conversion.
 */
const polynomial = 0x82f6_3b78;
const slices = 16;

function buildTables(): Int32Array[] {
  const tables = Array.from({ length: slices }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    tables[0]![byte] = crc;
  }
  for (let n = 1; n < slices; n += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const previous = tables[n - 1]![byte]!;
      tables[n]![byte] = (previous >>> 8) ^ tables[0]![previous & 0xff]!;
    }
  }
  return tables;
}

type T = Int32Array;
const [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf] = buildTables() as [T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T];

/** Below this the view that reads words costs more than it saves. */
const wordsFromBytes = endianness() === 'LE' ? 256 : Infinity;

/**
 * CRC32C of `data` as an unsigned 32-bit number. `seed` continues from the result for the bytes before:
 * `crc32c(b, crc32c(a))` equals `crc32c(a ++ b)`.
 */
export function crc32c(data: Uint8Array, seed = 0): number {
  const crc = ~seed;
  if (data.length < wordsFromBytes) return ~byBytes(crc, data, 0, data.length) >>> 0;
  const wordsAt = (4 - (data.byteOffset & 3)) & 3;
  const wordCount = ((data.length - wordsAt) >>> 4) * 4;
  const words = new Int32Array(data.buffer, data.byteOffset + wordsAt, wordCount);
  const aligned = byWords(byBytes(crc, data, 0, wordsAt), words);
  return ~byBytes(aligned, data, wordsAt + wordCount * 4, data.length) >>> 0;
}

/** Four words (sixteen bytes) per step; `words.length` is a multiple of 4. */
function byWords(seed: number, words: Int32Array): number {
  let crc = seed;
  for (let i = 0; i < words.length; i += 4) {
    const a = crc ^ words[i]!;
    const b = words[i + 1]!;
    const c = words[i + 2]!;
    const d = words[i + 3]!;
    crc =
      tf[a & 0xff]! ^ te[(a >>> 8) & 0xff]! ^ td[(a >>> 16) & 0xff]! ^ tc[a >>> 24]! ^
      tb[b & 0xff]! ^ ta[(b >>> 8) & 0xff]! ^ t9[(b >>> 16) & 0xff]! ^ t8[b >>> 24]! ^
      t7[c & 0xff]! ^ t6[(c >>> 8) & 0xff]! ^ t5[(c >>> 16) & 0xff]! ^ t4[c >>> 24]! ^
      t3[d & 0xff]! ^ t2[(d >>> 8) & 0xff]! ^ t1[(d >>> 16) & 0xff]! ^ t0[d >>> 24]!;
  }
  return crc;
}

/** Eight bytes per step, then one: for headers, the ends of long inputs, and big-endian machines. */
function byBytes(seed: number, data: Uint8Array, from: number, to: number): number {
  let crc = seed;
  let at = from;
  for (const whole = to - 8; at <= whole; at += 8) {
    crc ^= data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    crc =
      t7[crc & 0xff]! ^ t6[(crc >>> 8) & 0xff]! ^ t5[(crc >>> 16) & 0xff]! ^ t4[crc >>> 24]! ^
      t3[data[at + 4]!]! ^ t2[data[at + 5]!]! ^ t1[data[at + 6]!]! ^ t0[data[at + 7]!]!;
  }
  for (; at < to; at += 1) crc = (crc >>> 8) ^ t0[(crc ^ data[at]!) & 0xff]!;
  return crc;
}
