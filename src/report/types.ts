import type { HistoryEvent } from '../history/events.js';
import type { Plan } from '../plan/types.js';
import type { RunVerdict } from '../verify/types.js';

/** One I/O as the latency chart shows it. */
export interface IoSample {
  /** Invocation in the harness's clock, microseconds. */
  tUs: number;
  /** Invocation → completion, microseconds. An I/O without a completion lasts to the end of its journal. */
  latencyUs: number;
  what: 'read' | 'write';
  /** NSID. */
  ns: number;
  outcome: 'ok' | 'fail' | 'info';
  /** The path that gave the answer, null when none did. */
  path: string | null;
  /** Operation id in its journal. */
  op: number;
}

/** A time in which I/O of a namespace stood still longer than it is worth mentioning. */
export interface ReportStall {
  /** NSID. */
  ns: number;
  /** Harness clock, microseconds. */
  fromUs: number;
  toUs: number;
  /** How long this very stall was allowed to be, milliseconds. */
  allowedMs: number;
  /** The fault (or none) that explains it, in words. */
  attribution: string;
  /** The checker's word (verify/stalls.ts); without it the length is compared with `allowedMs`. */
  judgement?: 'within' | 'over' | 'doubtful' | 'hidden';
}

/** Everything that the HTML report of one run is made from. All times are in the harness's clock. */
export interface ReportInput {
  plan: Plan;
  /** In order of `seq`. */
  events: readonly HistoryEvent[];
  verdict: RunVerdict;
  /** See samplesFromJournal; ~20,000 points at most, or the page becomes slow. */
  samples: readonly IoSample[];
  stalls: readonly ReportStall[];
  /** The command that repeats the run. */
  repro: string;
  /** Where the run is stored, as the reader should see it. */
  runDir: string;
  /** Checker name → what it proves (`Checker.proves`). A checker that is missing here shows no such line. */
  proves?: Readonly<Record<string, string>>;
}
