import { describe, expect, it } from 'vitest';
import type { Stall } from '../verify/index.js';
import { reportStalls, stallVerdict } from './stalls.js';

const stall = (more: Partial<Stall>): Stall => ({
  host: 'host1', nsUuid: 'u', nsid: 3, fromUs: 1_000_000, toUs: 5_000_000, endedBy: undefined, anaGroup: 1, durationUs: 4_000_000, fault: undefined, reason: undefined,
  boundName: 'quiet-stall', boundUs: 300_000, excessUs: 3_700_000, loopDelayUs: 0, lateMaxUs: 0, judgement: 'over', ...more,
});

describe('stalls for the report', () => {
  it('are held against what the checker allowed each of them, not against the bare bound', () => {
    const [quiet, untilHeal] = reportStalls([
      stall({}),
      // The window lasts until the heal: 4 s are fine although the bound is 1.5 s.
      stall({ fault: 'cut', reason: 'no path', boundName: 'takeover', boundUs: 1_500_000, excessUs: -500_000, judgement: 'within' }),
    ]);
    expect(quiet).toEqual({ ns: 3, fromUs: 1_000_000, toUs: 5_000_000, allowedMs: 300, attribution: 'no fault; bound quiet-stall', judgement: 'over' });
    expect(untilHeal).toMatchObject({ allowedMs: 4_500, attribution: 'cut: no path; bound takeover', judgement: 'within' });
    expect(stallVerdict(untilHeal!)).toBe('within');
  });

  it('keep the doubt of the checker, and are compared where it said nothing', () => {
    expect(stallVerdict(reportStalls([stall({ judgement: 'doubtful' })])[0]!)).toBe('doubtful');
    expect(stallVerdict({ ns: 1, fromUs: 0, toUs: 10_000, allowedMs: 10, attribution: '' })).toBe('within');
    expect(stallVerdict({ ns: 1, fromUs: 0, toUs: 10_001, allowedMs: 10, attribution: '' })).toBe('over');
  });
});
