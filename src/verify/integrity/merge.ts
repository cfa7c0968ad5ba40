import type { JournalHeader, JournalRecord, JournalSource } from '../../history/journal-types.js';

export type InvokeRecord = Extract<JournalRecord, { kind: 'invoke' }>;
export type CompleteRecord = Extract<JournalRecord, { kind: 'complete' }>;

/** Receives all records of a run in time order. `journal` is an index into the headers. */
export interface RecordVisitor {
  invoke(journal: number, record: InvokeRecord): void;
  complete(journal: number, record: CompleteRecord): void;
}

interface Cursor {
  journal: number;
  chunks: AsyncIterator<readonly JournalRecord[]>;
  chunk: readonly JournalRecord[];
  next: number;
  lastUs: number;
}

/** Moves to a chunk that has a record left. False: the journal has ended. */
async function refill(cursor: Cursor): Promise<boolean> {
  while (cursor.next >= cursor.chunk.length) {
    const step = await cursor.chunks.next();
    if (step.done === true) return false;
    cursor.chunk = step.value;
    cursor.next = 0;
  }
  return true;
}

/**
 * Streams the journals of all hosts as one, ordered by time.
 *
 * At equal microseconds invocations come before completions: an operation precedes another only if it
 * completed at a strictly earlier time than the other was invoked, so ties count as concurrent, whichever
 * journal they come from. That order also means that, once a completion at time t is visited, every later
 * invocation is at a time > t.
 *
 * Journals that share a namespace must be in one clock domain. In a lab of several hosts none do: each namespace is
 * loaded by one host alone, so that the error between the clocks of two hosts orders nothing that matters.
 *
 * @returns what breaks the contract of a journal, in words: times that go back.
 */
export async function visitInTimeOrder(source: JournalSource, headers: readonly JournalHeader[], visitor: RecordVisitor): Promise<string[]> {
  const problems: string[] = [];
  const cursors: Cursor[] = [];
  for (const [journal, header] of headers.entries()) {
    const chunks = source.records(header)[Symbol.asyncIterator]();
    const cursor: Cursor = { journal, chunks, chunk: [], next: 0, lastUs: -Infinity };
    if (await refill(cursor)) cursors.push(cursor);
  }

  // Completions of the current microsecond wait here until no invocation of it can follow.
  const heldJournals: number[] = [];
  const heldRecords: CompleteRecord[] = [];
  let nowUs = -Infinity;
  const flush = (): void => {
    for (let i = 0; i < heldRecords.length; i += 1) visitor.complete(heldJournals[i]!, heldRecords[i]!);
    heldJournals.length = 0;
    heldRecords.length = 0;
  };

  while (cursors.length > 0) {
    let cursor = cursors[0]!;
    let limitUs = Infinity;
    for (let i = 1; i < cursors.length; i += 1) {
      const other = cursors[i]!;
      const otherUs = other.chunk[other.next]!.tUs;
      const cursorUs = cursor.chunk[cursor.next]!.tUs;
      if (otherUs < cursorUs) {
        limitUs = Math.min(limitUs, cursorUs);
        cursor = other;
      } else {
        limitUs = Math.min(limitUs, otherUs);
      }
    }
    const { chunk, journal } = cursor;
    let { next, lastUs } = cursor;
    while (next < chunk.length) {
      const record = chunk[next]!;
      const tUs = record.tUs;
      if (tUs > limitUs) break;
      if (tUs < lastUs && problems.length < cursors.length) {
        problems.push(`journal of ${headers[journal]!.host}: time goes back by ${lastUs - tUs} µs at operation ${record.op}`);
      }
      lastUs = tUs;
      if (tUs > nowUs) {
        if (heldRecords.length > 0) flush();
        nowUs = tUs;
      }
      if (record.kind === 'invoke') visitor.invoke(journal, record);
      else {
        heldJournals.push(journal);
        heldRecords.push(record);
      }
      next += 1;
    }
    cursor.next = next;
    cursor.lastUs = lastUs;
    if (next >= chunk.length && !(await refill(cursor))) cursors.splice(cursors.indexOf(cursor), 1);
  }
  flush();
  return problems;
}
