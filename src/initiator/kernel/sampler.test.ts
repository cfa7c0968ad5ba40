import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Sampler } from './sampler.js';
import { runSamplerLoop, samplerWords, SamplerWord } from './sampler-loop.js';
import type { SamplerMessage } from './sampler-loop.js';
import { buildSamplerEntry } from './testing/sampler-entry.js';
import { SysfsTree, testNqn } from './testing/sysfs-tree.js';

let dir: string;
let tree: SysfsTree;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-sampler-'));
  tree = new SysfsTree(dir);
  tree.addController({ name: 'nvme0', traddr: '192.0.2.1' });
  tree.addPath({ name: 'nvme0c0n1', controller: 'nvme0', nsid: 1, group: 1 });
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('the sampler’s loop', () => {
  /** Runs the loop on a clock that only its waits and `tick` move; `each` is called at every wait. */
  function run(each: (waits: number, words: Int32Array, advance: (us: number) => void) => void): { messages: SamplerMessage[]; waitsMs: number[] } {
    const control = new SharedArrayBuffer(samplerWords * 4);
    const words = new Int32Array(control);
    const messages: SamplerMessage[] = [];
    const waitsMs: number[] = [];
    let clockUs = 1_000_000;
    runSamplerLoop({ nqn: testNqn, roots: tree.roots, control }, {
      // Each look at the clock takes 100 µs, so that a sample has a length.
      calls: tree.calls, now: () => (clockUs += 100), post: (message) => messages.push(message),
      wait: (_control, _seen, waitMs) => {
        waitsMs.push(waitMs);
        clockUs += waitMs * 1_000;
        each(waitsMs.length, words, (us) => (clockUs += us));
      },
    });
    expect(tree.openCount).toBe(0);
    return { messages, waitsMs };
  }
  const coverages = (messages: SamplerMessage[]): { fromUs: number; toUs: number; samples: number; maxGapUs: number }[] => messages.flatMap((message) => (message.kind === 'report' ? [message.coverage] : []));

  it('samples every 8 ms, reports without a hole, and tells changes once', () => {
    const { messages, waitsMs } = run((waits, words) => {
      if (waits === 50) tree.setAna('nvme0c0n1', 'inaccessible');
      if (waits === 100) words[SamplerWord.stop] = 1;
    });
    expect(waitsMs.every((ms) => ms > 6 && ms <= 8)).toBe(true);
    const changes = messages.filter((message) => message.kind === 'changes');
    expect(changes.map((message) => message.kind === 'changes' && message.changes.length)).toEqual([2, 1]);
    const reports = coverages(messages);
    expect(reports.length).toBeGreaterThan(2);
    for (const [i, report] of reports.slice(1).entries()) expect(report.fromUs).toBe(reports[i]!.toUs);
    expect(reports.reduce((sum, { samples }) => sum + samples, 0)).toBe(101);
    expect(Math.max(...reports.map(({ maxGapUs }) => maxGapUs))).toBeLessThan(10_000);
  });

  it('is further apart where samples take long, within limits', () => {
    // Each look at the clock takes 100 µs here; a slow machine takes longer over a sample of five calls.
    const slow = (readUs: number): number[] => {
      const control = new SharedArrayBuffer(samplerWords * 4);
      const words = new Int32Array(control);
      const waitsMs: number[] = [];
      let clockUs = 1_000_000;
      runSamplerLoop({ nqn: testNqn, roots: tree.roots, control }, {
        calls: { ...tree.calls, readSync: (fd, into) => { clockUs += readUs; return tree.calls.readSync(fd, into); } },
        now: () => clockUs, post: () => undefined,
        wait: (_control, _seen, waitMs) => {
          waitsMs.push(waitMs);
          clockUs += waitMs * 1_000;
          if (waitsMs.length === 200) words[SamplerWord.stop] = 1;
        },
      });
      return waitsMs.slice(-50);
    };
    const periods = (readUs: number): number => Math.max(...slow(readUs)) + (2 * readUs) / 1_000;
    expect(periods(100)).toBeCloseTo(8, 0);
    // Two files are read: 2 ms of 13.3 ms.
    expect(periods(1_000)).toBeCloseTo(13.3, 0);
    expect(periods(5_000)).toBeCloseTo(20, 0);
  });

  it('names the longest time without a look, and does not catch up afterwards', () => {
    const { messages, waitsMs } = run((waits, words, advance) => {
      if (waits === 10) advance(90_000);
      if (waits === 20) words[SamplerWord.stop] = 1;
    });
    expect(Math.max(...coverages(messages).map(({ maxGapUs }) => maxGapUs))).toBeGreaterThan(97_000);
    expect(waitsMs.slice(10).every((ms) => ms > 6)).toBe(true);
  });

  it('answers a flush with a report of a sample that began after it', () => {
    const { messages } = run((waits, words) => {
      if (waits === 3) words[SamplerWord.flush] = 7;
      if (waits === 5) words[SamplerWord.stop] = 1;
    });
    const flushed = messages.findIndex((message) => message.kind === 'flushed');
    expect(messages[flushed]).toEqual({ kind: 'flushed', number: 7 });
    expect(messages[flushed - 1]).toMatchObject({ kind: 'report', coverage: { samples: 4 } });
  });
});

describe('Sampler', () => {
  let entry: URL;
  beforeAll(async () => {
    const built = await buildSamplerEntry();
    entry = built.entry;
    return built.remove;
  });

  it('sees changes in a thread of its own while this one is busy', async () => {
    const messages: SamplerMessage[] = [];
    const sampler = new Sampler({ nqn: testNqn, roots: tree.roots, entry, onMessage: (message) => messages.push(message), onError: (error) => { throw error; } });
    await sampler.flush();
    expect(messages[0]).toMatchObject({ kind: 'changes', changes: [{ kind: 'controller' }, { kind: 'path' }] });
    tree.setAna('nvme0c0n1', 'inaccessible');
    const seenFromUs = Number(process.hrtime.bigint() / 1_000n);
    // This event loop stands still; the sampler does not.
    const untilMs = performance.now() + 150;
    while (performance.now() < untilMs);
    tree.setAna('nvme0c0n1', 'optimized');
    await sampler.flush();
    const seen = messages.filter((message) => message.kind === 'changes').slice(1);
    expect(seen.map((message) => message.kind === 'changes' && message.changes.map((change) => change.kind === 'path' && change.path.anaState))).toEqual([['inaccessible'], ['optimized']]);
    expect(seen[0]!.kind === 'changes' && seen[0]!.tUs - seenFromUs).toBeLessThan(140_000);
    await sampler.stop();
    await sampler.stop();
    await sampler.flush();
  });

  it('says when its thread ends unasked', async () => {
    const error = await new Promise<Error>((resolve) => {
      new Sampler({ nqn: testNqn, roots: tree.roots, entry: new URL('data:text/javascript,throw new Error("no eyes")'), onMessage: () => undefined, onError: resolve });
    });
    expect(error.message).toContain('no eyes');
  });
});
