import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aged, bestOf, contradict, estimateOf, refine } from './clock-estimate.js';

describe('the clock of a guest', () => {
  it('is known up to half of the round trip, however the way is shared out', () => {
    fc.assert(fc.property(fc.integer({ min: -1e12, max: 1e12 }), fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 1e6 }), (trueShiftUs, thereUs, backUs) => {
      const askedUs = 5e12;
      const { shiftUs, errUs } = estimateOf({ askedUs, answeredUs: askedUs + thereUs + backUs, ownUs: askedUs + thereUs - trueShiftUs });
      expect(Math.abs(shiftUs - trueShiftUs)).toBeLessThanOrEqual(errUs + 1);
    }));
  });

  it('is best known by the shortest round trip, and not at all without one', () => {
    const samples = [{ askedUs: 0, answeredUs: 900, ownUs: 100 }, { askedUs: 1_000, answeredUs: 1_010, ownUs: 700 }];
    expect(bestOf(samples)).toEqual({ shiftUs: 305, errUs: 5 });
    expect(() => bestOf([])).toThrow(RangeError);
  });

  it('is refined only by what is known better, and doubted when it has moved', () => {
    const old = { shiftUs: 1_000, errUs: 100 };
    expect(aged(old, 10e6)).toEqual({ shiftUs: 1_000, errUs: 3_100 });
    expect(refine(old, 10e6, { shiftUs: 1_500, errUs: 200 })).toEqual({ shiftUs: 1_500, errUs: 200 });
    expect(refine(old, 1e6, { shiftUs: 900, errUs: 5_000 })).toEqual({ shiftUs: 1_000, errUs: 400 });
    expect(refine(old, 1e6, { shiftUs: 51_000, errUs: 200 })).toEqual({ shiftUs: 51_000, errUs: 50_200 });
  });

  it('contradicts itself when two estimates cannot both be right', () => {
    expect(contradict({ shiftUs: 100, errUs: 10 }, { shiftUs: 125, errUs: 10 })).toBe(true);
    expect(contradict({ shiftUs: 100, errUs: 10 }, { shiftUs: 119, errUs: 10 })).toBe(false);
  });
});
