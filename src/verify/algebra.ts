import type { CheckResult, Verdict } from './types.js';

/**
 * The checkers whose failure stands even when the lab broke. An acknowledged block that reads back wrong is a
 * fact of the journal, which lives outside of the system under test; no node that failed to start excuses it.
 * What the others measure (stalls, owners, inventories) is what a broken lab disturbs.
 */
export const dominantCheckers: readonly string[] = ['integrity'];

/**
 * The verdict of a run from those of its checkers:
 *
 * | the checks say                                    | the run's verdict |
 * |---------------------------------------------------|-------------------|
 * | a dominant checker (integrity) says fail          | fail              |
 * | else: the run ended as infra, or a check is infra | infra             |
 * | else: any fail                                    | fail              |
 * | else: any unknown, or interrupted, or no check    | unknown           |
 * | else: every check is a pass                       | pass              |
 *
 * A failure outweighs an unknown, since what was proved stays proved; an unknown outweighs every pass, since
 * only a proof is a pass.
 */
export function overallVerdict(checks: readonly Pick<CheckResult, 'checker' | 'verdict'>[], run: { infra: boolean; interrupted: boolean }): Verdict {
  const any = (verdict: Verdict): boolean => checks.some((check) => check.verdict === verdict);
  if (checks.some((check) => check.verdict === 'fail' && dominantCheckers.includes(check.checker))) return 'fail';
  if (run.infra || any('infra')) return 'infra';
  if (any('fail')) return 'fail';
  if (any('unknown') || run.interrupted || checks.length === 0) return 'unknown';
  return 'pass';
}
