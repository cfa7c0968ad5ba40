import { describe, expect, it } from 'vitest';
import type { CheckResult, RunVerdict } from '../verify/types.js';
import { likenessOf } from './likeness.js';

type Judged = Pick<RunVerdict, 'verdict' | 'checks'>;
const check = (checker: string, verdict: CheckResult['verdict'], text: string): CheckResult => ({ checker, verdict, summary: text, evidence: [{ text, events: [] }], metrics: {} });
const judged = (verdict: RunVerdict['verdict'], ...checks: CheckResult[]): Judged => ({ verdict, checks });

describe('likenessOf', () => {
  const stored = judged('fail', check('integrity', 'pass', 'fine'), check('availability', 'fail', 'namespace 1 stood still for 9.2 s at gw1'));

  it('takes the same finding of another time and gateway for the same failure', () => {
    expect(likenessOf(stored, judged('fail', check('availability', 'fail', 'namespace 3 stood still for 11.0 s at gw2')))).toEqual({ alike: true, text: expect.stringContaining('failed as the stored run did, by availability') as string });
  });

  it('does not take another failure, or none, for it', () => {
    expect(likenessOf(stored, judged('fail', check('integrity', 'fail', 'a lost write')))).toEqual({ alike: false, text: expect.stringMatching(/^failed by integrity .*; the stored run failed by availability/) as string });
    expect(likenessOf(stored, judged('fail', check('availability', 'fail', 'three operations failed')))).toMatchObject({ alike: false });
    for (const verdict of ['pass', 'unknown', 'infra'] as const) expect(likenessOf(stored, judged(verdict))).toMatchObject({ alike: false, text: expect.stringMatching(new RegExp(`^${verdict}; the stored run failed`)) as string });
  });

  it('compares verdicts where the stored run did not fail', () => {
    expect(likenessOf(judged('pass'), judged('pass'))).toEqual({ alike: true, text: 'pass, as the stored run' });
    expect(likenessOf(judged('unknown'), judged('pass'))).toEqual({ alike: false, text: 'pass; the stored run: unknown' });
    expect(likenessOf(judged('pass'), stored)).toMatchObject({ alike: false, text: expect.stringMatching(/^failed by availability .*; the stored run: pass$/) as string });
  });
});
