import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { HistoryEvent } from '../../history/events.js';
import type { Plan } from '../../plan/types.js';
import type { GateProduct } from '../../report/gate/types.js';
import type { CheckResult, RunVerdict, Verdict } from '../../verify/types.js';
import { messageOf, usageError } from '../../util/errors.js';
import { verdictOf } from '../judge.js';
import { checkEvidence, type Evidence } from '../manifest.js';
import { readPlan, readRunInfo, readSkip, runFiles, type SkipInfo } from '../store.js';

/** A stored run as a gate reads it. */
export interface LoadedRun {
  dir: string;
  runId: string;
  suite: string;
  scenario: string;
  title: string;
  lab: string;
  seed: string;
  git: string;
  startedAt: string;
  durationMs: number;
  defects: string[];
  product: GateProduct;
  /** As today's checkers judge the raw evidence; undefined: it cannot be trusted, and was not judged. */
  verdict: Verdict | undefined;
  interrupted: boolean;
  checks: CheckResult[];
  storedVerdict: Verdict | undefined;
  evidence: Evidence;
}
export interface LoadedSkip { dir: string; info: SkipInfo; evidence: Evidence }

/**
 * The folders of runs and skips that the arguments mean: one that is a run itself, or every one up to two levels below
 * (`results`, `results/smoke`). The same folder twice is one. A usage error (exit 64) for an argument without any.
 */
export function runFolders(args: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const arg of args) {
    const dirs = isRunFolder(arg) ? [arg] : [...foldersIn(arg), ...foldersIn(arg).flatMap(foldersIn)].filter(isRunFolder);
    if (dirs.length === 0) throw usageError('NOT_A_RUN', `${arg} is no run folder, and has none in it`, 'A run folder is results/<suite>/<utc>-<seed>; `pathproof list` shows them.');
    for (const dir of dirs) if (!found.has(realpathSync(dir))) found.set(realpathSync(dir), dir);
  }
  return [...found.values()];
}

/** A killed run may have lost its plan; what has a manifest, a history or a skip record is still one that was given. */
function isRunFolder(dir: string): boolean {
  return [runFiles.plan, runFiles.history, runFiles.skip].some((name) => existsSync(join(dir, name)));
}

function foldersIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort().map((name) => join(dir, name)).filter((path) => statSync(path).isDirectory());
  } catch {
    return [];
  }
}

export async function loadSkip(dir: string): Promise<LoadedSkip | undefined> {
  const info = readSkip(dir);
  return info === undefined ? undefined : { dir, info, evidence: await checkEvidence(dir) };
}

/**
 * Reads a run: its evidence is compared with the manifest first, and judged only if it is as the run left it. Only raw
 * evidence counts for the verdict; verdict.json is read to be shown.
 */
export async function loadRun(dir: string): Promise<LoadedRun> {
  const evidence = await checkEvidence(dir);
  const info = readRunInfo(dir);
  const plan = planOrNothing(dir);
  const judged = evidence.problems.length === 0 ? await judgedOrUnknown(dir) : undefined;
  const events = judged?.events ?? [];
  return {
    dir, runId: info?.runId ?? '', suite: plan?.suite ?? info?.suite ?? '?', scenario: plan?.scenario ?? info?.scenario ?? '?', title: plan?.title ?? '', lab: plan?.lab ?? info?.lab ?? '?',
    seed: plan?.seed ?? info?.seed ?? '', git: info?.git ?? 'unknown', startedAt: info?.startedAt ?? '', durationMs: events.length === 0 ? 0 : Math.round((events.at(-1)!.tUs - events[0]!.tUs) / 1_000),
    defects: plan?.defects ?? [], product: productOf(events), verdict: judged?.verdict.verdict, interrupted: judged?.verdict.interrupted ?? false, checks: judged?.verdict.checks ?? [],
    storedVerdict: storedVerdict(dir), evidence,
  };
}

/** The plan of a run whose evidence may be damaged: only what is needed to say which run it is. */
function planOrNothing(dir: string): Plan | undefined {
  try {
    return readPlan(dir);
  } catch {
    return undefined;
  }
}

/** A run that cannot be judged at all (a plan of another time, a folder without a history) is `unknown`, and says why. */
async function judgedOrUnknown(dir: string): Promise<{ verdict: RunVerdict; events: readonly HistoryEvent[] }> {
  try {
    const { verdict, input } = await verdictOf(dir);
    return { verdict, events: input.events };
  } catch (error) {
    const text = `the run cannot be judged: ${messageOf(error)}`;
    return { verdict: { format: 1, runId: '', verdict: 'unknown', interrupted: false, checks: [{ checker: 'judging', verdict: 'unknown', summary: text, evidence: [{ text }], metrics: {} }] }, events: [] };
  }
}

function productOf(events: readonly HistoryEvent[]): GateProduct {
  const event = events.find((each) => each.type === 'run.product');
  return event === undefined ? null : { name: event.name, version: event.version, components: event.components };
}

function storedVerdict(dir: string): Verdict | undefined {
  try {
    return (JSON.parse(readFileSync(join(dir, runFiles.verdict), 'utf8')) as RunVerdict).verdict;
  } catch {
    return undefined;
  }
}
