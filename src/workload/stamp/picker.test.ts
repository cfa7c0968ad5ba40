import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../util/random.js';
import { BlockPicker } from './picker.js';

describe('BlockPicker', () => {
  it('never holds two overlapping writes, and finds room whenever there is some', () => {
    const steps = fc.array(fc.oneof(fc.record({ nlb: fc.integer({ min: 1, max: 5 }) }), fc.record({ release: fc.nat() })), { maxLength: 100 });
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 5, max: 24 }), steps, (seed, blocks, list) => {
        const picker = new BlockPicker(blocks, new Random(seed));
        const held: { slba: number; nlb: number }[] = [];
        for (const step of list) {
          if ('release' in step) {
            const [gone] = held.splice(step.release % Math.max(1, held.length), 1);
            if (gone !== undefined) picker.release(gone.slba, gone.nlb);
            continue;
          }
          const { nlb } = step;
          const free = (slba: number): boolean => held.every((other) => slba + nlb <= other.slba || other.slba + other.nlb <= slba);
          const slba = picker.pickWrite(nlb);
          if (slba === -1) {
            for (let at = 0; at + nlb <= blocks; at++) expect(free(at)).toBe(false);
          } else {
            expect(slba).toBeGreaterThanOrEqual(0);
            expect(slba + nlb).toBeLessThanOrEqual(blocks);
            expect(free(slba)).toBe(true);
            held.push({ slba, nlb });
          }
        }
      }),
    );
  });

  it('reaches every place, for reads and for writes', () => {
    const picker = new BlockPicker(10, new Random('all'));
    const reads = new Set<number>();
    const writes = new Set<number>();
    for (let i = 0; i < 500; i++) {
      reads.add(picker.pickRead(4));
      const slba = picker.pickWrite(4);
      writes.add(slba);
      picker.release(slba, 4);
    }
    expect([...reads].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect([...writes].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('reads anywhere, also where a write is outstanding', () => {
    const picker = new BlockPicker(1, new Random('one'));
    expect(picker.pickWrite(1)).toBe(0);
    expect(picker.pickWrite(1)).toBe(-1);
    expect(picker.pickRead(1)).toBe(0);
  });
});
