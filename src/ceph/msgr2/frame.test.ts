import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CephError } from './errors.js';
import { cephCrc32c } from './crc.js';
import { crcDecoder, crcEncoder } from './frame-crc.js';
import { encodeBanner, FrameReader } from './frame-reader.js';
import { secureCodec } from './frame-secure.js';
import { Tag } from './frame.js';
import type { Frame, FrameDecoder, FrameEncoder } from './frame.js';
import { Limit, Size } from './limits.js';
import { captured } from './testing/captures.js';

const code = (name: string): RegExp => new RegExp(`^${name}:`);
const all = (['cap-none.txt', 'cap-cephx.txt', 'cap-badauth.txt'] as const).flatMap((file) => captured(file));
const goldenFrames = all.filter(({ name }) => name !== 'banner');

function readAll(reader: FrameReader): Frame[] {
  const frames: Frame[] = [];
  for (let next = reader.next(); next !== undefined; next = reader.next()) frames.push(next.frame);
  return frames;
}

function readOne(bytes: Buffer): Frame {
  const reader = new FrameReader();
  reader.push(bytes);
  return reader.next()!.frame;
}

/** What the sender leaves out, left out. */
function trimmed(frame: Frame): Frame {
  const segments = [...frame.segments];
  while (segments.length > 1 && segments.at(-1)!.length === 0) segments.pop();
  return { tag: frame.tag, segments };
}

const frames: fc.Arbitrary<Frame> = fc.record({
  tag: fc.integer({ min: 1, max: 22 }),
  segments: fc.array(fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)), { minLength: 1, maxLength: 4 }),
});

describe('frames of a real monitor', () => {
  it('are there', () => {
    expect(goldenFrames.length).toBeGreaterThan(100);
  });

  it('are read and written again byte for byte, both directions', () => {
    for (const { bytes } of goldenFrames) {
      const reader = new FrameReader();
      reader.push(bytes);
      const received = reader.next()!;
      expect(received.bytes).toEqual(bytes);
      expect(reader.pendingBytes).toBe(0);
      expect(crcEncoder.encode(received.frame).toString('hex')).toBe(bytes.toString('hex'));
    }
  });

  it('and banners', () => {
    for (const { bytes } of all.filter(({ name }) => name === 'banner')) {
      const reader = new FrameReader();
      reader.push(bytes);
      const { supported, required } = reader.banner()!;
      expect(encodeBanner({ supported, required })).toEqual(bytes);
    }
  });

  it('may be cut at every byte', () => {
    for (const { bytes } of goldenFrames) {
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const reader = new FrameReader();
        reader.push(bytes.subarray(0, cut));
        if (cut < bytes.length) expect(reader.next()).toBeUndefined();
        reader.push(bytes.subarray(cut));
        expect(reader.next()!.bytes.equals(bytes)).toBe(true);
      }
    }
  });

  it('may come byte by byte, or all at once', () => {
    const stream = Buffer.concat(goldenFrames.map(({ bytes }) => bytes));
    const one = new FrameReader();
    const seen: Frame[] = [];
    for (const byte of stream) {
      one.push(Buffer.from([byte]));
      seen.push(...readAll(one));
    }
    const other = new FrameReader();
    other.push(stream);
    expect(seen).toEqual(readAll(other));
    expect(seen).toHaveLength(goldenFrames.length);
  });

  it('with any one byte changed are refused, never misread', () => {
    const { bytes } = goldenFrames.find(({ name }) => name === 'MESSAGE')!;
    for (let at = 0; at < bytes.length; at += 1) {
      const damaged = Buffer.from(bytes);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x40, at);
      const reader = new FrameReader();
      reader.push(damaged);
      // The high nibble of the late status is reserved: Ceph does not look at it either.
      const epilogueAt = bytes.length - Size.epilogueCrc;
      if (at === epilogueAt) expect(reader.next()).toBeDefined();
      else expect(() => reader.next()).toThrow(CephError);
    }
  });
});

describe('the banner', () => {
  it('may be cut at every byte', () => {
    const bytes = encodeBanner({ supported: 3n, required: 0n });
    for (let cut = 0; cut < bytes.length; cut += 1) {
      const reader = new FrameReader();
      reader.push(bytes.subarray(0, cut));
      expect(reader.banner()).toBeUndefined();
      reader.push(bytes.subarray(cut));
      expect(reader.banner()).toMatchObject({ supported: 3n, required: 0n });
    }
  });

  it.each([
    ['an old monitor port (v1)', Buffer.from('ceph v027')],
    ['a web server', Buffer.from('HTTP/1.1 400 Bad Request\r\n')],
    ['one wrong byte', Buffer.from('x')],
    ['a payload that is too short', Buffer.from('ceph v2\n\x08\x00')],
    ['a payload over the limit', Buffer.from('ceph v2\n\xff\xff', 'latin1')],
  ])('of %s is refused as soon as it can be known', (_what, bytes) => {
    const reader = new FrameReader({ frameBytesMax: 1024 });
    reader.push(bytes);
    expect(() => reader.banner()).toThrow(code('MSGR_BANNER'));
  });

  it('may have a longer payload', () => {
    const bytes = Buffer.concat([encodeBanner({ supported: 1n, required: 0n }), Buffer.alloc(8)]);
    bytes.writeUInt16LE(24, 8);
    const reader = new FrameReader();
    reader.push(bytes);
    expect(reader.banner()).toMatchObject({ supported: 1n, bytes });
  });
});

