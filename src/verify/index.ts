import type { Plan } from '../plan/types.js';
import { messageOf } from '../util/errors.js';
import { overallVerdict } from './algebra.js';
import { agreement } from './agreement.js';
import { availability } from './availability.js';
import { convergence } from './convergence.js';
import { faultTook } from './fault-took.js';
import { fio } from './fio.js';
import { fioStalls } from './fio-stalls.js';
import { haResponse } from './ha-response.js';
import { history } from './history.js';
import { integrity } from './integrity/index.js';
import { inventory } from './inventory.js';
import { membership } from './membership.js';
import { pathPolicy } from './path-policy.js';
import { selfWatch } from './self-watch.js';
import { singleOptimized } from './single-optimized.js';
import { checkThresholds } from './thresholds.js';
import type { CheckInput, CheckResult, Checker, RunVerdict } from './types.js';
import { vacuity } from './vacuity.js';

export { dominantCheckers, overallVerdict } from './algebra.js';
export { listStalls } from './stalls.js';
export { expectationsProve, judgeThreshold, metricsNamed } from './thresholds.js';
export type { ThresholdResult } from './thresholds.js';
export type { Stall, StallJudgement } from './stalls.js';
export type { CheckInput, CheckResult, Checker, Evidence, RunVerdict, Verdict } from './types.js';

/** All checkers, in the order in which a reader wants their verdicts: what was proved, then whether it can be believed. */
export const allCheckers: readonly Checker[] = [
  integrity, availability, fio, fioStalls, singleOptimized, haResponse, membership, agreement, pathPolicy, convergence, inventory, faultTook, vacuity, selfWatch, history,
];

/** The checkers that have something to prove about a run of this plan. */
export function checkersFor(plan: Plan, checkers: readonly Checker[] = allCheckers): Checker[] {
  return checkers.filter((checker) => checker.applies?.(plan) ?? true);
}

/**
 * Judges a stored run with all checkers, one after the other (a journal source reads for one checker at a time).
 * A checker that throws is `unknown` with the error as its evidence, and the others still speak.
 *
 * `interrupted`: the run was stopped from outside; such a run is never a pass. `checkers` is for tests.
 */
export async function judge(input: CheckInput, runId: string, interrupted: boolean, checkers: readonly Checker[] = allCheckers): Promise<RunVerdict> {
  const checks: CheckResult[] = [];
  for (const checker of checkersFor(input.plan, checkers)) checks.push(await runChecker(checker, input));
  const expectations = checkThresholds(input.plan.expect.thresholds ?? [], checks);
  if (expectations !== undefined) checks.push(expectations);
  const infra = input.events.some((event) => event.type === 'run.end' && event.reason === 'infra');
  return { format: 1, runId, verdict: overallVerdict(checks, { infra, interrupted }), interrupted, checks };
}

async function runChecker(checker: Checker, input: CheckInput): Promise<CheckResult> {
  try {
    return await checker.check(input);
  } catch (error) {
    const text = `the checker itself failed: ${messageOf(error)}`;
    const stack = error instanceof Error && error.stack !== undefined ? [{ text: error.stack }] : [];
    return { checker: checker.name, verdict: 'unknown', summary: text, evidence: [{ text }, ...stack], metrics: {} };
  }
}
