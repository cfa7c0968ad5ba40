import type { JournalHeader } from '../../history/journal-types.js';
import { at, versionText } from '../words.js';
import type { CompleteRecord, InvokeRecord } from './merge.js';

/** The ways in which a block's data can be wrong, told apart. */
export const findingKinds = {
  'lost-acknowledged-write': 'lost acknowledged write',
  'stale-read': 'stale read',
  'late-write': 'late write (resurrected value)',
  'value-from-nowhere': 'value from nowhere',
  'torn-block': 'torn block',
  'misdirected-block': 'misdirected block',
  'wrong-namespace': 'block of another namespace',
  'foreign-run': 'block of another run',
  garbage: 'garbage',
} as const;
export type FindingKind = keyof typeof findingKinds;

/** One read of one block that the history forbids, or a content that no write of this run can have left there. */
export interface RawFinding {
  kind: 'order' | 'never-sent' | 'torn' | 'misdirected' | 'wrong-namespace' | 'foreign-run' | 'garbage';
  journal: number;
  /** The read; for `never-sent` the write. */
  op: number;
  namespace: number;
  lba: number;
  /** What the read returned; -1 for garbage. */
  version: number;
  /** What the stamp claimed, in words; empty for `order` and `never-sent`. */
  claim: string;
  /** Further reads of this block with the same wrong content. */
  repeats: number;
}

/** An operation as the explanation shows it. */
export interface OpRef {
  journal: number;
  invoke: InvokeRecord;
  /** Undefined while it is in flight, and for good if it never ended. */
  complete: CompleteRecord | undefined;
}

/** A finding with its proof. */
export interface Finding {
  kind: FindingKind;
  namespace: number;
  lbas: number[];
  read: OpRef;
  /** The 1–4 operations that prove it, in the order in which they are told. */
  proof: { op: OpRef; says: string }[];
  conclusion: string;
  repeats: number;
  /** False: lost journal records could explain it, so with a damaged journal it proves nothing. */
  provenByPartOfHistory: boolean;
}

/** `0–7, 12`. */
export function lbaRanges(lbas: readonly number[]): string {
  const sorted = [...lbas].sort((a, b) => a - b);
  const ranges: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let end = i;
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end]! + 1) end += 1;
    ranges.push(end === i ? `${sorted[i]}` : `${sorted[i]}–${sorted[end]}`);
    i = end + 1;
  }
  return ranges.join(', ');
}

/** The gateway of a path such as `gw1:nvme0:q1`. */
export function gatewayOf(path: string): string {
  const colon = path.indexOf(':');
  return colon < 0 ? path : path.slice(0, colon);
}

/** One line: what, when, how it ended, which way it went. */
export function describeOp(op: OpRef, headers: readonly JournalHeader[], startUs: number): string {
  const { invoke, complete } = op;
  const last = invoke.slba + invoke.nlb - 1;
  const range = invoke.nlb === 1 ? `LBA ${invoke.slba}` : `LBA ${invoke.slba}–${last}`;
  const what = invoke.what === 'write' ? `write of ${versionText(invoke.version)}` : 'read';
  const begin = `${what}, op ${invoke.op} of ${headers[op.journal]!.host}, ${range}, invoked ${at(invoke.tUs, startUs)}`;
  if (complete === undefined) return `${begin}, never ended`;
  const ends = {
    ok: invoke.what === 'write' ? 'acknowledged' : 'answered',
    fail: `failed with ${complete.code} (status 0x${complete.status.toString(16)})`,
    info: `ended without an answer (${complete.code})`,
  };
  const via = complete.path === null ? '' : ` via gateway ${gatewayOf(complete.path)} (${complete.path})`;
  const sends = complete.sends > 1 ? `, sent ${complete.sends} times` : '';
  return `${begin}, ${ends[complete.outcome]} ${at(complete.tUs, startUs)}${via}${sends}`;
}
