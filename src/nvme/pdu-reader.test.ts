import { describe, expect, it } from 'vitest';
import { encodePdu, Fes, Limit, makeCqe, PduReader, termReqFor } from './index.js';
import type { Digests, Pdu, PduReaderOptions } from './index.js';
import { codecError, hex, zeros } from './testing/support.js';

const off: Digests = { header: false, data: false };
const on: Digests = { header: true, data: true };

function c2h(bytes: number, cid = 1): Pdu & { type: 'C2HData' } {
  const data = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i += 1) data[i] = (i * 31 + cid) & 0xff;
  return { type: 'C2HData', cid, offset: 0, data, last: true, success: false };
}

describe('PduReader refuses', () => {
  interface Bad {
    name: string;
    wire: Buffer;
    code: string;
    fes: number;
    fei: number;
    role?: 'host' | 'controller';
    options?: Partial<PduReaderOptions>;
  }
  const h = Fes.invalidPduHeaderField;
  const cases: Bad[] = [
    { name: 'type 08h', wire: hex('08 00 18 00 18000000'), code: 'PDU_TYPE_UNKNOWN', fes: h, fei: 0 },
    { name: 'type 0Ah', wire: hex('0a 00 18 00 18000000'), code: 'PDU_TYPE_UNKNOWN', fes: h, fei: 0 },
    { name: 'type FFh', wire: hex('ff 00 18 00 18000000'), code: 'PDU_TYPE_UNKNOWN', fes: h, fei: 0 },
    { name: 'a text protocol', wire: Buffer.from('GET / HTTP/1.1\r\n'), code: 'PDU_TYPE_UNKNOWN', fes: h, fei: 0 },
    ...[0x00, 0x02, 0x04, 0x06].map((type): Bad => ({ name: `type ${type} at a host`, wire: Buffer.of(type, 0, 0x18, 0, 0x18, 0, 0, 0), code: 'PDU_TYPE_ROLE', fes: h, fei: 0 })),
    ...[0x01, 0x03, 0x05, 0x07, 0x09].map((type): Bad => ({ name: `type ${type} at a controller`, role: 'controller', wire: Buffer.of(type, 0, 0x18, 0, 0x18, 0, 0, 0), code: 'PDU_TYPE_ROLE', fes: h, fei: 0 })),
    { name: 'R2T with HLEN 16', wire: hex('09 00 10 00 18000000'), code: 'PDU_HLEN', fes: h, fei: 2 },
    { name: 'ICResp with HLEN 24', wire: hex('01 00 18 00 80000000'), code: 'PDU_HLEN', fes: h, fei: 2 },
    { name: 'CapsuleCmd with HLEN 0', role: 'controller', wire: hex('04 00 00 00 48000000'), code: 'PDU_HLEN', fes: h, fei: 2 },
    { name: 'PLEN 0', wire: hex('05 00 18 00 00000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PLEN one short', wire: hex('05 00 18 00 17000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PLEN one long', wire: hex('05 00 18 00 19000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PLEN without room for the header digest', options: { digests: on }, wire: hex('05 01 18 00 18000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'ICResp with 4 GiB', wire: hex('01 00 80 00 ffffffff'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'TermReq over 152 bytes', wire: hex('03 00 18 00 99000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'C2HData without data', wire: hex('07 00 18 18 18000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PLEN that ends before PDO', wire: hex('07 00 18 40 20000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PLEN that ends at PDO', wire: hex('07 00 18 40 40000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PLEN with room for the data digest only', options: { digests: on }, wire: hex('07 03 18 1c 20000000'), code: 'PDU_PLEN', fes: h, fei: 4 },
    { name: 'PDO 0', wire: hex('07 00 18 00 20000000'), code: 'PDU_PDO', fes: h, fei: 3 },
    { name: 'PDO in the header', role: 'controller', wire: hex('04 00 48 44 60000000'), code: 'PDU_PDO', fes: h, fei: 3 },
    { name: 'PDO in the header digest', options: { digests: on }, wire: hex('07 03 18 18 40000000'), code: 'PDU_PDO', fes: h, fei: 3 },
    { name: 'PDO that is no multiple of 4', wire: hex('07 00 18 1a 40000000'), code: 'PDU_PDO', fes: h, fei: 3 },
    { name: 'PDO against the announced alignment', options: { alignBytes: 64 }, wire: hex('07 00 18 20 60000000'), code: 'PDU_PDO', fes: h, fei: 3 },
    { name: 'HDGST not negotiated', wire: hex('05 01 18 00 1c000000'), code: 'PDU_FLAGS', fes: h, fei: 1 },
    { name: 'HDGST missing', options: { digests: on }, wire: hex('05 00 18 00 18000000'), code: 'PDU_FLAGS', fes: h, fei: 1 },
    { name: 'DDGST not negotiated', wire: hex('07 02 18 18 24000000'), code: 'PDU_FLAGS', fes: h, fei: 1 },
    { name: 'DDGST missing', options: { digests: on }, wire: hex('07 01 18 1c 40000000'), code: 'PDU_FLAGS', fes: h, fei: 1 },
    { name: 'DDGST without data', role: 'controller', options: { digests: { header: false, data: true } }, wire: hex('04 02 48 00 48000000'), code: 'PDU_FLAGS', fes: h, fei: 1 },
    { name: 'SUCCESS without LAST', wire: hex(`07 08 18 18 20000000 0100 0000 00000000 08000000 00000000`), code: 'PDU_FLAGS', fes: h, fei: 1 },
    { name: 'DATAL below what PLEN leaves', wire: hex(`07 00 18 18 20000000 0100 0000 00000000 04000000 00000000`), code: 'PDU_DATA_LENGTH', fes: h, fei: 16 },
    { name: 'DATAL 0', role: 'controller', wire: hex(`06 00 18 18 20000000 0100 0000 00000000 00000000 00000000`), code: 'PDU_DATA_LENGTH', fes: h, fei: 16 },
    { name: 'R2T for nothing', wire: hex(`09 00 18 00 18000000 0100 0100 00000000 00000000 00000000`), code: 'PDU_DATA_LENGTH', fes: h, fei: 16 },
    { name: 'alignment 32', role: 'controller', wire: hex(`00 00 80 00 80000000 0000 20 00 00000000 ${zeros(112)}`), code: 'FIELD_RANGE', fes: h, fei: 10 },
    { name: 'C2HData over the limit', options: { maxDataBytes: 4096 }, wire: hex('07 00 18 18 1c100000'), code: 'PDU_DATA_LIMIT', fes: Fes.limitExceeded, fei: 0 },
    { name: 'C2HData of 4 GiB', wire: hex('07 00 18 18 ffffffff'), code: 'PDU_DATA_LIMIT', fes: Fes.limitExceeded, fei: 0 },
    { name: 'in-capsule data over its own limit', role: 'controller', options: { maxInCapsuleBytes: 8192 }, wire: hex('04 00 48 48 4c200000'), code: 'PDU_DATA_LIMIT', fes: h, fei: 4 },
  ];

  it.each(cases)('$name', ({ wire, code, fes, fei, role, options }) => {
    const reader = new PduReader({ role: role ?? 'host', ...options });
    expect(codecError(() => reader.push(wire))).toMatchObject({ name: 'NvmeCodecError', code, fes, fei });
    expect(reader.pendingBytes).toBe(0);
    // And for good: the stream has no place from which to go on.
    expect(codecError(() => reader.push(Buffer.alloc(0)))).toMatchObject({ code: 'READER_FAILED', fes, fei });
    expect(codecError(() => reader.push(hex('05 00 18 00 18000000')))).toMatchObject({ code: 'READER_FAILED' });
  });

  it('a damaged header, before its payload has arrived', () => {
    const [header] = encodePdu(c2h(4096), on);
    header![12]! ^= 0x10;
    const reader = new PduReader({ role: 'host', digests: on });
    const error = codecError(() => reader.push(header!));
    expect(error).toMatchObject({ code: 'PDU_HEADER_DIGEST', fes: Fes.headerDigestError, fei: header!.readUInt32LE(24) });
    expect(reader.offendingHeader).toEqual(header!.subarray(0, 24));
  });

  it('a header digest that itself was damaged', () => {
    const wire = Buffer.concat(encodePdu({ type: 'CapsuleResp', cqe: makeCqe({ cid: 1 }) }, on));
    wire[25]! ^= 1;
    expect(codecError(() => new PduReader({ role: 'host', digests: on }).push(wire)).code).toBe('PDU_HEADER_DIGEST');
  });

  it('options that make no sense', () => {
    expect(codecError(() => new PduReader({ role: 'host', alignBytes: 6 })).code).toBe('FIELD_RANGE');
    expect(codecError(() => new PduReader({ role: 'host', alignBytes: 256 })).code).toBe('FIELD_RANGE');
    expect(codecError(() => new PduReader({ role: 'host', maxDataBytes: -1 })).code).toBe('FIELD_RANGE');
    expect(codecError(() => new PduReader({ role: 'host', maxInCapsuleBytes: NaN })).code).toBe('FIELD_RANGE');
  });
});

describe('PduReader', () => {
  it('accepts exactly the limits', () => {
    const host = new PduReader({ role: 'host', maxDataBytes: 4096 });
    expect(host.push(Buffer.concat(encodePdu(c2h(4096), off)))).toHaveLength(1);
    const controller = new PduReader({ role: 'controller', maxInCapsuleBytes: 8192 });
    expect(controller.push(Buffer.concat(encodePdu({ type: 'CapsuleCmd', sqe: Buffer.alloc(64), data: Buffer.alloc(8192) }, off)))).toHaveLength(1);
    const term = new PduReader({ role: 'host' });
    expect(term.push(Buffer.concat(encodePdu({ type: 'C2HTermReq', fes: 1, fei: 0, header: Buffer.alloc(128, 1) }, off)))).toHaveLength(1);
  });

  it('flags a data digest error on the PDU and goes on with the next', () => {
    for (const [role, damaged] of [
      ['host', c2h(64)],
      ['controller', { type: 'H2CData', cid: 1, ttag: 2, offset: 0, data: Buffer.alloc(64, 7), last: true }],
      ['controller', { type: 'CapsuleCmd', sqe: Buffer.alloc(64), data: Buffer.alloc(64, 7) }],
    ] as ['host' | 'controller', Pdu & { data: Buffer }][]) {
      const parts = encodePdu(damaged, on);
      const wire = Buffer.concat([...parts, ...parts]);
      const at = parts[0]!.length + 10;
      wire[at]! ^= 0x80;
      const [first, second] = new PduReader({ role, digests: on }).push(wire);
      const received = Buffer.from(damaged.data);
      received[10]! ^= 0x80;
      expect(first).toEqual({ ...damaged, data: received, dataDigestError: true });
      expect(second).toEqual(damaged);
      expect(second).not.toHaveProperty('dataDigestError');
    }
  });

  it('a damaged data digest is flagged too', () => {
    const wire = Buffer.concat(encodePdu(c2h(5), on));
    wire[wire.length - 1]! ^= 1;
    expect(new PduReader({ role: 'host', digests: on }).push(wire)[0]).toMatchObject({ dataDigestError: true });
  });

  it('padding is neither digested nor looked at', () => {
    const parts = encodePdu(c2h(100), on, 64);
    expect(parts[0]!.length).toBe(64);
    expect(parts[0]![3]).toBe(64);
    expect(parts[0]!.subarray(28)).toEqual(Buffer.alloc(36));
    parts[0]!.fill(0xee, 28);
    expect(new PduReader({ role: 'host', digests: on, alignBytes: 64 }).push(Buffer.concat(parts))).toEqual([c2h(100)]);
  });

  it('a payload in one chunk is a view of it, one in many chunks a copy made once', () => {
    const wire = Buffer.concat(encodePdu(c2h(4096), off));
    const [whole] = new PduReader({ role: 'host' }).push(wire);
    const view = (whole as { data: Buffer }).data;
    expect(view.buffer).toBe(wire.buffer);
    expect(view.byteOffset).toBe(wire.byteOffset + 24);
    const reader = new PduReader({ role: 'host' });
    reader.push(wire.subarray(0, 1000));
    const [split] = reader.push(wire.subarray(1000));
    expect((split as { data: Buffer }).data.equals(view)).toBe(true);
    expect((split as { data: Buffer }).data.buffer).not.toBe(wire.buffer);
  });

  it('takes digests that are set after the IC exchange', () => {
    const reader = new PduReader({ role: 'host' });
    const ic: Pdu = { type: 'ICResp', pfv: 0, cpda: 0, headerDigest: true, dataDigest: true, maxH2cData: 4096 };
    expect(reader.push(Buffer.concat(encodePdu(ic, off)))).toEqual([ic]);
    reader.digests = on;
    expect(reader.push(Buffer.concat(encodePdu(c2h(16), on)))).toEqual([c2h(16)]);
  });

  it('ignores reserved flag bits and a reserved PDO', () => {
    const wire = hex('05 fc 18 77 18000000 00000000 00000000 0000 0000 0100 0000');
    expect(new PduReader({ role: 'host' }).push(wire)).toEqual([{ type: 'CapsuleResp', cqe: makeCqe({ cid: 1 }) }]);
  });

  it('pushInto hands over what was complete before the error; push loses it with the chunk', () => {
    const good = Buffer.concat(encodePdu(c2h(16), off));
    const wire = Buffer.concat([good, good, hex('ff 00 18 00 18000000')]);
    const got: Pdu[] = [];
    expect(codecError(() => new PduReader({ role: 'host' }).pushInto(wire, (pdu) => got.push(pdu))).code).toBe('PDU_TYPE_UNKNOWN');
    expect(got).toEqual([c2h(16), c2h(16)]);
    expect(codecError(() => new PduReader({ role: 'host' }).push(wire)).code).toBe('PDU_TYPE_UNKNOWN');
  });

  it('a TermReq can be made from the error and what the reader kept', () => {
    const reader = new PduReader({ role: 'controller' });
    const wire = hex(`06 00 18 1a 20000000 ${zeros(16)} 0102030405060708`);
    const error = codecError(() => reader.push(wire));
    const term = termReqFor('C2HTermReq', error, reader.offendingHeader);
    expect(term).toEqual({ type: 'C2HTermReq', fes: Fes.invalidPduHeaderField, fei: 3, header: wire.subarray(0, 24) });
    expect(new PduReader({ role: 'host' }).push(Buffer.concat(encodePdu(term, off)))).toEqual([term]);
  });

  it('what TermReqs carry never exceeds 128 bytes', () => {
    const error = codecError(() => new PduReader({ role: 'host' }).push(hex('ff 00 ff 00 18000000')));
    expect(termReqFor('H2CTermReq', error, Buffer.alloc(500)).header.length).toBe(Limit.termReqHeaderMaxBytes);
  });

  it('offendingHeader is empty until there is an offence', () => {
    const reader = new PduReader({ role: 'host' });
    reader.push(hex('05 00 18 00'));
    expect(reader.offendingHeader.length).toBe(0);
    expect(reader.pendingBytes).toBe(4);
  });

  it('accepts FEI at byte 12, where structs that are not packed have it', () => {
    const read = (text: string): Pdu | undefined => new PduReader({ role: 'host' }).push(hex(text))[0];
    expect(read('03 00 18 00 18000000 0100 0000 10000000 0000000000000000')).toMatchObject({ fes: 1, fei: 16 });
    expect(read('03 00 18 00 18000000 0300 0000 efbeadde 0000000000000000')).toMatchObject({ fes: 3, fei: 0xdead_beef });
    // A digest whose low half is zero, at its place by the specification.
    expect(read('03 00 18 00 18000000 0300 0000 adde 00000000000000000000')).toMatchObject({ fes: 3, fei: 0xdead_0000 });
    expect(read('03 00 18 00 18000000 0100 0000 0000 00000000000000000000')).toMatchObject({ fes: 1, fei: 0 });
  });
});

describe('big streams', () => {
  it('4 MiB in chunks of 7 bytes to 64 KiB: time and copies stay linear', () => {
    const data = Buffer.alloc(Limit.pduDataMaxBytes, 0x5a);
    const wire = Buffer.concat(encodePdu({ type: 'C2HData', cid: 1, offset: 0, data, last: true, success: true }, on));
    // A reader that joins chunks as they come would move 2 MiB for each of 600,000: over a terabyte.
    for (const size of [7, 1000, 65_536]) {
      const reader = new PduReader({ role: 'host', digests: on });
      const got: Pdu[] = [];
      for (let at = 0; at < wire.length; at += size) {
        for (const pdu of reader.push(wire.subarray(at, at + size))) got.push(pdu);
      }
      expect(got).toHaveLength(1);
      expect((got[0] as { data: Buffer }).data.equals(data)).toBe(true);
    }
  });

  it('100,000 small PDUs in one chunk', () => {
    const one = Buffer.concat(encodePdu({ type: 'CapsuleResp', cqe: makeCqe({ cid: 9 }) }, off));
    const wire = Buffer.concat(Array.from({ length: 100_000 }, () => one));
    const reader = new PduReader({ role: 'host' });
    expect(reader.push(wire)).toHaveLength(100_000);
    expect(reader.pendingBytes).toBe(0);
  });

  it('a claim of 4 MiB costs nothing until the bytes come', () => {
    const readers: PduReader[] = [];
    const before = process.memoryUsage().arrayBuffers;
    // 200 peers, each announcing the largest payload there is: 800 MiB if it were allocated.
    for (let i = 0; i < 200; i += 1) {
      const reader = new PduReader({ role: 'host' });
      reader.push(hex(`07 00 18 18 18004000 0100 0000 00000000 00004000 00000000 ff`));
      readers.push(reader);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
    expect(readers.every((reader) => reader.pendingBytes === 25)).toBe(true);
  });
});

describe('encodePdu refuses', () => {
  const bad: [string, Pdu][] = [
    ['SUCCESS without LAST', { ...c2h(8), last: false, success: true }],
    ['C2HData without data', { ...c2h(8), data: Buffer.alloc(0) }],
    ['H2CData without data', { type: 'H2CData', cid: 1, ttag: 1, offset: 0, data: Buffer.alloc(0), last: true }],
    ['an SQE of 63 bytes', { type: 'CapsuleCmd', sqe: Buffer.alloc(63), data: Buffer.alloc(0) }],
    ['a CID over 16 bits', { ...c2h(8), cid: 0x1_0000 }],
    ['a negative offset', { ...c2h(8), offset: -1 }],
    ['a fractional offset', { ...c2h(8), offset: 0.5 }],
    ['an R2T for nothing', { type: 'R2T', cid: 1, ttag: 1, offset: 0, length: 0 }],
    ['HPDA 32', { type: 'ICReq', pfv: 0, hpda: 32, headerDigest: false, dataDigest: false, maxR2t: 1 }],
    ['no R2T at all', { type: 'ICReq', pfv: 0, hpda: 0, headerDigest: false, dataDigest: false, maxR2t: 0 }],
    ['a TermReq with 129 bytes', { type: 'H2CTermReq', fes: 1, fei: 0, header: Buffer.alloc(129) }],
    ['an FEI that is no offset', { type: 'H2CTermReq', fes: 1, fei: 0x1_0000, header: Buffer.alloc(0) }],
    ['a status over 11 bits', { type: 'CapsuleResp', cqe: makeCqe({ cid: 1, status: 0x800 }) }],
  ];
  it.each(bad)('%s', (_name, pdu) => {
    expect(codecError(() => encodePdu(pdu, off))).toMatchObject({ code: 'FIELD_RANGE', fes: Fes.none });
  });

  it('an alignment that PDO cannot have', () => {
    expect(codecError(() => encodePdu(c2h(8), off, 6)).code).toBe('FIELD_RANGE');
    expect(codecError(() => encodePdu(c2h(8), off, 132)).code).toBe('FIELD_RANGE');
  });
});
