import { describe, expect, it } from 'vitest';
import { holesIn, lookGapLimitUs, observes } from './coverage.js';
import { lbaRanges, gatewayOf } from './integrity/findings.js';
import { visitInTimeOrder } from './integrity/merge.js';
import { scanJournal, stallsMax } from './journal-scan.js';
import { evidenceMax, Findings } from './result.js';
import { journalSource, recordsOf, testHeader } from './testing/journal.js';
import type { OpSpec } from './testing/journal.js';
import { testPlan } from './testing/plan.js';
import { at, versionText } from './words.js';

describe('words', () => {
  it('say times relative to the run and versions by writer', () => {
    expect(at(3_204_117, 1_000_000)).toBe('+2.204117 s');
    expect(at(500_000, 1_000_000)).toBe('-0.500000 s');
    expect(at(Infinity, 0)).toBe('never');
    expect(versionText(3 * 2 ** 40 + 12)).toBe('version 3#12');
    expect(versionText(0)).toBe('zeroes (never written)');
    expect(lbaRanges([7, 1, 2, 3, 9])).toBe('1–3, 7, 9');
    expect(gatewayOf('gw1:nvme0:q1')).toBe('gw1');
    expect(gatewayOf('gw1')).toBe('gw1');
  });
});

describe('Findings', () => {
  it('lets a failure outweigh infra, infra unknown, and unknown everything else', () => {
    const findings = new Findings('x');
    expect(findings.result('proved')).toMatchObject({ verdict: 'pass', summary: 'proved' });
    findings.unknown('u');
    expect(findings.result('proved')).toMatchObject({ verdict: 'unknown', summary: 'u' });
    findings.infra('i');
    expect(findings.result('proved')).toMatchObject({ verdict: 'infra', summary: 'i' });
    findings.fail('f1');
    findings.fail('f2');
    expect(findings.result('proved')).toMatchObject({ verdict: 'fail', summary: 'f1 (and 1 more)' });
    expect(findings.result('proved').evidence.map(({ text }) => text)).toEqual(['f1', 'f2', 'i', 'u']);
  });

  it('counts what it does not keep', () => {
    const findings = new Findings('x');
    for (let i = 0; i < evidenceMax + 5; i += 1) findings.fail(`f${i}`);
    const { evidence, summary } = findings.result('');
    expect(evidence).toHaveLength(evidenceMax + 1);
    expect(evidence.at(-1)!.text).toBe('… and 5 more findings of this kind');
    expect(summary).toBe(`f0 (and ${evidenceMax + 4} more)`);
  });
});

describe('coverage', () => {
  const period = { fromUs: 100, toUs: 200 };
  const span = (fromUs: number, toUs: number): { fromUs: number; toUs: number } => ({ fromUs, toUs });
  it('finds holes in any order of overlapping spans, at both edges', () => {
    expect(holesIn(period, [span(90, 150), span(140, 210)], 5)).toEqual([]);
    expect(holesIn(period, [], 5)).toEqual([{ fromUs: 100, toUs: 200, why: 'no record at all' }]);
    expect(holesIn(period, [span(160, 190), span(110, 120)], 9)).toEqual([
      { fromUs: 100, toUs: 110, why: 'before the first record' }, { fromUs: 120, toUs: 160, why: 'between two records' }, { fromUs: 190, toUs: 200, why: 'after the last record' },
    ]);
    expect(holesIn(period, [span(160, 190), span(110, 120)], 10)).toEqual([{ fromUs: 120, toUs: 160, why: 'between two records' }]);
    expect(holesIn(period, [span(0, 130), span(250, 300)], 5)).toEqual([{ fromUs: 130, toUs: 200, why: 'between two records' }]);
  });
  it('asks more of a host that is sampled than of one that reports each change', () => {
    const { shape } = testPlan();
    const slow = { ...shape, timers: { ...shape.timers, beaconGraceMs: 7000, katoMs: 5000 } };
    expect([lookGapLimitUs({ lab: 'loopback', shape }, 'host:host1'), lookGapLimitUs({ lab: 'loopback', shape: slow }, 'host:host1')]).toEqual([125_000, 1_250_000]);
    expect([lookGapLimitUs({ lab: 'qemu', shape }, 'host:host1'), lookGapLimitUs({ lab: 'qemu', shape: slow }, 'host:host1')]).toEqual([100_000, 100_000]);
    expect([lookGapLimitUs({ lab: 'qemu', shape }, 'monitor'), lookGapLimitUs({ lab: 'qemu', shape: slow }, 'monitor')]).toEqual([125_000, 1_250_000]);
  });
  it('tells whom an observer speaks of', () => {
    expect(['host1', 'host:host1', 'host1/paths', 'host1:paths'].map((observer) => observes(observer, 'host1'))).toEqual([true, true, true, true]);
    expect(['host12', 'host', 'xhost1'].map((observer) => observes(observer, 'host1'))).toEqual([false, false, false]);
  });
});

