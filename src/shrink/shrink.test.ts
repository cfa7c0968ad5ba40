import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import failover from '../../suites/failover.suite.js';
import nightly from '../../suites/nightly.suite.js';
import regressions from '../../suites/regressions.suite.js';
import smoke from '../../suites/smoke.suite.js';
import thrash from '../../suites/thrash.suite.js';
import { planScenario } from '../plan/planner.js';
import type { Plan } from '../plan/types.js';
import type { CheckResult } from '../verify/types.js';
import { leastFailureRate, smallestThatFailsAgain } from './confirm.js';
import { ddmin, shrinkNumber } from './ddmin.js';
import { reducibleOf } from './scenario-of.js';
import { planOf, shrinkPlan } from './shrink.js';
import { failsAlike, signatureOf } from './signature.js';

describe('ddmin', () => {
  it('finds the needles of any haystack, and nothing else', async () => {
    await fc.assert(fc.asyncProperty(fc.uniqueArray(fc.nat(100), { maxLength: 24 }), fc.uniqueArray(fc.nat(100), { maxLength: 3 }), async (hay, needles) => {
      const all = [...new Set([...hay, ...needles])];
      const found = await ddmin(all, (some) => Promise.resolve(needles.every((needle) => some.includes(needle))));
      expect([...found].sort((a, b) => a - b)).toEqual([...needles].sort((a, b) => a - b));
    }));
  });

  it('leaves a list of which nothing can be spared', async () => {
    expect(await ddmin([1, 2, 3], (some) => Promise.resolve(some.length === 3))).toEqual([1, 2, 3]);
  });
});

describe('shrinkNumber', () => {
  it('finds the threshold, and asks a logarithmic number of times', async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 500 }), async (a, b) => {
      const [threshold, from] = [Math.min(a, b), Math.max(a, b)];
      let asked = 0;
      expect(await shrinkNumber(from, 1, (n) => ((asked += 1), Promise.resolve(n >= threshold)))).toBe(threshold);
      expect(asked).toBeLessThan(14);
    }));
  });
});

describe('reducibleOf', () => {
  it('gives a scenario that resolves to the very same plan, for every scenario of every suite', () => {
    for (const suite of [smoke, failover, nightly, regressions, thrash]) {
      for (const scenario of suite.scenarios) {
        const plan = planScenario(suite.name, scenario, { seed: 's1', lab: 'loopback', defects: ['store.lose-writes'] });
        expect(planOf(reducibleOf(plan)), `${suite.name}/${scenario.name}`).toEqual(plan);
      }
    }
  });
});

describe('shrinkPlan', () => {
  const start = (): Plan => planScenario('s', {
    name: 'big', title: 'Too big', description: 'break a lot.', lab: { gateways: 4, hosts: 3, anaGroups: 4, namespaces: 8 }, workload: { queueDepth: 16 },
    steps: [
      { do: 'phase', name: 'baseline' }, { do: 'run', forMs: 4_000 },
      { do: 'inject', id: 'a', fault: 'gateway.kill', target: 'gw1' }, { do: 'await', what: 'takeover', of: 'a' }, { do: 'run', forMs: 3_000 }, { do: 'heal', id: 'a' }, { do: 'await', what: 'home' },
      { do: 'inject', id: 'b', fault: 'gateway.pause', target: 'gw2' }, { do: 'await', what: 'takeover', of: 'b' }, { do: 'run', forMs: 3_000 }, { do: 'heal', id: 'b' }, { do: 'await', what: 'home' },
      { do: 'inject', id: 'c', fault: 'partition.store', target: 'gw3' }, { do: 'run', forMs: 1_000 }, { do: 'heal', id: 'c' }, { do: 'await', what: 'home' },
    ],
  }, { seed: 's', lab: 'loopback' });

  it('keeps only what the failure needs: here the pause, two namespaces and a queue of three', async () => {
    const kept: string[] = [];
    const { plan } = await shrinkPlan(reducibleOf(start()), {
      fails: (p) => Promise.resolve(p.steps.some((s) => s.do === 'inject' && s.fault === 'gateway.pause') && p.topology.namespaces.length >= 2 && p.workload.queueDepth >= 3),
      kept: (what) => kept.push(what),
    });
    expect(plan.steps.filter((s) => s.do === 'inject').map((s) => s.fault)).toEqual(['gateway.pause']);
    expect(plan.steps.map((s) => s.do)).toEqual(['inject', 'heal']);
    expect(plan.shape).toMatchObject({ gateways: 2, hosts: 1, anaGroups: 1, namespaces: 2 });
    expect(plan.workload).toMatchObject({ queueDepth: 3, workingSetBlocks: 8, delayedRereadMs: 200 });
    expect(plan.workload.ioBytes).toHaveLength(1);
    expect(kept.length).toBeGreaterThan(5);
    // What is stored is a whole plan: it can be planned, and its expectations are its own.
    expect(new Set(plan.expect.stalls.map(({ fault }) => fault))).toEqual(new Set(['b']));
  });

  it('never asks about the same candidate twice, and about none that is no scenario', async () => {
    const seen = new Set<string>();
    await shrinkPlan(reducibleOf(start()), {
      fails: (p) => {
        const key = JSON.stringify({ ...p, bounds: [] });
        expect(seen.has(key)).toBe(false);
        seen.add(key);
        expect(p.workload.ioBytes.length).toBeGreaterThan(0);
        return Promise.resolve(false);
      },
    });
    expect(seen.size).toBeGreaterThan(10);
  });
});

