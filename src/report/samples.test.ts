import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { neverWritten, type JournalHeader, type JournalRecord, type JournalSource } from '../history/journal-types.js';
import { SampleDecimator, samplesFromJournal } from './samples.js';
import type { IoSample } from './types.js';

const sample = (tUs: number, latencyUs: number, more: Partial<IoSample> = {}): IoSample => ({ tUs, latencyUs, what: 'read', ns: 1, outcome: 'ok', path: 'p', op: tUs, ...more });

function thin(samples: Iterable<IoSample>, maxPoints: number, slowestPoints = Math.floor(maxPoints / 10)): IoSample[] {
  const decimator = new SampleDecimator({ maxPoints, slowestPoints });
  for (const each of samples) decimator.add(each);
  return decimator.result();
}

describe('thinning out samples', () => {
  it('keeps everything while it fits, in order of time', () => {
    const all = [sample(30, 5), sample(10, 7), sample(20, 1)];
    expect(thin(all, 3).map((each) => each.tUs)).toEqual([10, 20, 30]);
  });

  it('keeps a single spike among a million operations, and stays within its limit', () => {
    function* stream(): Generator<IoSample> {
      for (let op = 0; op < 1_000_000; op++) yield sample(op * 20, op === 765_432 ? 1_900_000 : 500 + (op * 7_919) % 400);
    }
    const kept = thin(stream(), 2_000);
    expect(kept.length).toBeLessThanOrEqual(2_000);
    expect(kept.length).toBeGreaterThan(500);
    expect(kept.find((each) => each.op === 765_432 * 20)?.latencyUs).toBe(1_900_000);
  });

  it('keeps the spike of every namespace, not only the worst of all', () => {
    const all: IoSample[] = [];
    for (let op = 0; op < 200_000; op++) all.push(sample(op * 10, 900, { ns: (op % 8) + 1 }));
    for (let ns = 1; ns <= 8; ns++) all.push(sample(1_000_000 + ns, 1_000_000 - ns * 100_000, { ns, op: -ns }));
    all.sort((a, b) => a.tUs - b.tUs);
    const kept = new Set(thin(all, 3_000, 0).map((each) => each.op));
    for (let ns = 1; ns <= 8; ns++) expect(kept.has(-ns)).toBe(true);
  });

  it('never loses the only failed operation, however fast it failed', () => {
    const all = Array.from({ length: 50_000 }, (_, op) => sample(op * 10, 1_000 + (op % 50)));
    all[33_333] = sample(333_330, 3, { outcome: 'fail', op: -1 });
    expect(thin(all, 1_000).some((each) => each.op === -1)).toBe(true);
  });

  it('keeps the maximum, the minimum and only given samples, for any input', () => {
    const arbitrary = fc.array(
      fc.record({ tUs: fc.nat(10_000_000), latencyUs: fc.nat(5_000_000), ns: fc.integer({ min: 1, max: 3 }), outcome: fc.constantFrom('ok' as const, 'fail' as const, 'info' as const) }),
      { minLength: 1, maxLength: 600 },
    );
    fc.assert(
      fc.property(arbitrary, (list) => {
        const all = list.map(({ tUs, latencyUs, ns, outcome }) => sample(tUs, latencyUs, { ns, outcome }));
        const given = new Set(all);
        const kept = thin(all, 200);
        const max = Math.max(...all.map((each) => each.latencyUs));
        const min = Math.min(...all.map((each) => each.latencyUs));
        expect(kept.every((each) => given.has(each))).toBe(true);
        expect(new Set(kept).size).toBe(kept.length);
        expect(kept.length).toBeLessThanOrEqual(200);
        expect(Math.max(...kept.map((each) => each.latencyUs))).toBe(max);
        expect(Math.min(...kept.map((each) => each.latencyUs))).toBe(min);
      }),
    );
  });

  it('keeps medians that stand for the middle of each moment', () => {
    const all = Array.from({ length: 100_000 }, (_, op) => sample(op * 10, op % 10 === 0 ? 9_000 : 1_000));
    const kept = thin(all, 1_000, 0);
    expect(kept.filter((each) => each.latencyUs === 1_000).length).toBeGreaterThan(kept.length / 2);
  });
});

describe('samples from a journal', () => {
  const header = (host: string, nsids: number[]): JournalHeader => ({
    format: 1, runId: 'r', host, writer: 1, namespaces: nsids.map((nsid) => ({ uuid: `u${nsid}`, nsid, blockSize: 4_096, blocks: 100 })),
  });
  const invoke = (op: number, tUs: number, ns = 0, what: 'read' | 'write' = 'read'): JournalRecord => ({ kind: 'invoke', op, tUs, what, purpose: 'load', ns, slba: 0, nlb: 1, version: neverWritten });
  const complete = (op: number, tUs: number, outcome: 'ok' | 'fail' | 'info' = 'ok'): JournalRecord => ({ kind: 'complete', op, tUs, outcome, status: 0, code: '', path: 'gw1:nvme0:q1', sends: 1, blocks: [] });
  const source = (journals: [JournalHeader, JournalRecord[][]][]): JournalSource => ({
    headers: () => Promise.resolve(journals.map(([each]) => each)),
    async *records(wanted) {
      for (const chunk of journals.find(([each]) => each === wanted)![1]) yield Promise.resolve(chunk);
    },
    problems: () => [],
  });

  it('pairs invocations and completions across chunks and names the NSID, not the index', async () => {
    const journal = source([[header('h', [7, 9]), [[invoke(1, 100), invoke(2, 110, 1, 'write')], [complete(2, 150), complete(1, 900, 'fail')]]]]);
    expect(await samplesFromJournal(journal)).toEqual([
      { tUs: 100, latencyUs: 800, what: 'read', ns: 7, outcome: 'fail', path: 'gw1:nvme0:q1', op: 1 },
      { tUs: 110, latencyUs: 40, what: 'write', ns: 9, outcome: 'ok', path: 'gw1:nvme0:q1', op: 2 },
    ]);
  });

  it('counts an operation that never ended as one of unknown outcome that lasted to the end', async () => {
    const journal = source([[header('h', [1]), [[invoke(1, 100), invoke(2, 200), complete(2, 5_000)]]]]);
    expect((await samplesFromJournal(journal))[0]).toEqual({ tUs: 100, latencyUs: 4_900, what: 'read', ns: 1, outcome: 'info', path: null, op: 1 });
  });

  it('does not mix up the operation ids of two hosts, nor trip over a completion without its invocation', async () => {
    const journal = source([
      [header('a', [1]), [[invoke(1, 100), complete(1, 101)]]],
      [header('b', [2]), [[complete(9, 60), invoke(1, 50), complete(1, 70)]]],
    ]);
    expect((await samplesFromJournal(journal)).map(({ ns, latencyUs }) => [ns, latencyUs])).toEqual([[2, 20], [1, 1]]);
  });
});
