import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from './random.js';

const draw = (random: Random, count: number): number[] => Array.from({ length: count }, () => random.u32());

describe('Random', () => {
  it('repeats its stream from the same seed and differs for another', () => {
    expect(draw(new Random('seed'), 50)).toEqual(draw(new Random('seed'), 50));
    expect(draw(new Random('seed'), 50)).not.toEqual(draw(new Random('seed2'), 50));
  });

  it('keeps its stream for ever: a change here would change what every stored seed means', () => {
    expect(draw(new Random('pathproof'), 4)).toEqual([1103649619, 1563995549, 457647942, 936134570]);
  });

  it('forks by name, whatever was drawn before', () => {
    const used = new Random('seed');
    draw(used, 1_000);
    expect(draw(used.fork('a'), 20)).toEqual(draw(new Random('seed').fork('a'), 20));
    expect(draw(used.fork('a'), 20)).not.toEqual(draw(used.fork('b'), 20));
    expect(draw(used.fork('a').fork('bc'), 5)).not.toEqual(draw(used.fork('ab').fork('c'), 5));
  });

  it('draws integers below n', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 0x1_0000_0000 }), (seed, n) => {
        const random = new Random(seed);
        for (let i = 0; i < 20; i++) {
          const value = random.int(n);
          if (!Number.isInteger(value) || value < 0 || value >= n) return false;
        }
        return true;
      }),
    );
  });

  it('draws each value about equally often (chi-square, fixed seed)', () => {
    const random = new Random('uniform');
    const buckets = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) buckets[random.int(16)]!++;
    const chiSquare = buckets.reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0);
    // 15 degrees of freedom: 37.7 is the 99.9 % quantile.
    expect(chiSquare).toBeLessThan(37.7);
  });

  it('meets percentages at both ends exactly', () => {
    const random = new Random('percent');
    expect(Array.from({ length: 500 }, () => random.percent(0)).some(Boolean)).toBe(false);
    expect(Array.from({ length: 500 }, () => random.percent(100)).every(Boolean)).toBe(true);
  });

  it('shuffles without losing a value and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.integer()), (seed, values) => {
        const before = [...values];
        const shuffled = new Random(seed).shuffle(values);
        expect(values).toEqual(before);
        expect([...shuffled].sort((a, b) => a - b)).toEqual(before.sort((a, b) => a - b));
      }),
    );
  });

  it('refuses an empty range', () => {
    expect(() => new Random('x').int(0)).toThrow(RangeError);
    expect(() => new Random('x').pick([])).toThrow(RangeError);
  });
});
