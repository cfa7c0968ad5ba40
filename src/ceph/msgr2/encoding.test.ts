import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addressText, AddressType, canonicalHost, decodeAddress, decodeAddresses, encodeAddress, encodeAddresses } from './address.js';
import type { EntityAddress } from './address.js';
import { cephCrc32c } from './crc.js';
import { Decoder, encoded, Encoder } from './encoding.js';

const code = (name: string): RegExp => new RegExp(`^${name}:`);

describe('crc32c', () => {
  it('is the raw register, without inversions', () => {
    const data = Buffer.from('123456789');
    expect(cephCrc32c(data, 0).toString(16)).toBe('58e3fa20');
    expect(cephCrc32c(data, 0xffff_ffff).toString(16)).toBe('1cf96d7c');
    expect(cephCrc32c(Buffer.alloc(0), 0xffff_ffff)).toBe(0xffff_ffff);
  });

  it('continues', () => {
    const data = Buffer.from('a text that is long enough to be cut in two');
    expect(cephCrc32c(data.subarray(9), cephCrc32c(data.subarray(0, 9), 7))).toBe(cephCrc32c(data, 7));
  });
});

describe('Encoder and Decoder', () => {
  it('write and read every primitive', () => {
    const bytes = encoded((e) => e.u8(255).u16(0xfffe).u32(0xffff_fffd).u64(0xffff_ffff_ffff_fffcn).s16(-2).s32(-3).bool(true)
      .string('für').blob(Buffer.from([1, 2])).list([7, 8], (n) => e.u16(n)).raw(Buffer.from([9])));
    const d = new Decoder(bytes);
    expect([d.u8(), d.u16(), d.u32(), d.u64(), d.s16(), d.s32(), d.bool(), d.string(), d.blob(), d.list(9, () => d.u16()), d.rest()])
      .toEqual([255, 0xfffe, 0xffff_fffd, 0xffff_ffff_ffff_fffcn, -2, -3, true, 'für', Buffer.from([1, 2]), [7, 8], Buffer.from([9])]);
    expect(() => d.end('it')).not.toThrow();
  });

  it('refuse values that do not fit', () => {
    const e = new Encoder();
    for (const bad of [() => e.u8(256), () => e.u16(-1), () => e.u32(1.5), () => e.u32(Number.NaN), () => e.u64(-1n), () => e.u64(1n << 64n), () => e.s16(40_000)]) {
      expect(bad).toThrow(code('MSGR_FIELD'));
    }
  });

  it('skip what a newer version of a structure added, and refuse what only newer code may read', () => {
    const newer = encoded((e) => {
      e.struct(9, 2, () => e.u32(5).string('from the future'));
      e.u8(1);
    });
    const d = new Decoder(newer);
    expect(d.struct('it', 2, (version) => [version, d.u32()])).toEqual([9, 5]);
    expect(d.u8()).toBe(1);
    expect(() => new Decoder(newer).struct('it', 1, () => 0)).toThrow(code('MSGR_COMPAT'));
  });

  it('do not read past the end of a structure, although bytes follow it', () => {
    const d = new Decoder(encoded((e) => e.struct(1, 1, () => e.u16(1)).u32(2)));
    expect(() => d.struct('it', 1, () => d.u32())).toThrow(code('MSGR_TRUNCATED'));
  });

  it('check counts and lengths before anything is allocated', () => {
    const huge = encoded((e) => e.u32(0xffff_ffff));
    expect(() => new Decoder(huge).blob()).toThrow(code('MSGR_TRUNCATED'));
    expect(() => new Decoder(huge).blob(16)).toThrow(code('MSGR_LIMIT'));
    expect(() => new Decoder(huge).list(16, () => 0)).toThrow(code('MSGR_LIMIT'));
    expect(() => new Decoder(huge).list(Infinity, () => 0)).toThrow(code('MSGR_TRUNCATED'));
    expect(() => new Decoder(encoded((e) => e.u8(1).u8(1).u32(9))).struct('it', 1, () => 0)).toThrow(code('MSGR_TRUNCATED'));
    expect(() => new Decoder(Buffer.from([1])).end('it')).toThrow(code('MSGR_FIELD'));
  });
});

