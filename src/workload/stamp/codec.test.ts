import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writerShift } from '../../history/journal-types.js';
import { blockBytesMin, bytesToUuid, notSound, StampCodec, stampHeaderBytes, stampMagic, uuidToBytes } from './codec.js';

const uuidA = '0f6c2a3e-58d1-4d0b-9f6e-3a5b7c9d1e2f';
const uuidB = '1f6c2a3e-58d1-4d0b-9f6e-3a5b7c9d1e2f';
const blockSize = fc.constantFrom(512, 4096);
const lba = fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 2 ** 45 }));
const writer = fc.integer({ min: 0, max: 100 });
const sequence = fc.integer({ min: 1, max: 2 ** 40 - 1 });

const codecOf = (bytes: number, options: { runId?: string; nsUuid?: string } = {}): StampCodec =>
  new StampCodec({ runId: options.runId ?? 'run-1', nsUuid: options.nsUuid ?? uuidA, blockSize: bytes });
const stamped = (codec: StampCodec, slba: number, version: number, blocks = 1): Buffer => {
  // Old contents must not shine through.
  const buffer = Buffer.alloc(blocks * codec.blockSize, 0xee);
  codec.stampBlocks(buffer, slba, version, Math.floor(version / writerShift));
  return buffer;
};

describe('StampCodec', () => {
  it('reads back every block of a write as its version', () => {
    fc.assert(
      fc.property(blockSize, lba, writer, sequence, fc.integer({ min: 1, max: 8 }), (bytes, slba, who, seq, blocks) => {
        const codec = codecOf(bytes);
        const version = who * writerShift + seq;
        const buffer = stamped(codec, slba, version, blocks);
        const before = Buffer.from(buffer);
        for (let i = 0; i < blocks; i++) {
          expect(codec.inspect(buffer, i * bytes, slba + i)).toBe(version);
          expect(codec.observe(buffer, i * bytes, slba + i)).toEqual({ kind: 'version', version });
        }
        expect(buffer.equals(before)).toBe(true);
      }),
    );
  });

  it('keeps its layout: the fields sit where docs/FORMAT.md says', () => {
    const buffer = stamped(codecOf(512), 0x1_0000_0007, 3 * writerShift + 9);
    expect(buffer.toString('latin1', 0, 8)).toBe('PPSTAMP\0');
    expect(buffer.readUInt16LE(8)).toBe(1);
    expect(buffer.readUInt32LE(12)).toBe(512);
    expect(bytesToUuid(buffer.subarray(32, 48))).toBe(uuidA);
    expect(buffer.readBigUInt64LE(48)).toBe(0x1_0000_0007n);
    expect(buffer.readBigUInt64LE(56)).toBe(BigInt(3 * writerShift + 9));
    expect(buffer.readUInt32LE(64)).toBe(3);
    // The whole block's CRC with its own field as zero, by the bit-at-a-time definition.
    const stored = buffer.readUInt32LE(68);
    buffer.writeUInt32LE(0, 68);
    expect(stored).toBe(slowCrc32c(buffer));
  });

  it('reads zeroes as version 0', () => {
    const codec = codecOf(4096);
    expect(codec.inspect(Buffer.alloc(8192), 4096, 5)).toBe(0);
    expect(codec.observe(Buffer.alloc(4096), 0, 5)).toEqual({ kind: 'version', version: 0 });
  });

  it('names a block torn wherever two writes meet in it', () => {
    fc.assert(
      fc.property(blockSize, lba, sequence, sequence, fc.nat(), (bytes, at, one, two, cut) => {
        fc.pre(one !== two);
        const codec = codecOf(bytes);
        const first = stamped(codec, at, one);
        const second = stamped(codec, at, two);
        const torn = Buffer.concat([first.subarray(0, cut % bytes), second.subarray(cut % bytes)]);
        const whole = torn.equals(first) ? one : torn.equals(second) ? two : undefined;
        if (whole !== undefined) {
          expect(codec.inspect(torn, 0, at)).toBe(whole);
        } else {
          expect(codec.inspect(torn, 0, at)).toBe(notSound);
          expect(codec.observe(torn, 0, at).kind).toBe('torn');
        }
      }),
    );
  });

  it('never takes half of a first write for a version', () => {
    fc.assert(
      fc.property(blockSize, sequence, fc.nat(), fc.boolean(), (bytes, version, cut, headFirst) => {
        const codec = codecOf(bytes);
        const block = stamped(codec, 3, version);
        const at = 1 + (cut % (bytes - 1));
        if (headFirst) block.fill(0, at);
        else block.fill(0, 0, at);
        if (block.equals(stamped(codec, 3, version))) return;
        const seen = codec.observe(block, 0, 3);
        expect(codec.inspect(block, 0, 3)).toBe(notSound);
        // The magic ends with a zero byte, so it also survives a cut before that.
        expect(seen.kind).toBe(block.subarray(0, stampMagic.length).equals(stampMagic) ? 'torn' : 'garbage');
      }),
    );
  });

  it('notices every single flipped bit', () => {
    fc.assert(
      fc.property(blockSize, lba, sequence, fc.nat(), (bytes, at, version, bit) => {
        const codec = codecOf(bytes);
        const buffer = stamped(codec, at, version);
        const where = bit % (bytes * 8);
        buffer[where >> 3]! ^= 1 << (where & 7);
        expect(codec.inspect(buffer, 0, at)).toBe(notSound);
        expect(codec.observe(buffer, 0, at).kind).toBe(where < stampMagic.length * 8 ? 'garbage' : 'torn');
      }),
      { numRuns: 500 },
    );
  });

  it('names misdirected blocks with the LBA they were meant for', () => {
    fc.assert(
      fc.property(blockSize, lba, lba, sequence, (bytes, meant, found, version) => {
        fc.pre(meant !== found);
        const codec = codecOf(bytes);
        const buffer = stamped(codec, meant, version);
        expect(codec.inspect(buffer, 0, found)).toBe(notSound);
        expect(codec.observe(buffer, 0, found)).toEqual({ kind: 'misdirected', version, lba: meant });
      }),
    );
  });

  it('names blocks of another namespace, even at the same LBA', () => {
    const buffer = stamped(codecOf(512, { nsUuid: uuidB }), 7, 42);
    const codec = codecOf(512);
    expect(codec.inspect(buffer, 0, 7)).toBe(notSound);
    expect(codec.observe(buffer, 0, 7)).toEqual({ kind: 'wrong-namespace', version: 42, nsUuid: uuidB, lba: 7 });
  });

  it('names blocks of another run', () => {
    const buffer = stamped(codecOf(512, { runId: 'run-0' }), 7, 42);
    const codec = codecOf(512);
    expect(codec.inspect(buffer, 0, 7)).toBe(notSound);
    expect(codec.observe(buffer, 0, 7)).toEqual({ kind: 'foreign-run', version: 42, lba: 7 });
  });

  it('calls anything else garbage and shows its first bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 512, maxLength: 512 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        fc.pre(buffer.some((byte) => byte !== 0));
        expect(codecOf(512).inspect(buffer, 0, 0)).toBe(notSound);
        expect(codecOf(512).observe(buffer, 0, 0)).toEqual({ kind: 'garbage', firstBytesHex: buffer.toString('hex', 0, 16) });
      }),
    );
  });

  it('calls a sound stamp of a later format garbage, not a version', () => {
    const codec = codecOf(512);
    const buffer = stamped(codec, 1, 2);
    buffer.writeUInt16LE(2, 8);
    buffer.writeUInt32LE(0, 68);
    buffer.writeUInt32LE(slowCrc32c(buffer), 68);
    expect(codec.inspect(buffer, 0, 1)).toBe(notSound);
    expect(codec.observe(buffer, 0, 1).kind).toBe('garbage');
  });

  it('fills the rest of the block differently for each version and LBA', () => {
    const codec = codecOf(512);
    const words = (buffer: Buffer): number[] => Array.from({ length: (512 - stampHeaderBytes) / 4 }, (_, i) => buffer.readUInt32LE(stampHeaderBytes + i * 4));
    const base = words(stamped(codec, 5, 100));
    for (const other of [words(stamped(codec, 5, 101)), words(stamped(codec, 6, 100)), words(stamped(codec, 5, writerShift + 100))]) {
      expect(other.some((word, i) => word === base[i])).toBe(false);
    }
  });

  it('refuses what it cannot stamp', () => {
    const codec = codecOf(512);
    expect(() => codec.stampBlocks(Buffer.alloc(512), 0, 0, 0)).toThrow(/version 0/);
    expect(() => codec.stampBlocks(Buffer.alloc(512), 0, 2 ** 53, 0)).toThrow(/version/);
    expect(() => codec.stampBlocks(Buffer.alloc(500), 0, 1, 0)).toThrow(/whole number/);
    expect(() => codec.stampBlocks(Buffer.alloc(0), 0, 1, 0)).toThrow(/whole number/);
    expect(() => codecOf(blockBytesMin - 4)).toThrow(/block size/);
    expect(() => codecOf(514)).toThrow(/block size/);
    expect(() => uuidToBytes('not-a-uuid')).toThrow(/UUID/);
  });
});

/** CRC32C by its definition, one bit at a time: independent of the table-driven one. */
function slowCrc32c(data: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return (crc ^ 0xffff_ffff) >>> 0;
}
