import type { Threshold } from '../../plan/thresholds.js';
import { judgeThreshold, metricsNamed } from '../../verify/index.js';
import type { CheckResult, Verdict } from '../../verify/types.js';
import type { PolicyLimit, RelativeLimit } from './policy.js';

/** Checks of the runs to compare with, of the same scenario and lab; an empty list: there are none. */
export type BaselineOf = (limit: RelativeLimit) => readonly (readonly CheckResult[])[];

export interface LimitResult { verdict: Verdict; text: string; limit: string }

/**
 * Holds one run against one limit of the policy. A limit against a baseline is turned into numbers for each metric that
 * the run has: the median of the baseline's runs, and the share above or below it. Without a value there it is
 * `unknown`.
 */
export function judgeLimit(limit: PolicyLimit, checks: readonly CheckResult[], baselineOf: BaselineOf): LimitResult {
  const words = limitWords(limit);
  const measured = metricsNamed(checks, limit);
  const relatives = [limit.max, limit.min, limit.within].filter((each) => typeof each === 'object');
  if (measured.length === 0 || relatives.length === 0) {
    const { verdict, text } = judgeThreshold(thresholdOf(limit, {}), checks);
    return { verdict, text, limit: words };
  }
  const results = measured.map(({ name }) => {
    const metric = name.slice(limit.checker.length + 1);
    const values = new Map<RelativeLimit, number | undefined>(relatives.map((each) => [each, medianOf(baselineOf(each), limit.checker, metric)]));
    if ([...values.values()].includes(undefined)) return { verdict: 'unknown' as const, text: `${name}: the baseline has no such value to compare with` };
    const numbers = boundsOf(limit, (each) => values.get(each)!);
    const { verdict, text } = judgeThreshold(thresholdOf({ ...limit, metric }, numbers), checks);
    return { verdict, text: `${text}; baseline ${[...new Set(values.values())].join(', ')}` };
  });
  const order: Verdict[] = ['fail', 'infra', 'unknown', 'pass'];
  const worst = order.find((verdict) => results.some((result) => result.verdict === verdict))!;
  return { verdict: worst, text: results.filter((result) => result.verdict === worst).map(({ text }) => text).join('; '), limit: words };
}

function boundsOf({ max, min, within }: PolicyLimit, valueOf: (limit: RelativeLimit) => number): { max?: number; min?: number } {
  const uppers: number[] = [];
  const lowers: number[] = [];
  const shift = (limit: RelativeLimit, sign: 1 | -1): number => {
    const base = valueOf(limit);
    return rounded(base + sign * Math.abs(base) * (limit.percent / 100));
  };
  if (typeof max === 'object') uppers.push(shift(max, 1));
  if (typeof min === 'object') lowers.push(shift(min, -1));
  if (within !== undefined) {
    uppers.push(shift(within, 1));
    lowers.push(shift(within, -1));
  }
  if (typeof max === 'number') uppers.push(max);
  if (typeof min === 'number') lowers.push(min);
  return { ...(uppers.length === 0 ? {} : { max: Math.min(...uppers) }), ...(lowers.length === 0 ? {} : { min: Math.max(...lowers) }) };
}

function thresholdOf(limit: PolicyLimit, numbers: { max?: number; min?: number }): Threshold {
  return {
    checker: limit.checker, metric: limit.metric, optional: limit.optional,
    ...(typeof limit.max === 'number' ? { max: limit.max } : {}), ...(typeof limit.min === 'number' ? { min: limit.min } : {}), ...numbers,
    ...(limit.equals === undefined ? {} : { equals: limit.equals }), ...(limit.reason === undefined ? {} : { reason: limit.reason }),
  };
}

/** The median of exactly this metric; undefined unless every run of the baseline has it. */
function medianOf(runs: readonly (readonly CheckResult[])[], checker: string, metric: string): number | undefined {
  const values = runs.map((checks) => checks.find((check) => check.checker === checker)?.metrics[metric]);
  if (values.length === 0 || values.some((value) => value === undefined || !Number.isFinite(value))) return undefined;
  const sorted = (values as number[]).sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : rounded((sorted[middle - 1]! + sorted[middle]!) / 2);
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

export function limitWords({ max, min, equals, within }: PolicyLimit): string {
  const than = (limit: RelativeLimit): string => `baseline${limit.run === undefined ? '' : ` ${limit.run}`}`;
  return [
    ...(equals === undefined ? [] : [`= ${equals}`]),
    ...(min === undefined ? [] : [typeof min === 'number' ? `≥ ${min}` : `≥ ${than(min)} − ${min.percent} %`]),
    ...(max === undefined ? [] : [typeof max === 'number' ? `≤ ${max}` : `≤ ${than(max)} + ${max.percent} %`]),
    ...(within === undefined ? [] : [`within ${within.percent} % of ${than(within)}`]),
  ].join(', ');
}
