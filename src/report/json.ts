import type { CheckResult, Verdict } from '../verify/types.js';
import { effectiveVerdict, scenarioOf, suiteOf, type ScenarioResult } from './results.js';

/** Raised when a reader of the old shape would misread the new one; added fields do not count. */
export const summaryFormat = 1;

/**
 * The JSON summary of one invocation (`pathproof run --json`), for scripts and dashboards.
 *
 * Times are ISO 8601 UTC or milliseconds, as their names say. Fields are always there unless marked optional.
 */
export interface Summary {
  /** See summaryFormat. A reader refuses numbers that it does not know. */
  format: typeof summaryFormat;
  tool: 'pathproof';
  version: string;
  /**
   * Of all scenarios that ran: `fail` if one failed, else `infra`, else `unknown` (also if none ran: nothing
   * was proved), else `pass`. Skips do not change it; whether they were expected is the gate's business.
   */
  verdict: Verdict;
  totals: Record<Verdict | 'skip', number>;
  /** In the order in which they ran or were skipped. */
  scenarios: SummaryScenario[];
}

export type SummaryScenario = SummaryRan | SummarySkip;

export interface SummarySkip {
  suite: string;
  scenario: string;
  title: string;
  lab: string;
  verdict: 'skip';
  /** What the lab lacks. */
  reason: string;
}

export interface SummaryRan {
  suite: string;
  scenario: string;
  title: string;
  lab: string;
  /** A `pass` of an interrupted run is given as `unknown`. */
  verdict: Verdict;
  interrupted: boolean;
  seed: string;
  git: string;
  runId: string;
  startedAt: string;
  durationMs: number;
  /** Folder with plan, history, journal and verdict. */
  runDir: string;
  /** Optional: the HTML report. */
  reportPath?: string;
  /** The command that repeats the run. */
  repro: string;
  /** Defects switched on in the lab; a run with any says nothing about an honest system. */
  defects: string[];
  /** As in verdict.json (verify/types.ts), evidence included. */
  checks: CheckResult[];
}

/** Builds the summary; `version` is pathproof's own. */
export function summarize(results: readonly ScenarioResult[], version: string): Summary {
  const totals: Summary['totals'] = { pass: 0, fail: 0, unknown: 0, infra: 0, skip: 0 };
  const scenarios = results.map((result): SummaryScenario => {
    const scenario = scenarioOf(result);
    const suite = suiteOf(result);
    if (result.kind === 'skipped') {
      totals.skip++;
      return { suite, scenario, title: result.title, lab: result.lab, verdict: 'skip', reason: result.reason };
    }
    const verdict = effectiveVerdict(result);
    totals[verdict]++;
    const { plan } = result;
    return {
      suite, scenario, title: plan.title, lab: plan.lab, verdict, interrupted: result.verdict.interrupted, seed: plan.seed, git: result.git, runId: result.verdict.runId,
      startedAt: new Date(result.startedMs).toISOString(), durationMs: result.durationMs, runDir: result.runDir,
      ...(result.reportPath === undefined ? {} : { reportPath: result.reportPath }),
      repro: result.repro, defects: plan.defects, checks: result.verdict.checks,
    };
  });
  return { format: summaryFormat, tool: 'pathproof', version, verdict: overall(totals), totals, scenarios };
}

/** The summary as a file's text. */
export function renderSummary(results: readonly ScenarioResult[], version: string): string {
  return `${JSON.stringify(summarize(results, version), null, 2)}\n`;
}

function overall(totals: Summary['totals']): Verdict {
  if (totals.fail > 0) return 'fail';
  if (totals.infra > 0) return 'infra';
  if (totals.unknown > 0 || totals.pass === 0) return 'unknown';
  return 'pass';
}
