import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogAnalysis, bucketUs, type AnalysisOptions } from './fio-analysis.js';
import { fioStalls } from './fio-stalls.js';
import { fioRun, logOf, logZeroMs } from './testing/fio-run.js';
import { moments } from './testing/healthy-run.js';
import { pathEvent, type DraftRun } from './testing/run.js';
import type { CheckResult } from './types.js';

const texts = (result: CheckResult): string => result.evidence.map(({ text }) => text).join('\n');
const check = (run: DraftRun): Promise<CheckResult> => fioStalls.check(run.input);
const log = (number: number): string => `fio/host1/mix/main/io_lat.${number}.log`;

describe('the checker fio-stalls', () => {
  it('measures a failover from the logs: stalls with fault and ANA change, percentiles, first completions, recovery', async () => {
    const result = await check(fioRun());
    expect(result.verdict, texts(result)).toBe('pass');
    // Outstanding since 2010 ms: the job issues one I/O each 10 ms and has 8 ms of rest after each.
    expect(result.metrics).toMatchObject({
      stallMaxMs: 1_090, 'ns1.stallMaxMs': 1_090, 'ns2.stallMaxMs': 0, 'kill.stallMaxMs': 1_090, 'kill.firstCompletionMs': 1_100, 'kill.firstCompletionAfterAnaMs': 150,
      'kill.recoveryMs': 1_100, 'kill.beforeP99Ms': 2, 'kill.duringP99Ms': 2, clockErrorMs: 1.5,
    });
    expect(texts(result)).toMatch(/namespace 1 \(ANA group 1\): 1090\.0 ms without a completion from \+2\.010000 s \(± 1\.5 ms\); in the window of kill \(the monitor waits for the grace\), in it gw2:nvme2:n1 optimized \+2\.950000 s; bound failoverStall = 1500\.0 ms: within/);
    const [section] = (result.details as { sections: { gaps: unknown[]; faults: Record<string, unknown>[] }[] }).sections;
    expect(section!.gaps).toHaveLength(2);
    expect(section!.gaps[0]).toMatchObject({ fromMs: 2_002, toMs: 3_100, gapMs: 1_098, stallMs: 1_090, fault: 'kill', verdict: 'within', anaChanges: [{ atMs: 2_950, path: 'gw2:nvme2:n1', ana: 'optimized' }] });
    expect(section!.faults[0]).toMatchObject({ fault: 'kill', anaChangedMs: 950, baselineIops: 100, before: { p99Us: 2_000, maxUs: 2_000 }, during: { maxUs: 1_090_000 }, after: { maxUs: 852_000 } });
  });

  it('looks at the paths of the job’s host only', async () => {
    const run = fioRun().add(2_400, { ...pathEvent('gw2', 1, 'optimized'), host: 'host2' });
    expect((await check(run)).metrics).toMatchObject({ 'kill.firstCompletionAfterAnaMs': 150 });
  });

  describe('fails', () => {
    it('for a stall outside all windows, beyond the quiet bound', async () => {
      const run = fioRun();
      run.fioFiles!.set(log(2), logOf(2, [[1_000, 1_700]]));
      const result = await check(run);
      expect(result.verdict).toBe('fail');
      expect(texts(result)).toMatch(/namespace 2 .*outside all fault windows, no ANA change in it; bound quietStall = 600\.0 ms: 100\.0 ms too long/);
    });
    it('for a failover that took longer than its bound', async () => {
      const run = fioRun();
      run.fioFiles!.set(log(1), logOf(1, [[moments.killed, moments.killed + 1_600]]));
      expect(await check(run)).toMatchObject({ verdict: 'fail', summary: expect.stringMatching(/in the window of kill.*failoverStall = 1500\.0 ms: \d+\.\d ms too long/) as string });
    });
  });

  describe('says unknown', () => {
    it.each<[string, (run: DraftRun) => unknown, RegExp]>([
      ['without a log', (run) => run.fioFiles!.delete(log(2)), /namespace 2: there is no log io_lat\.2\.log/],
      ['with an empty log', (run) => run.fioFiles!.set(log(2), ''), /has no completion, so nothing was measured/],
      ['with a log that is cut off', (run) => run.fioFiles!.set(log(2), logOf(2).slice(0, -5)), /the last line has no newline and may be cut off/],
      ['with a damaged log', (run) => run.fioFiles!.set(log(2), logOf(2).replace(/\n\d+,/, '\nxx,')), /io_lat\.2\.log line \d+:/],
      ['without an anchor of the clock', (run) => run.remove('fio.clock'), /no fio\.clock event/],
      ['when fio never ran', (run) => run.remove('fio.process', ({ phase }) => phase === 'main'), /fio never ran/],
      ['with a log that is not in the order of time', (run) => run.fioFiles!.set(log(2), logOf(2).split('\n').slice(0, -1).reverse().join('\n') + '\n'), /steps back by/],
    ])('%s', async (_, change, expected) => {
      const run = fioRun();
      change(run);
      const result = await check(run);
      expect(result.verdict, texts(result)).toBe('unknown');
      expect(texts(result)).toMatch(expected);
    });

    it('when it may have verified meanwhile, which fio does not log, and not when it could not', async () => {
      const stalled = (input: Parameters<typeof fioRun>[0]): DraftRun => {
        const run = fioRun(input);
        run.fioFiles!.set(log(2), logOf(2, [[1_000, 1_700]]));
        return run;
      };
      expect(await check(stalled({ verify: { backlogBlocks: 1_000 } }))).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/100\.0 ms too long, unless it verified 1000 blocks meanwhile, which its log does not show/) as string });
      for (const other of [{ verify: false as const }, { verify: { backlogBlocks: 1_000 }, passes: 3 }, { verify: { backlogBlocks: 1_000 }, mode: 'randread' as const }]) expect((await check(stalled(other))).verdict).toBe('fail');
    });

    it('when the machine did not let its processes run for as long as it was too long, and not for less', async () => {
      const stoodStill = (delayUs: number): DraftRun => {
        const run = fioRun({ verify: false }).change('self.watch', ({ process }, atMs) => process === 'gw2' && atMs > 1_250 && atMs <= 1_500, () => ({ loopDelayMaxUs: delayUs }));
        run.fioFiles!.set(log(2), logOf(2, [[1_000, 1_700]]));
        return run;
      };
      expect(await check(stoodStill(150_000))).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/100\.0 ms too long; but the machine did not let gw2 run for 150\.0 ms of that time/) as string });
      expect((await check(stoodStill(60_000))).verdict).toBe('fail');
    });

    it('when a stall is too long only if the clock is right to the millisecond', async () => {
      // It begins 601 ms before the fault's window: 1 ms more than the quiet bound, and the clock may be 1.5 ms off.
      const stall: [number, number] = [moments.inject - 601 - 8, moments.inject + 300];
      const run = fioRun({ verify: false });
      run.fioFiles!.set(log(1), logOf(1, [stall]));
      const lines = String(run.fioFiles!.get(log(1))).split('\n');
      const at = lines.findIndex((line) => line.startsWith(`${stall[1] + logZeroMs},`));
      // Issued exactly 601 ms before the window.
      lines[at] = lines[at]!.replace(/, \d+,/, `, ${(stall[1] - (moments.inject - 601)) * 1_000_000},`);
      run.fioFiles!.set(log(1), lines.join('\n'));
      const doubtful = await check(run);
      expect(doubtful.verdict, texts(doubtful)).toBe('unknown');
      expect(texts(doubtful)).toMatch(/unless fio’s clock is off by as much as it may be/);
      run.change('fio.clock', () => true, () => ({ zeroErrUs: 100 }));
      expect((await check(run)).verdict).toBe('fail');
    });
  });

  it('leaves a metric out that cannot be told for a namespace, instead of making one up', async () => {
    const run = fioRun();
    // Nothing but errors after the fault: the log ends.
    run.fioFiles!.set(log(1), logOf(1).split('\n').filter((line) => Number(line.split(',')[0]) < logZeroMs + moments.inject).join('\n') + '\n');
    const { metrics } = await check(run);
    expect(metrics).not.toHaveProperty('kill.firstCompletionMs');
    expect(metrics).not.toHaveProperty('kill.recoveryMs');
    expect(metrics).not.toHaveProperty('kill.duringP99Ms');
    expect(metrics).toHaveProperty('kill.beforeP99Ms');
  });
});

