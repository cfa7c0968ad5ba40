import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from './histogram.js';

describe('LatencyHistogram', () => {
  it('reports zeroes while empty', () => {
    const histogram = new LatencyHistogram();
    expect([histogram.count, histogram.meanUs, histogram.maxUs, histogram.quantileUs(0.99)]).toEqual([0, 0, 0, 0]);
  });

  it('is never below the exact quantile and at most one sixteenth above', () => {
    const quantile = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 35 }), { minLength: 1, maxLength: 200 }), quantile, (values, q) => {
        const histogram = new LatencyHistogram();
        for (const value of values) histogram.record(value);
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!;
        const got = histogram.quantileUs(q);
        expect(got).toBeGreaterThanOrEqual(exact);
        expect(got).toBeLessThanOrEqual(exact * (1 + 1 / 16));
        expect(histogram.maxUs).toBe(sorted.at(-1));
      }),
    );
  });

  it('keeps the largest value exact, even one beyond the last bucket', () => {
    const histogram = new LatencyHistogram();
    histogram.record(2 ** 40);
    expect(histogram.maxUs).toBe(2 ** 40);
    expect(histogram.quantileUs(1)).toBe(2 ** 40);
  });

  it('counts a negative latency as zero and forgets everything on reset', () => {
    const histogram = new LatencyHistogram();
    histogram.record(-5);
    histogram.record(10);
    expect(histogram.meanUs).toBe(5);
    histogram.reset();
    expect([histogram.count, histogram.maxUs, histogram.quantileUs(0.5)]).toEqual([0, 0, 0]);
  });
});
