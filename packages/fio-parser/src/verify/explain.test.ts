import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FioParseError } from '../errors.js';
import { fioChecksum } from './checksum.js';
import { crc32c } from './crc.js';
import { explainBlock, explainPatternBlock } from './explain.js';
import { parseVerifyHeader, withHeaderInFront } from './header.js';
import { seedBytes } from './seed.js';
import { CHECKSUM_BYTES, VERIFY_TYPES, type VerifyType } from './types.js';

/** An interval as fio would write it. */
function interval({
  version = 0x81,
  typeNumber = 5,
  length = 4096,
  seed = 0x88bb_0a8c_f6db_562en,
  offset = 8192,
  thread = 2,
  numberio = 70_000n,
  buckets = 4,
}: { version?: 'unversioned' | 0x81; typeNumber?: number; length?: number; seed?: bigint; offset?: number; thread?: number; numberio?: bigint; buckets?: number } = {}): Buffer {
  const block = seedBytes(seed, 0, length / 8, buckets);
  const size = version === 0x81 ? 48 : 40;
  const type = (VERIFY_TYPES as Readonly<Record<number, VerifyType>>)[typeNumber]!;
  block.fill(0, 0, size);
  block.writeUInt16LE(0xacca, 0);
  if (version === 0x81) block.writeUInt16LE(0x81 | (typeNumber << 8), 2);
  else block.writeUInt16LE(typeNumber, 2);
  block.writeUInt32LE(length, 4);
  block.writeBigUInt64LE(seed, 8);
  block.writeBigUInt64LE(BigInt(offset), 16);
  block.writeUInt32LE(3, 24);
  block.writeUInt32LE(250_000_000, 28);
  if (version === 0x81) {
    block.writeBigUInt64LE(numberio, 32);
    block.writeUInt16LE(thread, 40);
  } else {
    block.writeUInt16LE(thread, 32);
    block.writeUInt16LE(Number(numberio & 0xffffn), 34);
  }
  block.writeUInt32LE(crc32c(block.subarray(0, size - 4)), size - 4);
  const payloadAt = size + CHECKSUM_BYTES[type];
  fioChecksum(type, block.subarray(payloadAt))?.copy(block, size);
  return block;
}

describe('a header', () => {
  it('of either version', () => {
    expect(parseVerifyHeader(interval())).toMatchObject({ version: 0x81, size: 48, type: 'crc32c', length: 4096, seed: 0x88bb_0a8c_f6db_562en, offset: 8192, timeNs: 3_250_000_000n, thread: 2, numberio: 70_000n, payloadAt: 52 });
    expect(parseVerifyHeader(interval({ version: 'unversioned' }))).toMatchObject({ version: 'unversioned', size: 40, numberio: 70_000n & 0xffffn, thread: 2, payloadAt: 44 });
  });

  it('that is none', () => {
    const code = (bytes: Uint8Array) => {
      try {
        parseVerifyHeader(bytes);
      } catch (error) {
        return error instanceof FioParseError ? error.code : error;
      }
      return undefined;
    };
    expect(code(Buffer.alloc(10))).toBe('TRUNCATED');
    expect(code(Buffer.alloc(100))).toBe('BAD_MAGIC');
    expect(code(interval().subarray(0, 44))).toBe('TRUNCATED');
    const future = interval();
    future[2] = 0x82;
    expect(code(future)).toBe('UNSUPPORTED_VERSION');
    expect(explainBlock(future, { offset: 8192 })).toMatchObject({ verdict: 'bad', findings: [{ code: 'HEADER_VERSION' }] });
  });

  it('moved by verify_offset is put back, and only when there is one', () => {
    const block = interval();
    const moved = Buffer.from(block);
    const front = Buffer.from(block.subarray(0, 52));
    moved.copy(moved, 0, 512, 564);
    front.copy(moved, 512);
    expect(withHeaderInFront(moved, 512)).toEqual(block);
    expect(withHeaderInFront(moved, 100)).toBeUndefined();
    expect(withHeaderInFront(block, 0)).toEqual(block);
  });
});

describe('a block', () => {
  it('is good for every type, version and number of seed buckets', () => {
    for (const version of ['unversioned', 0x81] as const) {
      for (const typeNumber of Object.keys(VERIFY_TYPES).map(Number)) {
        for (const buckets of [1, 2, 4, 8, 16]) {
          const report = explainBlock(interval({ version, typeNumber, buckets }), { offset: 8192, expected: { thread: 2, numberio: 70_000n } });
          expect(report, `${typeNumber} ${buckets}: ${report.summary}`).toMatchObject({ verdict: 'good', findings: [] });
        }
      }
    }
  });

  it('with a wrong owner, seed or type', () => {
    const report = explainBlock(interval(), { offset: 8192, expected: { thread: 1, seed: 5n, type: 'md5' } });
    expect(report.findings.map(({ code }) => code)).toEqual(['TYPE', 'WRITER', 'SEED']);
    expect(report.summary).toContain('write 70000 of job 2 for offset 8192, at 3250 ms');
    expect(explainBlock(interval(), { offset: 8192, expected: { type: 'crc32c-intel' } }).verdict).toBe('good');
  });

  it('that holds the payload of another write under its own header', () => {
    const block = interval();
    seedBytes(77n, 0, 512, 4).copy(block, 52, 52);
    expect(explainBlock(block, { offset: 8192 }).findings.map(({ code }) => code)).toEqual(['CHECKSUM', 'PAYLOAD']);
  });

  it('is never good after any change', () => {
    fc.assert(
      fc.property(fc.nat(4095), fc.integer({ min: 1, max: 255 }), fc.constantFrom<'unversioned' | 0x81>('unversioned', 0x81), (at, flip, version) => {
        const block = interval({ version });
        block[at]! ^= flip;
        expect(explainBlock(block, { offset: 8192 }).verdict).toBe('bad');
      }),
      { numRuns: 150 },
    );
  });

  it('of any bytes and any header is explained', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), fc.boolean(), fc.nat(600), (bytes, magic, verifyOffset) => {
        const block = Buffer.from(bytes);
        if (magic && block.length > 4) block.writeUInt16LE(0xacca, 0);
        const { verdict, summary } = explainBlock(block, { offset: 0, verifyOffset });
        expect(['bad', 'unknown']).toContain(verdict);
        expect(summary).not.toBe('');
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), fc.nat(4048), (head, at) => {
        const block = interval();
        block.set(head, at);
        block.writeUInt16LE(0xacca, 0);
        explainBlock(block, { offset: 8192, pattern: head.subarray(0, 3) });
      }),
      { numRuns: 200 },
    );
  });

  it('of a pattern needs one', () => {
    expect(() => explainPatternBlock(Buffer.alloc(10), Buffer.alloc(0))).toThrow(FioParseError);
    expect(explainPatternBlock(Buffer.from('bcabca'), Buffer.from('abc'), 1)).toBeUndefined();
  });
});
