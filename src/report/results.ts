import type { Plan } from '../plan/types.js';
import type { RunVerdict, Verdict } from '../verify/types.js';

/** One scenario of an invocation, as JUnit and the JSON summary list it. */
export type ScenarioResult = RanScenario | SkippedScenario;

export interface RanScenario {
  kind: 'ran';
  plan: Pick<Plan, 'suite' | 'scenario' | 'title' | 'seed' | 'lab' | 'defects'>;
  verdict: RunVerdict;
  /** Commit (and whether it was clean) of the tree that ran it. */
  git: string;
  /** Wall time of the start, milliseconds since 1970 UTC. */
  startedMs: number;
  durationMs: number;
  runDir: string;
  /** The HTML report, if one was written. */
  reportPath?: string;
  /** The command that repeats it. */
  repro: string;
}

export interface SkippedScenario {
  kind: 'skipped';
  suite: string;
  scenario: string;
  title: string;
  lab: string;
  /** What the lab lacks, in words: a skip without a reason does not exist. */
  reason: string;
}

export const suiteOf = (result: ScenarioResult): string => (result.kind === 'ran' ? result.plan.suite : result.suite);
export const scenarioOf = (result: ScenarioResult): string => (result.kind === 'ran' ? result.plan.scenario : result.scenario);

/** An interrupted run proves nothing, whatever its checks say about the part that ran. */
export function effectiveVerdict(result: RanScenario): Verdict {
  return result.verdict.interrupted && result.verdict.verdict === 'pass' ? 'unknown' : result.verdict.verdict;
}