describe('crc mode', () => {
  it('round trips, and leaves out empty segments at the end', () => {
    fc.assert(fc.property(frames, (frame) => {
      expect(readOne(crcEncoder.encode(frame))).toEqual(trimmed(frame));
    }));
  });

  it('an empty segment in the middle has the checksum of nothing', () => {
    const bytes = crcEncoder.encode({ tag: Tag.message, segments: [Buffer.from('h'), Buffer.alloc(0), Buffer.alloc(0), Buffer.from('data')] });
    expect(bytes.subarray(-12, -4).toString('hex')).toBe('ffffffffffffffff');
    expect(bytes.readUInt16LE(24)).toBe(4096);
  });

  it('drops a frame that its sender gave up, without a look at its checksums, and goes on with the next', () => {
    const aborted = crcEncoder.encode({ tag: Tag.message, segments: [Buffer.from('header'), Buffer.from('front')] });
    aborted.writeUInt8(0x01, aborted.length - Size.epilogueCrc);
    aborted.writeUInt8(0xff, aborted.length - Size.epilogueCrc - 2);
    const next = crcEncoder.encode({ tag: Tag.ack, segments: [Buffer.alloc(8)] });
    const reader = new FrameReader();
    reader.push(Buffer.concat([aborted, next]));
    expect(readAll(reader).map(({ tag }) => tag)).toEqual([Tag.ack]);
  });

  /** A preamble with a right checksum, so that its contents are what is refused. */
  const preamble = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(crcEncoder.encode({ tag: Tag.ack, segments: [Buffer.alloc(8)] }));
    change(bytes);
    bytes.writeUInt32LE(cephCrc32c(bytes.subarray(0, 28), 0), 28);
    return bytes;
  };

  it.each([
    ['no segment', (b: Buffer) => b.writeUInt8(0, 1), 'MSGR_PREAMBLE'],
    ['five segments', (b: Buffer) => b.writeUInt8(5, 1), 'MSGR_PREAMBLE'],
    ['a length for a segment that is not there', (b: Buffer) => b.writeUInt32LE(1, 8), 'MSGR_PREAMBLE'],
    ['compression', (b: Buffer) => b.writeUInt8(1, 26), 'MSGR_PREAMBLE'],
    ['more bytes than allowed', (b: Buffer) => b.writeUInt32LE(Limit.handshakeFrameBytesMax, 2), 'MSGR_LIMIT'],
    ['4 GiB', (b: Buffer) => b.writeUInt32LE(0xffff_ffff, 2), 'MSGR_LIMIT'],
  ])('refuses a preamble with %s', (_what, change, expected) => {
    const reader = new FrameReader();
    reader.push(preamble(change).subarray(0, Size.preamble));
    expect(() => reader.next()).toThrow(code(expected));
  });

  it('refuses a late status that is neither, and a checksum for a segment that is not there', () => {
    const bytes = crcEncoder.encode({ tag: Tag.message, segments: [Buffer.from('h'), Buffer.from('f')] });
    const late = Buffer.from(bytes);
    late.writeUInt8(0x07, late.length - Size.epilogueCrc);
    expect(() => readOne(late)).toThrow(code('MSGR_EPILOGUE'));
    const extra = Buffer.from(bytes);
    extra.writeUInt32LE(5, extra.length - 4);
    expect(() => readOne(extra)).toThrow(code('MSGR_EPILOGUE'));
  });

  it('refuses to send no segments, or five', () => {
    for (const count of [0, 5]) {
      expect(() => crcEncoder.encode({ tag: 1, segments: Array.from({ length: count }, () => Buffer.from('x')) })).toThrow(code('MSGR_FIELD'));
    }
  });

  it('the limit can be raised between frames, not within one', () => {
    const large = crcEncoder.encode({ tag: Tag.message, segments: [Buffer.from('h'), Buffer.alloc(Limit.handshakeFrameBytesMax)] });
    const reader = new FrameReader();
    reader.use({ frameBytesMax: Limit.frameBytesMax });
    reader.push(large.subarray(0, 40));
    expect(reader.next()).toBeUndefined();
    expect(() => reader.use({ decoder: crcDecoder })).toThrow(code('MSGR_UNEXPECTED'));
    reader.push(large.subarray(40));
    expect(reader.next()!.frame.segments[1]).toHaveLength(Limit.handshakeFrameBytesMax);
  });
});

