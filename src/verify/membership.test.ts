import { describe, expect, it } from 'vitest';
import type { EventBody } from '../history/events.js';
import { membership } from './membership.js';
import { healthyRun } from './testing/healthy-run.js';
import { t } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun) => membership.check(run.input);

type NodeBody = Extract<EventBody, { type: 'node' }>;
const ended = (name: string, more: Partial<NodeBody>): NodeBody => ({ type: 'node', name, role: 'gateway', state: 'exited', exitCode: 10, signal: null, expected: false, ...more });
const byRule = { detail: 'ended itself: the monitor had failed it over' };

/** The healthy run, but gw1 was removed from the group and created again. */
function removalRun(): DraftRun {
  const run = healthyRun();
  run.plan.steps = run.plan.steps.map((step) => (step.do === 'inject' ? { ...step, fault: 'gateway.remove' } : step));
  run.change('fault', () => true, () => ({ fault: 'gateway.remove' }));
  run.change('mon.map', ({ gwEpoch }) => gwEpoch === 2 || gwEpoch === 3, ({ gateways }) => ({ gateways: gateways.map((g) => (g.id === 'gw1' ? { ...g, availability: 'DELETING' } : g)) }));
  return run;
}
const setGw1 = (run: DraftRun, epochs: number[], availability: 'DELETING' | 'AVAILABLE' | 'UNAVAILABLE'): void => {
  run.change('mon.map', ({ gwEpoch }) => epochs.includes(gwEpoch), ({ gateways }) => ({ gateways: gateways.map((g) => (g.id === 'gw1' ? { ...g, availability } : g)) }));
};

describe('membership', () => {
  it('passes a healthy run, and one with a removal', async () => {
    expect(await check(healthyRun())).toMatchObject({ verdict: 'pass', summary: expect.stringMatching(/^\d monitor maps with the 2 gateways of the lab and their own ANA groups; 1 end of gateway processes/) as string });
    expect(await check(removalRun())).toMatchObject({ verdict: 'pass' });
  });

  it('fails an ANA group that changed its gateway’s number, and a gateway that nobody knows', async () => {
    const moved = healthyRun();
    moved.change('mon.map', ({ gwEpoch }) => gwEpoch === 5, ({ gateways }) => ({ gateways: gateways.map((g) => (g.id === 'gw1' ? { ...g, anaGroup: 3 } : g)) }));
    expect((await check(moved)).summary).toMatch(/^the monitor’s map gives gw1 the ANA group 3 instead of its own, 1, \+6\.9/);
    const stranger = healthyRun();
    stranger.change('mon.map', ({ gwEpoch }) => gwEpoch === 5, ({ gateways }) => ({ gateways: [...gateways, { ...gateways[0]!, id: 'gw9' }] }));
    expect((await check(stranger)).summary).toContain('has a gateway gw9 that the lab does not have');
  });

  it('fails a gateway that the last map has lost', async () => {
    const run = healthyRun();
    run.change('mon.map', ({ gwEpoch }) => gwEpoch === 5, ({ gateways }) => ({ gateways: gateways.filter(({ id }) => id !== 'gw2') }));
    expect((await check(run)).summary).toMatch(/^the last map of the monitor does not have gw2/);
  });

  it('fails a removal that never showed in the map, or too late', async () => {
    const never = removalRun();
    setGw1(never, [2, 3], 'UNAVAILABLE');
    expect((await check(never)).summary).toMatch(/^gw1 was removed \+2\.005000 s \(kill\), but the monitor’s map never had it DELETING: it says UNAVAILABLE$/);
    const late = removalRun();
    late.plan.bounds = [...late.plan.bounds, { name: 'removalNotice', ms: 500, terms: [] }];
    setGw1(late, [2], 'UNAVAILABLE');
    expect((await check(late)).summary).toMatch(/DELETING only 995\.0 ms later, bound removalNotice = 500\.0 ms$/);
  });

  it('is unknown about a removal that was undone too soon', async () => {
    const run = removalRun();
    setGw1(run, [2, 3], 'UNAVAILABLE');
    run.plan.bounds = [...run.plan.bounds, { name: 'removalNotice', ms: 60_000, terms: [] }];
    expect(await check(run)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('before the map had to show it') as string });
  });

  it('fails a gateway that stays DELETING although it was created again', async () => {
    const run = removalRun();
    setGw1(run, [4, 5], 'DELETING');
    expect((await check(run)).summary).toMatch(/gw1 was created again .* but is DELETING in the last map/);
  });

  it('fails a crash, whatever else goes on', async () => {
    const run = healthyRun().add(4_000, ended('gw2', { exitCode: 66, detail: 'crashed' }));
    expect(await check(run)).toMatchObject({ verdict: 'fail', summary: 'gw2 ended (crashed, exit code 66) +4.000000 s, and no fault gave it reason to' });
  });

  it('fails a gateway that ended itself without a reason, and not one that a fault gave one', async () => {
    const run = healthyRun().add(4_000, ended('gw2', byRule));
    expect((await check(run)).summary).toBe('gw2 ended itself: the monitor had failed it over +4.000000 s, and no fault gave it reason to');
    // gw1 was killed: what was started again has no reason to end itself.
    expect((await check(healthyRun().add(7_000, ended('gw1', byRule)))).verdict).toBe('fail');
    const cut = healthyRun().add(6_000, ended('gw1', byRule));
    cut.plan.steps = cut.plan.steps.map((step) => (step.do === 'inject' ? { ...step, fault: 'partition.monitor' } : step));
    expect(await check(cut)).toMatchObject({ verdict: 'pass' });
  });

  it('is unknown about a gateway that ended itself when the machine did not let a process run', async () => {
    const run = healthyRun().add(4_000, ended('gw2', byRule));
    run.change('self.watch', ({ process }, ms) => process === 'monitor' && ms > 3_000 && ms < 3_400, () => ({ loopDelayMaxUs: 300_000 }));
    expect(await check(run)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('but the machine did not let monitor run') as string });
  });

  it('lets a gateway that waited for a processor excuse it, and no host that did', async () => {
    const waiting = (process: string): DraftRun => healthyRun().add(4_000, ended('gw2', byRule)).add(4_001, { type: 'machine.waits', fromUs: t(0), toUs: t(4_000), waitsUs: { [process]: 2_000_000 } });
    expect(await check(waiting('gw1'))).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('gw1 waited for a processor') as string });
    for (const process of ['host1', 'harness']) expect((await check(waiting(process))).verdict).toBe('fail');
  });

  it('is unknown without a map of the monitor', async () => {
    expect(await check(healthyRun().remove('mon.map'))).toMatchObject({ verdict: 'unknown', summary: 'no mon.map event: the monitor was never observed' });
  });
});
