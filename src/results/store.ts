import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Plan } from '../plan/types.js';
import { infraError, messageOf, usageError } from '../util/errors.js';
import type { RunVerdict } from '../verify/types.js';

/** Names of the files of a run's folder (docs/FORMAT.md). */
export const runFiles = { plan: 'plan.json', run: 'run.json', history: 'history.ndjson', verdict: 'verdict.json', report: 'report.html', skip: 'skip.json', repro: 'repro.json' } as const;

/** What run.json says: how the run came about. Written before anything is started. */
export interface RunInfo {
  format: 1;
  runId: string;
  suite: string;
  scenario: string;
  seed: string;
  lab: string;
  /** Commit of the working tree that ran it, `-dirty` when it had changes; `unknown` outside a checkout. */
  git: string;
  version: string;
  argv: string[];
  startedAt: string;
  /** The command that repeats it. */
  repro: string;
  /** `I/N`: the part of the scenarios that its command ran; absent: all of them. */
  shard?: string;
}

/**
 * Creates `results/<suite>/<utc>-<seed>/`. The time has milliseconds, and a folder that exists already is
 * never used again: two runs at once cannot mix. Throws an infra error when it cannot be written.
 */
export function createRunDir(resultsDir: string, suite: string, seed: string): { runId: string; dir: string } {
  for (let attempt = 0; attempt < 100; attempt++) {
    const utc = new Date().toISOString().replace(/[-:]/g, '').replace('.', '');
    const runId = `${utc}-${seed}`;
    const dir = resolve(resultsDir, suite, runId);
    if (existsSync(dir)) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      continue;
    }
    try {
      mkdirSync(dir, { recursive: true });
    } catch (error) {
      throw infraError('RESULTS_DIR', `cannot create ${dir}: ${messageOf(error)}`, { hint: 'Give a writable folder with --results DIR.', cause: error });
    }
    return { runId, dir };
  }
  throw infraError('RESULTS_DIR', `cannot find a free run folder under ${resultsDir}`);
}

/** Writes one of the run's JSON files; a full disk is an infra error. */
export function writeRunFile(dir: string, name: string, value: unknown): void {
  try {
    writeFileSync(join(dir, name), typeof value === 'string' ? value : `${JSON.stringify(value, null, 2)}\n`);
  } catch (error) {
    throw infraError('RESULTS_WRITE', `cannot write ${join(dir, name)}: ${messageOf(error)}`, { hint: 'Is the disk full?', cause: error });
  }
}

/** What skip.json says: a scenario that a run left out, and why. It stands in the folder where the run would be. */
export interface SkipInfo {
  format: 1;
  runId: string;
  suite: string;
  scenario: string;
  title: string;
  seed: string;
  lab: string;
  reason: string;
  git: string;
  version: string;
  argv: string[];
  startedAt: string;
  /** As in run.json. */
  shard?: string;
}

export function readSkip(dir: string): SkipInfo | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, runFiles.skip), 'utf8')) as SkipInfo;
  } catch {
    return undefined;
  }
}

/** The plan of a stored run. Throws a usage error when the folder is none. */
export function readPlan(dir: string): Plan {
  const file = join(dir, runFiles.plan);
  if (!existsSync(file)) throw usageError('NOT_A_RUN', `${dir} is no run folder: it has no ${runFiles.plan}`, 'A run folder is results/<suite>/<utc>-<seed>; `pathproof list` shows them.');
  return readPlanFile(file);
}

/** How a run was judged. A usage error for a run that was not (NO_VERDICT). */
export function readRunVerdict(dir: string): RunVerdict {
  try {
    return JSON.parse(readFileSync(join(dir, runFiles.verdict), 'utf8')) as RunVerdict;
  } catch (error) {
    throw usageError('NO_VERDICT', `${dir} has no verdict: ${messageOf(error)}`, '`pathproof recheck` judges a run.');
  }
}

/** A plan from its file. Throws a usage error when it is none. */
export function readPlanFile(file: string): Plan {
  if (!existsSync(file)) throw usageError('NO_PLAN', `there is no plan ${file}`, 'A plan is plan.json of a run’s folder, or the repro.json that `pathproof shrink` stores.');
  let plan: Plan;
  try {
    plan = JSON.parse(readFileSync(file, 'utf8')) as Plan;
  } catch (error) {
    throw usageError('BAD_PLAN', `${file}: ${messageOf(error)}`);
  }
  if (typeof plan !== 'object' || plan === null || !('topology' in plan) || !Array.isArray(plan.steps)) throw usageError('BAD_PLAN', `${file} is no plan`);
  if (plan.format !== 1) throw usageError('BAD_PLAN', `${file}: format ${String(plan.format)} is not known to this version`, 'It was written by a newer pathproof.');
  return plan;
}

export function readRunInfo(dir: string): RunInfo | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, runFiles.run), 'utf8')) as RunInfo;
  } catch {
    return undefined;
  }
}

export interface StoredRun { dir: string; runId: string; suite: string; info: RunInfo | undefined; verdict: RunVerdict | undefined }

/** All runs below a results folder, oldest first. Folders without a plan are left out. */
export function listRuns(resultsDir: string): StoredRun[] {
  const runs: StoredRun[] = [];
  for (const suite of foldersIn(resultsDir)) {
    for (const dir of foldersIn(suite)) {
      if (!existsSync(join(dir, runFiles.plan))) continue;
      let verdict: RunVerdict | undefined;
      try {
        verdict = JSON.parse(readFileSync(join(dir, runFiles.verdict), 'utf8')) as RunVerdict;
      } catch {
        verdict = undefined;
      }
      runs.push({ dir, runId: basename(dir), suite: basename(suite), info: readRunInfo(dir), verdict });
    }
  }
  return runs.sort((a, b) => (a.runId < b.runId ? -1 : 1));
}

function foldersIn(dir: string): string[] {
  try {
    return readdirSync(dir).map((name) => join(dir, name)).filter((path) => statSync(path).isDirectory());
  } catch {
    return [];
  }
}
