import { describe, expect, it } from 'vitest';
import { decodeSqe, encodeCqe, encodePdu, makeCqe, PduReader, rwCommand, Status } from './index.js';
import type { Digests, Pdu } from './index.js';
import { hex, zeros } from './testing/support.js';

/*
 * Frames written by hand from the field tables of the NVMe/TCP transport specification; the digests come from
 * a bit-at-a-time CRC32C in another language. Encoder and reader are each held against the bytes, so that a
 * mistake that both make cannot pass.
 */
interface Golden {
  name: string;
  reader: 'host' | 'controller';
  digests: Digests;
  wire: Buffer;
  pdu: Pdu;
  /** Payload and trailing digest are separate buffers. */
  buffers: number;
}

const off: Digests = { header: false, data: false };
const on: Digests = { header: true, data: true };
const eight = hex('00 01 02 03 04 05 06 07');
const sixteen = hex('00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f');

// Write, FUA, nsid 2, SLBA 0x1_00000800, 1 block, 16 bytes in the capsule.
const writeSqe = hex(`
  01 40 3412  02000000  ${zeros(16)}
  0000000000000000 10000000 000000 01
  00080000 01000000 00000040 00000000 00000000 00000000`);

// Connect of I/O queue 1, SQSIZE 127 (128 entries), no SQ flow control, KATO 5000 ms.
const connectSqe = hex(`
  7f 40 0500  01 000000  ${zeros(16)}
  0000000000000000 00040000 000000 01
  0000 0100 7f00 04 00 88130000 ${zeros(12)}`);

const connectData = Buffer.concat([
  hex('00112233445566778899aabbccddeeff ffff'),
  Buffer.alloc(238),
  Buffer.from('nqn.2016-06.io.spdk:cnode1'.padEnd(256, '\0')),
  Buffer.from('nqn.2014-08.org.nvmexpress:uuid:0'.padEnd(512, '\0')),
]);

const goldens: Golden[] = [
  {
    name: 'ICReq',
    reader: 'controller',
    digests: off,
    wire: hex(`00 00 80 00 80000000  0000 00 03 03000000 ${zeros(112)}`),
    pdu: { type: 'ICReq', pfv: 0, hpda: 0, headerDigest: true, dataDigest: true, maxR2t: 4 },
    buffers: 1,
  },
  {
    name: 'ICResp of nvmet: header digest only, MAXH2CDATA 4 MiB',
    reader: 'host',
    digests: off,
    wire: hex(`01 00 80 00 80000000  0000 00 01 00004000 ${zeros(112)}`),
    pdu: { type: 'ICResp', pfv: 0, cpda: 0, headerDigest: true, dataDigest: false, maxH2cData: 0x40_0000 },
    buffers: 1,
  },
  {
    name: 'IC PDUs carry no digest, whatever is on',
    reader: 'host',
    digests: on,
    wire: hex(`01 00 80 00 80000000  0000 1f 02 00000200 ${zeros(112)}`),
    pdu: { type: 'ICResp', pfv: 0, cpda: 31, headerDigest: false, dataDigest: true, maxH2cData: 0x2_0000 },
    buffers: 1,
  },
  {
    name: 'H2CTermReq: invalid PDU header field at byte 3',
    reader: 'controller',
    digests: on,
    wire: hex('02 00 18 00 20000000  0100 03000000 00000000000000000000  07 00 18 ff 40000000'),
    pdu: { type: 'H2CTermReq', fes: 1, fei: 3, header: hex('07 00 18 ff 40000000') },
    buffers: 2,
  },
  {
    name: 'C2HTermReq: header digest error, FEI is the digest',
    reader: 'host',
    digests: off,
    wire: hex('03 00 18 00 18000000  0300 efbeadde 00000000000000000000'),
    pdu: { type: 'C2HTermReq', fes: 3, fei: 0xdead_beef, header: Buffer.alloc(0) },
    buffers: 1,
  },
  {
    name: 'Connect capsule with its 1024 bytes',
    reader: 'controller',
    digests: off,
    wire: Buffer.concat([hex('04 00 48 48 48040000'), connectSqe, connectData]),
    pdu: { type: 'CapsuleCmd', sqe: connectSqe, data: connectData },
    buffers: 2,
  },
  {
    name: 'CapsuleCmd without data: PDO 0, no data digest',
    reader: 'controller',
    digests: { header: false, data: true },
    wire: Buffer.concat([hex('04 00 48 00 48000000'), writeSqe]),
    pdu: { type: 'CapsuleCmd', sqe: writeSqe, data: Buffer.alloc(0) },
    buffers: 1,
  },
  {
    name: 'write capsule with both digests',
    reader: 'controller',
    digests: on,
    wire: Buffer.concat([hex('04 03 48 4c 60000000'), writeSqe, hex('ef71a192'), sixteen, hex('eb08c9d9')]),
    pdu: { type: 'CapsuleCmd', sqe: writeSqe, data: sixteen },
    buffers: 3,
  },
  {
    name: 'CapsuleResp: ANA inaccessible, header digest',
    reader: 'host',
    digests: { header: true, data: false },
    wire: hex('05 01 18 00 1c000000  00000000 00000000 0700 0000 3412 0406  692adf61'),
    pdu: { type: 'CapsuleResp', cqe: makeCqe({ cid: 0x1234, sqhd: 7, status: Status.anaInaccessible }) },
    buffers: 1,
  },
  {
    name: 'CapsuleResp with every CQE field in use',
    reader: 'host',
    digests: off,
    // Status word: DNR 1, More 1, CRD 2, SCT 1, SC 82h, P 0.
    wire: hex('05 00 18 00 18000000  44332211 88776655 0700 0900 3412 04e3'),
    pdu: {
      type: 'CapsuleResp',
      cqe: { cid: 0x1234, result: 0x5566_7788_1122_3344n, dw0: 0x1122_3344, sqhd: 7, sqid: 9, status: Status.connectInvalidParameters, crd: 2, more: true, dnr: true },
    },
    buffers: 1,
  },
  {
    name: 'H2CData, last of its R2T, both digests',
    reader: 'controller',
    digests: on,
    wire: hex('06 07 18 1c 28000000  3412 cdab 00200000 08000000 00000000  485343bb  0001020304050607 3bbc2c8a'),
    pdu: { type: 'H2CData', cid: 0x1234, ttag: 0xabcd, offset: 0x2000, data: eight, last: true },
    buffers: 3,
  },
  {
    name: 'C2HData with LAST and SUCCESS, both digests',
    reader: 'host',
    digests: on,
    wire: hex('07 0f 18 1c 28000000  3412 0000 00100000 08000000 00000000  d4e44ff6  0001020304050607 3bbc2c8a'),
    pdu: { type: 'C2HData', cid: 0x1234, offset: 0x1000, data: eight, last: true, success: true },
    buffers: 3,
  },
  {
    name: 'C2HData in the middle of a transfer, no digests',
    reader: 'host',
    digests: off,
    wire: hex('07 00 18 18 20000000  3412 0000 00100000 08000000 00000000  0001020304050607'),
    pdu: { type: 'C2HData', cid: 0x1234, offset: 0x1000, data: eight, last: false, success: false },
    buffers: 2,
  },
  {
    name: 'R2T with header digest',
    reader: 'host',
    digests: { header: true, data: false },
    wire: hex('09 01 18 00 1c000000  3412 cdab 00200000 00100000 00000000  14ad116a'),
    pdu: { type: 'R2T', cid: 0x1234, ttag: 0xabcd, offset: 0x2000, length: 0x1000 },
    buffers: 1,
  },
];

