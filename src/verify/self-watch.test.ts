import { describe, expect, it } from 'vitest';
import { loopDelayLimitUs, selfWatch } from './self-watch.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { t } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof selfWatch.check> => selfWatch.check(run.input);
const summary = async (run: DraftRun): Promise<string> => {
  const result = await check(run);
  expect(result.verdict).toBe('unknown');
  return result.summary;
};

describe('self-watch', () => {
  it('passes a healthy run with its numbers', async () => {
    expect(await check(healthyRun())).toMatchObject({
      verdict: 'pass', summary: 'longest event-loop delay 9.0 ms in 6 processes (limit 125.0 ms), longest gap of a host or monitor observer 12.0 ms',
      metrics: { loopDelayMaxMs: 9, loopDelayLimitMs: 125, lookGapMaxMs: 12, 'gw1.loopDelayMaxMs': 9 },
    });
  });

  it('derives its limit from the smallest of what it must resolve', () => {
    const { plan } = healthyRun();
    expect(loopDelayLimitUs(plan)).toBe(125_000);
    plan.shape.timers = { ...plan.shape.timers, katoMs: 5000 };
    expect(loopDelayLimitUs(plan)).toBe(200_000);
    plan.shape.timers = { ...plan.shape.timers, beaconGraceMs: 7000 };
    expect(loopDelayLimitUs(plan)).toBe(600_000);
  });

  it('asks of a gateway on the kernel’s target only what its beacons need', () => {
    const { plan } = healthyRun();
    plan.shape.timers = { ...plan.shape.timers, katoMs: 5000, beaconGraceMs: 7000 };
    plan.platform = { accel: 'tcg', emulationFactor: 10, fabrics: 2, machines: { debianSuite: 'forky', cephMajor: null, auth: 'none', mons: 1 } };
    expect([loopDelayLimitUs(plan, 'gateway'), loopDelayLimitUs(plan, 'host')]).toEqual([1_750_000, 600_000]);
  });

  it.each(['harness', 'host1', 'gw2', 'monitor', 'store'])('is unknown when %s stood still', async (process) => {
    const run = healthyRun().change('self.watch', (body, ms) => body.process === process && ms > 4000 && ms <= 4250, () => ({ loopDelayMaxUs: 126_000 }));
    expect(await summary(run)).toMatch(new RegExp(`^${process}: its event loop stood still for 126\\.0 ms between \\+3\\.\\d+ s and \\+4\\.\\d+ s \\(limit 125\\.0 ms\\)$`));
  });

  it.each(['harness', 'host1', 'gw2', 'monitor', 'store'])('is unknown without reports of %s, at all or for a while', async (process) => {
    expect(await summary(healthyRun().remove('self.watch', (body) => body.process === process))).toBe(`${process} has no self.watch event`);
    expect(await summary(healthyRun().remove('self.watch', (body, ms) => body.process === process && ms > 4000 && ms <= 4250))).toContain(`${process}: no self.watch for 250.0 ms from`);
    expect(await summary(healthyRun().remove('self.watch', (body, ms) => body.process === process && ms > 9000))).toContain('(after the last record)');
  });

  it('does not watch a process while it is dead or paused', async () => {
    // Healthy as it is: gw1 has no reports from its kill to its restart. But without the kill that is a hole.
    expect(await summary(healthyRun().remove('node', ({ state }) => state === 'killed'))).toContain('gw1: no self.watch for');
    const paused = healthyRun()
      .add(4000, { type: 'node', name: 'gw2', role: 'gateway', state: 'paused' }).add(4600, { type: 'node', name: 'gw2', role: 'gateway', state: 'resumed' })
      .remove('self.watch', ({ process }, ms) => process === 'gw2' && ms > 4000 && ms <= 4600)
      .add(4600, { type: 'self.watch', process: 'gw2', pid: 1, loopDelayMaxUs: 600_000, loopDelayP99Us: 1, cpuPercent: 0, rssBytes: 0, fromUs: t(3850), toUs: t(4600) });
    expect((await check(paused)).verdict).toBe('pass');
  });

  it('does not watch a process while it is ending, and watches it until then', async () => {
    const slowEnd = healthyRun().change('self.watch', ({ process }, ms) => process === 'gw1' && ms > 1400 && ms <= m.killed, () => ({ loopDelayMaxUs: 600_000 }));
    expect(await summary(slowEnd)).toContain('gw1: its event loop stood still for 600.0 ms');
    const told = healthyRun().change('self.watch', ({ process }, ms) => process === 'gw1' && ms > 1400 && ms <= m.killed, () => ({ loopDelayMaxUs: 600_000 }))
      .add(1300, { type: 'node', name: 'gw1', role: 'gateway', state: 'stopping' });
    expect((await check(told)).verdict).toBe('pass');
  });

  it('does not excuse a longer silence before a death than one report', async () => {
    expect(await summary(healthyRun().remove('self.watch', ({ process }, ms) => process === 'gw1' && ms > 1400 && ms <= m.killed))).toContain('gw1: no self.watch for');
  });

  it('ignores what was measured from outside, without loop delays', async () => {
    const run = healthyRun().add(3000, { type: 'self.watch', process: 'ps:gw2', pid: 1, loopDelayMaxUs: -1, loopDelayP99Us: -1, cpuPercent: 0, rssBytes: 0, fromUs: t(2000), toUs: t(3000) });
    expect((await check(run)).verdict).toBe('pass');
  });

  it('is unknown when an observer of the host or the monitor looked away', async () => {
    expect(await summary(healthyRun().change('observe.coverage', ({ observer }, ms) => observer === 'host:host1' && ms === 4000, () => ({ maxGapUs: 126_000 })))).toBe(
      'host:host1: it did not look for 126.0 ms between +3.500000 s and +4.000000 s (limit 125.0 ms)',
    );
    expect(await summary(healthyRun().remove('observe.coverage', ({ observer }, ms) => observer === 'monitor' && ms === 4000))).toContain('monitor: no coverage for 500.0 ms');
    expect(await summary(healthyRun().remove('observe.coverage'))).toBe('no observe.coverage event of a host or monitor observer');
    const blinded = healthyRun().add(3000, { type: 'observe.coverage', observer: 'gateway:gw1', fromUs: t(2000), toUs: t(3000), samples: 0, maxGapUs: 1_000_000 });
    expect((await check(blinded)).verdict).toBe('pass');
  });

  describe('of a monitor that was not looked at for too long', () => {
    /** The report that ends then, and has a gap. */
    const gapBefore = (ms: number, samples = 5): ReturnType<typeof healthyRun> => healthyRun()
      .change('observe.coverage', ({ observer }, at) => observer === 'monitor' && at === ms, () => ({ maxGapUs: 400_000, samples }));

    it('says nothing if the looks before and after found the same map, since each change has a number', async () => {
      expect((await check(gapBefore(1000))).verdict).toBe('pass');
    });

    it('is unknown if the map changed meanwhile, or before the next look', async () => {
      const changed = [m.waitBlocklist, m.failback, m.home].map((ms) => Math.ceil(ms / 500) * 500);
      for (const ms of changed) expect(await summary(gapBefore(ms)), `at ${ms}`).toContain('monitor: it did not look for 400.0 ms');
      expect(await summary(gapBefore(changed[0]! - 500, 0))).toContain('monitor: it did not look for 400.0 ms');
    });

    it('is unknown if nobody looked afterwards, or no map was seen before', async () => {
      const blind = healthyRun().change('observe.coverage', ({ observer }, at) => observer === 'monitor' && at >= 9000, () => ({ maxGapUs: 400_000, samples: 0 }));
      expect(await summary(blind)).toContain('monitor: it did not look for 400.0 ms');
      expect(await summary(gapBefore(1000).remove('mon.map', (_, at) => at < 1000))).toContain('monitor: it did not look for 400.0 ms');
    });
  });

  it('is unknown when no host was observed', async () => {
    expect(await summary(healthyRun().remove('host.path').remove('host.inventory'))).toBe('no host was observed, so there is no period to judge');
  });
});
