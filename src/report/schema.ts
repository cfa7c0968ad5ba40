import { z } from 'zod';
import { gateFindingKinds, gateFormat, type GateReport } from './gate/types.js';
import { summaryFormat, type Summary } from './json.js';

/**
 * The shapes of the JSON that scripts read, as schemas: `run --json` and `recheck --json` (summary), `gate --json`
 * (gate). docs/schema/ holds them as JSON Schema, made from here, and a test holds them together. A reader must
 * ignore fields that it does not know; a new `format` is what it must refuse.
 */
const verdict = z.enum(['pass', 'fail', 'unknown', 'infra']);
const time = z.string().describe('ISO 8601, UTC');

const evidence = z.object({
  text: z.string(),
  tUs: z.number().optional().describe('Harness monotonic time, microseconds'),
  toUs: z.number().optional(),
  events: z.array(z.int()).optional().describe('seq numbers of history.ndjson'),
  ops: z.array(z.int()).optional().describe('operation ids of the I/O journal'),
});

export const checkSchema = z.object({
  checker: z.string(),
  verdict,
  summary: z.string().describe('What was proved, or what broke and by how much'),
  evidence: z.array(evidence),
  metrics: z.record(z.string(), z.number()).describe('Units last in each name: stallMaxMs, operations, blocks'),
  details: z.record(z.string(), z.unknown()).optional().describe('Of the checker fio-stalls: { recoveredShare, sections }'),
});

const ran = z.object({
  suite: z.string(), scenario: z.string(), title: z.string(), lab: z.string(), verdict, interrupted: z.boolean(), seed: z.string(), git: z.string(), runId: z.string(),
  startedAt: time, durationMs: z.number(), runDir: z.string(), reportPath: z.string().optional(), repro: z.string().describe('The command that repeats the run'),
  defects: z.array(z.string()), checks: z.array(checkSchema),
});
const skip = z.object({ suite: z.string(), scenario: z.string(), title: z.string(), lab: z.string(), verdict: z.literal('skip'), reason: z.string() });

export const summarySchema = z.object({
  format: z.literal(summaryFormat),
  tool: z.literal('pathproof'),
  version: z.string(),
  verdict: verdict.describe('fail if one failed, else infra, else unknown (also if none ran), else pass'),
  totals: z.object({ pass: z.int(), fail: z.int(), unknown: z.int(), infra: z.int(), skip: z.int() }),
  scenarios: z.array(z.union([ran, skip])),
});

const product = z.object({ name: z.string(), version: z.string(), components: z.record(z.string(), z.string()) });

const gateRun = z.object({
  dir: z.string(), runId: z.string(), suite: z.string(), scenario: z.string(), title: z.string(), lab: z.string(),
  product: product.nullable().describe('By the event run.product; null: the lab did not say'),
  seed: z.string(), git: z.string(), startedAt: z.string(), durationMs: z.number(),
  verdict: verdict.nullable().describe('Judged again by the gate; null: the evidence cannot be trusted'),
  storedVerdict: verdict.nullable(),
  interrupted: z.boolean(), defects: z.array(z.string()),
  evidence: z.object({ manifestSha256: z.string().nullable(), files: z.int(), bytes: z.int(), judgings: z.int(), problems: z.array(z.string()) }),
  counted: z.boolean(), notCounted: z.array(z.string()), checks: z.array(checkSchema),
});

export const gateSchema = z.object({
  format: z.literal(gateFormat),
  tool: z.literal('pathproof'),
  kind: z.literal('gate'),
  version: z.string(),
  judgedAt: time,
  policy: z.object({ name: z.string(), file: z.string(), sha256: z.string() }),
  verdict,
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)]),
  scenarios: z.array(z.object({
    scenario: z.string().describe('<suite>/<scenario>'), title: z.string(), required: z.boolean(), labs: z.array(z.string()), product: product.nullable(),
    runsWanted: z.int(), runsCounted: z.int(), verdict, runs: z.array(gateRun),
    thresholds: z.array(z.object({ metric: z.string(), limit: z.string(), run: z.string(), verdict, text: z.string() })),
  })),
  skips: z.array(z.object({ dir: z.string(), scenario: z.string(), lab: z.string(), reason: z.string(), expected: z.boolean(), because: z.string().optional(), standsForRuns: z.boolean() })),
  baseline: z.array(z.object({ dir: z.string(), runId: z.string(), scenario: z.string(), lab: z.string(), product: product.nullable(), problems: z.array(z.string()) })),
  findings: z.array(z.object({ kind: z.enum(gateFindingKinds), verdict: z.enum(['fail', 'unknown', 'infra']), scenario: z.string().optional(), run: z.string().optional(), text: z.string() })),
});

/** Fails to compile when a schema and the type that it describes drift apart. */
/** What `pathproof repro --json` prints. */
export const reproSchema = z.object({
  format: z.literal(1), tool: z.literal('pathproof'), kind: z.literal('repro'),
  stored: z.object({ runDir: z.string(), verdict }),
  plan: z.string().describe('File of the plan that was run: plan.json of the stored run, or the repro.json of pathproof shrink'),
  reproduced: z.boolean().describe('The last run ended as the stored one did'),
  runs: z.array(z.object({ runDir: z.string(), verdict, alike: z.boolean().describe('The same checker failed with the same kind of finding, or neither run failed and the verdicts are the same'), text: z.string() })),
});
export type ReproReport = z.infer<typeof reproSchema>;

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
type Loose<T> = T extends readonly (infer Item)[] ? Loose<Item>[] : T extends object ? { [K in keyof T]: Loose<Exclude<T[K], undefined>> } : T;
export const summaryIsDescribed: Same<Loose<Required<z.infer<typeof summarySchema>>>, Loose<Required<Summary>>> = true;
export const gateIsDescribed: Same<Loose<Required<z.infer<typeof gateSchema>>>, Loose<Required<GateReport>>> = true;
