import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  abortCommand, anaLogRgo, asyncEventCommand, Cns, decodeAbort, decodeDsm, decodeDsmRanges, decodeFeatures, decodeGetLog, decodeIdentify, decodeRw,
  decodeSqe, dsmCommand, encodeAsyncEventConfig, encodeDsmRanges, encodeSqe, FeatureId, flushCommand, Fuse, getFeaturesCommand, getLogCommand,
  identifyCommand, IoOpcode, keepAliveCommand, LogId, rwCommand, setFeaturesCommand, wasAborted,
} from './index.js';
import type { Sqe } from './index.js';
import { bufferArb, codecError, hex, safeArb, u16Arb, u32Arb, u8Arb, zeros } from './testing/support.js';

const transport = (length: string): string => `0000000000000000 ${length} 000000 5a`;

describe('golden submission queue entries', () => {
  const cases: [string, Buffer, string][] = [
    ['Identify controller', identifyCommand({ cid: 3, cns: Cns.controller }),
      `06 40 0300 00000000 ${zeros(16)} ${transport('00100000')} 01000000 ${zeros(20)}`],
    ['Identify namespace descriptors of nsid 5', identifyCommand({ cid: 3, cns: Cns.namespaceDescriptors, nsid: 5 }),
      `06 40 0300 05000000 ${zeros(16)} ${transport('00100000')} 03000000 ${zeros(20)}`],
    // NUMD = 4128 / 4 - 1 = 1031 = 0407h.
    ['Get Log ANA, RGO, retained', getLogCommand({ cid: 4, lid: LogId.ana, lsp: anaLogRgo, rae: true, bytes: 4128 }),
      `02 40 0400 ffffffff ${zeros(16)} ${transport('20100000')} 0c81 0704 ${zeros(20)}`],
    // NUMD = 1 MiB / 4 - 1 = 3FFFFh, low half in cdw10, high half in cdw11; offset 2^32 + 4.
    ['Get Log discovery, over 64 K dwords, from an offset', getLogCommand({ cid: 4, lid: LogId.discovery, bytes: 1 << 20, offset: 0x1_0000_0004 }),
      `02 40 0400 00000000 ${zeros(16)} ${transport('00001000')} 7000 ffff 0300 0000 04000000 01000000 ${zeros(8)}`],
    ['Set Features, ask for all notices', setFeaturesCommand({ cid: 5, fid: FeatureId.asyncEventConfig, value: encodeAsyncEventConfig({ namespaceAttributes: true, ana: true, discovery: true }) }),
      `09 40 0500 00000000 ${zeros(16)} ${transport('00000000')} 0b000000 00090080 ${zeros(16)}`],
    ['Set Features, saved', setFeaturesCommand({ cid: 5, fid: FeatureId.keepAliveTimer, value: 5000, save: true }),
      `09 40 0500 00000000 ${zeros(16)} ${transport('00000000')} 0f000080 88130000 ${zeros(16)}`],
    ['Get Features, default of 07h', getFeaturesCommand({ cid: 5, fid: FeatureId.numberOfQueues, select: 1 }),
      `0a 40 0500 00000000 ${zeros(16)} ${transport('00000000')} 07010000 ${zeros(20)}`],
    ['Keep Alive', keepAliveCommand({ cid: 6 }), `18 40 0600 00000000 ${zeros(16)} ${transport('00000000')} ${zeros(24)}`],
    ['Asynchronous Event Request', asyncEventCommand({ cid: 7 }), `0c 40 0700 00000000 ${zeros(16)} ${transport('00000000')} ${zeros(24)}`],
    ['Abort', abortCommand({ cid: 8, sqid: 2, abortCid: 0xbeef }), `08 40 0800 00000000 ${zeros(16)} ${transport('00000000')} 0200efbe ${zeros(20)}`],
    ['Flush', flushCommand({ cid: 9, nsid: 1 }), `00 40 0900 01000000 ${zeros(16)} ${transport('00000000')} ${zeros(24)}`],
    ['Read of 8 blocks', rwCommand({ opcode: IoOpcode.read, cid: 10, nsid: 1, slba: 0x12_3456_789a, nlb: 8, transportBytes: 4096 }),
      `02 40 0a00 01000000 ${zeros(16)} ${transport('00100000')} 9a785634 12000000 07000000 ${zeros(12)}`],
    ['Compare, first of a fused pair', rwCommand({ opcode: IoOpcode.compare, cid: 10, nsid: 1, slba: 0, nlb: 1, inCapsuleBytes: 512, fuse: Fuse.first }),
      `05 41 0a00 01000000 ${zeros(16)} 0000000000000000 00020000 000000 01 ${zeros(24)}`],
    ['Write Zeroes with deallocate', rwCommand({ opcode: IoOpcode.writeZeroes, cid: 10, nsid: 1, slba: 1, nlb: 65_536, deac: true }),
      `08 40 0a00 01000000 ${zeros(16)} ${transport('00000000')} 01000000 00000000 ffff0002 ${zeros(12)}`],
    ['Dataset Management, deallocate two ranges', dsmCommand({ cid: 11, nsid: 1, ranges: 2, deallocate: true }),
      `09 40 0b00 01000000 ${zeros(16)} 0000000000000000 20000000 000000 01 01000000 04000000 ${zeros(16)}`],
  ];
  it.each(cases)('%s', (_name, encoded, expected) => {
    expect(encoded.toString('hex')).toBe(hex(expected).toString('hex'));
  });

  it('a DSM range is attributes, count, SLBA', () => {
    expect(encodeDsmRanges([{ slba: 0x1_0000_0002, nlb: 3 }]).toString('hex')).toBe('00000000' + '03000000' + '0200000001000000');
  });
});

