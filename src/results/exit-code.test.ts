import { describe, expect, it } from 'vitest';
import type { RunVerdict, Verdict } from '../verify/types.js';
import { exitCodeOf } from './exit-code.js';

const run = (verdict: Verdict, interrupted = false): RunVerdict => ({ format: 1, runId: 'r', verdict, interrupted, checks: [] });

describe('exitCodeOf', () => {
  it.each<[Verdict[], number]>([
    [['pass'], 0], [['pass', 'pass'], 0], [['pass', 'unknown'], 2], [['infra', 'unknown'], 3], [['fail', 'infra', 'unknown', 'pass'], 1],
  ])('%j gives %i', (verdicts, code) => {
    expect(exitCodeOf(verdicts.map((v) => run(v)))).toBe(code);
  });

  it('says 130 for an interrupted run, and unknown when nothing ran', () => {
    expect(exitCodeOf([run('unknown', true), run('fail')])).toBe(130);
    expect(exitCodeOf([])).toBe(2);
  });
});
