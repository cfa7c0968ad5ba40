import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AddressFamily, decodeChangedNamespaces, decodeDiscoveryHeader, decodeDiscoveryLog, decodeErrorLog, decodeSmartLog, discoveryLogBytes, discoveryNqn,
  encodeChangedNamespaces, encodeDiscoveryLog, encodeErrorLog, encodeSmartLog, NvmeCodecError, SubsystemType, TransportType,
} from './index.js';
import { bufferArb, codecError, hex, nqnArb, safeArb, u16Arb, u32Arb, u64Arb, u8Arb, zeros } from './testing/support.js';

describe('changed namespace list', () => {
  it('lists what changed', () => {
    const b = encodeChangedNamespaces([7, 2]);
    expect(b).toHaveLength(4096);
    expect(b.subarray(0, 12).toString('hex')).toBe('020000000700000000000000');
    expect(decodeChangedNamespaces(b)).toEqual({ overflow: false, nsids: [2, 7] });
  });

  it('over 1024 becomes FFFFFFFFh and nothing else', () => {
    const b = encodeChangedNamespaces(Array.from({ length: 1025 }, (_, i) => i + 1));
    expect(b.subarray(0, 8).toString('hex')).toBe('ffffffff00000000');
    expect(decodeChangedNamespaces(b)).toEqual({ overflow: true, nsids: [] });
    const full = Array.from({ length: 1024 }, (_, i) => i + 1);
    expect(decodeChangedNamespaces(encodeChangedNamespaces(full))).toEqual({ overflow: false, nsids: full });
  });

  it('refuses disorder and short pages', () => {
    const b = encodeChangedNamespaces([1]);
    b.writeUInt32LE(1, 4);
    expect(codecError(() => decodeChangedNamespaces(b)).code).toBe('NSID_LIST');
    expect(codecError(() => decodeChangedNamespaces(Buffer.alloc(4))).code).toBe('TRUNCATED');
  });
});

describe('discovery log', () => {
  const entry = {
    trtype: TransportType.tcp, adrfam: AddressFamily.ipv4, subtype: SubsystemType.nvm, treq: 0, portid: 1, cntlid: 0xffff, asqsz: 32, eflags: 0,
    trsvcid: '4420', subnqn: 'nqn.2016-06.io.spdk:cnode1', traddr: '127.0.0.1', sectype: 0,
  };

  it('golden', () => {
    const b = encodeDiscoveryLog({ genctr: 5, entries: [entry] });
    expect(b).toHaveLength(discoveryLogBytes(1));
    const expected = Buffer.alloc(2048);
    hex('0500000000000000 0100000000000000 0000').copy(expected);
    hex('03 01 02 00 0100 ffff 2000 0000').copy(expected, 1024);
    Buffer.from('4420'.padEnd(32)).copy(expected, 1024 + 32);
    Buffer.from('nqn.2016-06.io.spdk:cnode1').copy(expected, 1024 + 256);
    Buffer.from('127.0.0.1'.padEnd(256)).copy(expected, 1024 + 512);
    expect(b.equals(expected)).toBe(true);
    expect(decodeDiscoveryLog(b)).toEqual({ genctr: 5, recfmt: 0, entries: [entry] });
  });

  it('reads text that is padded with NULs, as Linux pads it', () => {
    const b = encodeDiscoveryLog({ genctr: 1, entries: [entry] });
    b.fill(0, 1024 + 32 + 4, 1024 + 64);
    b.fill(0, 1024 + 512 + 9, 1024 + 768);
    expect(decodeDiscoveryLog(b).entries[0]).toEqual(entry);
  });

  it('round trip', () => {
    const textArb = fc.string({ maxLength: 32, unit: 'grapheme-ascii' }).map((text) => text.trimEnd());
    const entryArb = fc.record({
      trtype: u8Arb, adrfam: u8Arb, subtype: u8Arb, treq: u8Arb, portid: u16Arb, cntlid: u16Arb, asqsz: u16Arb, eflags: u16Arb, trsvcid: textArb, subnqn: nqnArb, traddr: textArb, sectype: u8Arb,
    });
    fc.assert(fc.property(safeArb, fc.array(entryArb, { maxLength: 5 }), (genctr, entries) => {
      expect(decodeDiscoveryLog(encodeDiscoveryLog({ genctr, entries }))).toEqual({ genctr, recfmt: 0, entries });
    }));
  });

  it('the header alone tells how much to read', () => {
    const b = encodeDiscoveryLog({ genctr: 9, entries: [entry, entry, entry] });
    expect(decodeDiscoveryHeader(b.subarray(0, 20))).toEqual({ genctr: 9, numrec: 3, recfmt: 0 });
    expect(discoveryNqn).toBe('nqn.2014-08.org.nvmexpress.discovery');
  });

  it('refuses missing records, absurd counts, other formats', () => {
    const b = encodeDiscoveryLog({ genctr: 9, entries: [entry, entry] });
    expect(codecError(() => decodeDiscoveryLog(b.subarray(0, 3071))).code).toBe('TRUNCATED');
    expect(codecError(() => decodeDiscoveryHeader(b.subarray(0, 17))).code).toBe('TRUNCATED');
    b.writeBigUInt64LE(0xffff_ffff_ffff_ffffn, 8);
    expect(codecError(() => decodeDiscoveryLog(b)).code).toBe('FIELD_RANGE');
    b.writeBigUInt64LE(2n, 8);
    b.writeUInt16LE(1, 16);
    expect(codecError(() => decodeDiscoveryLog(b)).code).toBe('FIELD_RANGE');
  });
});

