import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Anacap, AsyncEvents, Cmic, ControllerType, decodeActiveNsList, decodeIdentifyController, decodeIdentifyNamespace, decodeNsDescriptors, encodeActiveNsList,
  encodeIdentifyController, encodeIdentifyNamespace, encodeNsDescriptors, formatUuid, inCapsuleDataBytes, ioccszFor, isInactiveNamespace, maxTransferBytes,
  namespaceGeometry, NvmeCodecError, parseUuid,
} from './index.js';
import type { IdentifyController } from './index.js';
import { bufferArb, codecError, hex, safeArb, u16Arb, u32Arb, u8Arb } from './testing/support.js';

describe('identify controller', () => {
  // Offsets and sizes from the base specification, written down a second time. Value: little-endian hex.
  const offsets: [keyof IdentifyController, Partial<IdentifyController>, number, string][] = [
    ['vid', { vid: 0x1b36 }, 0, '361b'],
    ['ssvid', { ssvid: 0x1af4 }, 2, 'f41a'],
    ['cmic', { cmic: Cmic.multiPort | Cmic.multiController | Cmic.ana }, 76, '0b'],
    ['mdts', { mdts: 5 }, 77, '05'],
    ['cntlid', { cntlid: 2041 }, 78, 'f907'],
    ['ver', { ver: 0x0001_0400 }, 80, '00040100'],
    ['oaes', { oaes: AsyncEvents.namespaceAttributes | AsyncEvents.ana }, 92, '00090000'],
    ['ctratt', { ctratt: 1 << 6 }, 96, '40000000'],
    ['cntrltype', { cntrltype: ControllerType.discovery }, 111, '02'],
    ['crdt1', { crdt1: 0x0102 }, 128, '0201'],
    ['crdt2', { crdt2: 0x0304 }, 130, '0403'],
    ['crdt3', { crdt3: 0x0506 }, 132, '0605'],
    ['ciu', { ciu: 7 }, 135, '07'],
    ['cirn', { cirn: 0x1122_3344_5566_7788n }, 136, '8877665544332211'],
    ['acl', { acl: 3 }, 258, '03'],
    ['aerl', { aerl: 4 }, 259, '04'],
    ['lpa', { lpa: 0x2e }, 261, '2e'],
    ['elpe', { elpe: 127 }, 262, '7f'],
    ['kas', { kas: 100 }, 320, '6400'],
    ['anatt', { anatt: 10 }, 342, '0a'],
    ['anacap', { anacap: Anacap.optimized | Anacap.inaccessible | Anacap.change | Anacap.groupIdStable }, 343, '55'],
    ['anagrpmax', { anagrpmax: 16 }, 344, '10000000'],
    ['nanagrpid', { nanagrpid: 16 }, 348, '10000000'],
    ['cqt', { cqt: 2000 }, 386, 'd007'],
    ['sqes', { sqes: 0x66 }, 512, '66'],
    ['cqes', { cqes: 0x44 }, 513, '44'],
    ['maxcmd', { maxcmd: 128 }, 514, '8000'],
    ['nn', { nn: 1024 }, 516, '00040000'],
    ['oncs', { oncs: 0x0d }, 520, '0d00'],
    ['fuses', { fuses: 1 }, 522, '0100'],
    ['vwc', { vwc: 1 }, 525, '01'],
    ['sgls', { sgls: 0x0010_0001 }, 536, '01001000'],
    ['mnan', { mnan: 1024 }, 540, '00040000'],
    ['ioccsz', { ioccsz: 516 }, 1792, '04020000'],
    ['iorcsz', { iorcsz: 1 }, 1796, '01000000'],
    ['icdoff', { icdoff: 2 }, 1800, '0200'],
    ['msdbd', { msdbd: 1 }, 1803, '01'],
    ['ccrl', { ccrl: 9 }, 1807, '09'],
    ['subnqn', { subnqn: 'nqn.x' }, 768, '6e716e2e7800'],
  ];
  const blank = encodeIdentifyController({});

  it.each(offsets)('%s', (name, fields, at, value) => {
    const b = encodeIdentifyController(fields);
    const expected = Buffer.from(blank);
    hex(value).copy(expected, at);
    expect(b.equals(expected)).toBe(true);
    expect(decodeIdentifyController(b)[name]).toEqual(fields[name]);
  });

  it('strings are padded with spaces', () => {
    const b = encodeIdentifyController({ sn: 'SN1', mn: 'pathproof', fr: '0.1.0' });
    expect(b.toString('latin1', 4, 72)).toBe('SN1'.padEnd(20) + 'pathproof'.padEnd(40) + '0.1.0'.padEnd(8));
    expect(decodeIdentifyController(b)).toMatchObject({ sn: 'SN1', mn: 'pathproof', fr: '0.1.0' });
  });

  it('round trip of every field', () => {
    const asciiArb = (length: number): fc.Arbitrary<string> => fc.string({ maxLength: length, unit: 'grapheme-ascii' }).map((text) => text.trimEnd());
    const arb = fc.record({
      vid: u16Arb, sn: asciiArb(20), mn: asciiArb(40), fr: asciiArb(8), ieee: bufferArb(3), cmic: u8Arb, mdts: u8Arb, cntlid: u16Arb, ver: u32Arb, oaes: u32Arb,
      ctratt: u32Arb, fguid: bufferArb(16), cirn: fc.bigInt(0n, 0xffff_ffff_ffff_ffffn), tnvmcap: fc.bigInt(0n, (1n << 128n) - 1n), kas: u16Arb, anatt: u8Arb,
      anagrpmax: u32Arb, nanagrpid: u32Arb, nn: u32Arb, mnan: u32Arb, subnqn: fc.constant('nqn.2016-06.io.spdk:cnode1'), ioccsz: u32Arb, ccrl: u8Arb,
    });
    fc.assert(fc.property(arb, (fields) => {
      expect(decodeIdentifyController(encodeIdentifyController(fields))).toEqual({ ...decodeIdentifyController(blank), ...fields });
    }));
  });

  it('derived sizes', () => {
    // ceph-nvmeof: 8 KiB in-capsule data.
    expect(ioccszFor(8192)).toBe(516);
    expect(inCapsuleDataBytes({ ioccsz: 516 })).toBe(8192);
    expect(inCapsuleDataBytes({ ioccsz: 4 })).toBe(0);
    expect(inCapsuleDataBytes({ ioccsz: 0 })).toBe(0);
    expect(maxTransferBytes({ mdts: 5 })).toBe(131_072);
    expect(maxTransferBytes({ mdts: 0 })).toBe(Infinity);
  });

  it('refuses short pages and bad strings', () => {
    expect(codecError(() => decodeIdentifyController(Buffer.alloc(4095))).code).toBe('TRUNCATED');
    expect(codecError(() => encodeIdentifyController({ sn: 'x'.repeat(21) })).code).toBe('STRING_FIELD');
    expect(codecError(() => encodeIdentifyController({ mn: 'naïve' })).code).toBe('STRING_FIELD');
    expect(codecError(() => encodeIdentifyController({ mdts: 256 })).code).toBe('FIELD_RANGE');
    const b = encodeIdentifyController({});
    b.fill(0x61, 768, 1024);
    expect(codecError(() => decodeIdentifyController(b)).code).toBe('STRING_FIELD');
  });
});

