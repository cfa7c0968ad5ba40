/**
 * By hand: `npx tsx bench/journal.ts [operations]`. Writes and scans a journal of two million operations
 * and compares with plain writes and reads of as many bytes in the same sizes, in the same run: on a
 * shared machine only the ratio says something.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { JournalWriter, openJournalSource, ReadObservations, scanJournal } from '../src/history/index.js';
import type { JournalHeader, JournalVisitor } from '../src/history/index.js';
import { nowUs } from '../src/util/clock.js';

const operations = Number(process.argv[2] ?? 2_000_000);
/** Operations submitted together, as four namespaces at depth 8 do. */
const batch = 8;
const header: JournalHeader = {
  format: 1, runId: 'bench', host: 'host1', writer: 1,
  namespaces: [{ uuid: '0f6c2a3e-58d1-4d0b-9f6e-3a5b7c9d1e2f', nsid: 1, blockSize: 4_096, blocks: 1_024 }],
};

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pathproof-bench-'));
const line = (what: string, us: number, detail: string): void => console.log(`${what.padEnd(28)} ${(us / 1e6).toFixed(2).padStart(7)} s  ${detail}`);
try {
  const file = path.join(dir, 'journal-host1.ppj');
  const writeUs = timed(() => writeJournal(file));
  const { size } = fs.statSync(file);
  const perSecond = (us: number): string => `${((operations * 2) / us).toFixed(2)} M records/s, ${(size / us).toFixed(0)} MB/s`;
  line('journal write', writeUs, `${perSecond(writeUs)}, ${(size / operations).toFixed(0)} B/operation`);

  const plainWriteUs = timed(() => plainWrite(path.join(dir, 'plain'), size));
  line('plain write, same sizes', plainWriteUs, `journal/plain = ${(writeUs / plainWriteUs).toFixed(2)}`);

  let sum = 0;
  const visitor: JournalVisitor = {
    invoke: (op) => void (sum += op),
    complete: (op) => void (sum -= op),
    versions: () => undefined,
    bad: () => undefined,
  };
  const scanUs = timed(() => {
    const scan = scanJournal(file, visitor);
    if (scan.end !== 'clean' || scan.invokes !== operations || sum !== 0) throw new Error(`bad scan: ${JSON.stringify(scan)}`);
  });
  line('scan (callbacks)', scanUs, perSecond(scanUs));
  const plainReadUs = timed(() => plainRead(file));
  line('plain read', plainReadUs, `scan/plain = ${(scanUs / plainReadUs).toFixed(1)}`);

  const source = openJournalSource(dir);
  const from = nowUs();
  let records = 0;
  for (const each of await source.headers()) for await (const chunk of source.records(each)) records += chunk.length;
  const streamUs = nowUs() - from;
  line('stream (objects)', streamUs, `${perSecond(streamUs)}; ${records} records, heap ${(process.memoryUsage().heapUsed / 1e6).toFixed(0)} MB`);
} finally {
  fs.rmSync(dir, { recursive: true });
}

function timed(run: () => void): number {
  const from = nowUs();
  run();
  return nowUs() - from;
}

function writeJournal(file: string): void {
  const journal = JournalWriter.open(file, header);
  const seen = new ReadObservations();
  let tUs = nowUs();
  for (let first = 1; first <= operations; first += batch) {
    const last = Math.min(first + batch - 1, operations);
    for (let op = first; op <= last; op++) journal.invoke(op, ++tUs, op % 2 === 0 ? 'read' : 'write', 'load', 0, op % 1_000, 4, op % 2 === 0 ? 0 : op);
    journal.flushSync();
    for (let op = first; op <= last; op++) {
      seen.clear();
      if (op % 2 === 0) for (let block = 0; block < 4; block++) seen.addVersion(block < 2 ? op : op - 1);
      journal.complete(op, ++tUs, 'ok', 0, '', 'gw1:nvme0:q1', 1, op % 2 === 0 ? seen : undefined);
    }
  }
  journal.close();
}

/** The invokes of a batch and the completions of the one before share a frame, hence one write per batch. */
function plainWrite(file: string, bytes: number): void {
  const fd = fs.openSync(file, 'ax');
  const buffer = Buffer.alloc(1024 * 1024, 0x5a);
  const writes = Math.ceil(operations / batch);
  for (let i = 0; i < writes; i++) fs.writeSync(fd, buffer, 0, Math.ceil(bytes / writes));
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

function plainRead(file: string): void {
  const fd = fs.openSync(file, 'r');
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  while (fs.readSync(fd, buffer, 0, buffer.length, null) > 0);
  fs.closeSync(fd);
}