describe('secure mode', () => {
  const secret = Buffer.from(Array.from({ length: Size.connectionSecret }, (_, i) => i));
  const pair = (): { encoder: FrameEncoder; decoder: FrameDecoder } => ({
    encoder: secureCodec(secret, 'client').encoder, decoder: secureCodec(secret, 'server').decoder,
  });
  const reading = (decoder: FrameDecoder): FrameReader => {
    const reader = new FrameReader();
    reader.use({ decoder });
    return reader;
  };

  it('round trips sequences of frames, in any pieces', () => {
    fc.assert(fc.property(fc.array(frames, { maxLength: 6 }), fc.integer({ min: 1, max: 97 }), (list, piece) => {
      const { encoder, decoder } = pair();
      const stream = Buffer.concat(list.map((frame) => encoder.encode(frame)));
      const reader = reading(decoder);
      const seen: Frame[] = [];
      for (let at = 0; at < stream.length; at += piece) {
        reader.push(stream.subarray(at, at + piece));
        seen.push(...readAll(reader));
      }
      expect(seen).toEqual(list.map(trimmed));
    }));
  });

  it.each([
    ['at most 48 bytes in one operation', [48], 96],
    ['49 bytes in two', [49], 96 + 16 + 16],
    ['a message in three', [41, 5], 96 + 16 + 16 + 16],
    ['a message with data', [41, 16, 0, 17], 96 + 16 + 32 + 16 + 16],
  ])('puts %s', (_what, lengths, wireBytes) => {
    const { encoder } = pair();
    expect(encoder.encode({ tag: Tag.message, segments: lengths.map((length) => Buffer.alloc(length, 1)) })).toHaveLength(wireBytes);
  });

  it('may be cut at every byte', () => {
    const frame = { tag: Tag.message, segments: [Buffer.alloc(60, 1), Buffer.alloc(7, 2)] };
    const length = pair().encoder.encode(frame).length;
    for (let cut = 0; cut <= length; cut += 1) {
      const { encoder, decoder } = pair();
      const bytes = encoder.encode(frame);
      const reader = reading(decoder);
      reader.push(bytes.subarray(0, cut));
      if (cut < length) expect(reader.next()).toBeUndefined();
      reader.push(bytes.subarray(cut));
      expect(reader.next()!.frame).toEqual(frame);
    }
  });

  it('notices every changed byte, and a frame that is repeated or left out', () => {
    const frame = { tag: Tag.message, segments: [Buffer.alloc(60, 1), Buffer.alloc(7, 2)] };
    const length = pair().encoder.encode(frame).length;
    for (let at = 0; at < length; at += 1) {
      const { encoder, decoder } = pair();
      const bytes = encoder.encode(frame);
      bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
      const reader = reading(decoder);
      reader.push(bytes);
      expect(() => reader.next()).toThrow(code('MSGR_TAMPERED'));
    }
    const { encoder, decoder } = pair();
    const [first, , third] = [encoder.encode(frame), encoder.encode(frame), encoder.encode(frame)];
    const reader = reading(decoder);
    reader.push(Buffer.concat([first, third]));
    expect(reader.next()).toBeDefined();
    expect(() => reader.next()).toThrow(code('MSGR_TAMPERED'));
  });

  it('the two directions have different nonces, and the same frame never looks the same twice', () => {
    const frame = { tag: Tag.ack, segments: [Buffer.alloc(8)] };
    const client = secureCodec(secret, 'client').encoder;
    const [one, two] = [client.encode(frame), client.encode(frame)];
    expect(one).not.toEqual(two);
    expect(secureCodec(secret, 'server').encoder.encode(frame)).not.toEqual(one);
  });

  it('the nonce counter runs over', () => {
    const near = Buffer.from(secret);
    near.fill(0xff, 16, 40);
    const encoder = secureCodec(near, 'client').encoder;
    const reader = reading(secureCodec(near, 'server').decoder);
    const frame = { tag: Tag.message, segments: [Buffer.alloc(60, 1), Buffer.alloc(7, 2)] };
    reader.push(Buffer.concat([encoder.encode(frame), encoder.encode(frame)]));
    expect(readAll(reader)).toEqual([frame, frame]);
  });

  it('needs the whole connection secret', () => {
    expect(() => secureCodec(Buffer.alloc(40), 'client')).toThrow(code('MSGR_FIELD'));
  });
});

describe('garbage', () => {
  it('is refused or waited for, and never anything else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, secure) => {
      const reader = new FrameReader();
      if (secure) reader.use({ decoder: secureCodec(randomBytes(Size.connectionSecret), 'client').decoder });
      reader.push(Buffer.from(bytes));
      for (const read of [() => reader.banner(), () => reader.next()]) {
        try {
          read();
        } catch (error) {
          expect(error).toBeInstanceOf(CephError);
        }
      }
    }), { numRuns: 500 });
  });
});
