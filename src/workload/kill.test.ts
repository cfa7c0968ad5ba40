import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { journalFileName, openJournalSource } from '../history/index.js';
import type { JournalRecord } from '../history/index.js';
import { useTempDirs } from '../history/testing/temp-dir.js';
import { sleep } from '../util/clock.js';

const tempDir = useTempDirs();
const fixture = fileURLToPath(new URL('./testing/kill-child.ts', import.meta.url));

/** Starts the workload in a process of its own and kills it once `bytes` of operations were submitted. */
async function killAfter(dir: string, bytes: number): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fixture, dir], { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  const wire = path.join(dir, 'wire');
  while (!existsSync(wire) || statSync(wire).size < bytes) {
    if (child.exitCode !== null) throw new Error(`the child ended with ${child.exitCode}`);
    await sleep(1);
  }
  child.kill('SIGKILL');
  expect(await exited).toBe('SIGKILL');
}

describe('a host that is killed in the middle of its workload', () => {
  it.each([1_000, 60_000, 200_000])('has in its journal every operation that reached a wire (killed after %i bytes of them)', async (bytes) => {
    const dir = tempDir();
    await killAfter(dir, bytes);
    const source = openJournalSource(dir);
    const [header] = await source.headers();
    expect(path.join(dir, journalFileName(header!.host))).toSatisfy(existsSync);
    const invoked = new Map<string, number>();
    const open = new Set<number>();
    const keyOf = (r: Extract<JournalRecord, { kind: 'invoke' }>): string => `${header!.namespaces[r.ns]!.nsid} ${r.what} ${r.slba} ${r.nlb} ${r.version}`;
    let invokes = 0;
    for await (const chunk of source.records(header!)) {
      for (const record of chunk) {
        if (record.kind === 'invoke') {
          invokes++;
          invoked.set(keyOf(record), (invoked.get(keyOf(record)) ?? 0) + 1);
          open.add(record.op);
        } else {
          expect(open.delete(record.op)).toBe(true);
        }
      }
    }
    expect(source.problems()).toEqual([expect.stringMatching(/the writer was stopped/)]);

    const onWire = readFileSync(path.join(dir, 'wire'), 'utf8').trim().split('\n');
    expect(onWire.length).toBeGreaterThan(bytes / 30);
    for (const line of onWire) {
      const times = invoked.get(line) ?? 0;
      if (times === 0) throw new Error(`reached the wire without a record: ${line}`);
      invoked.set(line, times - 1);
    }
    // Of what the journal knows, only the last batch can have been stopped short of the wire.
    expect(invokes - onWire.length).toBeLessThanOrEqual(16);
    // Completions wait 20 ms at most, and the next batch's invokes take them along.
    expect(open.size).toBeLessThanOrEqual(32);
  });
});
