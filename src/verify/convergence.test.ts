import { describe, expect, it } from 'vitest';
import { convergence } from './convergence.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { mapEvent, pathEvent, targetEvent, twoFabrics } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof convergence.check> => convergence.check(run.input);

describe('convergence', () => {
  it('passes a healthy run, measured from the begin of the heal', async () => {
    const result = await check(healthyRun());
    expect(result).toMatchObject({ verdict: 'pass', metrics: { convergenceMs: m.homePath - m.heal, convergenceBoundMs: 3000 } });
    expect(result.summary).toBe('2 ANA groups optimized exactly once, each at its own gateway, 1950.0 ms after +5.000000 s (bound 3000.0 ms), and until the end');
  });

  it('counts gateways, not paths', async () => {
    const run = twoFabrics(healthyRun());
    expect(await check(run)).toMatchObject({ verdict: 'pass', metrics: { convergenceMs: m.homePath - m.heal } });
    run.add(9800, { ...pathEvent('gw2', 3, 'optimized'), path: 'gw2:nvme2:n3-b' });
    expect((await check(run)).summary).toContain('host1 sees namespace 3 (ANA group 1) optimized at gw1 and gw2 instead of gw1');
  });

  it('passes a run without faults from the start', async () => {
    const run = healthyRun();
    run.plan.steps = [];
    run.remove('fault').remove('host.path', (_, ms) => ms > 200).remove('mon.map', (_, ms) => ms > 200).remove('gw.state', (_, ms) => ms > 200).remove('node', ({ state }) => state === 'killed');
    expect(await check(run)).toMatchObject({ verdict: 'pass', metrics: { convergenceMs: 0 } });
  });

  it('fails when it took too long, and says what was missing last', async () => {
    const run = healthyRun();
    run.plan.bounds = run.plan.bounds.map((bound) => (bound.name === 'convergence' ? { ...bound, ms: 1900 } : bound));
    const result = await check(run);
    expect(result.verdict).toBe('fail');
    expect(result.summary).toMatch(/^converged 1950\.0 ms after \+5\.000000 s, bound convergence = 1900\.0 ms; last missing: host1 sees namespace 3 \(ANA group 1\) optimized at no gateway instead of gw1$/);
  });

  it.each<[string, string, (run: DraftRun) => void]>([
    ['a namespace without an optimized path', 'host1 sees namespace 3 (ANA group 1) optimized at no gateway instead of gw1', (run) => run.add(9800, pathEvent('gw1', 3, 'inaccessible'))],
    ['a namespace with two', 'host1 sees namespace 3 (ANA group 1) optimized at gw1 and gw2 instead of gw1', (run) => run.add(9800, pathEvent('gw2', 3, 'optimized'))],
    ['a group at a foreign gateway in the monitor', 'the monitor has gw1 STANDBY instead of ACTIVE for ANA group 1', (run) => run.add(9800, mapEvent(6, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] }))],
    ['an unfinished failback', 'the monitor has gw2 WAIT_FAILBACK_PREPARED instead of STANDBY for ANA group 1', (run) => run.change('mon.map', (_, ms) => ms === m.home, () => mapEvent(5, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['WAIT_FAILBACK_PREPARED', 'ACTIVE'] }))],
    ['a target that never got its group', 'target gw1 says inaccessible for ANA group 1 instead of optimized', (run) => run.remove('gw.state', ({ gateway }, ms) => gateway === 'gw1' && ms > m.home)],
    ['a target that kept a foreign group', 'target gw2 says optimized for ANA group 1, which is not its own', (run) => run.remove('gw.state', ({ gateway }, ms) => gateway === 'gw2' && ms === m.inaccessible)],
    ['a target that stopped serving', 'target gw2 says nothing for ANA group 2 instead of optimized', (run) => run.add(9800, targetEvent('gw2', [2], { serving: false }))],
    ['a gateway that died again', 'target gw2 says nothing for ANA group 2 instead of optimized', (run) => run.add(9800, { type: 'node', name: 'gw2', role: 'gateway', state: 'exited' })],
  ])('fails %s at the end', async (_what, text, change) => {
    const run = healthyRun();
    change(run);
    const result = await check(run);
    expect(result.verdict).toBe('fail');
    expect(result.evidence.map((each) => each.text)).toContain(`at the end (+10.000000 s): ${text}`);
  });

  it('fails when it was left again after the bound, and forgives it within', async () => {
    const flicker = (ms: number): DraftRun => healthyRun().add(ms, pathEvent('gw1', 1, 'change')).add(ms + 20, pathEvent('gw1', 1, 'optimized'));
    expect((await check(flicker(8500))).verdict).toBe('fail');
    expect((await check(flicker(7500))).verdict).toBe('pass');
  });

  it('is unknown when the run ended before the bound had passed', async () => {
    const run = healthyRun().remove('host.inventory', ({ label }) => label === 'end').remove('host.path', (_, ms) => ms === m.homePath);
    run.change('run.end', () => true, () => ({ reason: 'completed' }));
    run.events = run.events.map((event) => (event.body.type === 'run.end' ? { ...event, ms: 7500 } : event)).filter(({ ms }) => ms <= 7500);
    const result = await check(run);
    expect(result.verdict).toBe('unknown');
    expect(result.summary).toMatch(/^the run ended 500\.0 ms before the bound convergence = 3000\.0 ms had passed, not yet converged: host1 sees/);
  });

  it.each(['host.path', 'mon.map', 'gw.state'] as const)('is unknown without the view of %s', async (type) => {
    expect(await check(healthyRun().remove(type))).toMatchObject({ verdict: 'unknown', summary: `no ${type} event: that view is missing` });
  });
});
