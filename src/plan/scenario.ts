import { z } from 'zod';
import { faultNames } from '../fault/specs.js';
import { usageError } from '../util/errors.js';
import { fioJobSchema } from './fio.js';
import { thresholdsSchema } from './thresholds.js';
import { labKinds, pathPolicies } from './types.js';

/**
 * What a person writes in a suite: data only, serializable to JSON. Everything has a default but the
 * name, the title, the description and the steps.
 */
const timersSchema = z.strictObject({
  beaconMs: z.int().min(20), beaconGraceMs: z.int().min(100), monTickMs: z.int().min(20), skipFailoversMs: z.int().min(0),
  deleteSuppressMs: z.int().min(0), failbackMs: z.int().min(0), blocklistWaitMs: z.int().min(100), deleteGraceMs: z.int().min(100),
  connectPanicMs: z.int().min(100), disconnectPanicMs: z.int().min(100), katoMs: z.int().min(100), ioTimeoutMs: z.int().min(100),
  adminTimeoutMs: z.int().min(100), reconnectDelayMs: z.int().min(10), ctrlLossTmoMs: z.int().min(-1), fastIoFailTmoMs: z.int().min(-1),
  anattMs: z.int().min(1_000).multipleOf(1_000),
}).partial();

const labSchema = z.strictObject({
  gateways: z.int().min(1).max(16),
  hosts: z.int().min(1).max(8),
  namespaces: z.int().min(1).max(1_024),
  anaGroups: z.int().min(1).max(16),
  blockSize: z.union([z.literal(512), z.literal(4_096)]),
  namespaceMiB: z.int().min(1).max(65_536),
  policy: z.enum(pathPolicies),
  ioQueues: z.int().min(1).max(16),
  headerDigest: z.boolean(),
  dataDigest: z.boolean(),
  onFenced: z.enum(['end', 'stay']),
  timeScale: z.number().min(0.05).max(10),
  timers: timersSchema,
}).partial();

const workloadSchema = z.strictObject({
  queueDepth: z.int().min(1).max(128),
  readPercent: z.int().min(0).max(100),
  ioBytes: z.array(z.int().min(512).max(1_048_576)).min(1),
  workingSetBlocks: z.int().min(8).max(1_048_576),
  maxIops: z.int().min(0),
  idleNamespaces: z.int().min(0),
  probePeriodMs: z.int().min(10),
  delayedRereadMs: z.int().min(0),
  rereadForMs: z.int().min(0).max(86_400_000),
}).partial();

/**
 * `owner-of:N` is the gateway that owns ANA group N; `random-owner` one that the seed chooses among the
 * owners of groups with load; a plain name (`gw2`) is itself.
 */
const targetSchema = z.string().regex(/^(gw[1-9][0-9]?|owner-of:[1-9][0-9]?|random-owner)$/, 'a target is gwN, owner-of:N or random-owner');
const identifier = z.string().regex(/^[a-z][a-z0-9-]*$/, 'lower-case letters, digits and hyphens, beginning with a letter');

