import { describe, expect, it } from 'vitest';
import type { CheckResult, RunVerdict, Verdict } from '../verify/types.js';
import { cellsOf, counted, emptyMatrix, judgeCell, openCells, type Cell, type Matrix, type MatrixRequest, type Measured, type Outcome } from './matrix.js';
import { renderMatrix } from './render.js';

const check = (checker: string, verdict: Verdict, text: string, tUs?: number): CheckResult => ({ checker, verdict, summary: text, evidence: [{ text, ...(tUs === undefined ? {} : { tUs }) }], metrics: {} });
const verdict = (of: Verdict, ...checks: CheckResult[]): RunVerdict => ({ format: 1, runId: 'r', verdict: of, interrupted: false, checks });
const outcomeOf = (defect: Parameters<typeof judgeCell>[0], of: Verdict, ...checks: CheckResult[]): Outcome => judgeCell(defect, verdict(of, ...checks), 1_000_000).outcome;

describe('judgeCell', () => {
  it('counts a defect as detected only by a checker whose business it is, saying what it has to say', () => {
    const found = judgeCell('gateway.tear-write', verdict('fail', check('integrity', 'fail', 'torn block, namespace 1 …', 5_250_000), check('availability', 'pass', 'fine')), 1_000_000);
    expect(found).toEqual({ outcome: 'detected', by: ['integrity'], finding: 'torn block, namespace 1 …', afterS: 4.3 });
    expect(outcomeOf('gateway.tear-write', 'fail', check('integrity', 'fail', 'stale read, namespace 1 …'))).toBe('wrong-checker');
    expect(outcomeOf('gateway.tear-write', 'fail', check('availability', 'fail', 'torn block'))).toBe('wrong-checker');
    expect(outcomeOf('gateway.tear-write', 'pass', check('integrity', 'pass', 'fine'))).toBe('escaped');
  });

  it('takes the earliest of several findings that count', () => {
    const { by, afterS } = judgeCell('gateway.lose-aen', verdict('fail', check('availability', 'fail', '9 ms without a completion', 9_000_000), check('agreement', 'fail', 'target and host disagreed about gw1 and ANA group 1 for 9 ms', 3_000_000)), 1_000_000);
    expect({ by, afterS }).toEqual({ by: ['availability', 'agreement'], afterS: 2 });
  });

  it('does not count what was found in a run that broke', () => {
    expect(outcomeOf('gateway.tear-write', 'infra', check('integrity', 'fail', 'torn block'), check('fault-took', 'infra', 'x'))).toBe('crashed');
  });

  it('calls a run unmeasured when the machine was not fit, and undecided when it was', () => {
    expect(outcomeOf('gateway.lose-aen', 'unknown', check('self-watch', 'unknown', 'store: its event loop stood still'))).toBe('unmeasured');
    expect(outcomeOf('gateway.lose-aen', 'unknown', check('availability', 'unknown', 'x; but the machine did not let gw1 run for 300 ms'), check('self-watch', 'pass', ''))).toBe('unmeasured');
    expect(outcomeOf('gateway.lose-aen', 'unknown', check('availability', 'unknown', 'x; but store waited for a processor for 300.0 ms of 900.0 ms'))).toBe('unmeasured');
    const double = check('single-optimized', 'unknown', 'host1: ANA group 2 optimized at gw1 and gw2 for 9 ms; but host1 waited for a processor for 300.0 ms of 900.0 ms');
    expect(outcomeOf('gateway.listener-optimized', 'fail', check('agreement', 'fail', 'x'), double)).toBe('unmeasured');
    expect(outcomeOf('gateway.lose-aen', 'fail', check('inventory', 'fail', 'x'), double)).toBe('wrong-checker');
    expect(outcomeOf('gateway.lose-aen', 'unknown', check('vacuity', 'unknown', 'no I/O'), check('self-watch', 'pass', ''))).toBe('undecided');
  });

  it('calls every failure of the honest lab an alarm', () => {
    expect(outcomeOf(null, 'pass')).toBe('quiet');
    expect(outcomeOf(null, 'fail', check('integrity', 'fail', 'torn block'))).toBe('alarm');
    expect(outcomeOf(null, 'infra', check('fault-took', 'infra', 'x'))).toBe('alarm');
    expect(outcomeOf(null, 'infra', check('fault-took', 'infra', 'x'), check('self-watch', 'unknown', 'x'))).toBe('unmeasured');
  });
});

const request: MatrixRequest = { defects: [null, 'gateway.tear-write', 'store.ignore-blocklist'], honestScenarios: ['smoke/gateway-dies'], seeds: ['d1', 'd2'], honestSeeds: ['h1', 'h2', 'h3'], repeatMax: 2 };
const measured = (cell: Cell, outcome: Outcome, more: Partial<Measured> = {}): Measured => ({ ...cell, outcome, by: [], finding: '', afterS: null, dir: null, git: 'abc', atMs: 0, durationS: 15, ...more });

