import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cntlidDynamic, ConnectAttribute, ControllerConfig, decodeCap, decodeConnectData, decodeConnectInvalid, decodeConnectResult, decodeFabricsSqe, encodeCap,
  encodeConnectData, encodeConnectInvalid, encodeConnectResult, encodeConnectSqe, encodeDisconnectSqe, encodePropertyGetSqe, encodePropertySetSqe,
  FabricsType, keepAliveCommand, NvmeCodecError, Property,
} from './index.js';
import { bufferArb, codecError, hex, nqnArb, u16Arb, u32Arb, u64Arb, u8Arb, zeros } from './testing/support.js';

const none = '0000000000000000 00000000 000000 5a';

describe('golden Fabrics commands', () => {
  const cases: [string, Buffer, string][] = [
    ['Connect, admin queue', encodeConnectSqe({ cid: 0, qid: 0, sqSize: 32, katoMs: 5000 }),
      `7f 40 0000 01 000000 ${zeros(16)} 0000000000000000 00040000 000000 01 0000 0000 1f00 00 00 88130000 ${zeros(12)}`],
    ['Connect, I/O queue without SQ flow control', encodeConnectSqe({ cid: 5, qid: 3, sqSize: 128, cattr: ConnectAttribute.disableSqFlow }),
      `7f 40 0500 01 000000 ${zeros(16)} 0000000000000000 00040000 000000 01 0000 0300 7f00 04 00 00000000 ${zeros(12)}`],
    ['Property Get CAP', encodePropertyGetSqe({ cid: 1, size8: true, offset: Property.cap }),
      `7f 40 0100 04 000000 ${zeros(16)} ${none} 01 000000 00000000 ${zeros(16)}`],
    ['Property Get CSTS', encodePropertyGetSqe({ cid: 1, size8: false, offset: Property.csts }),
      `7f 40 0100 04 000000 ${zeros(16)} ${none} 00 000000 1c000000 ${zeros(16)}`],
    ['Property Set CC', encodePropertySetSqe({ cid: 2, size8: false, offset: Property.cc, value: BigInt(ControllerConfig.enabled) }),
      `7f 40 0200 00 000000 ${zeros(16)} ${none} 00 000000 14000000 01004600 00000000 ${zeros(8)}`],
    ['Disconnect', encodeDisconnectSqe({ cid: 9 }), `7f 40 0900 08 000000 ${zeros(16)} ${none} ${zeros(24)}`],
  ];
  it.each(cases)('%s', (_name, encoded, expected) => {
    expect(encoded.toString('hex')).toBe(hex(expected).toString('hex'));
  });

  it('connect data has its fields at 0, 16, 256 and 512', () => {
    const hostId = hex('00112233445566778899aabbccddeeff');
    const b = encodeConnectData({ hostId, cntlid: cntlidDynamic, subNqn: 'nqn.sub', hostNqn: 'nqn.host' });
    expect(b).toHaveLength(1024);
    expect(b.subarray(0, 18).toString('hex')).toBe('00112233445566778899aabbccddeeffffff');
    expect(b.toString('latin1', 256, 264)).toBe('nqn.sub\0');
    expect(b.toString('latin1', 512, 521)).toBe('nqn.host\0');
    expect(b.filter((byte) => byte !== 0)).toHaveLength(15 + 2 + 7 + 8);
  });

  it('authentication commands are recognised', () => {
    const sqe = (fctype: string): Buffer => hex(`7f 40 0700 ${fctype} 000000 ${zeros(16)} 0000000000000000 10010000 000000 5a 00 01 00 e9 10010000 ${zeros(16)}`);
    const fields = { cid: 7, spsp0: 1, spsp1: 0, secp: 0xe9, length: 0x110, sgl: { kind: 'transport', length: 0x110, offset: 0 } };
    expect(decodeFabricsSqe(sqe('05'))).toEqual({ fctype: 'auth-send', ...fields });
    expect(decodeFabricsSqe(sqe('06'))).toEqual({ fctype: 'auth-receive', ...fields });
  });
});

