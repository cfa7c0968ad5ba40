import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import thrash from '../../suites/thrash.suite.js';
import { faultNames, faultSpecs } from '../fault/specs.js';
import { planScenario } from './planner.js';
import type { Scenario } from './scenario.js';
import type { Plan } from './types.js';

const options = { seed: 's', lab: 'loopback' } as const;

function planOf(seed: string, step: Omit<Extract<Scenario['steps'][number], { do: 'thrash' }>, 'do'>, gateways = 3): Plan {
  return planScenario('t', { name: 'one', title: 'One', description: 'thrash it.', lab: { gateways, anaGroups: Math.min(2, gateways), namespaces: 4 }, steps: [{ do: 'thrash', ...step }, { do: 'await', what: 'home' }] }, { ...options, seed });
}

/** Calls `look` with the active faults after each step. */
function walk(plan: Plan, look: (active: Map<string, { fault: string; target: string }>) => void): void {
  const active = new Map<string, { fault: string; target: string }>();
  for (const step of plan.steps) {
    if (step.do === 'inject') active.set(step.id, step);
    if (step.do === 'heal') expect(active.delete(step.id)).toBe(true);
    look(active);
  }
  expect(active.size).toBe(0);
}

describe('a random schedule', () => {
  it('follows from the seed and nothing else', () => {
    const [scenario] = thrash.scenarios;
    expect(planScenario('thrash', scenario!, options)).toEqual(planScenario('thrash', scenario!, options));
    expect(planScenario('thrash', scenario!, options).steps).not.toEqual(planScenario('thrash', scenario!, { ...options, seed: 'other' }).steps);
  });

  it('lasts as long as it shall, heals everything, and hits no gateway twice at a time', () => {
    fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'b', '1') }), fc.integer({ min: 1_000, max: 60_000 }), fc.integer({ min: 1, max: 4 }), fc.constantFrom('one' as const, 'none' as const), (seed, forMs, concurrent, spare) => {
      const plan = planOf(seed, { forMs, concurrent, spare });
      expect(plan.steps.reduce((sum, step) => sum + (step.do === 'run' ? step.forMs : 0), 0)).toBe(forMs);
      walk(plan, (active) => {
        const targets = [...active.values()].map(({ target }) => target);
        expect(new Set(targets).size).toBe(targets.length);
        expect(targets.length).toBeLessThanOrEqual(spare === 'one' ? 2 : 3);
        for (const alone of ['gateway.remove', 'host.hold-write']) expect([...active.values()].filter(({ fault }) => fault === alone).length).toBeLessThanOrEqual(1);
        expect(new Set([...active.keys()].map((id) => id.split('-')[0])).size).toBeLessThanOrEqual(concurrent);
      });
    }));
  });

  it('draws every fault of the catalog sooner or later, lets them overlap, and only where asked takes all gateways away', () => {
    const plans = Array.from({ length: 40 }, (_, i) => planOf(`s${i}`, { forMs: 30_000 }));
    const drawn = new Set(plans.flatMap((plan) => plan.steps.flatMap((step) => (step.do === 'inject' ? [step.fault] : []))));
    // All that the lab can do: it has no machines to switch off and no cephadm.
    expect([...drawn].sort()).toEqual(faultNames.filter((name) => name !== 'gateway.power-off' && !name.startsWith('cephadm.')).sort());
    let most = 0;
    for (const plan of plans) walk(plan, (active) => (most = Math.max(most, active.size)));
    expect(most).toBe(2);
    let all = false;
    for (const plan of Array.from({ length: 40 }, (_, i) => planOf(`s${i}`, { forMs: 30_000, concurrent: 3, spare: 'none' }))) walk(plan, (active) => (all ||= active.size === 3));
    expect(all).toBe(true);
  });

  it('lets a fault that hangs writes at the store come alone, with everything at home, unless it is asked not to', () => {
    const hanging = (name: string): boolean => faultSpecs[name as keyof typeof faultSpecs].hangsAtStore === true;
    let seen = 0;
    for (let i = 0; i < 40; i++) {
      const plan = planOf(`s${i}`, { forMs: 30_000, concurrent: 3, spare: 'none' });
      walk(plan, (active) => {
        const faults = [...active.values()].map(({ fault }) => fault);
        if (new Set(faults).size > 1) expect(faults.some(hanging)).toBe(false);
      });
      plan.steps.forEach((step, at) => {
        if (step.do !== 'inject' || !hanging(step.fault)) return;
        const before = plan.steps.slice(0, at).findLast((other) => other.do !== 'inject');
        // Nothing was injected before it and its companions.
        if (before === undefined) return;
        expect(before).toMatchObject({ do: 'await', condition: { kind: 'home' } });
        seen += 1;
      });
    }
    expect(seen).toBeGreaterThan(20);
    const mixed = Array.from({ length: 40 }, (_, i) => planOf(`s${i}`, { forMs: 30_000, concurrent: 3, spare: 'none', hangOverFailback: true }));
    let met = false;
    for (const plan of mixed) walk(plan, (active) => (met ||= active.size > 1 && [...active.values()].some(({ fault }) => hanging(fault)) && new Set([...active.values()].map(({ fault }) => fault)).size > 1));
    expect(met).toBe(true);
  });

  it('draws only what it may', () => {
    const plan = planOf('x', { forMs: 30_000, faults: ['gateway.remove'] });
    expect(plan.steps.filter((step) => step.do === 'inject').every((step) => step.fault === 'gateway.remove')).toBe(true);
  });

  it('demands no takeover and no held write of what it cannot know, but I/O and the way home', () => {
    const plan = planOf('s1', { forMs: 30_000 });
    expect(plan.expect.heldWrites).toBeUndefined();
    expect(plan.expect.convergence).toBe('overlapHome');
    const hanging = plan.steps.flatMap((step) => (step.do === 'inject' && faultSpecs[step.fault as keyof typeof faultSpecs].target === 'hangs' ? [step.id] : []));
    // With a gateway to spare, I/O may wait without a bound only for one that hangs.
    for (const { until, fault } of plan.expect.stalls) if (until !== undefined) expect(hanging.length > 0, fault).toBe(true);
  });
});
