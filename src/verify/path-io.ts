import type { EventOf } from '../history/events.js';
import { holesIn } from './coverage.js';
import type { Period } from './timeline.js';
import { eventsOf } from './timeline.js';
import type { CheckInput } from './types.js';

/** What the counters of a gateway's paths say about a stretch of time. */
export type CountedIo =
  /** So many bytes went through it for good. */
  | { kind: 'carried'; bytes: number }
  /** They were read all the time, and nothing did. */
  | { kind: 'none' }
  | { kind: 'unknown'; why: string };

export interface CountedSelection extends Period {
  /** Whose paths: two hosts may name theirs alike. */
  host: string;
  gateway: string;
  nsUuids: readonly string[];
  /** Only data that was written counts. */
  writesOnly: boolean;
  /** Operations of the journal that did not end ok: where the kernel counts no errors of a path, they could be that. */
  failedOps: number;
}

/**
 * Whether a gateway carried I/O of some namespaces in [fromUs, toUs), by `host.path-io`: for a host whose journal
 * cannot name the path of an operation (the kernel does not tell it).
 *
 * Only windows that lie inside count, so what was carried before proves nothing. Of the requests that ended, those
 * are taken off that were on the paths when the first window began (they were sent earlier) and those that ended with an
 * error; what is left must have moved data. Requests that the kernel gave to another path end without data.
 */
export function countedIo(input: CheckInput, selection: CountedSelection): CountedIo {
  const { host, gateway, nsUuids, writesOnly, failedOps, fromUs, toUs } = selection;
  const windows = eventsOf(input.events, 'host.path-io').filter((event) => event.host === host && event.fromUs >= fromUs && event.toUs <= toUs);
  const rows = windows.map((event) => rowsOf(event, gateway, nsUuids));
  const seen = windows.filter((_, i) => rows[i]!.length > 0);
  if (seen.length === 0) return { kind: 'unknown', why: `no counters of a path through ${gateway} were read in that time` };
  const first = new Map<string, number>();
  let bytes = 0;
  let requests = 0;
  let errors = 0;
  let countsErrors = true;
  for (const row of rows.flat()) {
    if (!first.has(row.path)) first.set(row.path, row.inflightBefore);
    bytes += row.bytesWritten + (writesOnly ? 0 : row.bytesRead);
    requests += row.writes + (writesOnly ? 0 : row.reads);
    if (row.errors === null) countsErrors = false;
    else errors += row.errors;
  }
  if (bytes === 0) {
    // A window that reaches over an edge does not count, so as much as a window may be missing there.
    const longestUs = Math.max(...seen.map((event) => event.toUs - event.fromUs));
    const endUs = Math.min(toUs, input.events.at(-1)!.tUs);
    const [hole] = holesIn({ fromUs, toUs: endUs }, seen, longestUs);
    return hole === undefined ? { kind: 'none' } : { kind: 'unknown', why: `the counters of ${gateway}'s paths were not read for ${Math.round((hole.toUs - hole.fromUs) / 1000)} ms of that time` };
  }
  const earlier = [...first.values()].reduce((sum, inflight) => sum + inflight, 0);
  const doubtful = earlier + (countsErrors ? errors : failedOps);
  if (requests <= doubtful) return { kind: 'unknown', why: `all of the ${requests} requests that ended on ${gateway}'s paths may have been sent earlier, or have ended with an error` };
  return { kind: 'carried', bytes };
}

function rowsOf(event: EventOf<'host.path-io'>, gateway: string, nsUuids: readonly string[]): EventOf<'host.path-io'>['paths'] {
  return event.paths.filter((row) => row.gateway === gateway && nsUuids.includes(row.nsUuid));
}