describe('golden frames', () => {
  it.each(goldens)('encodes $name', ({ pdu, digests, wire, buffers }) => {
    const parts = encodePdu(pdu, digests);
    expect(Buffer.concat(parts).toString('hex')).toBe(wire.toString('hex'));
    expect(parts).toHaveLength(buffers);
  });

  it.each(goldens)('reads $name', ({ pdu, digests, wire, reader: role }) => {
    const reader = new PduReader({ role, digests });
    expect(reader.push(wire)).toEqual([pdu]);
    expect(reader.pendingBytes).toBe(0);
  });

  it.each(goldens)('reads $name, cut at every byte', ({ pdu, digests, wire, reader: role }) => {
    for (let at = 0; at <= wire.length; at += 1) {
      const reader = new PduReader({ role, digests });
      const first = reader.push(wire.subarray(0, at));
      expect(reader.pendingBytes).toBe(at === wire.length ? 0 : at);
      const got = [...first, ...reader.push(wire.subarray(at))];
      expect(got).toHaveLength(1);
      expect(got[0]!.type).toBe(pdu.type);
      // The encoder is held against the same bytes above; comparing 1096 capsules field by field would take seconds.
      expect(Buffer.concat(encodePdu(got[0]!, digests)).equals(wire)).toBe(true);
      expect(reader.pendingBytes).toBe(0);
    }
  });

  it('payload is handed on without a copy when encoding', () => {
    const [, payload] = encodePdu({ type: 'C2HData', cid: 1, offset: 0, data: eight, last: true, success: false }, off);
    expect(payload).toBe(eight);
  });

  it('every frame glued to the next, in chunks of every size, comes out whole and in order', () => {
    for (const role of ['host', 'controller'] as const) {
      for (const digests of [off, on, { header: true, data: false }, { header: false, data: true }]) {
        const pdus = goldens.filter((golden) => golden.reader === role).map((golden) => golden.pdu);
        const stream = Buffer.concat(pdus.flatMap((pdu) => encodePdu(pdu, digests)));
        for (const size of [1, 2, 3, 7, 8, 9, 23, 24, 25, 64, 72, 1000, stream.length]) {
          const reader = new PduReader({ role, digests });
          const got: Pdu[] = [];
          for (let at = 0; at < stream.length; at += size) got.push(...reader.push(stream.subarray(at, at + size)));
          expect(got, `chunks of ${size}`).toEqual(pdus);
          expect(reader.pendingBytes).toBe(0);
        }
      }
    }
  });

  it('the SQE and CQE inside are those of the command encoders', () => {
    expect(rwCommand({ opcode: 1, cid: 0x1234, nsid: 2, slba: 0x1_0000_0800, nlb: 1, inCapsuleBytes: 16, fua: true }).toString('hex')).toBe(writeSqe.toString('hex'));
    expect(decodeSqe(writeSqe)).toMatchObject({ opcode: 1, cid: 0x1234, nsid: 2, psdt: 1, fuse: 0, sgl: { kind: 'in-capsule', length: 16, offset: 0 } });
    expect(encodeCqe({ cid: 0x1234, sqhd: 7, status: Status.anaInaccessible }).toString('hex')).toBe('00000000000000000700000034120406');
  });
});