describe('identify namespace', () => {
  it('places its fields', () => {
    const b = encodeIdentifyNamespace({
      nsze: 0x1_0000_0010, ncap: 0x20, nuse: 0x30, nmic: 1, rescap: 0x7f, anagrpid: 3, nsattr: 1, flbas: 1,
      nguid: hex('00112233445566778899aabbccddeeff'), eui64: hex('0102030405060708'), lbaf: [{ ms: 0, lbads: 9, rp: 2 }, { ms: 8, lbads: 12, rp: 0 }],
    });
    const expected = Buffer.alloc(4096);
    hex('1000000001000000 2000000000000000 3000000000000000 00 01 01').copy(expected, 0);
    hex('01 7f').copy(expected, 30);
    hex('03000000').copy(expected, 92);
    hex('01').copy(expected, 99);
    hex('00112233445566778899aabbccddeeff 0102030405060708 00000902 08000c00').copy(expected, 104);
    expect(b.equals(expected)).toBe(true);
  });

  it('round trip', () => {
    const arb = fc.record({
      nsze: safeArb, ncap: safeArb, nuse: safeArb, nmic: u8Arb, rescap: u8Arb, anagrpid: u32Arb, nsattr: u8Arb, flbas: u8Arb, nguid: bufferArb(16), eui64: bufferArb(8),
      lbaf: fc.array(fc.record({ ms: u16Arb, lbads: u8Arb, rp: fc.nat(3) }), { minLength: 1, maxLength: 64 }),
    });
    fc.assert(fc.property(arb, (fields) => {
      expect(decodeIdentifyNamespace(encodeIdentifyNamespace(fields))).toMatchObject(fields);
    }));
  });

  it('geometry follows FLBAS, also over 16 formats', () => {
    const lbaf = Array.from({ length: 20 }, (_, i) => ({ ms: 0, lbads: i === 17 ? 12 : 9, rp: 0 }));
    expect(namespaceGeometry({ nsze: 100, flbas: 0, lbaf })).toEqual({ blockSize: 512, blocks: 100 });
    // Index 17 = 1 | 1 << 4: low nibble 1, bit 5 set.
    expect(namespaceGeometry({ nsze: 100, flbas: 0x21, lbaf })).toEqual({ blockSize: 4096, blocks: 100 });
    expect(codecError(() => namespaceGeometry({ nsze: 100, flbas: 0x25, lbaf })).code).toBe('FIELD_RANGE');
    expect(codecError(() => namespaceGeometry({ nsze: 1, flbas: 0, lbaf: [{ ms: 8, lbads: 9, rp: 0 }] })).code).toBe('FIELD_RANGE');
    expect(codecError(() => namespaceGeometry({ nsze: 1, flbas: 0, lbaf: [{ ms: 0, lbads: 0, rp: 0 }] })).code).toBe('FIELD_RANGE');
    expect(codecError(() => namespaceGeometry({ nsze: 1, flbas: 0, lbaf: [{ ms: 0, lbads: 255, rp: 0 }] })).code).toBe('FIELD_RANGE');
  });

  it('an inactive namespace is all zeros', () => {
    expect(isInactiveNamespace(decodeIdentifyNamespace(Buffer.alloc(4096)))).toBe(true);
    expect(isInactiveNamespace(decodeIdentifyNamespace(encodeIdentifyNamespace({ nsze: 1, ncap: 1 })))).toBe(false);
  });

  it('refuses sizes that are not exact, too many formats, short pages', () => {
    expect(codecError(() => decodeIdentifyNamespace(Buffer.alloc(4096, 0xff))).code).toBe('FIELD_RANGE');
    const b = encodeIdentifyNamespace({ nsze: 1 });
    b[25] = 64;
    expect(codecError(() => decodeIdentifyNamespace(b)).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodeIdentifyNamespace({ lbaf: [] })).code).toBe('FIELD_RANGE');
    expect(codecError(() => decodeIdentifyNamespace(Buffer.alloc(100))).code).toBe('TRUNCATED');
  });
});