describe('LogAnalysis', () => {
  const options = (more: Partial<AnalysisOptions> = {}): AnalysisOptions => ({ stretches: [{ name: 'all', fromUs: -Infinity, toUs: Infinity }], marks: [], gapFloorUs: 20_000, ...more });

  it('finds the stall that a plain look at all I/O finds', () => {
    // Any log: completions in order, each with a latency. The stall of a gap is the part in which anything was outstanding.
    fc.assert(fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 0, max: 300 })), { minLength: 2, maxLength: 60 }), (steps) => {
      let tMs = 1_000;
      const ios = steps.map(([waitMs, latencyMs]) => ({ tUs: (tMs += waitMs) * 1_000, latencyUs: latencyMs * 1_000 }));
      const analysis = new LogAnalysis(options());
      for (const io of ios) analysis.add(io);
      const expected: number[] = [];
      for (let i = 1; i < ios.length; i++) {
        const [before, after] = [ios[i - 1]!, ios[i]!];
        if (after.tUs - before.tUs < 20_000) continue;
        const issued = ios.slice(i).map(({ tUs, latencyUs }) => tUs - latencyUs).filter((issuedUs) => issuedUs < after.tUs);
        expected.push(after.tUs - Math.max(before.tUs, Math.min(after.tUs, ...issued)));
      }
      expect(analysis.gaps().map((gap) => gap.toUs - gap.stallFromUs).filter((us) => us >= 20_000)).toEqual(expected.filter((us) => us >= 20_000).sort((a, b) => b - a));
    }));
  });

  it('recovery waits for the gap to end, however late it began, and for a whole window', () => {
    const analysis = new LogAnalysis(options());
    // 100 a second from 0 to 4 s, nothing for 2 s, 40 a second for 2 s, then 100 again.
    const add = (fromMs: number, toMs: number, everyMs: number): void => {
      for (let ms = fromMs; ms < toMs; ms += everyMs) analysis.add({ tUs: ms * 1_000, latencyUs: 1_000 });
    };
    add(0, 4_000, 10);
    add(6_000, 8_000, 25);
    add(8_000, 12_000, 10);
    expect(analysis.rate({ fromUs: 0, toUs: 3_000_000 })).toBe(100);
    // The fault began at 3 s; its effect a second later.
    const recovered = analysis.recoveredUs({ fromUs: 3_000_000, toUs: 7_000_000 }, 100)!;
    expect(Math.abs(recovered - 7_900_000)).toBeLessThanOrEqual(2 * bucketUs);
    expect(analysis.recoveredUs({ fromUs: 3_000_000, toUs: 7_000_000 }, 1_000)).toBeUndefined();
    expect(analysis.rate({ fromUs: 0, toUs: 500_000 })).toBeUndefined();
  });

  it('counts I/O for a mark only if it was issued afterwards, where that is asked', () => {
    const analysis = new LogAnalysis(options({ marks: [{ name: 'issued', tUs: 100_000, issuedAfter: true }, { name: 'any', tUs: 100_000, issuedAfter: false }] }));
    analysis.add({ tUs: 150_000, latencyUs: 60_000 });
    analysis.add({ tUs: 180_000, latencyUs: 60_000 });
    expect([analysis.firstAfter('issued'), analysis.firstAfter('any'), analysis.firstAfter('none')]).toEqual([180_000, 150_000, undefined]);
  });

  it('keeps the longest gaps of a log with very many, and says below what it dropped', () => {
    const analysis = new LogAnalysis(options({ gapFloorUs: 10 }));
    let tUs = 0;
    for (let i = 1; i <= 10_000; i++) analysis.add({ tUs: (tUs += 100 + i), latencyUs: 100 + i });
    const gaps = analysis.gaps();
    expect(gaps[0]!.toUs - gaps[0]!.stallFromUs).toBe(10_100);
    expect(gaps.length).toBeLessThanOrEqual(2_000);
    expect(analysis.gapFloorUs).toBeGreaterThan(5_000);
  });

  it('summarizes the latencies of a stretch', () => {
    const analysis = new LogAnalysis(options({ stretches: [{ name: 'early', fromUs: 0, toUs: 1_000 }, { name: 'late', fromUs: 1_000, toUs: 2_000 }] }));
    for (let i = 0; i < 100; i++) analysis.add({ tUs: i, latencyUs: i + 1 });
    expect(analysis.latencies('early')).toMatchObject({ completions: 100, maxUs: 100 });
    expect(Math.abs(analysis.latencies('early')!.p50Us - 50)).toBeLessThanOrEqual(1);
    expect(analysis.latencies('late')).toBeUndefined();
  });
});
