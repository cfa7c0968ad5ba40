import { createHash } from 'node:crypto';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { checkChecksum, fioChecksum } from './checksum.js';
import { crc16, crc32, crc32c, crc64, crc7 } from './crc.js';
import { fioSha256 } from './sha256.js';
import { CHECKSUM_BYTES, VERIFY_TYPES } from './types.js';
import { xxh32 } from './xxh32.js';

const CHECK = Buffer.from('123456789');

describe('checksums', () => {
  it('agree with the published check values, less the steps that fio leaves out', () => {
    expect(~crc32c(CHECK) >>> 0).toBe(0xe306_9283);
    // POSIX cksum goes on with the length; its polynomial alone, from 0, gives this (CRC RevEng: CRC-32/BZIP2 with init 0 and no xorout).
    expect(crc32(CHECK)).toBe(0x89a1_897f);
    expect(crc16(CHECK)).toBe(0xbb3d);
    expect(crc7(CHECK)).toBe(0x75);
    expect(crc64(CHECK)).toBe(0xe9c6_d914_c4b8_d9can);
    expect(xxh32(Buffer.alloc(0), 0)).toBe(0x02cc_5d05);
    expect(xxh32(Buffer.from('Nobody inspects the spammish repetition'), 0)).toBe(0xe229_3b2f);
  });

  it('have the size that the header leaves for them', () => {
    for (const type of Object.values(VERIFY_TYPES)) expect(fioChecksum(type, Buffer.alloc(500))?.length ?? 0).toBe(CHECKSUM_BYTES[type]);
  });

  it('notice any change of the payload', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(VERIFY_TYPES)), fc.uint8Array({ minLength: 200, maxLength: 600 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (type, data, where, flip) => {
        const payload = Buffer.from(data);
        const stored = fioChecksum(type, payload);
        if (stored === undefined) return;
        expect(checkChecksum(type, payload, stored)?.matches).toBe(true);
        payload[where % payload.length]! ^= flip;
        expect(checkChecksum(type, payload, stored)?.matches).toBe(false);
      }),
    );
  });

  it('sha256 is the standard one where padding does not differ', () => {
    // No data: the bit count is 0 in either order, so the low bytes of the words are those of the digest.
    const digest = createHash('sha256').update('').digest();
    expect([...fioSha256(Buffer.alloc(0)).subarray(0, 8)]).toEqual(Array.from({ length: 8 }, (_, index) => digest[index * 4 + 3]));
  });

  it('sha512 of a fio that forgets the last step matches, and says that it means little', () => {
    const payload = Buffer.from(Array.from({ length: 300 }, (_, index) => index & 0xff));
    const stored = Buffer.concat([payload.subarray(256), payload.subarray(44, 128)]);
    expect(checkChecksum('sha512', payload, stored)).toMatchObject({ matches: true, weak: { coversBytes: 128 } });
    payload[200]! ^= 1;
    expect(checkChecksum('sha512', payload, stored)).toMatchObject({ matches: true, weak: { coversBytes: 128 } });
    payload[290]! ^= 1;
    expect(checkChecksum('sha512', payload, stored)).toMatchObject({ matches: false });
  });
});