describe('active namespace list', () => {
  it('is ascending dwords up to the first zero', () => {
    const b = encodeActiveNsList([300, 1, 2]);
    expect(b.subarray(0, 16).toString('hex')).toBe('01000000020000002c01000000000000');
    expect(b).toHaveLength(4096);
    b.writeUInt32LE(1, 20); // behind the end: not part of the list
    expect(decodeActiveNsList(b)).toEqual([1, 2, 300]);
  });

  it('round trip, empty and full included', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 0xffff_fffe }), { maxLength: 50 }), (nsids) => {
      expect(decodeActiveNsList(encodeActiveNsList(nsids))).toEqual([...nsids].sort((a, b) => a - b));
    }));
    const full = Array.from({ length: 1024 }, (_, i) => i + 1);
    expect(decodeActiveNsList(encodeActiveNsList(full))).toEqual(full);
  });

  it('refuses duplicates, disorder, identifiers that mean something else, 1025 of them', () => {
    for (const nsids of [[1, 1], [0], [0xffff_ffff], [1.5], Array.from({ length: 1025 }, (_, i) => i + 1)]) {
      expect(codecError(() => encodeActiveNsList(nsids)).code).toBe('NSID_LIST');
    }
    const b = encodeActiveNsList([]);
    b.writeUInt32LE(5, 0);
    b.writeUInt32LE(4, 4);
    expect(codecError(() => decodeActiveNsList(b)).code).toBe('NSID_LIST');
    b.writeUInt32LE(5, 4);
    expect(codecError(() => decodeActiveNsList(b)).code).toBe('NSID_LIST');
    expect(codecError(() => decodeActiveNsList(Buffer.alloc(4096, 0xff))).code).toBe('NSID_LIST');
    expect(codecError(() => decodeActiveNsList(Buffer.alloc(4092))).code).toBe('TRUNCATED');
  });
});