describe('round trips', () => {
  const sglArb = fc.oneof(
    fc.constant({ kind: 'none' as const, length: 0, offset: 0 }),
    fc.record({ kind: fc.constant('in-capsule' as const), length: u32Arb, offset: safeArb }),
    fc.record({ kind: fc.constant('transport' as const), length: fc.integer({ min: 1, max: 0xffff_ffff }), offset: fc.constant(0) }),
  );
  const sqeArb: fc.Arbitrary<Sqe> = fc.record({
    opcode: u8Arb, cid: u16Arb, nsid: u32Arb, fuse: fc.nat(3), psdt: fc.nat(3), sgl: sglArb, cdw10: u32Arb, cdw11: u32Arb, cdw12: u32Arb, cdw13: u32Arb, cdw14: u32Arb, cdw15: u32Arb,
  });

  it('SQE', () => {
    fc.assert(fc.property(sqeArb, (sqe) => {
      expect(decodeSqe(encodeSqe(sqe))).toEqual(sqe);
    }));
  });

  it('read and write commands', () => {
    fc.assert(fc.property(safeArb, fc.integer({ min: 1, max: 65_536 }), fc.boolean(), fc.boolean(), (slba, nlb, fua, deac) => {
      const sqe = decodeSqe(rwCommand({ opcode: IoOpcode.write, cid: 1, nsid: 1, slba, nlb, transportBytes: 512, fua, deac }));
      expect(decodeRw(sqe)).toEqual({ slba, nlb, fua, deac });
    }));
  });

  it('Get Log Page', () => {
    const dwordsArb = fc.integer({ min: 1, max: 0x3fff_ffff });
    fc.assert(fc.property(u8Arb, fc.nat(0x7f), fc.boolean(), dwordsArb, fc.nat(Math.floor(Number.MAX_SAFE_INTEGER / 4)), (lid, lsp, rae, dwords, offset4) => {
      const o = { lid, lsp, rae, bytes: dwords * 4, offset: offset4 * 4 };
      const sqe = decodeSqe(getLogCommand({ cid: 1, ...o }));
      expect(decodeGetLog(sqe)).toEqual(o);
      expect(sqe.sgl).toEqual({ kind: 'transport', length: o.bytes, offset: 0 });
    }));
  });

  it('Identify, Abort, Features', () => {
    fc.assert(fc.property(u8Arb, u16Arb, u8Arb, (cns, cntid, csi) => {
      expect(decodeIdentify(decodeSqe(identifyCommand({ cid: 1, cns, cntid, csi })))).toEqual({ cns, cntid, csi });
    }));
    fc.assert(fc.property(u16Arb, u16Arb, (sqid, abortCid) => {
      expect(decodeAbort(decodeSqe(abortCommand({ cid: 1, sqid, abortCid })))).toEqual({ sqid, abortCid });
    }));
    fc.assert(fc.property(u8Arb, u32Arb, fc.boolean(), fc.nat(7), (fid, value, save, select) => {
      expect(decodeFeatures(decodeSqe(setFeaturesCommand({ cid: 1, fid, value, save })))).toEqual({ fid, value, save, select: 0 });
      expect(decodeFeatures(decodeSqe(getFeaturesCommand({ cid: 1, fid, select })))).toEqual({ fid, value: 0, save: false, select });
    }));
  });

  it('DSM ranges', () => {
    const rangesArb = fc.array(fc.record({ slba: safeArb, nlb: u32Arb }), { minLength: 1, maxLength: 256 });
    fc.assert(fc.property(rangesArb, fc.boolean(), (ranges, deallocate) => {
      expect(decodeDsmRanges(encodeDsmRanges(ranges))).toEqual(ranges);
      expect(decodeDsmRanges(encodeDsmRanges(ranges), 1)).toEqual(ranges.slice(0, 1));
      const sqe = decodeSqe(dsmCommand({ cid: 1, nsid: 1, ranges: ranges.length, deallocate }));
      expect(decodeDsm(sqe)).toEqual({ ranges: ranges.length, deallocate });
      expect(sqe.sgl.length).toBe(encodeDsmRanges(ranges).length);
    }));
  });
});

