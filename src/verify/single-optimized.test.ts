import { describe, expect, it } from 'vitest';
import { singleOptimized } from './single-optimized.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { mapEvent, pathEvent, t, targetEvent, twoFabrics } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof singleOptimized.check> => singleOptimized.check(run.input);

/** gw2 says optimized for namespace 1 for a while in which gw1 does too. */
function overlapping(ms: number, forMs: number): DraftRun {
  return healthyRun().add(ms, pathEvent('gw2', 1, 'optimized')).add(ms + forMs, pathEvent('gw2', 1, 'inaccessible'));
}
function allow(run: DraftRun, when: 'inject' | 'heal', groups = [1]): DraftRun {
  run.plan.expect.overlaps = [{ fault: 'kill', when, groups, bound: 'overlap', reason: 'it cannot know' }];
  return run;
}

describe('single-optimized', () => {
  it('passes a healthy run and says what it looked at', async () => {
    const result = await check(healthyRun());
    expect(result).toMatchObject({ verdict: 'pass', metrics: { hostOverlaps: 0, monitorOverlaps: 0, targetOverlaps: 0, 'host1.lookGapMaxMs': 12 } });
    expect(result.summary).toMatch(/^never two optimized owners of an ANA group in 22 path changes, 5 monitor maps and 6 target samples$/);
  });

  it('fails two optimized paths, with duration and paths', async () => {
    const result = await check(overlapping(1500, 3));
    expect(result).toMatchObject({ verdict: 'fail', summary: 'host1: ANA group 1, namespace 1 optimized at gw1 (gw1:nvme1:n1) and gw2 (gw2:nvme2:n1) for 3.0 ms from +1.500000 s' });
    expect(result.evidence[0]).toMatchObject({ tUs: t(1500), toUs: t(1503) });
    expect(result.evidence[0]!.events).toHaveLength(2);
  });

  it('takes several paths of one gateway for one owner', async () => {
    expect(await check(twoFabrics(healthyRun()))).toMatchObject({ verdict: 'pass', metrics: { hostOverlaps: 0 } });
    const run = twoFabrics(healthyRun()).add(1500, pathEvent('gw2', 1, 'optimized')).add(1503, pathEvent('gw2', 1, 'inaccessible'));
    expect((await check(run)).summary).toBe('host1: ANA group 1, namespace 1 optimized at gw1 (gw1:nvme1:n1, gw1:nvme1:n1-b) and gw2 (gw2:nvme2:n1) for 3.0 ms from +1.500000 s');
  });

  it('does not hold an overlap against a sampled host that its samples do not resolve', async () => {
    const sampled = (forMs: number): DraftRun => {
      const run = overlapping(1500, forMs);
      // A lab whose host is looked at again and again; the fixture's observer has gaps of 12 ms.
      (run.plan as { lab: string }).lab = 'qemu';
      return run;
    };
    const short = await check(sampled(12));
    expect(short).toMatchObject({ verdict: 'pass', metrics: { hostOverlaps: 1 } });
    expect(short.evidence[0]!.text).toContain('for 12.0 ms from +1.500000 s: no longer than can be told apart there (12.0 ms)');
    expect(await check(sampled(13))).toMatchObject({ verdict: 'fail', summary: expect.stringContaining('for 13.0 ms') as string });
    const blind = sampled(40).change('observe.coverage', ({ observer }, ms) => observer === 'host:host1' && ms === 2000, () => ({ maxGapUs: 101_000 }));
    expect(await check(blind)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('did not look for 101.0 ms') as string });
  });

  it('fails two that lasted to the end', async () => {
    expect((await check(healthyRun().add(9990, pathEvent('gw2', 1, 'optimized')))).summary).toContain('for 10.0 ms from +9.990000 s');
  });

  it('does not count a path whose controller is not live, or that is gone, or another namespace', async () => {
    const run = healthyRun();
    run.add(1500, pathEvent('gw2', 1, 'optimized', 'connecting')).add(1600, pathEvent('gw2', 1, 'inaccessible'));
    run.add(1700, { type: 'host.path-gone', host: 'host1', path: 'gw1:nvme1:n1', controller: 'nvme1', gateway: 'gw1', nsUuid: 'uuid-1', nsid: 1 });
    run.add(1710, pathEvent('gw2', 1, 'optimized')).add(1720, pathEvent('gw2', 1, 'inaccessible')).add(1730, pathEvent('gw1', 1, 'optimized'));
    expect((await check(run)).verdict).toBe('pass');
  });

  it('allows an overlap in its window, for its bound, for its group', async () => {
    const during = m.takeover + 1000;
    const second = (forMs: number): DraftRun => {
      const run = healthyRun();
      // gw1 was not really gone: its path is live and optimized again beside gw2's.
      return run.add(during, pathEvent('gw1', 1, 'optimized')).add(during + forMs, pathEvent('gw1', 1, 'inaccessible'));
    };
    expect((await check(second(300))).verdict).toBe('fail');
    const allowed = await check(allow(second(300), 'inject'));
    expect(allowed.verdict).toBe('pass');
    expect(allowed.summary).toContain('but for 1 allowed or unresolvable overlap, at most 300.0 ms');
    expect(allowed.evidence[0]!.text).toContain('allowed by kill (it cannot know), bound overlap = 400.0 ms');
    expect((await check(allow(second(401), 'inject'))).verdict).toBe('fail');
    expect((await check(allow(second(300), 'inject', [2]))).verdict).toBe('fail');
    expect((await check(allow(second(300), 'heal'))).verdict).toBe('fail');
    expect((await check(allow(overlapping(1500, 3), 'inject'))).verdict).toBe('fail');
    expect((await check(allow(overlapping(9400, 3), 'inject'))).verdict).toBe('fail');
  });

  it('cannot tell an overlap from the error of two clocks', async () => {
    const run = healthyRun().add(1500, pathEvent('gw2', 1, 'optimized'), 400).add(1500.5, pathEvent('gw2', 1, 'inaccessible'), 200);
    const result = await check(run);
    expect(result.verdict).toBe('unknown');
    expect(result.summary).toContain('no longer than the error of the two clocks (0.6 ms)');
  });

  it('never allows the monitor two owners, whatever the plan says', async () => {
    const run = allow(healthyRun(), 'inject', [1, 2]);
    run.add(m.active + 100, mapEvent(4, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['WAIT_BLOCKLIST_CMPL', 'ACTIVE'] })).add(m.active + 105, mapEvent(5, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] }));
    expect(await check(run)).toMatchObject({ verdict: 'fail', summary: 'monitor: ANA group 1 optimized at gw1 ACTIVE and gw2 WAIT_BLOCKLIST_CMPL for 5.0 ms from +3.100000 s' });
  });

  it('compares the targets’ own words above the resolution of their samples', async () => {
    const both = (forMs: number): DraftRun => {
      const run = healthyRun().add(1000, targetEvent('gw2', [1, 2])).add(1000 + forMs, targetEvent('gw2', [2]));
      run.plan.lab = 'qemu';
      return run;
    };
    const short = await check(both(150));
    expect(short.verdict).toBe('pass');
    expect(short.evidence[0]!.text).toContain('no longer than can be told apart there (200.0 ms)');
    expect((await check(both(250))).summary).toBe('target: ANA group 1 optimized at gw1 and gw2 for 250.0 ms from +1.000000 s');
  });

  it('where targets tell each change at once, holds anything longer than their event loops were late against them', async () => {
    const both = (forMs: number, lateMs = 3): DraftRun => healthyRun().add(1000, targetEvent('gw2', [1, 2])).add(1000 + forMs, targetEvent('gw2', [2]))
      .change('self.watch', ({ process }, ms) => process === 'gw1' && ms > 900 && ms <= 1300, () => ({ loopDelayMaxUs: lateMs * 1000 }));
    expect(await check(both(50))).toMatchObject({ verdict: 'fail', summary: 'target: ANA group 1 optimized at gw1 and gw2 for 50.0 ms from +1.000000 s' });
    expect((await check(both(8))).verdict).toBe('pass');
    expect((await check(both(50, 60))).verdict).toBe('pass');
    expect((await check(both(150).remove('self.watch', ({ process }) => process === 'gw1'))).verdict).toBe('pass');
  });

  it('does not count a target that serves no host or has no listener', async () => {
    for (const more of [{ serving: false }, { listeners: [] }]) {
      const run = healthyRun().add(1000, targetEvent('gw2', [1, 2], more)).add(1900, targetEvent('gw2', [2]));
      expect((await check(run)).verdict).toBe('pass');
    }
  });

  it('is unknown where the host was not observed densely enough', async () => {
    const hole = healthyRun().remove('observe.coverage', ({ observer }, ms) => observer === 'host:host1' && ms === 4000);
    expect(await check(hole)).toMatchObject({ verdict: 'unknown', summary: 'the paths of host1 were not observed for 500.0 ms from +3.500000 s (between two records)' });
    const gap = healthyRun().change('observe.coverage', ({ observer }, ms) => observer === 'host:host1' && ms === 4000, () => ({ maxGapUs: 130_000 }));
    expect((await check(gap)).summary).toBe('host:host1 did not look for 130.0 ms between +3.500000 s and +4.000000 s; 125.0 ms is the most that resolves two owners');
    const idle = healthyRun().change('observe.coverage', ({ observer }, ms) => observer === 'host:host1' && ms === 4000, () => ({ samples: 0 }));
    expect((await check(idle)).verdict).toBe('unknown');
    const none = healthyRun().remove('observe.coverage', ({ observer }) => observer === 'host:host1');
    expect((await check(none)).summary).toContain('(no record at all)');
  });

  it('is unknown without paths or maps, but a proven overlap stays a failure', async () => {
    expect((await check(healthyRun().remove('host.path'))).summary).toBe('no host.path event: the host never saw a path');
    expect((await check(healthyRun().remove('mon.map'))).summary).toBe('no mon.map event: the monitor was never observed');
    expect((await check(overlapping(1500, 3).remove('mon.map').remove('observe.coverage'))).verdict).toBe('fail');
  });
});