describe('visitInTimeOrder', () => {
  it('merges journals by time, at equal times invocations first, whatever the chunks', async () => {
    const ops: OpSpec[] = Array.from({ length: 60 }, (_, i) => ({ what: 'read', found: [0], fromUs: (i * 7) % 40, toUs: ((i * 7) % 40) + (i % 5), journal: i % 3 }));
    const headers = [0, 1, 2].map((writer) => testHeader({ writer, host: `host${writer}` }));
    for (const chunk of [1, 2, 5, 100]) {
      const seen: { tUs: number; kind: string; journal: number; op: number }[] = [];
      const note = (journal: number, { tUs, kind, op }: { tUs: number; kind: string; op: number }): void => void seen.push({ tUs, kind, journal, op });
      const problems = await visitInTimeOrder(journalSource(headers, headers.map((_, j) => recordsOf(ops, j)), [], chunk), headers, { invoke: note, complete: note });
      expect(problems).toEqual([]);
      expect(seen).toHaveLength(120);
      for (let i = 1; i < seen.length; i += 1) {
        expect(seen[i]!.tUs).toBeGreaterThanOrEqual(seen[i - 1]!.tUs);
        if (seen[i]!.tUs === seen[i - 1]!.tUs && seen[i]!.kind === 'invoke') expect(seen[i - 1]!.kind).toBe('invoke');
      }
      expect(seen.every(({ journal, op }) => op % 3 === journal)).toBe(true);
    }
  });
});

describe('scanJournal', () => {
  it('keeps the longest of very many stalls, and says from where on', async () => {
    const ops: OpSpec[] = Array.from({ length: stallsMax + 100 }, (_, i) => ({ what: 'read', found: [0], fromUs: i * 1e6, toUs: i * 1e6 + 20_000 + i }));
    const input = { plan: testPlan(), events: [], historyProblems: [], journal: journalSource([testHeader()], [recordsOf(ops)], [], 4096) };
    const scan = await scanJournal(input);
    expect(scan.stalls.length).toBeLessThanOrEqual(stallsMax);
    expect(scan.stalls[0]!.toUs - scan.stalls[0]!.fromUs).toBe(20_000 + stallsMax + 99);
    expect(scan.stallFloorUs).toBeGreaterThan(20_000);
    expect(scan.stalls.every(({ fromUs, toUs }) => toUs - fromUs >= scan.stallFloorUs)).toBe(true);
  });

  it('reads the journal once for all checkers of one input', async () => {
    let reads = 0;
    const source = journalSource([testHeader()], [recordsOf([{ what: 'read', found: [0], fromUs: 1, toUs: 2 }])]);
    const input = { plan: testPlan(), events: [], historyProblems: [], journal: { ...source, records: (header: Parameters<typeof source.records>[0]) => ((reads += 1), source.records(header)) } };
    await Promise.all([scanJournal(input), scanJournal(input)]);
    expect((await scanJournal(input)).operations).toBe(1);
    expect(reads).toBe(1);
  });
});
