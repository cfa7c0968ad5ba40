import type { CheckResult, RunVerdict } from '../verify/types.js';

/** In which way a run failed: by which checker, and with which kind of finding. */
export interface Signature { checker: string; kinds: string[] }

/**
 * The signature of the first failing check (or of the one that is asked for). Two findings are of one kind if they
 * say the same of other times, gateways, operations and numbers. Undefined: it did not fail.
 */
export function signatureOf(verdict: Pick<RunVerdict, 'checks'>, checker?: string): Signature | undefined {
  const check = verdict.checks.find((each) => each.verdict === 'fail' && (checker === undefined || each.checker === checker));
  return check === undefined ? undefined : { checker: check.checker, kinds: kindsOf(check) };
}

/** Did the same checker fail in the same way? Integrity has a name for each kind; elsewhere the first finding counts. */
export function failsAlike(verdict: Pick<RunVerdict, 'checks'>, wanted: Signature): boolean {
  const check = verdict.checks.find((each) => each.checker === wanted.checker && each.verdict === 'fail');
  return check !== undefined && kindsOf(check).some((kind) => wanted.kinds.includes(kind));
}

function kindsOf(check: CheckResult): string[] {
  const named = Object.keys(check.metrics).filter((metric) => metric.endsWith('Findings')).map((metric) => metric.slice(0, -'Findings'.length));
  if (named.length > 0) return named;
  const first = check.evidence[0]?.text ?? check.summary;
  return [first.replaceAll(/\bgw\d+\b/g, 'gw#').replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '#').replaceAll(/[+-]?\d+(\.\d+)?/g, '#').replaceAll(/, (within|bound) .*$/g, '')];
}