describe('round trips', () => {
  it('Connect', () => {
    const arb = fc.record({ cid: u16Arb, qid: u16Arb, sqSize: fc.integer({ min: 1, max: 65_536 }), cattr: u8Arb, katoMs: u32Arb, recfmt: u16Arb });
    fc.assert(fc.property(arb, (o) => {
      expect(decodeFabricsSqe(encodeConnectSqe(o))).toEqual({ fctype: 'connect', ...o, sgl: { kind: 'in-capsule', length: 1024, offset: 0 } });
    }));
  });

  it('properties and Disconnect', () => {
    fc.assert(fc.property(u16Arb, u32Arb, u64Arb, fc.boolean(), (cid, offset, wide, size8) => {
      const value = size8 ? wide : wide & 0xffff_ffffn;
      expect(decodeFabricsSqe(encodePropertyGetSqe({ cid, size8, offset }))).toEqual({ fctype: 'property-get', cid, size8, offset });
      expect(decodeFabricsSqe(encodePropertySetSqe({ cid, size8, offset, value }))).toEqual({ fctype: 'property-set', cid, size8, offset, value });
      expect(decodeFabricsSqe(encodeDisconnectSqe({ cid }))).toEqual({ fctype: 'disconnect', cid, recfmt: 0 });
    }));
  });

  it('connect data', () => {
    fc.assert(fc.property(bufferArb(16), u16Arb, nqnArb, nqnArb, (hostId, cntlid, subNqn, hostNqn) => {
      const d = { hostId, cntlid, subNqn, hostNqn };
      expect(decodeConnectData(encodeConnectData(d))).toEqual(d);
    }));
  });

  it('dw0 of Connect, good and bad', () => {
    fc.assert(fc.property(u16Arb, fc.boolean(), fc.boolean(), (cntlid, atr, ascr) => {
      expect(decodeConnectResult(encodeConnectResult({ cntlid, atr, ascr }))).toEqual({ cntlid, atr, ascr });
      expect(decodeConnectInvalid(encodeConnectInvalid({ offset: cntlid, inData: atr }))).toEqual({ offset: cntlid, inData: atr });
    }));
    expect(encodeConnectResult({ cntlid: 0x123, atr: true, ascr: true })).toBe(0x0006_0123);
    // Linux prints iattr from bit 16 and ipo from 15:0: SUBNQN of the data is at 256.
    expect(encodeConnectInvalid({ offset: 256, inData: true })).toBe(0x0001_0100);
  });

  it('CAP', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 65_536 }), fc.nat(255), (maxQueueEntries, units) => {
      const readyTimeoutMs = units * 500;
      expect(decodeCap(encodeCap({ maxQueueEntries, readyTimeoutMs }))).toEqual({ maxQueueEntries, readyTimeoutMs, contiguousQueues: true, nvmCommandSet: true });
    }));
    // MQES 127, CQR, TO 15 s = 30, CSS bit 37.
    expect(encodeCap({ maxQueueEntries: 128, readyTimeoutMs: 14_900 })).toBe(0x20_1e01_007fn);
  });
});

describe('bad input', () => {
  it('any 64 bytes of opcode 7Fh decode', () => {
    fc.assert(fc.property(bufferArb(64), (bytes) => {
      bytes[0] = 0x7f;
      expect(decodeFabricsSqe(bytes).cid).toBe(bytes.readUInt16LE(2));
    }));
    const odd = encodeDisconnectSqe({ cid: 1 });
    odd[4] = 0xc0;
    expect(decodeFabricsSqe(odd)).toEqual({ fctype: 'unknown', cid: 1, raw: 0xc0 });
    expect(Object.values(FabricsType)).not.toContain(0xc0);
  });

  it('other opcodes and short buffers are refused', () => {
    expect(codecError(() => decodeFabricsSqe(keepAliveCommand({ cid: 1 }))).code).toBe('WRONG_COMMAND');
    expect(codecError(() => decodeFabricsSqe(Buffer.alloc(10, 0x7f))).code).toBe('TRUNCATED');
  });

  const data = { hostId: Buffer.alloc(16), cntlid: 1, subNqn: 'nqn.a', hostNqn: 'nqn.b' };

  it('NQNs of 223 bytes fit, 224 do not', () => {
    expect(decodeConnectData(encodeConnectData({ ...data, subNqn: 'x'.repeat(223) })).subNqn).toHaveLength(223);
    expect(codecError(() => encodeConnectData({ ...data, subNqn: 'x'.repeat(224) })).code).toBe('STRING_FIELD');
    // 112 two-byte characters: the limit counts bytes.
    expect(codecError(() => encodeConnectData({ ...data, hostNqn: 'é'.repeat(112) })).code).toBe('STRING_FIELD');
    expect(codecError(() => encodeConnectData({ ...data, hostNqn: 'a\0b' })).code).toBe('STRING_FIELD');
  });

  it('an NQN without its end is refused, and does not run into the next field', () => {
    const b = encodeConnectData(data);
    b.fill(0x61, 256, 512);
    expect(codecError(() => decodeConnectData(b)).code).toBe('STRING_FIELD');
    b.fill(0x61, 256, 1024);
    expect(codecError(() => decodeConnectData(b)).code).toBe('STRING_FIELD');
    // The terminator is in the field, but behind the 223 bytes that an NQN may have.
    const long = encodeConnectData(data);
    long.fill(0x61, 256, 480);
    expect(codecError(() => decodeConnectData(long)).code).toBe('STRING_FIELD');
  });

  it('connect data of 1023 bytes, host ids of 15, sizes out of range', () => {
    expect(codecError(() => decodeConnectData(Buffer.alloc(1023))).code).toBe('TRUNCATED');
    expect(codecError(() => encodeConnectData({ ...data, hostId: Buffer.alloc(15) })).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodeConnectSqe({ cid: 1, qid: 0, sqSize: 0 })).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodePropertySetSqe({ cid: 1, size8: false, offset: 0x14, value: 1n << 32n })).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodePropertySetSqe({ cid: 1, size8: true, offset: 0x14, value: -1n })).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodeCap({ maxQueueEntries: 128, readyTimeoutMs: 128_000 })).code).toBe('FIELD_RANGE');
  });

  it('random connect data decodes or is refused with a code', () => {
    fc.assert(fc.property(bufferArb(0, 1100), (bytes) => {
      try {
        decodeConnectData(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(NvmeCodecError);
      }
    }));
  });
});
