import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameMaxBytes, FrameStreamError, ipv4Of, isGroupAddress, macAt, parseIpv4, RecordReader, toRecord } from './frame.js';
import { ethernet, tcpPacket } from './switch.test.kit.js';

describe('RecordReader', () => {
  it('finds the same records wherever the stream is cut', () => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ minLength: 14, maxLength: 200 }), { minLength: 1, maxLength: 10 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 50 }),
      (frames, steps) => {
        const records = frames.map((f) => toRecord(Buffer.from(f)));
        const stream = Buffer.concat(records);
        const reader = new RecordReader();
        const found: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const step = steps[i % steps.length]!;
          found.push(...reader.push(stream.subarray(at, at + step)).map((r) => Buffer.from(r)));
          at += step;
        }
        expect(found).toEqual(records);
        expect(reader.pendingBytes).toBe(0);
      },
    ));
  });

  it.each([0, 13, frameMaxBytes + 1, 0xffff_ffff])('refuses a length of %d', (length) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(length, 0);
    expect(() => new RecordReader().push(header)).toThrow(FrameStreamError);
  });
});

describe('frames', () => {
  it('tells addresses', () => {
    const record = toRecord(ethernet('ff:ff:ff:ff:ff:ff', '52:54:00:00:fa:65', Buffer.alloc(46)));
    expect(macAt(record, 4)).toBe(0xffff_ffff_ffff);
    expect(isGroupAddress(macAt(record, 4))).toBe(true);
    expect(macAt(record, 10)).toBe(0x5254_0000_fa65);
    expect(isGroupAddress(macAt(record, 10))).toBe(false);
    expect(isGroupAddress(0x3333_0000_0001)).toBe(true);
  });

  it('reads the IPv4 header and the ports, and nothing from anything else', () => {
    const record = toRecord(tcpPacket({ source: '192.0.2.1', destination: '192.0.2.2', sourcePort: 40_000, destinationPort: 4_420 }));
    expect(ipv4Of(record)).toEqual({ source: 0xc000_0201, destination: 0xc000_0202, sourcePort: 40_000, destinationPort: 4_420 });
    expect(ipv4Of(toRecord(ethernet('02:00:00:00:00:01', '02:00:00:00:00:02', Buffer.alloc(46), 0x0806)))).toBeUndefined();
    expect(ipv4Of(record.subarray(0, 30))).toBeUndefined();
  });

  it('takes no port from a later fragment', () => {
    const record = toRecord(tcpPacket({ source: '192.0.2.1', destination: '192.0.2.2', sourcePort: 1, destinationPort: 2 }));
    record.writeUInt16BE(100, 4 + 14 + 6);
    expect(ipv4Of(record)).toMatchObject({ sourcePort: 0, destinationPort: 0 });
  });

  it('parses addresses strictly', () => {
    expect(parseIpv4('255.0.0.1')).toBe(0xff00_0001);
    for (const bad of ['1.2.3', '1.2.3.256', '1.2.3.x', '', '1.2.3.4.5']) expect(() => parseIpv4(bad)).toThrow(RangeError);
  });
});
