import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sleep } from '../util/clock.js';
import type { PathproofError } from '../util/errors.js';
import { framePayloadMaxBytes, namesMax, opBlocksMax } from './journal-format.js';
import { scanJournal } from './journal-scan.js';
import type { JournalVisitor } from './journal-scan.js';
import { journalFileName, openJournalSource } from './journal-source.js';
import type { JournalRecord } from './journal-types.js';
import { JournalWriter, tooManyNames } from './journal-writer.js';
import { ReadObservations } from './read-observations.js';
import { header, records, writeRecord } from './testing/journal-fixtures.js';
import { useTempDirs } from './testing/temp-dir.js';

const tempDir = useTempDirs();
const newFile = (): string => path.join(tempDir(), journalFileName('host1'));
const nothing: JournalVisitor = { invoke: () => undefined, complete: () => undefined, versions: () => undefined, bad: () => undefined };

/** Everything of a run's journals, and what the source complains about. */
async function readAll(file: string): Promise<{ records: JournalRecord[]; problems: string[] }> {
  const source = openJournalSource(path.dirname(file));
  const read: JournalRecord[] = [];
  for (const each of await source.headers()) for await (const chunk of source.records(each)) read.push(...chunk);
  return { records: read, problems: source.problems() };
}

function writeJournal(file: string, list: readonly JournalRecord[], flushEvery = Infinity): void {
  const writer = JournalWriter.open(file, header);
  list.forEach((entry, i) => {
    writeRecord(writer, entry);
    if (i % flushEvery === flushEvery - 1) writer.flushSync();
  });
  writer.close();
}
const invoke = (op: number): JournalRecord => ({ kind: 'invoke', op, tUs: op, what: 'write', purpose: 'load', ns: 0, slba: op % 100, nlb: 1, version: op });

describe('journal', () => {
  it('reads back exactly what was written, however it was framed', async () => {
    await fc.assert(
      fc.asyncProperty(records, fc.constantFrom(1, 3, Infinity), async (list, flushEvery) => {
        const file = newFile();
        writeJournal(file, list, flushEvery);
        expect(await readAll(file)).toEqual({ records: list, problems: [] });
      }),
    );
  });

  it('gives its header back, and counts', async () => {
    const file = newFile();
    writeJournal(file, [invoke(1), invoke(2)]);
    expect(await openJournalSource(path.dirname(file)).headers()).toEqual([header]);
    expect(scanJournal(file, nothing)).toEqual({ header, invokes: 2, completions: 0, end: 'clean', problems: [] });
  });

  it('stores a run of equal versions once', () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    const before = statSync(file).size;
    const seen = new ReadObservations();
    for (let i = 0; i < 1_000; i++) seen.addVersion(77);
    seen.addBad({ kind: 'torn', version: 5 });
    for (let i = 0; i < 1_000; i++) seen.addVersion(77);
    writer.complete(1, 1, 'ok', 0, '', null, 1, seen);
    writer.flushSync();
    expect(statSync(file).size - before).toBe(16 + 32 + 16 + 40 + 16);
    writer.close();
    const calls: unknown[] = [];
    scanJournal(file, { ...nothing, versions: (...call) => calls.push(call), bad: (...call) => calls.push(call) });
    expect(calls).toEqual([[1, 0, 1_000, 77], [1, 1_000, { kind: 'torn', version: 5 }], [1, 1_001, 1_000, 77]]);
  });

  it('holds the largest completion that there can be', async () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    const seen = new ReadObservations();
    for (let i = 0; i < opBlocksMax; i++) seen.addBad({ kind: 'misdirected', version: i, lba: i });
    writer.complete(1, 1, 'ok', 0, '', null, 1, seen);
    writer.complete(2, 2, 'ok', 0, '', null, 1, seen);
    writer.close();
    const read = await readAll(file);
    expect(read.problems).toEqual([]);
    expect(read.records.map((entry) => entry.kind === 'complete' && entry.blocks.length)).toEqual([opBlocksMax, opBlocksMax]);
  });

  it('streams many records in chunks, in order', async () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    const count = 100_000;
    for (let op = 1; op <= count; op++) writeRecord(writer, invoke(op));
    writer.close();
    const source = openJournalSource(path.dirname(file));
    const [first] = await source.headers();
    let expected = 1;
    let largest = 0;
    for await (const chunk of source.records(first!)) {
      largest = Math.max(largest, chunk.length);
      for (const entry of chunk) if (entry.op !== expected++) throw new Error(`op ${entry.op} instead of ${expected - 1}`);
    }
    expect(expected).toBe(count + 1);
    expect(largest).toBeLessThanOrEqual(4_096 + framePayloadMaxBytes / 32);
  });

  it('never lets times go back', async () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    writer.invoke(1, 100, 'read', 'load', 0, 0, 1, 0);
    writer.complete(1, 90, 'fail', 1, 'X', null, 1);
    writer.close();
    expect((await readAll(file)).records.map((entry) => entry.tUs)).toEqual([100, 100]);
  });

  it('keeps going when there are more names than it can number', async () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    for (let op = 1; op <= namesMax + 5; op++) writer.complete(op, op, 'ok', 0, '', `path ${op}`, 1);
    writer.close();
    const read = await readAll(file);
    expect(read.problems).toEqual([]);
    expect(read.records.slice(-6).map((entry) => entry.kind === 'complete' && entry.path)).toEqual(new Array(6).fill(tooManyNames));
    expect(read.records[0]).toMatchObject({ path: 'path 1' });
  });

  it('refuses an operation of no blocks or too many, and any record after close', () => {
    const writer = JournalWriter.open(newFile(), header);
    expect(() => writer.invoke(1, 1, 'read', 'load', 0, 0, 0, 0)).toThrow(RangeError);
    expect(() => writer.invoke(1, 1, 'read', 'load', 0, 0, opBlocksMax + 1, 0)).toThrow(RangeError);
    writer.close();
    writer.close();
    expect(() => writer.invoke(1, 1, 'read', 'load', 0, 0, 1, 0)).toThrow(/closed/);
    expect(writer.flushSync()).toBe(false);
  });
});

