import type { CheckResult, Verdict } from '../../verify/types.js';

/** Raised when a reader of the old shape would misread the new one; added fields do not count. */
export const gateFormat = 1;

/**
 * Why a gate is not passed. The verdict of each says which exit code it asks for: `fail` 1 (a demand of the policy is
 * not met), `unknown` 2 (it cannot be told), `infra` 3 (the lab broke).
 */
export const gateFindingKinds = [
  /** No run of a scenario that the policy requires was given. */
  'missing-scenario',
  /** Fewer runs than required count. */
  'too-few-runs',
  /** Too few count, and runs were left out because of their lab. */
  'wrong-lab',
  /** Too few count, and runs were left out because of what they tested. */
  'wrong-product',
  /** A scenario was skipped, and the policy does not expect it. */
  'unexpected-skip',
  /** The manifest is missing: the run never ended, or was never sealed. */
  'unsealed-evidence',
  /** A file is missing, was changed or added after the run. */
  'altered-evidence',
  /** A defect was switched on in the lab. */
  'defects-on',
  'run-failed',
  'run-unknown',
  'run-infra',
  /** A metric is beyond its limit, or was not measured. */
  'threshold',
  /** The baseline cannot be compared with. */
  'baseline',
] as const;
export type GateFindingKind = (typeof gateFindingKinds)[number];

export interface GateFinding {
  kind: GateFindingKind;
  verdict: Exclude<Verdict, 'pass'>;
  /** `<suite>/<scenario>`, where it is about one. */
  scenario?: string;
  /** The folder of the run, where it is about one. */
  run?: string;
  text: string;
}

/** What a run tested, by its event `run.product`; null: it does not say. */
export type GateProduct = { name: string; version: string; components: Record<string, string> } | null;

export interface GateRun {
  /** Folder, as it was given. */
  dir: string;
  runId: string;
  suite: string;
  scenario: string;
  title: string;
  lab: string;
  product: GateProduct;
  seed: string;
  git: string;
  /** ISO 8601, UTC. */
  startedAt: string;
  durationMs: number;
  /** As judged by this gate from the raw evidence; null: the evidence cannot be trusted, so nobody judged it. */
  verdict: Verdict | null;
  /** The word of the stored verdict.json; null: there is none that can be read. */
  storedVerdict: Verdict | null;
  interrupted: boolean;
  defects: string[];
  evidence: { manifestSha256: string | null; files: number; bytes: number; judgings: number; problems: string[] };
  /** It is one of the repetitions that the policy asks for. */
  counted: boolean;
  /** Why not; empty when it counts. */
  notCounted: string[];
  checks: CheckResult[];
}

/** One limit, held against one run. */
export interface GateThreshold {
  /** As the policy writes it, e.g. `availability.stallMaxMs`. */
  metric: string;
  /** The limit in words. */
  limit: string;
  run: string;
  verdict: Verdict;
  text: string;
}

export interface GateScenario {
  /** `<suite>/<scenario>`. */
  scenario: string;
  title: string;
  /** False: nobody asked for it, but runs of it were given. */
  required: boolean;
  labs: string[];
  product: { name: string; version: string; components: Record<string, string> } | null;
  runsWanted: number;
  runsCounted: number;
  verdict: Verdict;
  runs: GateRun[];
  thresholds: GateThreshold[];
}

export interface GateSkip {
  dir: string;
  scenario: string;
  lab: string;
  reason: string;
  expected: boolean;
  /** The policy's own reason for expecting it; absent when it does not. */
  because?: string;
}

export interface GateBaseline {
  dir: string;
  runId: string;
  scenario: string;
  lab: string;
  product: GateProduct;
  /** Why it cannot be used; empty: it can. */
  problems: string[];
}

/** What `pathproof gate --json` writes (docs/SCHEMA.md). */
export interface GateReport {
  format: typeof gateFormat;
  tool: 'pathproof';
  kind: 'gate';
  version: string;
  judgedAt: string;
  policy: { name: string; file: string; sha256: string };
  verdict: Verdict;
  /** 0 pass, 1 fail, 2 unknown, 3 infra. */
  exitCode: 0 | 1 | 2 | 3;
  scenarios: GateScenario[];
  skips: GateSkip[];
  baseline: GateBaseline[];
  findings: GateFinding[];
}