const addresses: fc.Arbitrary<EntityAddress> = fc.record({
  type: fc.constantFrom(...Object.values(AddressType)),
  nonce: fc.integer({ min: 0, max: 0xffff_ffff }),
  host: fc.oneof(fc.ipV4(), fc.ipV6().map((text) => new URL(`http://[${text}]/`).hostname.slice(1, -1))),
  port: fc.integer({ min: 0, max: 0xffff }),
});

describe('entity addresses', () => {
  const v4 = { type: AddressType.msgr2, nonce: 0x10, host: '127.0.0.1', port: 3300 };

  it('IPv4 is 36 bytes after its marker, with the port in network order', () => {
    const bytes = encoded((e) => encodeAddress(e, v4));
    expect(bytes.toString('hex')).toBe('010101' + '1c000000' + '02000000' + '10000000' + '10000000' + '0200' + '0ce4' + '7f000001' + '0000000000000000');
    expect(decodeAddress(new Decoder(bytes))).toEqual(v4);
  });

  it('round trip', () => {
    fc.assert(fc.property(fc.array(addresses, { maxLength: 4 }), (list) => {
      expect(decodeAddresses(new Decoder(encoded((e) => encodeAddresses(e, list))))).toEqual(list);
    }));
  });

  it('the blank address', () => {
    const blank = { type: AddressType.none, nonce: 0, host: '', port: 0 };
    const bytes = encoded((e) => encodeAddress(e, blank));
    expect(bytes.length).toBe(1 + 6 + 12 + 28);
    expect(decodeAddress(new Decoder(bytes))).toEqual(blank);
    expect(addressText(blank)).toBe('-');
  });

  it('reads the old encoding, and a single address where a list is expected', () => {
    const old = Buffer.alloc(1 + 3 + 4 + 128);
    old.writeUInt32LE(77, 4);
    old.writeUInt16BE(2, 8);
    old.writeUInt16BE(6789, 10);
    old.set([10, 0, 0, 9], 12);
    expect(decodeAddresses(new Decoder(old))).toEqual([{ type: AddressType.legacy, nonce: 77, host: '10.0.0.9', port: 6789 }]);
    expect(decodeAddresses(new Decoder(encoded((e) => encodeAddress(e, v4))))).toEqual([v4]);
  });

  it.each([
    ['a marker that does not exist', '07', 'MSGR_FIELD'],
    ['an unknown family', '010101' + '0e000000' + '02000000' + '00000000' + '02000000' + '6300', 'MSGR_FIELD'],
    ['IPv4 in too few bytes', '010101' + '12000000' + '02000000' + '00000000' + '06000000' + '02000ce47f00', 'MSGR_TRUNCATED'],
    ['a family of one byte', '010101' + '0d000000' + '02000000' + '00000000' + '01000000' + '02', 'MSGR_TRUNCATED'],
  ])('refuses %s', (_what, hex, expected) => {
    expect(() => decodeAddress(new Decoder(Buffer.from(hex, 'hex')))).toThrow(code(expected));
  });

  it('refuses to send what is no address', () => {
    for (const host of ['example.org', 'fe80::1%eth0', '1.2.3']) {
      expect(() => encoded((e) => encodeAddress(e, { ...v4, host }))).toThrow(code('MSGR_FIELD'));
    }
    expect(() => encoded((e) => encodeAddress(e, { ...v4, port: 70_000 }))).toThrow(code('MSGR_FIELD'));
  });

  it('text and canonical form', () => {
    expect(addressText(v4)).toBe('127.0.0.1:3300/16');
    expect(addressText({ ...v4, host: 'fe80::1', port: 0 })).toBe('[fe80::1]:0/16');
    expect(canonicalHost('::ffff:10.0.0.1')).toBe('10.0.0.1');
    expect(canonicalHost('FE80:0:0:0:0:0:0:1')).toBe('fe80::1');
    expect(canonicalHost('10.0.0.1')).toBe('10.0.0.1');
    expect(canonicalHost('mon.example')).toBe('mon.example');
  });
});