const stepSchema = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('phase'), name: identifier }),
  z.strictObject({ do: z.literal('run'), forMs: z.int().min(0).max(86_400_000) }),
  z.strictObject({
    do: z.literal('inject'), id: identifier, fault: z.enum(faultNames), target: targetSchema,
    params: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).optional(),
    /** `later`: the next step follows at once, and the confirmation is waited for before the next step that injects nothing. */
    confirm: z.literal('later').optional(),
    /** Set by the planner in a random schedule. */
    random: z.literal(true).optional(),
  }),
  /** A random schedule of faults, drawn from the seed; everything is healed at its end. See thrash.ts. */
  z.strictObject({
    do: z.literal('thrash'), forMs: z.int().min(1_000).max(86_400_000),
    /** Faults at a time, each on one or more gateways. Default 2. */
    concurrent: z.int().min(1).max(16).optional(),
    /** Only these; default: all that the lab can do. */
    faults: z.array(z.enum(faultNames)).min(1).optional(),
    /** `one` (default): some gateway is always left alone. `none`: all of them may be hit at once. */
    spare: z.enum(['one', 'none']).optional(),
    /** true: also let faults that hang writes at the store meet failbacks, where NVMeofGwMon's design loses data (docs/LABS.md). Default: such a fault comes alone, with everything at home. */
    hangOverFailback: z.boolean().optional(),
  }),
  z.discriminatedUnion('what', [
    /** Waits until another gateway serves the groups of the fault's target. */
    z.strictObject({ do: z.literal('await'), what: z.literal('takeover'), of: identifier, bound: z.string().optional() }),
    /** Waits until every ANA group is optimized once, at its own gateway. */
    z.strictObject({ do: z.literal('await'), what: z.literal('home'), bound: z.string().optional() }),
  ]),
  z.strictObject({ do: z.literal('heal'), id: identifier, /** As for an injection, until the next step that heals nothing. */ confirm: z.enum(['later', 'gone']).optional() }),
]);

export const scenarioSchema = z.strictObject({
  name: identifier,
  title: z.string().min(3).max(120),
  description: z.string().min(3),
  /** Labs on which it makes sense; default: all. */
  labs: z.array(z.enum(labKinds)).min(1).optional(),
  lab: labSchema.optional(),
  workload: workloadSchema.optional(),
  /** fio jobs that run beside the stamp workload, on labs whose hosts have kernel block devices. */
  fio: z.array(fioJobSchema).min(1).max(32).optional(),
  /** true: where the host has no such devices, run without fio instead of not at all. */
  fioOptional: z.boolean().optional(),
  steps: z.array(stepSchema).min(1).max(1_000),
  expect: z.strictObject({
    failedIoMax: z.int().min(0),
    /** Limits of metrics, by `<checker>.<metric>`, on top of the checkers' own bounds. */
    thresholds: thresholdsSchema,
  }).partial().optional(),
});

export type Scenario = z.input<typeof scenarioSchema>;
export type ScenarioStep = z.infer<typeof stepSchema>;

const suiteSchema = z.strictObject({ name: identifier, scenarios: z.array(z.unknown()).min(1) });
export interface SuiteDefinition { name: string; scenarios: Scenario[] }

/** Reads a suite or says which field of which scenario is wrong and what it accepts (PathproofError, exit 64). */
export function parseSuite(input: unknown, origin: string): SuiteDefinition {
  const outer = suiteSchema.safeParse(input);
  if (!outer.success) throw usageError('BAD_SUITE', `${origin}: ${describe(outer.error)}`, 'A suite file default-exports suite({ name, scenarios: [...] }).');
  const seen = new Set<string>();
  const scenarios = outer.data.scenarios.map((raw, index) => {
    const parsed = scenarioSchema.safeParse(raw);
    const label = typeof raw === 'object' && raw !== null && 'name' in raw ? String(raw.name) : `#${index + 1}`;
    if (!parsed.success) throw usageError('BAD_SCENARIO', `${origin}: scenario ${label}: ${describe(parsed.error)}`);
    if (seen.has(parsed.data.name)) throw usageError('BAD_SCENARIO', `${origin}: two scenarios are named ${parsed.data.name}`);
    seen.add(parsed.data.name);
    return parsed.data;
  });
  return { name: outer.data.name, scenarios };
}

/** All issues of a zod error in one line, each with its field and what is accepted. */
export function describe(error: z.ZodError): string {
  return error.issues.map((issue) => {
    const field = issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `;
    if (issue.code === 'unrecognized_keys') return `${field}unknown field ${issue.keys.map((k) => `"${k}"`).join(', ')}`;
    if (issue.code === 'invalid_key') return `${field}${issue.issues.map(({ message }) => message).join(', ')}`;
    return `${field}${issue.message}`;
  }).join('; ');
}
