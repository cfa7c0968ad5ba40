import type { Threshold } from '../plan/thresholds.js';
import { Findings } from './result.js';
import type { CheckResult, Verdict } from './types.js';
import { count } from './words.js';

/** One metric of one run that a threshold speaks of. */
export interface MeasuredMetric {
  /** `<checker>.<metric>`. */
  name: string;
  value: number;
}

/** All metrics that a threshold names, `*` standing for any text. */
export function metricsNamed(checks: readonly CheckResult[], { checker, metric }: Pick<Threshold, 'checker' | 'metric'>): MeasuredMetric[] {
  const pattern = new RegExp(`^${metric.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
  return checks.filter((check) => check.checker === checker)
    .flatMap((check) => Object.entries(check.metrics).filter(([name]) => pattern.test(name)).map(([name, value]) => ({ name: `${checker}.${name}`, value })));
}

/** What came of one threshold for one run. */
export interface ThresholdResult {
  threshold: Threshold;
  verdict: Verdict;
  text: string;
  measured: MeasuredMetric[];
}

/**
 * Holds the metrics of a run against a threshold. One that was not measured is `unknown`, unless the threshold is
 * optional; so is one that is no number.
 */
export function judgeThreshold(threshold: Threshold, checks: readonly CheckResult[]): ThresholdResult {
  const name = `${threshold.checker}.${threshold.metric}`;
  const measured = metricsNamed(checks, threshold);
  if (measured.length === 0) {
    return threshold.optional === true
      ? { threshold, verdict: 'pass', text: `${name} was not measured, and need not be`, measured }
      : { threshold, verdict: 'unknown', text: `${name} was not measured`, measured };
  }
  const unusable = measured.find(({ value }) => !Number.isFinite(value));
  if (unusable !== undefined) return { threshold, verdict: 'unknown', text: `${unusable.name} is ${unusable.value}`, measured };
  const wanted = limits(threshold);
  const broken = measured.filter(({ value }) => !holds(threshold, value));
  const why = threshold.reason === undefined ? '' : ` (${threshold.reason})`;
  if (broken.length > 0) {
    const list = broken.map((each) => `${each.name} = ${each.value}`).join(', ');
    return { threshold, verdict: 'fail', text: `${list}: must be ${wanted}${why}`, measured };
  }
  const values = measured.map(({ value }) => value);
  const range = Math.min(...values) === Math.max(...values) ? String(values[0]) : `${Math.min(...values)} … ${Math.max(...values)}`;
  return { threshold, verdict: 'pass', text: `${name} = ${range}, must be ${wanted}${why}`, measured };
}

function holds({ min, max, equals }: Threshold, value: number): boolean {
  return (min === undefined || value >= min) && (max === undefined || value <= max) && (equals === undefined || value === equals);
}

function limits({ min, max, equals }: Threshold): string {
  return [
    ...(equals === undefined ? [] : [`exactly ${equals}`]), ...(min === undefined ? [] : [`at least ${min}`]), ...(max === undefined ? [] : [`at most ${max}`]),
  ].join(' and ');
}

/**
 * The checker `expectations`: the thresholds of the scenario against what the other checkers measured. Undefined when
 * the scenario has none: no vacuous pass.
 */
export function checkThresholds(thresholds: readonly Threshold[], checks: readonly CheckResult[]): CheckResult | undefined {
  if (thresholds.length === 0) return undefined;
  const findings = new Findings('expectations');
  for (const threshold of thresholds) {
    const { verdict, text } = judgeThreshold(threshold, checks);
    findings.add(verdict, { text });
  }
  findings.metrics['thresholds'] = thresholds.length;
  return findings.result(`${count(thresholds.length, 'threshold')} of the scenario held`);
}

/** What the checker `expectations` proves, for the report. */
export const expectationsProve = 'The metrics of the run lie within the thresholds that the scenario names.';