describe('the work of a matrix', () => {
  it('takes one seed after the other, the honest lab first', () => {
    const names = cellsOf(request).map(({ defect, scenario, seed }) => `${defect ?? 'honest'} ${scenario} ${seed}`);
    expect(names).toEqual([
      'honest smoke/gateway-dies h1', 'gateway.tear-write smoke/gateway-dies d1', 'store.ignore-blocklist nightly/held-data-phase d1', 'store.ignore-blocklist nightly/frozen-gateway d1',
      'honest smoke/gateway-dies h2', 'gateway.tear-write smoke/gateway-dies d2', 'store.ignore-blocklist nightly/held-data-phase d2', 'store.ignore-blocklist nightly/frozen-gateway d2',
      'honest smoke/gateway-dies h3',
    ]);
  });

  it('goes on where it stopped, and repeats what could not be measured so many times', () => {
    const [first, second] = cellsOf(request);
    const matrix: Matrix = { ...emptyMatrix('m'), runs: [measured(first!, 'quiet'), measured(second!, 'unmeasured')] };
    expect(openCells(matrix, request)[0]).toEqual(second);
    matrix.runs.push(measured(second!, 'unmeasured'), measured(second!, 'unmeasured'));
    expect(openCells(matrix, request)).not.toContainEqual(second);
    expect(openCells(matrix, request)).toHaveLength(7);
  });

  it('counts the newest run that was measured', () => {
    const [, cell] = cellsOf(request);
    const runs = [measured(cell!, 'unmeasured', { atMs: 1 }), measured(cell!, 'escaped', { atMs: 2 }), measured(cell!, 'unmeasured', { atMs: 3 })];
    expect(counted({ ...emptyMatrix('m'), runs })).toEqual([runs[1]]);
  });
});

describe('renderMatrix', () => {
  const cells = cellsOf(request);
  const matrix: Matrix = {
    ...emptyMatrix('2 processors'),
    runs: [
      measured(cells[0]!, 'quiet'), measured(cells[4]!, 'alarm', { by: ['availability'], finding: 'a stall' }),
      measured(cells[1]!, 'detected', { by: ['integrity'], afterS: 2 }), measured(cells[5]!, 'detected', { by: ['integrity'], afterS: 4 }),
      measured(cells[2]!, 'detected', { by: ['integrity'], afterS: 10 }), measured(cells[3]!, 'escaped'), measured(cells[6]!, 'wrong-checker', { by: ['availability'], finding: 'a | b' }),
    ],
  };
  const page = renderMatrix(matrix);

  it('says how many runs, alarms and detections there were', () => {
    expect(page).toContain('| runs of the honest lab | 2, of which 1 passed, 1 gave a false alarm, 0 could not tell |');
    expect(page).toContain('| runs with a defect | 5, of which 3 detected it, 2 did not |');
    expect(page).toMatch(/\| defects \| 2 of \d+ measured, 1 of them detected in every measured run \|/);
  });

  it('has a row per defect and scenario, with who found it and when', () => {
    expect(page).toContain('| `gateway.tear-write` | torn block | smoke/gateway-dies | yes | 2 of 2 | integrity | 3.0 s |');
    expect(page).toContain('| nightly/held-data-phase | at times | 1 of 2 | integrity | 10.0 s |');
    expect(page).toContain('| nightly/frozen-gateway | no | 0 of 1 | – | – |');
    expect(page).toContain('| `gateway.flip-bit` | bit flip | smoke/gateway-dies | not measured | 0 of 0 | – | – |');
  });

  it('says how many runs went on at a time', () => {
    const ended = (...atMs: number[]): string => renderMatrix({ ...emptyMatrix('2 processors'), runs: atMs.map((ms, i) => measured(cells[i]!, 'quiet', { atMs: ms, durationS: 15 })) });
    expect(ended(15_000, 30_000, 44_900)).toContain('On 2 processors, the loopback lab, one run at a time. Commit abc.');
    expect(ended(15_000, 20_000, 35_000)).toContain('the loopback lab, up to 2 runs at a time.');
  });

  it('tells each escape and why, and each bug of the field that the lab cannot express', () => {
    expect(page).toContain('| `store.ignore-blocklist` | nightly/frozen-gateway | d1 | passed | not known |');
    const blind = renderMatrix({ ...emptyMatrix('2 processors'), runs: [measured({ defect: 'agent.late-demotion-50ms', scenario: 'smoke/gateway-dies', seed: 'd1' }, 'escaped')] });
    expect(blind).toMatch(/\| `agent\.late-demotion-50ms` \| smoke\/gateway-dies \| d1 \| passed \| an overlap between targets counts when /);
    expect(page).toContain('failed, but no checker whose business it is said so (availability: a \\| b) |');
    expect(page).toMatch(/\| 1 \| n193 \| .* \| `store\.ignore-blocklist` \(1 of 3\), `gateway\.admit-before-data` \(not measured\) \|/);
    expect(page).toMatch(/\| 22 \| n732 \| .* \| not here: /);
  });
});