describe('smallestThatFailsAgain', () => {
  const plans = ['large', 'medium', 'small'].map((seed) => planScenario('s', { name: 'n', title: 'Any', description: 'do nothing.', steps: [{ do: 'run', forMs: 100 }] }, { seed, lab: 'loopback' })) as [Plan, Plan, Plan];
  const [large, medium, small] = plans;

  it('takes no plan that fails in most of its runs, but not in each', async () => {
    let runs = 0;
    const gaveWay: [string, number][] = [];
    const found = await smallestThatFailsAgain(plans, 5, {
      fails: (plan) => Promise.resolve(plan !== small || ++runs % 4 !== 0),
      gaveWay: (plan, failed) => gaveWay.push([plan.seed, failed]),
    });
    expect(found).toEqual({ plan: medium, failedAgain: 5 });
    expect(gaveWay).toEqual([['small', 3]]);
  });

  it('takes the smallest that fails each time, after just as many runs as it is told', async () => {
    let runs = 0;
    expect(await smallestThatFailsAgain(plans, 5, { fails: () => Promise.resolve((runs += 1) > 0) })).toEqual({ plan: small, failedAgain: 5 });
    expect(runs).toBe(5);
  });

  it('falls back to the first, and keeps what there is when it is stopped', async () => {
    expect(await smallestThatFailsAgain(plans, 5, { fails: () => Promise.resolve(false) })).toEqual({ plan: large, failedAgain: 0 });
    expect(await smallestThatFailsAgain(plans, 5, { fails: () => Promise.resolve(false), stopped: () => true })).toEqual({ plan: small, failedAgain: 0 });
  });

  it('proves a rate that a plan which fails more seldom shows in one of 20 cases', () => {
    for (const runs of [1, 5, 30]) expect(leastFailureRate(runs) ** runs).toBeCloseTo(0.05);
    expect(leastFailureRate(5)).toBeCloseTo(0.549, 3);
    expect(leastFailureRate(30)).toBeGreaterThan(0.9);
  });
});

describe('signatures', () => {
  const check = (checker: string, verdict: CheckResult['verdict'], text: string, metrics: Record<string, number> = {}): CheckResult => ({ checker, verdict, summary: text, evidence: [{ text }], metrics });

  it('are the kinds of findings for integrity', () => {
    const torn = { checks: [check('integrity', 'fail', 'torn block …', { 'torn-blockFindings': 3, operations: 9 })] };
    expect(signatureOf(torn)).toEqual({ checker: 'integrity', kinds: ['torn-block'] });
    expect(failsAlike({ checks: [check('integrity', 'fail', 'x', { 'torn-blockFindings': 1, 'stale-readFindings': 2 })] }, signatureOf(torn)!)).toBe(true);
    expect(failsAlike({ checks: [check('integrity', 'fail', 'x', { 'stale-readFindings': 2 })] }, signatureOf(torn)!)).toBe(false);
  });

  it('are the words without numbers and names elsewhere', () => {
    const one = { checks: [check('inventory', 'pass', 'fine'), check('ha-response', 'fail', 'after kill (+4.21 s) no other gateway than gw1 became optimized for ANA group 1')] };
    const two = { checks: [check('ha-response', 'fail', 'after kill (+9.00 s) no other gateway than gw2 became optimized for ANA group 2')] };
    const other = { checks: [check('ha-response', 'fail', 'the monitor took gw1 from ACTIVE to IDLE for ANA group 1 +3.0 s: no such transition')] };
    expect(signatureOf(one)!.checker).toBe('ha-response');
    expect(failsAlike(two, signatureOf(one)!)).toBe(true);
    expect(failsAlike(other, signatureOf(one)!)).toBe(false);
    expect(failsAlike({ checks: [check('ha-response', 'unknown', 'x')] }, signatureOf(one)!)).toBe(false);
  });

  it('is the one that is asked for, and there is none of a run that passed', () => {
    const both = { checks: [check('integrity', 'fail', 'x', { 'stale-readFindings': 1 }), check('availability', 'fail', 'y')] };
    expect(signatureOf(both, 'availability')!.checker).toBe('availability');
    expect(signatureOf({ checks: [check('integrity', 'pass', 'x')] })).toBeUndefined();
  });
});
