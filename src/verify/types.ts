import type { HistoryEvent } from '../history/events.js';
import type { FioSource } from '../history/fio/index.js';
import type { JournalSource } from '../history/journal-types.js';
import type { Plan } from '../plan/types.js';

/** Only a proof is a `pass`; `unknown` is "cannot tell", `infra` is "the lab broke". */
export type Verdict = 'pass' | 'fail' | 'unknown' | 'infra';

/** One fact that supports a verdict, in words a storage developer can act on. */
export interface Evidence {
  text: string;
  /** Harness monotonic time of what it is about, microseconds. */
  tUs?: number;
  toUs?: number;
  /** history.ndjson sequence numbers. */
  events?: number[];
  /** Journal operation ids. */
  ops?: number[];
}

export interface CheckResult {
  checker: string;
  verdict: Verdict;
  /** One line that says what was proved, or what broke and by how much. */
  summary: string;
  evidence: Evidence[];
  /** Units last in each name: stallMaxMs, operations, blocks. */
  metrics: Record<string, number>;
  /** What a script may want beyond numbers, as JSON; its shape is the checker's (docs/SCHEMA.md). Absent: nothing. */
  details?: Record<string, unknown>;
}

export interface CheckInput {
  plan: Plan;
  events: readonly HistoryEvent[];
  /** Each call reads the I/O journals of the run from their beginning. */
  journal: JournalSource;
  /** Lines of history.ndjson that could not be read (e.g. a torn last line), in words. */
  historyProblems: readonly string[];
  /** Artifacts of fio; absent when nobody stored any. */
  fio?: FioSource;
}

/** A pure fold over plan and history. A throw is turned into `unknown` by the caller, never into a pass. */
export interface Checker {
  name: string;
  /** What it proves, one sentence. */
  proves: string;
  /** False: there is nothing in this plan for it to prove, and it does not appear in the verdict. Default: always true. */
  applies?(plan: Plan): boolean;
  check(input: CheckInput): Promise<CheckResult>;
}

export interface RunVerdict {
  format: 1;
  runId: string;
  verdict: Verdict;
  interrupted: boolean;
  checks: CheckResult[];
}
