import { describe, expect, it } from 'vitest';
import { availability } from './availability.js';
import { listStalls } from './stalls.js';
import { read } from './testing/journal.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { startUs, t } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

/** Delays whatever namespace `nsid` has in flight at `fromMs` until `toMs`, and drops what was to be invoked meanwhile. */
function stall(run: DraftRun, nsid: number, fromMs: number, toMs: number): DraftRun {
  const inFlight = run.ops.filter(({ ns, fromUs, toUs }) => ns === nsid - 1 && fromUs <= t(fromMs) && toUs! > t(fromMs));
  const last = inFlight.at(-1) ?? run.ops.filter(({ ns, fromUs }) => ns === nsid - 1 && fromUs <= t(fromMs)).at(-1)!;
  run.changeOps((op) => op === last, () => ({ fromUs: t(fromMs), toUs: t(toMs) }));
  run.removeOps(({ ns, fromUs }) => ns === nsid - 1 && fromUs > t(fromMs) && fromUs < t(toMs));
  return run;
}

describe('availability', () => {
  it('passes and measures a healthy run', async () => {
    const result = await availability.check(healthyRun().input);
    expect(result.verdict).toBe('pass');
    expect(result.summary).toMatch(/^longest stall 1\d{3}\.\d ms \(namespace [13], bound failoverStall = 1500\.0 ms\); \d+ operations ended ok, 0 did not$/);
    const { metrics } = result;
    expect(metrics['ns1.stallMaxMs']).toBeGreaterThan(1000);
    expect(metrics['ns2.stallMaxMs']).toBe(0);
    expect(metrics['kill.stallMaxMs']).toBe(metrics['stallMaxMs']);
    expect(metrics['kill.firstCompletionMs']).toBeCloseTo(m.resumed - m.inject + 10, -2);
  });

  it('attributes each stall to its window, longest first', async () => {
    const stalls = await listStalls(healthyRun().input);
    expect(stalls.map(({ nsid, fault, boundName, judgement }) => `${nsid} ${fault} ${boundName} ${judgement}`)).toEqual([
      '1 kill failoverStall within', '3 kill failoverStall within', '1 kill failbackStall within', '3 kill failbackStall within',
    ]);
    expect(stalls[0]).toMatchObject({ host: 'host1', nsUuid: 'uuid-1', anaGroup: 1, boundUs: 1_500_000, endedBy: { path: 'gw2:nvme2:q1' } });
    expect(stalls[0]!.fromUs - startUs).toBeCloseTo(m.killed * 1000, -4);
  });

  it('fails a stall outside of all windows', async () => {
    const result = await availability.check(stall(healthyRun(), 1, 800, 1500).input);
    expect(result.verdict).toBe('fail');
    expect(result.summary).toMatch(/^namespace 1 \(ANA group 1\) at host1: 7\d\d\.\d ms without a completion from \+0\.\d{6} s, ended by op \d+ via gw1:nvme1:q1; outside all fault windows, bound quietStall = 600\.0 ms: 1\d\d\.\d ms too long$/);
  });

  it('fails a stall of a group that the fault does not concern, in the same window', async () => {
    const result = await availability.check(stall(healthyRun(), 2, 2010, 2900).input);
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.summary).toContain('namespace 2 (ANA group 2)');
    expect(result.summary).toContain('outside all fault windows');
  });

  it('fails a stall that is longer than its window allows', async () => {
    const run = healthyRun();
    run.plan.bounds = run.plan.bounds.map((bound) => (bound.name === 'failoverStall' ? { ...bound, ms: 700 } : bound));
    const result = await availability.check(run.input);
    expect(result).toMatchObject({ verdict: 'fail' });
    expect(result.summary).toMatch(/in the window of kill \(the monitor waits for the grace\), bound failoverStall = 700\.0 ms: 39\d\.\d ms too long/);
  });

  it('does not call an operation failed that the workload itself gave up, but counts it', async () => {
    const run = healthyRun();
    // Sent and given up is `info`; never sent, or a read, is `fail`.
    const outcomes = ['info', 'fail'] as const;
    let next = 0;
    run.changeOps(({ what, ns, fromUs }) => what === 'write' && ns === 1 && fromUs > t(800) && next < 2, () => ({ outcome: outcomes[next++]!, code: 'ABORTED', path: null }));
    const result = await availability.check(run.input);
    expect(result).toMatchObject({ verdict: 'pass', metrics: { operationsFailed: 0, operationsAborted: 2 } });
    expect(result.summary).toContain('2 were given up by the workload');
  });

  it('does not let a fault explain what began before it', async () => {
    const run = stall(healthyRun(), 1, 1200, 3100);
    const [longest] = await listStalls(run.input);
    expect(longest).toMatchObject({ fault: 'kill', judgement: 'over' });
    expect(longest!.excessUs).toBeCloseTo((m.inject - 1200 - 600) * 1000, -4);
  });

  it('fails the latency of a probe of an idle namespace', async () => {
    const run = healthyRun();
    run.changeOps(({ ns, fromUs }) => ns === 3 && fromUs === t(m.loadBegin + 500), () => ({ toUs: t(m.loadBegin + 1300) }));
    run.removeOps(({ ns, fromUs }) => ns === 3 && fromUs > t(m.loadBegin + 500) && fromUs < t(m.loadBegin + 1300));
    expect((await availability.check(run.input)).summary).toContain('namespace 4 (ANA group 2) at host1: 800.0 ms');
  });

  it('fails when more I/O failed than may, and counts answers with errors as no availability', async () => {
    const run = healthyRun();
    run.changeOps(({ ns, fromUs }) => ns === 1 && fromUs > t(700) && fromUs < t(1500), () => ({ outcome: 'fail' }));
    const result = await availability.check(run.input);
    const texts = result.evidence.map(({ text }) => text);
    expect(result.verdict).toBe('fail');
    expect(texts.some((text) => /^\d+ operations did not end ok, 0 may; first: op \d+ of host1 \+0\.7\d+ s, fail TEST \(status 0x300\)$/.test(text))).toBe(true);
    expect(texts.some((text) => text.startsWith('namespace 2') && text.includes('outside all fault windows'))).toBe(true);
    run.plan.expect.failedIoMax = 1000;
    run.changeOps(({ outcome, fromUs }) => outcome === 'fail' && fromUs > t(1200), () => ({ outcome: 'ok' }));
    expect((await availability.check(run.input)).verdict).toBe('pass');
  });

  it('is unknown when the host stood still for as long as the stall is too long', async () => {
    const run = stall(healthyRun(), 1, 800, 1500);
    run.change('self.watch', ({ process }, ms) => process === 'host1' && ms > 1000 && ms <= 1250, () => ({ loopDelayMaxUs: 240_000 }));
    const result = await availability.check(run.input);
    expect(result.verdict).toBe('unknown');
    expect(result.summary).toMatch(/too long, but the measuring process itself stood still for 2\d\d\.\d ms of it/);
  });

  it('is unknown when a stall may have begun earlier than the host could tell', async () => {
    // 501 ms as measured, of 600: a read is outstanding when another one's completion is timed, after `silentMs` in which the host wrote nothing.
    const silent = (silentMs: number): DraftRun => {
      const run = healthyRun().removeOps(({ ns, fromUs, toUs }) => (ns === 0 && fromUs < t(1_300) && toUs! > t(640)) || (fromUs < t(799) && toUs! > t(799 - silentMs)));
      run.ops.push(read(1, t(640), t(1_300), { ns: 0 }), read(1, t(645), t(799), { ns: 0 }));
      return run;
    };
    const stoodStill = (run: DraftRun, delayUs: number): DraftRun => run.change('self.watch', ({ process }, ms) => process === 'host1' && ms > 750 && ms <= 1_000, () => ({ loopDelayMaxUs: delayUs }));
    expect((await availability.check(silent(150).input)).verdict).toBe('pass');
    expect((await availability.check(stoodStill(silent(150), 90_000).input)).verdict).toBe('pass');
    const result = await availability.check(stoodStill(silent(150), 148_000).input);
    expect(result).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/host1 stood still for 14\d\.\d ms when it began, so that it may have been too long$/) as string });
    // Whoever writes all the time stands still at no time, whatever the watch says of the quarter of a second around it.
    expect((await availability.check(stoodStill(silent(1), 148_000).input)).verdict).toBe('pass');
  });

  it('does not excuse it by a delay that is too short, at another time, or of a gateway that was busy with itself', async () => {
    for (const [process, afterMs, delayUs, cpuPercent] of [['host1', 1000, 10_000, 10], ['host1', 7000, 240_000, 10], ['gw1', 1000, 240_000, 95]] as const) {
      const run = stall(healthyRun(), 1, 800, 1500);
      run.change('self.watch', (body, ms) => body.process === process && ms > afterMs && ms <= afterMs + 250, () => ({ loopDelayMaxUs: delayUs, cpuPercent }));
      expect((await availability.check(run.input)).verdict).toBe('fail');
    }
  });
  it('is unknown when the machine did not let a process of the lab run, in one piece or in many', async () => {
    const once = stall(healthyRun(), 1, 800, 1500);
    once.change('self.watch', (body, ms) => body.process === 'gw1' && ms > 1000 && ms <= 1250, () => ({ loopDelayMaxUs: 240_000 }));
    const result = await availability.check(once.input);
    expect(result.verdict).toBe('unknown');
    expect(result.summary).toMatch(/too long; but the machine did not let gw1 run for 240\.0 ms of that time/);
    const often = stall(healthyRun(), 1, 800, 1500);
    often.change('self.watch', (body) => body.process === 'store', () => ({ loopDelayMaxUs: 110_000 }));
    expect((await availability.check(often.input)).summary).toMatch(/but the machine did not let store run for \d+\.\d ms of that time/);
  });
  it('is unknown when a process was runnable and waited for a processor for a third of the time', async () => {
    const run = stall(healthyRun(), 1, 800, 1500);
    for (let ms = 0; ms < 2_000; ms += 500) run.add(ms + 500, { type: 'machine.waits', fromUs: t(ms), toUs: t(ms + 500), waitsUs: { gw1: 10_000, store: 450_000 } });
    const result = await availability.check(run.input);
    expect(result).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/but store waited for a processor for \d+\.\d ms of 2\d\d\d\.\d ms$/) as string });
  });
  it('does not take a gateway that a fault had stopped for one that the machine did not let run', async () => {
    const run = stall(healthyRun(), 1, 800, 1500);
    run.add(900, { type: 'node', name: 'gw1', role: 'gateway', state: 'paused', pid: 1 }).add(1_400, { type: 'node', name: 'gw1', role: 'gateway', state: 'resumed', pid: 1 });
    run.change('self.watch', (body, ms) => body.process === 'gw1' && ms > 1000 && ms <= 1500, () => ({ loopDelayMaxUs: 240_000 }));
    expect((await availability.check(run.input)).verdict).toBe('fail');
  });

  it('lets I/O wait until the heal where the plan says so, and not longer', async () => {
    const run = healthyRun();
    run.plan.expect.stalls = [{ fault: 'kill', when: 'inject', groups: [1], bound: 'failbackStall', untilHeal: true, reason: 'the store is cut off' }];
    const hang = (toMs: number): Promise<string> => {
      const each = stall(stall(run, 1, m.killed, toMs), 3, m.killed, toMs);
      return availability.check(each.input).then(({ verdict }) => verdict);
    };
    expect(await hang(m.healConfirmed + 1100)).toBe('pass');
    expect(await hang(m.healConfirmed + 1300)).toBe('fail');
  });

  it('does not call a short gap too long because it crosses the end of a window', async () => {
    // Ends 300 ms after the window does, but is far below the quiet bound of 600 ms.
    const run = healthyRun();
    run.plan.expect.stalls = [{ fault: 'kill', when: 'inject', groups: [1, 2], bound: 'failbackStall', untilHeal: true, reason: 'the store is cut off' }];
    const windowEnd = m.healConfirmed + 1200;
    const crossing = stall(run, 2, windowEnd - 100, windowEnd + 300);
    expect((await listStalls(crossing.input)).find((s) => s.nsid === 2)).toMatchObject({ judgement: 'within', fault: 'kill' });
    const long = stall(healthyRun(), 2, windowEnd - 100, windowEnd + 700);
    long.plan.expect.stalls = run.plan.expect.stalls;
    expect((await listStalls(long.input)).find((s) => s.nsid === 2)).toMatchObject({ judgement: 'over' });
  });

  it('fails what never completed again', async () => {
    const run = healthyRun();
    const first = run.ops.find(({ ns, fromUs }) => ns === 1 && fromUs > t(7000))!;
    run.removeOps((op) => op.ns === 1 && op.fromUs > first.fromUs);
    run.changeOps((op) => op === first, () => ({ toUs: undefined }));
    const result = await availability.check(run.input);
    expect(result.verdict).toBe('fail');
    expect(result.summary).toContain('lasting to the end of the journal; outside all fault windows');
  });

  it('is unknown without completed I/O, and for a damaged journal', async () => {
    const none = healthyRun();
    none.ops = [];
    expect(await availability.check(none.input)).toMatchObject({ verdict: 'unknown', summary: 'no I/O completed: nothing was available, or nothing was tried' });
    const torn = healthyRun();
    torn.journalProblems = ['torn'];
    expect(await availability.check(torn.input)).toMatchObject({ verdict: 'unknown', summary: 'journal: torn' });
  });
});