describe('namespace identification descriptors', () => {
  const nguid = hex('00112233445566778899aabbccddeeff');
  const uuid = hex('0f0e0d0c0b0a09080706050403020100');
  const eui64 = hex('0102030405060708');

  it('golden', () => {
    const b = encodeNsDescriptors({ uuid, nguid, eui64, csi: 0 });
    const expected = hex(`01 08 0000 ${eui64.toString('hex')} 02 10 0000 ${nguid.toString('hex')} 03 10 0000 ${uuid.toString('hex')} 04 01 0000 00`);
    expect(b.subarray(0, expected.length).equals(expected)).toBe(true);
    expect(b.subarray(expected.length).every((byte) => byte === 0)).toBe(true);
    expect(decodeNsDescriptors(b)).toEqual({ uuid, nguid, eui64, csi: 0 });
  });

  it('round trip of every subset', () => {
    const arb = fc.record({ eui64: bufferArb(8), nguid: bufferArb(16), uuid: bufferArb(16), csi: u8Arb }, { requiredKeys: [] });
    fc.assert(fc.property(arb, (d) => {
      expect(decodeNsDescriptors(encodeNsDescriptors(d))).toEqual(d);
    }));
  });

  it('skips types that are not known', () => {
    const b = Buffer.alloc(4096);
    hex('77 03 0000 aabbcc 02 10 0000').copy(b);
    nguid.copy(b, 11);
    expect(decodeNsDescriptors(b)).toEqual({ nguid });
  });

  it('refuses wrong lengths, repetitions and what leaves the page', () => {
    const page = (text: string): Buffer => Buffer.concat([hex(text), Buffer.alloc(4096)], 4096);
    expect(codecError(() => decodeNsDescriptors(page('02 0f 0000'))).code).toBe('NS_DESCRIPTOR');
    expect(codecError(() => decodeNsDescriptors(page('04 01 0000 00 04 01 0000 00'))).code).toBe('NS_DESCRIPTOR');
    const long = Buffer.alloc(4096);
    for (let at = 0; at + 259 <= 4096; at += 259) long.set([0x77, 255], at);
    // 15 descriptors of 259 bytes end at 3885; a 16th does not fit.
    long.set([0x77, 255], 3885);
    expect(codecError(() => decodeNsDescriptors(long)).code).toBe('NS_DESCRIPTOR');
    expect(codecError(() => decodeNsDescriptors(Buffer.alloc(4095))).code).toBe('TRUNCATED');
    expect(codecError(() => encodeNsDescriptors({ uuid: Buffer.alloc(15) })).code).toBe('NS_DESCRIPTOR');
  });

  it('UUID text', () => {
    expect(formatUuid(nguid)).toBe('00112233-4455-6677-8899-aabbccddeeff');
    expect(parseUuid('00112233-4455-6677-8899-AABBCCDDEEFF')).toEqual(nguid);
    expect(codecError(() => parseUuid('00112233445566778899aabbccddeeff')).code).toBe('STRING_FIELD');
    expect(codecError(() => parseUuid('00112233-4455-6677-8899-aabbccddeefg')).code).toBe('STRING_FIELD');
    expect(codecError(() => formatUuid(eui64)).code).toBe('FIELD_RANGE');
  });
});

describe('hostile pages', () => {
  it('random bytes decode or are refused with a code', () => {
    const decoders = [decodeIdentifyController, decodeIdentifyNamespace, decodeActiveNsList, decodeNsDescriptors];
    // A few random bytes spread over a page: random pages would nearly all fail at their first field.
    const pageArb = fc.array(fc.tuple(fc.nat(4095), u8Arb), { maxLength: 40 });
    fc.assert(fc.property(pageArb, fc.oneof(fc.constant(4096), fc.nat(4096)), fc.constantFrom(...decoders), (spots, length, decode) => {
      const page = Buffer.alloc(4096);
      for (const [at, value] of spots) page[at] = value;
      try {
        decode(page.subarray(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(NvmeCodecError);
      }
    }), { numRuns: 1000 });
  });
});
