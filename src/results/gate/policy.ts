import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { metricKeySchema, splitMetricKey } from '../../plan/thresholds.js';
import { messageOf, usageError } from '../../util/errors.js';
import { parseYamlFile } from '../../util/yaml-file.js';

/**
 * The policy of a gate: a YAML file that says what has to be proved for a release (docs/GATE.md). `policySchema` is the
 * shape of the file; docs/schema/policy.schema.json is made from it.
 */

const scenarioName = z.string().regex(/^[a-z][a-z0-9-]*\/[a-z][a-z0-9-]*$/, 'a scenario is <suite>/<scenario>, such as smoke/gateway-dies');
/** `*` stands for any text. */
const versionPattern = z.string().min(1).max(200);

const productSchema = z.strictObject({
  name: z.string().min(1).describe('Exactly as the lab names it: ceph, pathproof-model'),
  version: versionPattern.describe('Text in which * stands for anything: "20.2.*"'),
  components: z.record(z.string(), versionPattern).optional().describe('Further parts that the lab names, e.g. kernel, nvme-cli, fio'),
});

/** A number, or a share above or below a baseline; without a RUN the runs of --baseline are meant. */
const relative = {
  max: z.union([z.number(), z.string().regex(/^\d+(\.\d+)? ?% above baseline( \S.*)?$/)], 'a number, or "10 % above baseline"'),
  min: z.union([z.number(), z.string().regex(/^\d+(\.\d+)? ?% below baseline( \S.*)?$/)], 'a number, or "10 % below baseline"'),
  within: z.string().regex(/^\d+(\.\d+)? ?% of baseline( \S.*)?$/, '"10 % of baseline", with a RUN behind it if another is meant than those of --baseline'),
};
const limitSchema = z.strictObject({
  max: relative.max.optional().describe('Largest value that passes'),
  min: relative.min.optional().describe('Smallest value that passes'),
  equals: z.number().optional(),
  within: relative.within.optional().describe('No further from the baseline, in either direction'),
  optional: z.boolean().optional().describe('A run without the metric passes; otherwise it is unknown'),
  reason: z.string().min(3).optional(),
}).refine(({ max, min, equals, within }) => [max, min, equals, within].some((limit) => limit !== undefined), 'a threshold needs max, min, equals or within');
const limitsSchema = z.record(metricKeySchema, limitSchema);

const labsSchema = z.array(z.string().min(1)).min(1).describe('Kinds of labs on which a run counts');
const runsSchema = z.int().min(1).max(10_000).describe('How many runs have to pass');

export const policySchema = z.strictObject({
  format: z.literal(1),
  name: z.string().min(3),
  description: z.string().optional(),
  labs: labsSchema.optional(),
  product: productSchema.optional(),
  runs: runsSchema.optional(),
  scenarios: z.array(z.strictObject({
    scenario: scenarioName,
    labs: labsSchema.optional(),
    product: productSchema.optional(),
    runs: runsSchema.optional(),
    thresholds: limitsSchema.optional().describe('On top of the ones for all scenarios; the same metric replaces'),
  })).min(1),
  thresholds: limitsSchema.optional().describe('For every run that counts, by <checker>.<metric>'),
  skips: z.array(z.strictObject({
    scenario: scenarioName,
    labs: labsSchema.optional().describe('Only on these; default: on any'),
    because: z.string().min(3).describe('Why the release can do without it'),
  })).optional().describe('Skips that are expected. An expected skip stands for the runs of a required scenario'),
});

/** A limit against a baseline; `run`: the folder that the policy names, undefined: those of --baseline. */
export interface RelativeLimit { percent: number; run: string | undefined }
export interface PolicyLimit {
  /** `<checker>.<metric>`, as written. */
  key: string;
  checker: string;
  metric: string;
  max?: number | RelativeLimit;
  min?: number | RelativeLimit;
  equals?: number;
  within?: RelativeLimit;
  optional: boolean;
  reason?: string;
}
export interface PolicyProduct { name: string; version: string; components: Record<string, string> }
export interface PolicyScenario {
  scenario: string;
  /** Empty: any. */
  labs: string[];
  product: PolicyProduct | null;
  runs: number;
  limits: PolicyLimit[];
}
export interface Policy {
  name: string;
  description: string | undefined;
  file: string;
  /** Of the file: a decision names the rules by which it was made. */
  sha256: string;
  /** For scenarios that nobody requires but whose runs were given. */
  defaults: Omit<PolicyScenario, 'scenario'>;
  scenarios: PolicyScenario[];
  skips: { scenario: string; labs: string[]; because: string }[];
}

/** Reads a policy file; a usage error names file, line and column of the first mistake, and lists the others. */
export function loadPolicy(file: string): Policy {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError('BAD_POLICY', `cannot read the policy: ${messageOf(error)}`, 'See suites/gate.policy.yaml for an example.');
  }
  return parsePolicy(text, file);
}

export function parsePolicy(text: string, file: string): Policy {
  return resolve(parseYamlFile(text, file, {
    schema: policySchema, code: 'BAD_POLICY', hint: 'docs/GATE.md describes the file.',
    further: ({ scenarios }) => {
      const twice = scenarios.find(({ scenario }, index) => scenarios.findIndex((other) => other.scenario === scenario) !== index)?.scenario;
      return twice === undefined ? [] : [{ path: ['scenarios', scenarios.findLastIndex(({ scenario }) => scenario === twice), 'scenario'], text: `${twice} is required twice` }];
    },
  }), file, text);
}

function resolve(data: z.infer<typeof policySchema>, file: string, text: string): Policy {
  const shared = data.thresholds ?? {};
  const product = ({ name, version, components = {} }: z.infer<typeof productSchema>): PolicyProduct => ({ name, version, components });
  const limits = (own: z.infer<typeof limitsSchema> = {}): PolicyLimit[] => Object.entries({ ...shared, ...own }).map(([key, limit]) => limitOf(key, limit));
  const defaults = { labs: data.labs ?? [], product: data.product === undefined ? null : product(data.product), runs: data.runs ?? 1, limits: limits() };
  return {
    name: data.name, description: data.description, file, sha256: createHash('sha256').update(text).digest('hex'), defaults,
    scenarios: data.scenarios.map((own) => ({
      scenario: own.scenario, labs: own.labs ?? defaults.labs, product: own.product === undefined ? defaults.product : product(own.product), runs: own.runs ?? defaults.runs, limits: limits(own.thresholds),
    })),
    skips: (data.skips ?? []).map(({ scenario, labs = [], because }) => ({ scenario, labs, because })),
  };
}

function limitOf(key: string, { max, min, equals, within, optional = false, reason }: z.infer<typeof limitSchema>): PolicyLimit {
  return {
    key, ...splitMetricKey(key), optional,
    ...(max === undefined ? {} : { max: absoluteOrRelative(max) }), ...(min === undefined ? {} : { min: absoluteOrRelative(min) }),
    ...(equals === undefined ? {} : { equals }), ...(within === undefined ? {} : { within: relativeOf(within) }), ...(reason === undefined ? {} : { reason }),
  };
}

function absoluteOrRelative(limit: number | string): number | RelativeLimit {
  return typeof limit === 'number' ? limit : relativeOf(limit);
}

function relativeOf(text: string): RelativeLimit {
  const [, percent, run] = /^(\d+(?:\.\d+)?) ?% \w+ baseline(?: (.+))?$/.exec(text)!;
  return { percent: Number(percent), run: run?.trim() };
}
