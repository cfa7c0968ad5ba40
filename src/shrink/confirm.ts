import type { Plan } from '../plan/types.js';

export interface ConfirmHooks {
  /** Runs a plan: does it still fail in the same way? */
  fails(plan: Plan): Promise<boolean>;
  /** Told of each plan that gave way to the next larger one, and how often it had failed again before it did not. */
  gaveWay?(plan: Plan, failed: number): void;
  /** True: make no more runs. What there is counts then. */
  stopped?(): boolean;
}

export interface Confirmed {
  plan: Plan;
  /** How often it failed again, in as many runs; 0 for the first plan, which is not asked again. */
  failedAgain: number;
}

/**
 * The smallest of these plans (each smaller than the one before it) that fails `times` more times in a row.
 * Delta debugging cuts time and workload down to the edge at which a failure still happens, and keeps what failed once: at
 * the edge itself a plan fails by chance, and reproduces nothing for whoever runs it next. A plan that fails in half of its runs
 * gets through n confirmations in one of 2^n. The first plan is the one to begin with: it needs no confirmation.
 */
export async function smallestThatFailsAgain(found: readonly [Plan, ...Plan[]], times: number, hooks: ConfirmHooks): Promise<Confirmed> {
  for (const candidate of found.slice(1).reverse()) {
    let failed = 0;
    while (failed < times && !hooks.stopped?.() && await hooks.fails(candidate)) failed += 1;
    if (failed === times || hooks.stopped?.()) return { plan: candidate, failedAgain: failed };
    hooks.gaveWay?.(candidate, failed);
  }
  return { plan: found[0], failedAgain: 0 };
}

/**
 * The least rate of failure, 0 to 1, that `runs` failures in as many runs prove with 95 % confidence: a plan that fails more
 * seldom gets through them in less than one of 20 cases (the exact binomial bound of Clopper and Pearson, one-sided).
 */
export function leastFailureRate(runs: number): number {
  return 0.05 ** (1 / runs);
}
