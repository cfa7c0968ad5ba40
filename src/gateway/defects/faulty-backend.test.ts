import { describe, expect, it } from 'vitest';
import { MemoryBackend } from '../target/testing/memory-backend.js';
import { badWriteEvery, FaultyImages, staleReadEvery, type BackendDefect } from './faulty-backend.js';

const blockSize = 512;
const block = (value: number, count = 1): Buffer => Buffer.alloc(blockSize * count, value);

function images(...defects: BackendDefect[]) {
  const faulty = new FaultyImages(new Set(defects));
  const raw = [new MemoryBackend(64, blockSize), new MemoryBackend(64, blockSize)];
  return { raw, wrapped: raw.map((image) => faulty.wrap(image)) };
}

describe('FaultyImages', () => {
  it('does nothing without a defect', () => {
    const { raw, wrapped } = images();
    expect(wrapped).toEqual(raw);
  });

  it.each(['flip-bit', 'tear-write', 'misdirect-write', 'swap-namespaces'] as const)('%s breaks exactly the 97th write', async (defect) => {
    const { raw, wrapped } = images(defect);
    await wrapped[0]!.write(4, block(1, 2));
    for (let i = 2; i < badWriteEvery; i++) await wrapped[0]!.write(60, block(9));
    expect(await raw[0]!.read(4, 2)).toEqual(block(1, 2));
    await wrapped[0]!.write(4, block(2, 2));
    const [image, other] = [await raw[0]!.read(4, 3), await raw[1]!.read(4, 2)];
    switch (defect) {
      case 'flip-bit':
        expect(image.subarray(0, 1_024).filter((b) => b !== 2)).toHaveLength(1);
        break;
      case 'tear-write':
        expect(image.subarray(0, 768).every((b) => b === 2)).toBe(true);
        expect(image.subarray(768, 1_024).every((b) => b === 1)).toBe(true);
        break;
      case 'misdirect-write':
        expect(image.subarray(0, 512).every((b) => b === 1)).toBe(true);
        expect(image.subarray(512, 1_536).every((b) => b === 2)).toBe(true);
        break;
      case 'swap-namespaces':
        expect(image.subarray(0, 1_024).every((b) => b === 1)).toBe(true);
        expect(other.every((b) => b === 2)).toBe(true);
        break;
    }
  });

  it('stale-cache answers the 31st read with what it first knew', async () => {
    const { raw, wrapped } = images('stale-cache');
    await wrapped[0]!.write(4, block(1));
    await raw[0]!.write(4, block(2));
    for (let i = 1; i < staleReadEvery; i++) expect((await wrapped[0]!.read(4, 1))[0]).toBe(2);
    expect((await wrapped[0]!.read(4, 1))[0]).toBe(1);
    expect((await wrapped[0]!.read(4, 1))[0]).toBe(2);
  });
});
