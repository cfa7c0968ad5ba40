import { describe, expect, it } from 'vitest';
import type { CheckResult, RunVerdict } from '../verify/types.js';
import { painterFor, plainPainter, type Painter } from './paint.js';
import { evidenceLines, verdictLine, verdictTable, width, wrap } from './terminal.js';

const check = (checker: string, verdict: CheckResult['verdict'], summary: string, more: Partial<CheckResult> = {}): CheckResult => ({ checker, verdict, summary, evidence: [], metrics: {}, ...more });
const run: RunVerdict = {
  format: 1, runId: 'r', verdict: 'fail', interrupted: false,
  checks: [
    check('integrity', 'pass', '48,211 operations are linearizable'),
    check('single-optimized', 'fail', 'ns 1 had two optimized live paths for 400 ms, where 150 ms are allowed by the plan', {
      metrics: { overlapMaxMs: 400 },
      evidence: [
        { text: 'gw1 and gw2 both optimized', tUs: 5_400_000, toUs: 5_800_000, events: [1, 2, 3, 4, 5], ops: [77] },
        { text: 'evil \x1b[31m text\nsecond line', tUs: 6_000_000 },
        { text: 'third' },
      ],
    }),
    check('self-watch', 'unknown', 'the host stood still'),
  ],
};
/** Shows where colour would be. */
const marking: Painter = {
  verdict: { pass: (text) => `<p>${text}</p>`, fail: (text) => `<f>${text}</f>`, unknown: (text) => `<u>${text}</u>`, infra: (text) => text },
  bold: (text) => text, dim: (text) => text, alarm: (text) => text, notice: (text) => text,
};

describe('the verdict table', () => {
  it('aligns its columns', () => {
    expect(verdictTable(run)).toEqual([
      'verdict    checker           finding',
      '✓ pass     integrity         48,211 operations are linearizable',
      '✕ fail     single-optimized  ns 1 had two optimized live paths for 400 ms, where 150 ms are allowed by the plan',
      '? unknown  self-watch        the host stood still',
    ]);
  });

  it('wraps findings under themselves within the width of the terminal', () => {
    const lines = verdictTable(run, { columns: 60 });
    expect(Math.max(...lines.map(width))).toBeLessThanOrEqual(60);
    expect(lines.filter((line) => line.startsWith(' '.repeat(29)))).not.toHaveLength(0);
    expect(lines.join(' ').replace(/\s+/g, ' ')).toContain('for 400 ms, where 150 ms are allowed by the plan');
  });

  it('colours the verdict without disturbing the columns', () => {
    expect(verdictTable(run, { painter: marking })[2]).toMatch(/^<f>✕ fail {3}<\/f> {2}single-optimized {2}ns 1/);
  });

  it('says that nothing was checked instead of showing an empty table', () => {
    const empty: RunVerdict = { ...run, verdict: 'unknown', checks: [], interrupted: true };
    expect(verdictTable(empty)).toContain('no checker has judged this run');
    expect(verdictLine(empty)).toBe('? UNKNOWN  nothing was checked  (interrupted)');
  });

  it('sums up in one line', () => {
    expect(verdictLine(run)).toBe('✕ FAIL  1 pass, 1 fail, 1 unknown');
  });
});

describe('evidence lines', () => {
  it('shows only checks that are no pass, with times relative to the start, ids and metrics', () => {
    expect(evidenceLines(run, { t0Us: 1_000_000 })).toEqual([
      '✕ single-optimized  overlapMaxMs 400',
      '  - gw1 and gw2 both optimized [4.400 s – 4.800 s; events 1 2 3 4 …; ops 77]',
      '  - evil \ufffd[31m text second line [5.000 s]',
      '  - third',
      '',
      '? self-watch',
      '  (no evidence given)',
    ]);
  });

  it('cuts a long list and says how much is missing', () => {
    expect(evidenceLines(run, { linesMax: 1 })).toContain('    and 2 more in verdict.json');
  });

  it('is empty for a pass', () => {
    expect(evidenceLines({ ...run, verdict: 'pass', checks: [run.checks[0]!] })).toEqual([]);
  });
});

describe('wrapping', () => {
  it('breaks at spaces and cuts what is longer than a line', () => {
    expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
    expect(wrap('abcdefghij kl', 4)).toEqual(['abcd', 'efgh', 'ij', 'kl']);
    expect(wrap('', 5)).toEqual(['']);
  });
});

describe('colour', () => {
  it('is for terminals that want it only', () => {
    expect(painterFor({}, {})).toBe(plainPainter);
    expect(painterFor({ isTTY: true }, { NO_COLOR: '1' })).toBe(plainPainter);
    expect(painterFor({ isTTY: true }, { TERM: 'dumb' })).toBe(plainPainter);
    expect(painterFor({ isTTY: true }, { NO_COLOR: '' })).not.toBe(plainPainter);
  });
});
