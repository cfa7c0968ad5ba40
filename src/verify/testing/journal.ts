import type { BlockObservation, JournalHeader, JournalRecord, JournalSource } from '../../history/journal-types.js';

/** One operation of a hand-written history. Times in any unit the test likes; the checkers take them as microseconds. */
export interface OpSpec {
  what: 'read' | 'write';
  fromUs: number;
  /** Undefined: it never ended. */
  toUs?: number | undefined;
  /** Index of the journal; default 0. */
  journal?: number;
  /** Index of the namespace; default 0. */
  ns?: number;
  slba?: number;
  nlb?: number;
  /** A write's version. */
  version?: number;
  /** What an ok read found, per block; a number is a sound stamp of that version. */
  found?: (number | BlockObservation)[];
  outcome?: 'ok' | 'fail' | 'info';
  /** Of an end that is not ok; default TEST. */
  code?: string;
  /** Default 1. */
  sends?: number;
  path?: string | null;
  purpose?: 'load' | 'probe' | 'reread-at-once' | 'reread-delayed' | 'audit';
}

/** `write(7, 10, 20)`: version 7 of LBA 0, from 10 to 20. */
export function write(version: number, fromUs: number, toUs?: number, more: Partial<OpSpec> = {}): OpSpec {
  return { what: 'write', version, fromUs, toUs, ...more };
}
/** `read(7, 30, 40)`: found version 7 in LBA 0, from 30 to 40. */
export function read(found: number | BlockObservation, fromUs: number, toUs?: number, more: Partial<OpSpec> = {}): OpSpec {
  return { what: 'read', found: [found], fromUs, toUs, ...more };
}

/** Both final re-reads of LBA 0 finding `version`, beginning at `fromUs`. */
export function rereads(version: number, fromUs: number, more: Partial<OpSpec> = {}): OpSpec[] {
  return [
    read(version, fromUs, fromUs + 1, { purpose: 'reread-at-once', ...more }),
    read(version, fromUs + 2, fromUs + 3, { purpose: 'reread-delayed', ...more }),
  ];
}

export function testHeader(more: Partial<JournalHeader> = {}): JournalHeader {
  return { format: 1, runId: 'run-1', host: 'host1', writer: 0, namespaces: [{ uuid: 'uuid-1', nsid: 1, blockSize: 4096, blocks: 1024 }], ...more };
}

/** The records of one journal, by time; at equal times in the order of `ops`, invocations first. */
export function recordsOf(ops: readonly OpSpec[], journal = 0): JournalRecord[] {
  const records: JournalRecord[] = [];
  for (const [op, spec] of ops.entries()) {
    if ((spec.journal ?? 0) !== journal) continue;
    const { what, fromUs, toUs, slba = 0, found = [], outcome = 'ok' } = spec;
    const nlb = spec.nlb ?? Math.max(1, found.length);
    records.push({ kind: 'invoke', op, tUs: fromUs, what, purpose: spec.purpose ?? 'load', ns: spec.ns ?? 0, slba, nlb, version: spec.version ?? 0 });
    if (toUs === undefined) continue;
    const blocks = what === 'read' && outcome === 'ok' ? found.map((each): BlockObservation => (typeof each === 'number' ? { kind: 'version', version: each } : each)) : [];
    const path = spec.path === undefined ? (outcome === 'info' ? null : 'gw1:nvme0:q1') : spec.path;
    records.push({ kind: 'complete', op, tUs: toUs, outcome, status: outcome === 'fail' ? 0x300 : 0, code: outcome === 'ok' ? '' : (spec.code ?? 'TEST'), path, sends: spec.sends ?? 1, blocks });
  }
  return records.sort((a, b) => a.tUs - b.tUs || (a.kind === b.kind ? 0 : a.kind === 'invoke' ? -1 : 1));
}

/** A source in memory. `chunk` records at a time, so that tests cross the edges of chunks. */
export function journalSource(headers: JournalHeader[], recordsPerJournal: JournalRecord[][], problems: string[] = [], chunk = 7): JournalSource {
  return {
    headers: () => Promise.resolve(headers),
    async *records(header) {
      const records = recordsPerJournal[headers.indexOf(header)] ?? [];
      for (let i = 0; i < records.length; i += chunk) yield records.slice(i, i + chunk);
    },
    problems: () => problems,
  };
}

/** A source with one journal per index that `ops` use. */
export function journalOf(ops: readonly OpSpec[], problems: string[] = []): JournalSource {
  const journals = Math.max(0, ...ops.map(({ journal }) => journal ?? 0)) + 1;
  const headers = Array.from({ length: journals }, (_, i) => testHeader({ host: `host${i + 1}`, writer: i }));
  return journalSource(headers, headers.map((_, i) => recordsOf(ops, i)), problems);
}