describe('SMART log', () => {
  it('golden', () => {
    const b = encodeSmartLog({
      criticalWarning: 4, compositeTemperatureK: 300, availableSparePercent: 100, availableSpareThresholdPercent: 10, percentageUsed: 1,
      dataUnitsRead: 1n << 64n, hostWriteCommands: 2n, powerOnHours: 3n, mediaErrors: 4n, errorLogEntries: 5n, warningTemperatureMinutes: 6, criticalTemperatureMinutes: 7,
    });
    const expected = Buffer.alloc(512);
    hex('04 2c01 64 0a 01').copy(expected);
    hex('0000000000000000 0100000000000000').copy(expected, 32);
    hex('02').copy(expected, 80);
    hex('03').copy(expected, 128);
    hex('04').copy(expected, 160);
    hex('05').copy(expected, 176);
    hex('06000000 07000000').copy(expected, 192);
    expect(b.equals(expected)).toBe(true);
  });

  it('round trip', () => {
    const u128Arb = fc.bigInt(0n, (1n << 128n) - 1n);
    const arb = fc.record({
      criticalWarning: u8Arb, compositeTemperatureK: u16Arb, dataUnitsRead: u128Arb, dataUnitsWritten: u128Arb, hostReadCommands: u128Arb, hostWriteCommands: u128Arb,
      controllerBusyMinutes: u128Arb, powerCycles: u128Arb, powerOnHours: u128Arb, unsafeShutdowns: u128Arb, mediaErrors: u128Arb, errorLogEntries: u128Arb, warningTemperatureMinutes: u32Arb,
    });
    fc.assert(fc.property(arb, (log) => {
      expect(decodeSmartLog(encodeSmartLog(log))).toMatchObject(log);
    }));
  });

  it('refuses 511 bytes and counters over 128 bits', () => {
    expect(codecError(() => decodeSmartLog(Buffer.alloc(511))).code).toBe('TRUNCATED');
    expect(codecError(() => encodeSmartLog({ powerCycles: 1n << 128n })).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodeSmartLog({ powerCycles: -1n })).code).toBe('FIELD_RANGE');
  });
});

describe('error log', () => {
  it('golden', () => {
    const b = encodeErrorLog([{ errorCount: 3n, sqid: 1, cid: 0x1234, statusField: 0x0604, parameterLocation: 0xffff, lba: 0x800n, nsid: 2, trtype: 3, opcode: 1, commandSpecific: 9n, transportSpecific: 5 }], 2);
    expect(b.toString('hex')).toBe(
      hex(`0300000000000000 0100 3412 0406 ffff 0008000000000000 02000000 00 03 00 01 0900000000000000 0500 ${zeros(22)} ${zeros(64)}`).toString('hex'),
    );
  });

  it('round trip; unused slots are left out', () => {
    const arb = fc.array(
      fc.record({ errorCount: fc.bigInt(1n, 0xffff_ffff_ffff_ffffn), sqid: u16Arb, cid: u16Arb, statusField: u16Arb, parameterLocation: u16Arb, lba: u64Arb, nsid: u32Arb, commandSpecific: u64Arb, transportSpecific: u16Arb }),
      { maxLength: 8 },
    );
    fc.assert(fc.property(arb, fc.nat(8), (entries, unused) => {
      const got = decodeErrorLog(encodeErrorLog(entries, entries.length + unused));
      expect(got).toHaveLength(entries.length);
      expect(got).toMatchObject(entries);
    }));
  });

  it('refuses half an entry, and fewer slots than entries', () => {
    expect(codecError(() => decodeErrorLog(Buffer.alloc(65))).code).toBe('TRUNCATED');
    expect(codecError(() => encodeErrorLog([{ errorCount: 1n }], 0)).code).toBe('FIELD_RANGE');
  });
});

describe('hostile logs', () => {
  it('random bytes decode or are refused with a code', () => {
    const decoders = [decodeChangedNamespaces, decodeDiscoveryLog, decodeSmartLog, decodeErrorLog];
    fc.assert(fc.property(bufferArb(0, 5000), fc.constantFrom(...decoders), (bytes, decode) => {
      try {
        decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(NvmeCodecError);
      }
    }), { numRuns: 500 });
  });
});
