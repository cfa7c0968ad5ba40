import { describe, expect, it } from 'vitest';
import { faultTook } from './fault-took.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof faultTook.check> => faultTook.check(run.input);

describe('fault-took', () => {
  it('passes a fault that an observer confirmed, and its heal', async () => {
    expect(await check(healthyRun())).toMatchObject({
      verdict: 'pass', summary: '1 fault took and healed: kill (gateway.kill on gw1) confirmed by host1 after 300.0 ms', metrics: { faults: 1, 'kill.confirmMs': 300 },
    });
  });

  it('passes a plan without faults', async () => {
    const run = healthyRun().remove('fault');
    run.plan.steps = [];
    expect(await check(run)).toMatchObject({ verdict: 'pass', summary: 'no fault was planned, and none was injected' });
  });

  it('is infra when the observer did not see the fault, or its heal', async () => {
    const fault = healthyRun().change('fault', ({ phase }) => phase === 'confirmed', () => ({ phase: 'unconfirmed', evidence: 'gw1 answers' }));
    expect(await check(fault)).toMatchObject({ verdict: 'infra', summary: 'kill (gateway.kill on gw1): host1 did not see it take: gw1 answers' });
    const heal = healthyRun().change('fault', ({ phase }) => phase === 'heal-confirmed', () => ({ phase: 'heal-unconfirmed', evidence: 'gw1 is silent' }));
    expect(await check(heal)).toMatchObject({ verdict: 'infra', summary: 'kill (gateway.kill on gw1): host1, monitor did not see its heal: gw1 is silent' });
  });

  it.each(['injecting', 'injected', 'confirmed', 'healing', 'healed', 'heal-confirmed'] as const)("is unknown without '%s'", async (phase) => {
    expect(await check(healthyRun().remove('fault', (body) => body.phase === phase))).toMatchObject({ verdict: 'unknown', summary: `kill (gateway.kill on gw1): no '${phase}' event` });
  });

  it('is unknown when a planned fault never happened', async () => {
    const result = await check(healthyRun().remove('fault'));
    expect(result).toMatchObject({ verdict: 'unknown', summary: "kill (gateway.kill on gw1): no 'injecting' event (and 5 more)" });
  });

  it('does not ask for a heal that the plan does not have', async () => {
    const run = healthyRun().remove('fault', ({ phase }) => phase.startsWith('heal'));
    run.plan.steps = run.plan.steps.filter((step) => step.do !== 'heal');
    expect((await check(run)).verdict).toBe('pass');
  });

  it('is unknown when the injector confirms itself, or nobody does', async () => {
    const itself = healthyRun().change('fault', ({ phase }) => phase === 'confirmed', () => ({ observer: 'harness' }));
    expect((await check(itself)).summary).toBe("kill (gateway.kill on gw1): 'confirmed' comes from harness, which injected it");
    const nobody = healthyRun().change('fault', ({ phase }) => phase === 'confirmed', () => ({ observer: '' }));
    expect((await check(nobody)).summary).toBe("kill (gateway.kill on gw1): 'confirmed' names no observer");
  });

  it('is unknown when the phases are out of order', async () => {
    const run = healthyRun();
    run.events = run.events.map((event) => (event.body.type === 'fault' && event.body.phase === 'confirmed' ? { ...event, ms: m.heal + 50 } : event));
    expect((await check(run)).summary).toBe("kill (gateway.kill on gw1): 'healing' came 50.0 ms before 'confirmed'");
  });

  it('is unknown for a fault that the plan does not have', async () => {
    const run = healthyRun().add(3000, { type: 'fault', id: 'extra', fault: 'gateway.kill', target: 'gw2', phase: 'injecting' });
    expect((await check(run)).summary).toBe('fault extra was injected, but the plan has no such fault');
  });
});
