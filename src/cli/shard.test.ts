import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shard, shardOf } from './shard.js';

describe('shards', () => {
  it('are disjoint, whole, in order and of even size', () => {
    fc.assert(fc.property(fc.nat(60), fc.integer({ min: 1, max: 20 }), (scenarios, count) => {
      const all = Array.from({ length: scenarios }, (_, i) => i);
      const parts = Array.from({ length: count }, (_, i) => shardOf(all, { index: i + 1, count }));
      expect(parts.flat().sort((a, b) => a - b)).toEqual(all);
      for (const part of parts) expect(part).toEqual([...part].sort((a, b) => a - b));
      const sizes = parts.map(({ length }) => length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }));
  });

  it('are written I/N', () => {
    expect(shard('2/3')).toEqual({ index: 2, count: 3 });
    for (const text of ['0/3', '4/3', '1', '1/0', 'a/b', '1/3/5', '-1/3']) expect(() => shard(text)).toThrow(/I\/N is wanted/);
  });
});
