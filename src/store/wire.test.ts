import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreError } from './errors.js';
import {
  encodeRequest, FrameReader, readU48, requestHeaderBytes, requestMagic, requestRules, StoreOp, u48Max, writeU48,
} from './wire.js';

const request = (payload: Buffer): Buffer =>
  Buffer.concat([encodeRequest({ op: StoreOp.write, id: 7, handle: 3, slba: 5, nlb: 1 }, 2, payload.length), payload]);

function collect(chunks: Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  const reader = new FrameReader(requestRules, (buffer, start, end) => frames.push(Buffer.from(buffer.subarray(start, end))));
  for (const chunk of chunks) reader.push(chunk);
  return frames;
}

describe('u48', () => {
  it('round-trips every value', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: u48Max }), (value) => {
      const buffer = Buffer.alloc(8, 0xff);
      writeU48(buffer, value, 1);
      expect(readU48(buffer, 1)).toBe(value);
      expect([buffer[0], buffer[7]]).toEqual([0xff, 0xff]);
    }));
  });
});

describe('request header', () => {
  it('has the documented layout', () => {
    const header = encodeRequest({ op: 17, id: 0x0102_0304_0506, handle: 0x0708, slba: 0x090a_0b0c_0d0e, nlb: 0x0f10_1112 }, 0x1314_1516_1718, 4);
    expect(header.toString('hex')).toBe(
      '24000000' + '5350' + '11' + '00' + '060504030201' + '0807' + '181716151413' + '0000' + '0e0d0c0b0a09' + '0000' + '1211100f',
    );
    expect(header.length).toBe(requestHeaderBytes);
  });
});

describe('FrameReader', () => {
  it('finds the same frames wherever the stream is cut in two', () => {
    const frames = [request(Buffer.from('abc')), request(Buffer.alloc(0)), request(Buffer.alloc(50, 9))];
    const stream = Buffer.concat(frames);
    for (let cut = 0; cut <= stream.length; cut++) {
      expect(collect([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(frames);
    }
  });

  it('finds the same frames in any chunking', () => {
    fc.assert(fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      (payloads, steps) => {
        const frames = payloads.map((payload) => request(Buffer.from(payload)));
        const stream = Buffer.concat(frames);
        const cuts: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const step = steps[i % steps.length]!;
          cuts.push(stream.subarray(at, at + step));
          at += step;
        }
        expect(collect(cuts)).toEqual(frames);
      },
    ));
  });

  it.each([
    ['a foreign magic', (b: Buffer) => b.writeUInt16LE(requestMagic + 1, 4), /magic/],
    ['a length below the header', (b: Buffer) => b.writeUInt32LE(requestHeaderBytes - 5, 0), /shorter than its header/],
    ['a length above the limit', (b: Buffer) => b.writeUInt32LE(requestRules.frameBytesMax - 3, 0), /exceeds/],
  ])('refuses %s with STORE_PROTOCOL, whole or byte by byte', (_name, spoil, message) => {
    const frame = request(Buffer.alloc(0));
    spoil(frame);
    for (const chunks of [[frame], [...frame].map((byte) => Buffer.of(byte))]) {
      const read = (): unknown => collect(chunks);
      expect(read).toThrow(message);
      expect(read).toThrow(StoreError);
    }
  });
});
