import { describe, expect, it } from 'vitest';
import type { EventBody } from '../history/events.js';
import { agreement } from './agreement.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { read } from './testing/journal.js';
import type { OpSpec } from './testing/journal.js';
import { mapEvent, pathEvent, t, targetEvent } from './testing/run.js';
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
    ['a monitor that says ACTIVE while the target says inaccessible (ceph-nvmeof 542)', /^monitor and target disagreed about gw1 and ANA group 1 for 600\.0 ms from \+1\.000000 s: monitor says ACTIVE, target says inaccessible/,
      (run) => run.add(1000, targetEvent('gw1', [])).add(1600, targetEvent('gw1', [1]))],
    ['a target that serves a group that the monitor gave to nobody else', /^monitor and target disagreed about gw2 and ANA group 1 .*monitor says STANDBY, target says optimized/,
      (run) => run.add(1000, targetEvent('gw2', [1, 2])).add(1600, targetEvent('gw2', [2]))],
    ['a host that never saw the change', /^target and host disagreed about gw2 and ANA group 2 for 800\.0 ms .*target says optimized, host1 says inaccessible/,
      (run) => [2, 4].forEach((nsid) => run.add(1000, pathEvent('gw2', nsid, 'inaccessible')).add(1800, pathEvent('gw2', nsid, 'optimized')))],
    ['a monitor alone', /^monitor and target disagreed about gw2 and ANA group 1/,
      (run) => run.add(1000, mapEvent(1, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] })).add(1700, mapEvent(1, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] }))],
    ['a host that took a path to be optimized that is not', /^target and host disagreed about gw1 and ANA group 2 for 800\.0 ms .*target says inaccessible, host1 says optimized \(namespace 4\)/,
      (run) => run.add(1000, pathEvent('gw1', 4, 'optimized')).add(1800, pathEvent('gw1', 4, 'inaccessible'))],
    ['another state of an unusable path', /^target and host disagreed about gw1 and ANA group 2 .*target says inaccessible, host1 says persistent-loss/,
      (run) => run.add(1000, pathEvent('gw1', 2, 'persistent-loss')).add(1800, pathEvent('gw1', 2, 'inaccessible'))],
    ['a group that the target does not know', /^target and host disagreed about gw1 and ANA group 2 .*target says nothing, host1 says inaccessible/,
      (run) => run.add(1000, targetEvent('gw1', [1], { ana: { 1: 'optimized' } })).add(1800, targetEvent('gw1', [1]))],
    ['an owner that no host reaches', /^target and host disagreed about gw2 and ANA group 2 .*target says optimized, and host1 has no live path to it/,
      (run) => [2, 4].forEach((nsid) => run.add(1000, pathEvent('gw2', nsid, 'optimized', 'connecting')).add(1800, pathEvent('gw2', nsid, 'optimized')))],
    ['an available owner that does not serve', /^monitor and target disagreed about gw2 and ANA group 2 .*monitor says ACTIVE, target says that it does not serve/,
      (run) => run.add(1000, targetEvent('gw2', [2], { serving: false })).add(1800, targetEvent('gw2', [2]))],
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

  it('compares nothing with a gateway that stands still, and does with one that goes on', async () => {
    const run = bounded(100).add(9000, { type: 'node', name: 'gw2', role: 'gateway', state: 'paused' }).add(9000, mapEvent(6, { gw1: ['ACTIVE', 'ACTIVE'], gw2: ['STANDBY', 'STANDBY'] }))
      .add(9000, targetEvent('gw1', [1, 2]));
    [2, 4].forEach((nsid) => run.add(9000, pathEvent('gw1', nsid, 'optimized')));
    expect((await check(run)).verdict).toBe('pass');
    expect((await check(run.add(9500, targetEvent('gw2', [2])))).verdict).toBe('fail');
  });

  it('excuses the gateway that a fault is aimed at until the system had time to recover, in every group', async () => {
    const moment = m.healConfirmed + 200;
    expect((await check(bounded(100).add(moment, pathEvent('gw1', 2, 'change')).add(moment + 700, pathEvent('gw1', 2, 'inaccessible')))).verdict).toBe('pass');
    expect((await check(bounded(100).add(moment, pathEvent('gw2', 2, 'change')).add(moment + 700, pathEvent('gw2', 2, 'optimized')))).verdict).toBe('fail');
  });

  it('is unknown about what lasted too long while the machine kept a process from running', async () => {
    const run = bounded(500).add(1000, targetEvent('gw1', [])).add(1600, targetEvent('gw1', [1]))
      .add(1600, { type: 'machine.waits', fromUs: t(-10_000), toUs: t(1600), waitsUs: { gw1: 11_000_000 } });
    const result = await check(run);
    expect(result).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('waited for a processor') as string });
  });

  it('fails for a read that an inaccessible path answered, and counts those that were refused', async () => {
    const audit = (more: Partial<OpSpec>): OpSpec => read(1, t(1000), t(1001), { purpose: 'audit', path: 'gw2:nvme2:q1', ...more });
    const refusing = bounded(500);
    refusing.ops.push(audit({ outcome: 'fail', found: [] }));
    expect(await check(refusing)).toMatchObject({ verdict: 'pass', metrics: { auditReadsRefused: 1 } });
    const optimized = bounded(500);
    optimized.ops.push(audit({ path: 'gw1:nvme1:q1' }));
    expect((await check(optimized)).verdict).toBe('pass');
    const answering = bounded(500);
    answering.ops.push(audit({}));
    expect(await check(answering)).toMatchObject({ verdict: 'fail', summary: expect.stringMatching(/sent to gw2 on purpose .* was answered although its path was inaccessible/) as string });
  });

  it('fails for an ANA log that changed without its change count, or whose count went back', async () => {
    const log = (changeCount: number, two: 'optimized' | 'inaccessible'): EventBody => ({ type: 'host.ana-states', host: 'host1', controller: 'nvme2', gateway: 'gw2', cntlid: 1, changeCount, states: { 1: 'inaccessible', 2: two } });
    expect((await check(bounded(500).add(1000, log(4, 'optimized')).add(1100, log(5, 'inaccessible')).add(1200, log(6, 'optimized')))).verdict).toBe('pass');
    const frozen = await check(bounded(500).add(1000, log(4, 'optimized')).add(1100, log(4, 'inaccessible')));
    expect(frozen).toMatchObject({ verdict: 'fail', summary: expect.stringContaining('but its change count stayed 4') as string });
    const back = await check(bounded(500).add(1000, log(4, 'optimized')).add(1100, log(3, 'optimized')));
    expect(back).toMatchObject({ verdict: 'fail', summary: expect.stringContaining('its change count went back from 4 to 3') as string });
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