describe('journal on disk', () => {
  it('has invokes in the file once flushSync has returned, completions soon after', async () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    writeRecord(writer, invoke(1));
    expect(writer.flushSync()).toBe(true);
    expect(scanJournal(file, nothing)).toMatchObject({ invokes: 1, completions: 0, end: 'unfinished' });
    writer.complete(1, 2, 'ok', 0, '', null, 1);
    while (scanJournal(file, nothing).completions === 0) await sleep(5);
    writer.close();
    expect(scanJournal(file, nothing)).toMatchObject({ invokes: 1, completions: 1, end: 'clean' });
  });

  it('says once that the disk is full, and from then on that nothing may be submitted', () => {
    const file = newFile();
    const errors: PathproofError[] = [];
    let calls = 0;
    const writer = JournalWriter.open(file, header, {
      onError: (error) => errors.push(error),
      writeSync: (_fd, data, offset, length) => {
        if (++calls > 2) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
        appendFileSync(file, data.subarray(offset, offset + length));
        return length;
      },
    });
    writeRecord(writer, invoke(1));
    expect(writer.flushSync()).toBe(true);
    writeRecord(writer, invoke(2));
    expect(writer.flushSync()).toBe(false);
    writeRecord(writer, invoke(3));
    expect(writer.flushSync()).toBe(false);
    writer.close();
    expect(errors.map((error) => [error.code, error.exitCode])).toEqual([['DISK_FULL', 3]]);
    expect(writer.failure?.code).toBe('DISK_FULL');
    expect(scanJournal(file, nothing)).toMatchObject({ invokes: 1, end: 'unfinished' });
  });

  it('throws when not even the header can be written, or a journal is there already', () => {
    const full = (): number => {
      throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    expect(() => JournalWriter.open(newFile(), header, { writeSync: full })).toThrow(expect.objectContaining({ code: 'DISK_FULL' }));
    const file = newFile();
    JournalWriter.open(file, header).close();
    expect(() => JournalWriter.open(file, header)).toThrow(expect.objectContaining({ code: 'FILE_EXISTS' }));
  });
});

