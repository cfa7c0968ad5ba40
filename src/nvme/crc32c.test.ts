import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './index.js';

/** The definition, a bit at a time. */
function bitwise(data: Uint8Array, seed = 0): number {
  let crc = ~seed >>> 0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? ((crc >>> 1) ^ 0x82f6_3b78) >>> 0 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it('has the check value of CRC-32C', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
  });

  it.each([
    ['32 zeros', Buffer.alloc(32), 0x8a91_36aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8_ab43],
    ['ascending', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd_794e],
    ['descending', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113f_db5c],
    ['nothing', Buffer.alloc(0), 0],
  ])('matches the iSCSI test vector: %s', (_name, data, expected) => {
    expect(crc32c(data)).toBe(expected);
  });

  it('agrees with the definition at every alignment and around the lengths where its loops change', () => {
    const memory = Buffer.alloc(700);
    for (let i = 0; i < memory.length; i += 1) memory[i] = (i * 151 + 43) & 0xff;
    for (let from = 0; from < 8; from += 1) {
      for (const length of [0, 1, 7, 8, 9, 15, 16, 17, 31, 255, 256, 257, 258, 259, 260, 271, 272, 273, 512, 600]) {
        const data = memory.subarray(from, from + length);
        expect(crc32c(data), `from ${from}, ${length} bytes`).toBe(bitwise(data));
      }
    }
  });

  it('continues from a seed, wherever the input is cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1200 }), fc.nat(1200), (data, at) => {
        const cut = Math.min(at, data.length);
        expect(crc32c(data.subarray(cut), crc32c(data.subarray(0, cut)))).toBe(bitwise(data));
      }),
    );
  });

  it('takes any Uint8Array, not only Buffers', () => {
    expect(crc32c(new Uint8Array([0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39]))).toBe(0xe306_9283);
  });
});
