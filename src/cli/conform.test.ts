import { describe, expect, it } from 'vitest';
import type { ConformVerdict } from '../conform/index.js';
import { exitCodeOf } from './conform.js';

const codeOf = (...verdicts: ConformVerdict[]): number => exitCodeOf(verdicts.map((verdict) => ({ verdict })));

describe('exit code of conform', () => {
  it('0 only if something was compared and nothing unexplained came out', () => {
    expect(codeOf('same', 'known', 'skipped')).toBe(0);
    expect(codeOf('known')).toBe(0);
    expect(codeOf('skipped')).toBe(2);
    expect(codeOf()).toBe(2);
  });

  it('1 before 2', () => {
    expect(codeOf('same', 'unknown', 'differs')).toBe(1);
    expect(codeOf('same', 'unknown')).toBe(2);
  });
});
