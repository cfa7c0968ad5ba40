import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { binBounds, binOf, binValueNs, PLAT_BINS } from './bins.js';
import { LatencyHistogram } from './histogram.js';

const latencies = fc.array(fc.oneof(fc.nat(200), fc.nat(1_000_000), fc.nat({ max: 2 ** 34 - 1 })), { minLength: 1, maxLength: 200 });

describe('bins', () => {
  it('follow one another without a gap', () => {
    for (let index = 1; index < PLAT_BINS; index += 1) expect(binBounds(index).lowNs).toBe(binBounds(index - 1).highNs);
  });

  it('hold their own value and bounds', () => {
    for (let index = 0; index < PLAT_BINS; index += 1) {
      const { lowNs, highNs } = binBounds(index);
      expect([binOf(lowNs), binOf(binValueNs(index)), binOf(highNs - 1)]).toEqual([index, index, index]);
    }
  });

  it('value any latency within 1/128', () => {
    fc.assert(fc.property(fc.nat({ max: 2 ** 34 - 1 }), (ns) => Math.abs(binValueNs(binOf(ns)) - ns) <= ns / 128 + 0.5));
  });

  it('beyond the last one are counted in the last one', () => {
    expect(binOf(2 ** 50)).toBe(PLAT_BINS - 1);
  });
});

describe('a histogram', () => {
  it('answers percentiles as the sorted latencies would, within a bin', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0, max: 100, noNaN: true }), (values, percent) => {
        const sorted = [...values].sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length - 1e-9) - 1)]!;
        expect(LatencyHistogram.fromLatenciesNs(values).percentileNs(percent)).toBe(binValueNs(binOf(exact)));
      }),
    );
  });

  it('merged is the same as counted at once, in any order', () => {
    fc.assert(
      fc.property(latencies, latencies, (a, b) => {
        const left = LatencyHistogram.fromLatenciesNs(a);
        const right = LatencyHistogram.fromLatenciesNs(b);
        const whole = LatencyHistogram.fromLatenciesNs([...a, ...b]);
        expect(left.merge(right).bins).toEqual(whole.bins);
        expect(right.merge(left).bins).toEqual(whole.bins);
        expect(left.total).toBe(a.length);
      }),
    );
  });

  it('goes through json and back', () => {
    fc.assert(
      fc.property(latencies, (values) => {
        const histogram = LatencyHistogram.fromLatenciesNs(values);
        expect(LatencyHistogram.fromJsonBins(histogram.toJsonBins()).bins).toEqual(histogram.bins);
      }),
    );
  });

  it('from a coarse log line keeps the count and stays inside the coarse bin', () => {
    for (let coarseness = 0; coarseness <= 6; coarseness += 1) {
      const stride = 2 ** coarseness;
      for (const slot of [0, 3, Math.floor(700 / stride), PLAT_BINS / stride - 1]) {
        const counts = Array.from({ length: PLAT_BINS / stride }, (_, index) => (index === slot ? 5 : 0));
        const histogram = LatencyHistogram.fromLogCounts(counts, coarseness);
        expect(histogram.total).toBe(5);
        expect(histogram.minNs).toBeGreaterThanOrEqual(binBounds(slot * stride).lowNs);
        expect(histogram.minNs).toBeLessThan(binBounds(slot * stride + stride - 1).highNs);
      }
    }
  });

  it('that is empty has no percentiles, and no percentile is above 100', () => {
    const empty = new LatencyHistogram();
    expect([empty.total, empty.percentileNs(50), empty.meanNs, empty.maxNs]).toEqual([0, undefined, undefined, undefined]);
    expect(() => empty.percentileNs(101)).toThrow(RangeError);
    expect(() => empty.percentileNs(Number.NaN)).toThrow(RangeError);
  });

  it('takes json bins that are none as nothing', () => {
    expect(LatencyHistogram.fromJsonBins({ '12': 3, x: 4, '13': 'y', '14': Number.NaN, '15': -1 }).bins).toEqual([{ valueNs: 12, count: 3 }]);
  });
});
