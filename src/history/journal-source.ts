import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import { messageOf } from '../util/errors.js';
import { JournalCursor, scanJournal } from './journal-scan.js';
import type { JournalScan, JournalVisitor } from './journal-scan.js';
import type { BlockObservation, JournalHeader, JournalRecord, JournalSource } from './journal-types.js';

/** Records that a chunk of the stream has at least, but for the last; one frame's worth more at most. */
export const chunkRecords = 4_096;
const filePattern = /^journal-(.+)\.ppj$/;

/** Name of a host's journal in its run folder. */
export function journalFileName(host: string): string {
  return `journal-${host}.ppj`;
}

/** The journals of a run folder; `scan` is the fast way through one of them. */
export interface JournalFiles extends JournalSource {
  /** As `scanJournal`; its problems also show in `problems()`. Synchronous, over a million records a second. */
  scan(header: JournalHeader, visitor: JournalVisitor): JournalScan;
}

/** The journals `journal-<host>.ppj` of a run folder. Nothing is opened before it is asked for. */
export function openJournalSource(runDir: string): JournalFiles {
  return new RunJournals(runDir);
}

class RunJournals implements JournalFiles {
  readonly #runDir: string;
  readonly #files = new Map<JournalHeader, string>();
  /** By file, so that reading a journal twice does not tell its problems twice. */
  readonly #problems = new Map<string, string[]>();

  constructor(runDir: string) {
    this.#runDir = runDir;
  }

  async headers(): Promise<JournalHeader[]> {
    this.#files.clear();
    const names = (await readdir(this.#runDir)).filter((name) => filePattern.test(name)).sort();
    if (names.length === 0) this.#problems.set('', ['the run has no I/O journal']);
    for (const name of names) {
      const file = path.join(this.#runDir, name);
      try {
        const cursor = new JournalCursor(file);
        cursor.close();
        this.#files.set(cursor.header, file);
      } catch (error) {
        this.#tell(file, [messageOf(error)]);
      }
    }
    return [...this.#files.keys()];
  }

  async *records(header: JournalHeader): AsyncGenerator<readonly JournalRecord[]> {
    const file = this.#fileOf(header);
    const cursor = new JournalCursor(file);
    try {
      const collector = new Collector();
      for (;;) {
        const more = cursor.next(collector);
        if (collector.records.length >= chunkRecords || !more) {
          if (collector.records.length > 0) yield collector.take();
          // Reading never waits for anything; a signal handler or a timer of the caller must still get its turn.
          await yieldToLoop();
        }
        if (!more) break;
      }
      this.#tell(file, cursor.problems);
    } finally {
      cursor.close();
    }
  }

  scan(header: JournalHeader, visitor: JournalVisitor): JournalScan {
    const file = this.#fileOf(header);
    const scan = scanJournal(file, visitor);
    this.#tell(file, scan.problems);
    return scan;
  }

  problems(): string[] {
    return [...this.#problems.values()].flat();
  }

  #fileOf(header: JournalHeader): string {
    const known = this.#files.get(header) ?? [...this.#files].find(([other]) => other.host === header.host)?.[1];
    // A caller may hold headers of another source of the same run.
    return known ?? path.join(this.#runDir, journalFileName(header.host));
  }

  #tell(file: string, problems: readonly string[]): void {
    this.#problems.set(file, [...problems]);
  }
}

/** Turns the visitor's calls into record objects. */
class Collector implements JournalVisitor {
  records: JournalRecord[] = [];
  #blocks: BlockObservation[] = [];

  take(): JournalRecord[] {
    const records = this.records;
    this.records = [];
    return records;
  }

  invoke(...[op, tUs, what, purpose, ns, slba, nlb, version]: Parameters<JournalVisitor['invoke']>): void {
    this.records.push({ kind: 'invoke', op, tUs, what, purpose, ns, slba, nlb, version });
  }
  complete(...[op, tUs, outcome, status, code, path, sends]: Parameters<JournalVisitor['complete']>): void {
    this.#blocks = [];
    this.records.push({ kind: 'complete', op, tUs, outcome, status, code, path, sends, blocks: this.#blocks });
  }
  versions(_op: number, _block: number, count: number, version: number): void {
    for (let i = 0; i < count; i++) this.#blocks.push({ kind: 'version', version });
  }
  bad(_op: number, _block: number, seen: BlockObservation): void {
    this.#blocks.push(seen);
  }
}