describe('what decoders take from a peer', () => {
  it('any 64 bytes decode; only fewer throw', () => {
    fc.assert(fc.property(bufferArb(64), (bytes) => {
      const sqe = decodeSqe(bytes);
      expect(decodeRw(sqe).nlb).toBeGreaterThan(0);
      expect(decodeGetLog(sqe).bytes % 4).toBe(0);
    }));
    expect(codecError(() => decodeSqe(Buffer.alloc(63))).code).toBe('TRUNCATED');
  });

  it('an SLBA beyond 2^53 stays beyond any namespace', () => {
    const sqe = decodeSqe(encodeSqe({ opcode: IoOpcode.read, cid: 1, cdw10: 0xffff_ffff, cdw11: 0xffff_ffff }));
    expect(decodeRw(sqe).slba).toBeGreaterThan(Number.MAX_SAFE_INTEGER);
  });

  it('an SGL descriptor of another kind is named, not guessed', () => {
    const bytes = rwCommand({ opcode: IoOpcode.write, cid: 1, nsid: 1, slba: 0, nlb: 1, transportBytes: 512 });
    bytes[39] = 0x00; // a plain data block with a host address: for PCIe, not for fabrics
    expect(decodeSqe(bytes).sgl).toEqual({ kind: 'unsupported', length: 512, offset: 0 });
    bytes[39] = 0x40; // keyed: RDMA
    expect(decodeSqe(bytes).sgl.kind).toBe('unsupported');
    expect(codecError(() => encodeSqe(decodeSqe(bytes))).code).toBe('FIELD_RANGE');
    bytes.fill(0, 24, 40);
    expect(decodeSqe(bytes).sgl.kind).toBe('none');
  });

  it('a range list shorter than its count is refused', () => {
    expect(codecError(() => decodeDsmRanges(Buffer.alloc(31), 2)).code).toBe('TRUNCATED');
    expect(codecError(() => decodeDsmRanges(Buffer.alloc(0))).code).toBe('FIELD_RANGE');
    expect(codecError(() => decodeDsmRanges(Buffer.alloc(257 * 16))).code).toBe('FIELD_RANGE');
  });

  it('dw0 bit 0 of Abort', () => {
    expect([wasAborted(0), wasAborted(1)]).toEqual([true, false]);
  });
});

describe('encoders refuse', () => {
  const rw = { opcode: IoOpcode.write, cid: 1, nsid: 1, slba: 0, nlb: 1 };
  const bad: [string, () => unknown][] = [
    ['no blocks', () => rwCommand({ ...rw, nlb: 0 })],
    ['65537 blocks', () => rwCommand({ ...rw, nlb: 65_537 })],
    ['an SLBA that is not exact', () => rwCommand({ ...rw, slba: 2 ** 53 })],
    ['data in two places', () => rwCommand({ ...rw, inCapsuleBytes: 512, transportBytes: 512 })],
    ['a CID over 16 bits', () => keepAliveCommand({ cid: 65_536 })],
    ['a log of no bytes', () => getLogCommand({ cid: 1, lid: 1, bytes: 0 })],
    ['a log of 6 bytes', () => getLogCommand({ cid: 1, lid: 1, bytes: 6 })],
    ['a log from offset 2', () => getLogCommand({ cid: 1, lid: 1, bytes: 4, offset: 2 })],
    ['257 ranges', () => dsmCommand({ cid: 1, nsid: 1, ranges: 257, deallocate: true })],
    ['an empty range list', () => encodeDsmRanges([])],
    ['a NaN', () => encodeSqe({ opcode: 1, cid: NaN })],
    ['a negative dword', () => encodeSqe({ opcode: 1, cid: 1, cdw15: -1 })],
  ];
  it.each(bad)('%s', (_name, run) => {
    expect(codecError(run)).toMatchObject({ code: 'FIELD_RANGE', fes: 0 });
  });
});
