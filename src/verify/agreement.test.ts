import { describe, expect, it } from 'vitest';
import { agreement } from './agreement.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { mapEvent, pathEvent, targetEvent } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof agreement.check> => agreement.check(run.input);
const bounded = (ms: number): DraftRun => {
  const run = healthyRun();
  run.plan.bounds = [...run.plan.bounds.filter(({ name }) => name !== 'agreement'), { name: 'agreement', ms, terms: [] }];
  return run;
};

describe('agreement', () => {
  it('passes a healthy run, with the differences of its failover and failback excused', async () => {
    const result = await check(bounded(500));
    expect(result).toMatchObject({ verdict: 'pass', metrics: { disagreementBoundMs: 500 } });
    expect(result.metrics['disagreementMaxMs']).toBeLessThanOrEqual(100);
  });

  it.each<[string, RegExp, (run: DraftRun) => void]>([
    ['a monitor that says ACTIVE while the target says inaccessible (ceph-nvmeof 542)', /^monitor and target disagreed about gw1 and ANA group 1 for 600\.0 ms from \+1\.000000 s: monitor says it serves the group, target says it does not/,
      (run) => run.add(1000, targetEvent('gw1', [])).add(1600, targetEvent('gw1', [1]))],
    ['a target that serves a group that the monitor gave to nobody else', /^monitor and target disagreed about gw2 and ANA group 1 .*monitor says it does not, target says it serves the group/,
      (run) => run.add(1000, targetEvent('gw2', [1, 2])).add(1600, targetEvent('gw2', [2]))],
    ['a host that never saw the change', /^target and host disagreed about gw2 and ANA group 2 for 800\.0 ms .*target says it serves the group, host says it does not/,
      (run) => [2, 4].forEach((nsid) => run.add(1000, pathEvent('gw2', nsid, 'inaccessible')).add(1800, pathEvent('gw2', nsid, 'optimized')))],
    ['a monitor alone', /^monitor and target disagreed about gw2 and ANA group 1/,
      (run) => run.add(1000, mapEvent(1, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] })).add(1700, mapEvent(1, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] }))],
    ['one that lasts to the end', /^monitor and target disagreed about gw2 and ANA group 2 for 800\.0 ms from \+9\.200000 s/,
      (run) => run.add(9200, targetEvent('gw2', []))],
  ])('fails for %s', async (_what, text, change) => {
    const run = bounded(500);
    change(run);
    const result = await check(run);
    expect(result.verdict).toBe('fail');
    expect(result.evidence.filter((e) => text.test(e.text))).toHaveLength(1);
  });

  it('forgives what is shorter than the bound', async () => {
    const run = bounded(500).add(1000, targetEvent('gw1', [])).add(1400, targetEvent('gw1', [1]));
    expect(await check(run)).toMatchObject({ verdict: 'pass', metrics: { disagreementMaxMs: 400 } });
  });

  it('counts only the part outside of fault windows', async () => {
    // Begins before the injection and lasts into its window.
    const run = bounded(500).add(m.inject - 300, targetEvent('gw2', [1, 2]));
    expect((await check(run)).verdict).toBe('pass');
    expect((await check(bounded(200).add(m.inject - 300, targetEvent('gw2', [1, 2])))).verdict).toBe('fail');
  });

  it('compares nothing with a gateway that does not run', async () => {
    const run = bounded(100).add(9000, { type: 'node', name: 'gw2', role: 'gateway', state: 'exited' });
    expect((await check(run)).verdict).toBe('pass');
  });

  it('derives the bound for a run that was planned without it', async () => {
    const run = healthyRun();
    run.plan.bounds = run.plan.bounds.filter(({ name }) => name !== 'agreement');
    expect((await check(run)).metrics['disagreementBoundMs']).toBeGreaterThan(1000);
  });

  it.each(['host.path', 'mon.map', 'gw.state'] as const)('is unknown without %s', async (type) => {
    const result = await check(bounded(500).remove(type));
    expect(result).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining(`no ${type} event`) as string });
  });
});
