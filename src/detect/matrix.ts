import type { CheckResult, Evidence, RunVerdict } from '../verify/types.js';
import type { DefectName } from '../plan/defects.js';
import { defectExpectations } from './expectations.js';

/** One run that the matrix asks for; `defect` null: the honest lab. */
export interface Cell { defect: DefectName | null; scenario: string; seed: string }

/**
 * How a run counts.
 *
 * | run of | outcome | when |
 * |---|---|---|
 * | the honest lab | `quiet` | it passes |
 * | | `alarm` | it fails or breaks |
 * | a defect | `detected` | it fails, and a checker whose business it is says what it has to say |
 * | | `wrong-checker` | it fails for another reason only |
 * | | `crashed` | it ended as infra: whatever was seen, the user is told that the lab broke |
 * | | `escaped` | it passes |
 * | either | `undecided` | unknown, although the machine was fit |
 * | either | `unmeasured` | unknown (of a defect also: a checker whose business it is), and the machine did not let the processes run: to be repeated |
 */
export type Outcome = 'quiet' | 'alarm' | 'detected' | 'wrong-checker' | 'crashed' | 'escaped' | 'undecided' | 'unmeasured';

/** One run that was made. */
export interface Measured extends Cell {
  outcome: Outcome;
  /** Checkers that found it, or gave the alarm; for `wrong-checker` those that failed. */
  by: string[];
  /** The first finding that counts, in words. */
  finding: string;
  /** From the run's start to what the first finding is about, seconds; null without one. */
  afterS: number | null;
  /** Run folder, where it was kept. */
  dir: string | null;
  git: string;
  /** When it ended, milliseconds since 1970 UTC. */
  atMs: number;
  durationS: number;
}

export interface Matrix { format: 1; machine: string; runs: Measured[] }

export function emptyMatrix(machine: string): Matrix {
  return { format: 1, machine, runs: [] };
}

export interface MatrixRequest {
  /** Null stands for the honest lab. */
  defects: readonly (DefectName | null)[];
  /** Scenarios of the honest lab. */
  honestScenarios: readonly string[];
  seeds: readonly string[];
  honestSeeds: readonly string[];
  /** How often a run that could not be measured is repeated. */
  repeatMax: number;
}

/** Everything that is asked for, one seed after the other, so that a matrix that is cut short has a bit of all. */
export function cellsOf(request: MatrixRequest): Cell[] {
  const cells: Cell[] = [];
  const rounds = Math.max(request.seeds.length, request.honestSeeds.length);
  for (let i = 0; i < rounds; i++) {
    // The honest lab first: without it the rest means nothing.
    const honestSeed = request.honestSeeds[i];
    if (honestSeed !== undefined && request.defects.includes(null)) for (const scenario of request.honestScenarios) cells.push({ defect: null, scenario, seed: honestSeed });
    const seed = request.seeds[i];
    if (seed === undefined) continue;
    for (const defect of request.defects) {
      if (defect !== null) for (const scenario of defectExpectations[defect].scenarios) cells.push({ defect, scenario, seed });
    }
  }
  return cells;
}

export function sameCell(a: Cell, b: Cell): boolean {
  return a.defect === b.defect && a.scenario === b.scenario && a.seed === b.seed;
}

/** What is still to be run: cells without a run that counts, and not given up as unmeasurable. */
export function openCells(matrix: Matrix, request: MatrixRequest): Cell[] {
  return cellsOf(request).filter((cell) => {
    const runs = matrix.runs.filter((run) => sameCell(run, cell));
    return runs.every(({ outcome }) => outcome === 'unmeasured') && runs.length <= request.repeatMax;
  });
}

/** The run that counts for each cell: the newest that was measured, else the newest. */
export function counted(matrix: Matrix): Measured[] {
  const byCell = new Map<string, Measured>();
  for (const run of matrix.runs) {
    const key = `${run.defect ?? ''}|${run.scenario}|${run.seed}`;
    const before = byCell.get(key);
    if (before === undefined || run.outcome !== 'unmeasured' || before.outcome === 'unmeasured') byCell.set(key, run);
  }
  return [...byCell.values()];
}

/** Judges the verdict of a run as a measurement. `startUs`: time of the run's first event. */
export function judgeCell(defect: DefectName | null, verdict: RunVerdict, startUs: number): Pick<Measured, 'outcome' | 'by' | 'finding' | 'afterS'> {
  const failing = verdict.checks.filter((check) => check.verdict === 'fail');
  const starved = verdict.checks.some((check) => check.checker === 'self-watch' && check.verdict !== 'pass')
    || verdict.checks.some((check) => check.verdict === 'unknown' && check.evidence.some(({ text }) => starvedText.test(text)));
  const first = (checks: readonly CheckResult[]): Pick<Measured, 'by' | 'finding' | 'afterS'> => {
    const [check] = checks;
    const evidence = check?.evidence[0];
    return { by: checks.map(({ checker }) => checker), finding: evidence?.text ?? check?.summary ?? '', afterS: secondsAfter(evidence, startUs) };
  };
  if (defect !== null) {
    const found = verdict.verdict === 'fail' ? findingsOf(defect, failing) : [];
    const [best] = found;
    if (best !== undefined) {
      const times = found.map(({ evidence }) => secondsAfter(evidence, startUs)).filter((s) => s !== null);
      return { outcome: 'detected', by: [...new Set(found.map(({ checker }) => checker))], finding: best.evidence.text, afterS: times.length === 0 ? null : Math.min(...times) };
    }
  }
  switch (verdict.verdict) {
    case 'pass':
      return { outcome: defect === null ? 'quiet' : 'escaped', by: [], finding: '', afterS: null };
    case 'fail':
      if (defect !== null && couldNotTell(defect, verdict)) return { outcome: 'unmeasured', ...first(failing) };
      return { outcome: defect === null ? 'alarm' : 'wrong-checker', ...first(failing) };
    case 'infra': {
      const broken = verdict.checks.filter((check) => check.verdict === 'infra');
      return { outcome: starved ? 'unmeasured' : defect === null ? 'alarm' : 'crashed', ...first(broken) };
    }
    case 'unknown':
      return { outcome: starved ? 'unmeasured' : 'undecided', ...first(verdict.checks.filter((check) => check.verdict === 'unknown')) };
  }
}

/** A checker whose business the defect is has the machine for the reason that it proves nothing. */
function couldNotTell(defect: DefectName, verdict: RunVerdict): boolean {
  const asked = new Set(defectExpectations[defect].finds.map(({ checker }) => checker));
  return verdict.checks.some((check) => asked.has(check.checker) && check.verdict === 'unknown' && check.evidence.some(({ text }) => starvedText.test(text)));
}

/** As verify/standstill.ts says it. */
const starvedText = /the machine did not let|waited for a processor/;

function findingsOf(defect: DefectName, failing: readonly CheckResult[]): { checker: string; evidence: Evidence }[] {
  return failing.flatMap((check) => {
    const wanted = defectExpectations[defect].finds.filter(({ checker }) => checker === check.checker);
    const evidence = check.evidence.find(({ text }) => wanted.some(({ says }) => says.test(text)));
    return evidence === undefined ? [] : [{ checker: check.checker, evidence }];
  });
}

function secondsAfter(evidence: Evidence | undefined, startUs: number): number | null {
  return evidence?.tUs === undefined || !Number.isFinite(evidence.tUs) ? null : Math.round((evidence.tUs - startUs) / 1e5) / 10;
}
