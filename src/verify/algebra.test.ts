import { describe, expect, it } from 'vitest';
import { overallVerdict } from './algebra.js';
import type { Verdict } from './types.js';

const verdicts: readonly Verdict[] = ['pass', 'fail', 'unknown', 'infra'];
/** Integrity's verdict × another checker's → the run's, without and with a run that ended as infra. */
const table: [integrity: Verdict, other: Verdict, completed: Verdict, infra: Verdict][] = [
  ['pass', 'pass', 'pass', 'infra'],
  ['pass', 'fail', 'fail', 'infra'],
  ['pass', 'unknown', 'unknown', 'infra'],
  ['pass', 'infra', 'infra', 'infra'],
  ['fail', 'pass', 'fail', 'fail'],
  ['fail', 'fail', 'fail', 'fail'],
  ['fail', 'unknown', 'fail', 'fail'],
  ['fail', 'infra', 'fail', 'fail'],
  ['unknown', 'pass', 'unknown', 'infra'],
  ['unknown', 'fail', 'fail', 'infra'],
  ['unknown', 'unknown', 'unknown', 'infra'],
  ['unknown', 'infra', 'infra', 'infra'],
  ['infra', 'pass', 'infra', 'infra'],
  ['infra', 'fail', 'infra', 'infra'],
  ['infra', 'unknown', 'infra', 'infra'],
  ['infra', 'infra', 'infra', 'infra'],
];

describe('overallVerdict', () => {
  it.each(table)('integrity %s, another %s → %s; on a broken lab %s', (integrity, other, completed, infra) => {
    const checks = [{ checker: 'integrity', verdict: integrity }, { checker: 'availability', verdict: other }];
    expect(overallVerdict(checks, { infra: false, interrupted: false })).toBe(completed);
    expect(overallVerdict([...checks].reverse(), { infra: false, interrupted: false })).toBe(completed);
    expect(overallVerdict(checks, { infra: true, interrupted: false })).toBe(infra);
  });

  it('has a row for each pair', () => {
    expect(new Set(table.map(([a, b]) => `${a} ${b}`)).size).toBe(verdicts.length ** 2);
  });

  it('never passes an interrupted run, but keeps its failures', () => {
    expect(overallVerdict([{ checker: 'integrity', verdict: 'pass' }], { infra: false, interrupted: true })).toBe('unknown');
    expect(overallVerdict([{ checker: 'availability', verdict: 'fail' }], { infra: false, interrupted: true })).toBe('fail');
  });

  it('never passes without a check', () => {
    expect(overallVerdict([], { infra: false, interrupted: false })).toBe('unknown');
  });
});
