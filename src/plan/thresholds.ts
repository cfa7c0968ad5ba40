import { z } from 'zod';

/**
 * Limits of metrics as data: in a scenario's `expect`, and with more words (baselines) in a gate's policy.
 *
 * A metric is named `<checker>.<metric>`, as verdict.json has it: `availability.stallMaxMs`. A `*` in the metric
 * stands for any text, so `availability.*.stallMaxMs` means that metric of every fault and namespace.
 */
export interface Threshold {
  checker: string;
  /** May contain `*`. */
  metric: string;
  min?: number;
  max?: number;
  equals?: number;
  /** A run without the metric is no finding. Otherwise it is `unknown`: what was not measured is not proved. */
  optional?: boolean;
  /** Why this limit, for the reader of the report. */
  reason?: string;
}

export const metricKeySchema = z.string().regex(/^[a-z][a-z0-9-]*\.[A-Za-z0-9_.*-]+$/, 'a metric is <checker>.<metric>, such as availability.stallMaxMs; * stands for any text');

export const thresholdSchema = z.strictObject({
  min: z.number().optional(),
  max: z.number().optional(),
  equals: z.number().optional(),
  optional: z.boolean().optional(),
  reason: z.string().min(3).optional(),
}).refine(({ min, max, equals }) => min !== undefined || max !== undefined || equals !== undefined, 'a threshold needs min, max or equals');

export const thresholdsSchema = z.record(metricKeySchema, thresholdSchema);

export function thresholdList(thresholds: z.infer<typeof thresholdsSchema>): Threshold[] {
  return Object.entries(thresholds).map(([key, { min, max, equals, optional, reason }]) => ({
    ...splitMetricKey(key),
    ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }), ...(equals === undefined ? {} : { equals }),
    ...(optional === undefined ? {} : { optional }), ...(reason === undefined ? {} : { reason }),
  }));
}

/** `availability.kill.stallMaxMs` → checker `availability`, metric `kill.stallMaxMs`. */
export function splitMetricKey(key: string): { checker: string; metric: string } {
  const dot = key.indexOf('.');
  return { checker: key.slice(0, dot), metric: key.slice(dot + 1) };
}
