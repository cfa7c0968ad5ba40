import { describe, expect, it } from 'vitest';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { startUs, t } from './testing/run.js';
import type { DraftRun } from './testing/run.js';
import { listStalls } from './stalls.js';
import { allowanceWindows } from './timeline.js';
import { vacuity } from './vacuity.js';

/** The healthy run, but its fault is there to hold writes: the write in flight on namespace 1 at the kill went to gw1 first. */
function heldRun(): DraftRun {
  const run = healthyRun();
  run.plan.expect.heldWrites = [{ fault: 'kill', gateway: 'gw1', groups: [1] }];
  const held = run.ops.find(({ what, ns, fromUs, toUs }) => what === 'write' && ns === 0 && fromUs > t(m.inject) && toUs! >= t(m.resumed))
    ?? run.ops.find(({ ns, fromUs, toUs }) => ns === 0 && fromUs > t(m.inject) && toUs! >= t(m.resumed))!;
  run.changeOps((op) => op === held, () => ({ what: 'write', version: 900_000, sends: 2, path: 'gw2:nvme2:q1' }));
  return run;
}
const heldOf = (run: DraftRun) => run.ops.find(({ sends }) => sends === 2)!;

describe('held writes', () => {
  it('passes when newer data overtook a write that had been half-way, and tells how many', async () => {
    const result = await vacuity.check(heldRun().input);
    expect(result.verdict).toBe('pass');
    expect(result.metrics).toMatchObject({ 'kill.heldWrites': 1, 'kill.overtakenBlocks': 1 });
    expect(result.evidence.some(({ text }) => text.startsWith('kill: half-way at gw1 and acknowledged through another gateway: 1 write;'))).toBe(true);
  });

  it('is unknown when no write was half-way, or one that was invoked before the fault', async () => {
    const none = heldRun();
    none.changeOps((op) => op.sends === 2, () => ({ sends: 1 }));
    expect(await vacuity.check(none.input)).toMatchObject({ verdict: 'unknown', summary: 'kill: no write was half-way at gw1 when its path failed over' });
    const before = heldRun();
    before.changeOps((op) => op.sends === 2, () => ({ fromUs: t(m.inject) - 1 }));
    expect((await vacuity.check(before.input)).summary).toContain('no write was half-way');
  });

  it('is unknown when the write came back to the same gateway', async () => {
    const run = heldRun();
    run.changeOps((op) => op.sends === 2, () => ({ path: 'gw1:nvme1:q1' }));
    expect((await vacuity.check(run.input)).summary).toContain('no write was half-way');
  });

  it('is unknown when no newer data was acknowledged in its blocks before the release', async () => {
    const run = heldRun();
    const { slba, ns, toUs } = heldOf(run);
    run.removeOps((op) => op.what === 'write' && op.ns === ns && op.slba === slba && op.fromUs > toUs! && op.toUs! < t(m.heal));
    expect((await vacuity.check(run.input)).summary).toMatch(/^kill: none of the 1 write that went half-way to gw1 was overtaken by newer data before the heal \+5\.0/);
  });

  it('is unknown when the hold was never released', async () => {
    const run = heldRun();
    run.remove('fault', ({ phase }) => phase === 'healing' || phase === 'healed' || phase === 'heal-confirmed');
    const texts = (await vacuity.check(run.input)).evidence.map(({ text }) => text);
    expect(texts).toContain('kill was never healed: no held write was released');
  });
});

describe('an allowance until another fault changes', () => {
  it('lasts until then and one bound longer', async () => {
    const run = healthyRun();
    run.plan.expect.stalls = [{ fault: 'kill', when: 'inject', groups: [1], bound: 'failoverStall', until: { fault: 'other', when: 'inject' }, reason: 'nobody can serve' }];
    run.add(4_000, { type: 'fault', id: 'other', fault: 'gateway.kill', target: 'gw2', phase: 'injecting' });
    const [window] = allowanceWindows(run.plan, run.history, run.plan.expect.stalls);
    expect(window!.fromUs - startUs).toBe(m.inject * 1_000);
    expect(window!.untilUs! - startUs).toBe(4_000_000);
    expect(window!.toUs).toBe(window!.untilUs! + window!.boundUs);
    expect((await listStalls(run.input)).filter(({ fault }) => fault === 'kill').every(({ judgement }) => judgement === 'within')).toBe(true);
  });

  it('never ends when that never happened', () => {
    const run = healthyRun();
    run.plan.expect.stalls = [{ fault: 'kill', when: 'inject', groups: [1], bound: 'failoverStall', until: { fault: 'other', when: 'heal' }, reason: 'nobody can serve' }];
    expect(allowanceWindows(run.plan, run.history, run.plan.expect.stalls)[0]!.toUs).toBe(Infinity);
  });
});