describe('a damaged journal', () => {
  const list = [invoke(1), invoke(2), invoke(3), invoke(4), invoke(5), invoke(6)];
  const stored = (): { file: string; whole: Buffer; starts: number[] } => {
    const file = newFile();
    writeJournal(file, list, 2);
    const whole = readFileSync(file);
    // Frames of two invokes: 16 + 80 bytes; then the end record's frame.
    const headerBytes = whole.length - 3 * 96 - (16 + 24);
    return { file, whole, starts: [0, 1, 2, 3].map((i) => headerBytes + i * 96) };
  };

  it('gives every whole frame before the place where it was cut, wherever that is, and says that it was cut', async () => {
    const { file, whole, starts } = stored();
    for (let cut = 0; cut < whole.length; cut++) {
      writeFileSync(file, whole.subarray(0, cut));
      const { records: read, problems } = await readAll(file);
      const frames = starts.slice(1).filter((start) => start <= cut).length;
      expect(read).toEqual(list.slice(0, frames * 2));
      expect(problems).toHaveLength(1);
      if (cut < starts[0]!) expect(problems[0]).toMatch(/before its first record/);
      else if (starts.includes(cut)) expect(problems[0]).toMatch(/no end record/);
      else expect(problems[0]).toMatch(/^journal-host1\.ppj stops .*: the writer was stopped in it$/);
    }
  });

  it('stops at any flipped byte, says so, and invents nothing', async () => {
    const { file, whole, starts } = stored();
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at]! ^= 0x41;
      writeFileSync(file, damaged);
      const { records: read, problems } = await readAll(file);
      const frames = starts.slice(1).filter((start) => start <= at).length;
      expect(read).toEqual(list.slice(0, frames * 2));
      expect(problems).toHaveLength(1);
      if (at >= starts[0]!) expect(scanJournal(file, nothing).end).toBe('corrupt');
    }
  });

  it('notices a frame that was taken out, and one that was put in twice', async () => {
    const { file, whole, starts } = stored();
    writeFileSync(file, Buffer.concat([whole.subarray(0, starts[1]), whole.subarray(starts[2])]));
    expect(await readAll(file)).toMatchObject({ records: list.slice(0, 2), problems: [expect.stringMatching(/goes from frame 1 to frame 3/)] });
    writeFileSync(file, Buffer.concat([whole.subarray(0, starts[2]), whole.subarray(starts[1])]));
    expect(await readAll(file)).toMatchObject({ records: list.slice(0, 4), problems: [expect.stringMatching(/goes from frame 2 to frame 2/)] });
  });

  it('notices anything after its end record', async () => {
    const { file, whole, starts } = stored();
    appendFileSync(file, whole.subarray(starts[0], starts[1]));
    expect((await readAll(file)).problems).toEqual([expect.stringMatching(/after its end record/)]);
  });

  it('does not read a later format or another file', async () => {
    const { file, whole } = stored();
    const later = Buffer.from(whole);
    later.writeUInt16LE(9, 8);
    writeFileSync(file, later);
    expect(() => scanJournal(file, nothing)).toThrow(/has journal format 9; this version reads 1/);
    expect(await readAll(file)).toEqual({ records: [], problems: [expect.stringMatching(/journal format 9/)] });
    writeFileSync(file, 'this is some text and no journal at all');
    expect((await readAll(file)).problems).toEqual([expect.stringMatching(/wrong magic/)]);
  });

  it('never crashes or hangs on random bytes', async () => {
    const { file, whole, starts } = stored();
    const anywhere = fc.record({ at: fc.nat({ max: whole.length }), bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }) });
    await fc.assert(
      fc.asyncProperty(anywhere, async ({ at, bytes }) => {
        writeFileSync(file, Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at)]));
        const { records: read, problems } = await readAll(file);
        expect(problems).toHaveLength(1);
        expect(read).toEqual(list.slice(0, read.length));
        if (at < starts[0]!) expect(read).toEqual([]);
      }),
    );
  });
});

describe('openJournalSource', () => {
  it('finds the journals of all hosts and nothing else', async () => {
    const dir = tempDir();
    for (const host of ['host2', 'host1']) {
      const writer = JournalWriter.open(path.join(dir, journalFileName(host)), { ...header, host });
      writer.close();
    }
    writeFileSync(path.join(dir, 'history.ndjson'), '');
    const source = openJournalSource(dir);
    expect((await source.headers()).map((each) => each.host)).toEqual(['host1', 'host2']);
    expect(source.problems()).toEqual([]);
  });

  it('says that a run has no journal', async () => {
    const source = openJournalSource(tempDir());
    expect(await source.headers()).toEqual([]);
    expect(source.problems()).toEqual(['the run has no I/O journal']);
  });

  it('tells the problems of one journal once, however often and whichever way it is read', async () => {
    const file = newFile();
    writeJournal(file, [invoke(1)]);
    writeFileSync(file, readFileSync(file).subarray(0, -1));
    const source = openJournalSource(path.dirname(file));
    const [first] = await source.headers();
    for (let i = 0; i < 2; i++) for await (const chunk of source.records(first!)) expect(chunk).toHaveLength(1);
    expect(source.scan(first!, nothing).end).toBe('torn');
    expect(source.problems()).toHaveLength(1);
  });

  it('closes the file when a reader stops early', async () => {
    const file = newFile();
    const writer = JournalWriter.open(file, header);
    for (let op = 1; op <= 20_000; op++) writeRecord(writer, invoke(op));
    writer.close();
    const source = openJournalSource(path.dirname(file));
    const [first] = await source.headers();
    const openFiles = (): number => readdirSync('/dev/fd').length;
    const before = openFiles();
    for await (const chunk of source.records(first!)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(openFiles()).toBe(before);
  });
});
