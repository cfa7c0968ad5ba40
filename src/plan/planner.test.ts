import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import smoke from '../../suites/smoke.suite.js';
import failover from '../../suites/failover.suite.js';
import { faultNames, faultSpecs } from '../fault/specs.js';
import { PathproofError } from '../util/errors.js';
import { planScenario } from './planner.js';
import { parseSuite, type Scenario } from './scenario.js';
import { productionTimers, scaleTimers } from './timers.js';
import type { Plan } from './types.js';

const base: Scenario = {
  name: 'one', title: 'One fault', description: 'break one gateway.',
  steps: [
    { do: 'inject', id: 'f', fault: 'gateway.kill', target: 'owner-of:1' },
    { do: 'await', what: 'takeover', of: 'f' },
    { do: 'heal', id: 'f' },
  ],
};
const options = { seed: 's', lab: 'loopback' } as const;

function usageErrorOf(action: () => unknown): PathproofError {
  try {
    action();
  } catch (error) {
    if (error instanceof PathproofError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('planScenario', () => {
  it('is a pure function of scenario, seed and lab', () => {
    for (const suite of [smoke, failover]) {
      for (const scenario of suite.scenarios) {
        expect(JSON.stringify(planScenario(suite.name, scenario, options))).toBe(JSON.stringify(planScenario(suite.name, scenario, options)));
      }
    }
  });

  it('gives other identities and, somewhere, another target for another seed', () => {
    const plans = Array.from({ length: 20 }, (_, i) => planScenario('smoke', smoke.scenarios[0]!, { ...options, seed: String(i) }));
    expect(new Set(plans.map((p) => p.topology.namespaces[0]!.uuid)).size).toBe(20);
    expect(new Set(plans.flatMap((p) => p.steps.flatMap((s) => (s.do === 'inject' ? [s.target] : []))))).toEqual(new Set(['gw1', 'gw2']));
  });

  it('leaves nothing symbolic: every step, bound and expectation names something that exists', () => {
    fc.assert(fc.property(
      fc.integer({ min: 1, max: 16 }), fc.integer({ min: 2, max: 40 }), fc.constantFrom(...faultNames), fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom('a', 'b', '7') }),
      (gateways, namespaces, fault, seed) => {
        const anaGroups = Math.max(1, Math.floor(gateways / 2));
        const scenario: Scenario = { ...base, lab: { gateways, namespaces, anaGroups }, steps: [{ do: 'inject', id: 'f', fault, target: 'random-owner' }, { do: 'await', what: 'takeover', of: 'f' }, { do: 'heal', id: 'f' }] };
        const plan = planScenario('s', scenario, { seed, lab: 'loopback' });
        checkClosed(plan);
        const target = plan.steps.flatMap((s) => (s.do === 'inject' ? [s.target] : []))[0]!;
        const group = plan.topology.gateways.find((g) => g.name === target)!.anaGroup;
        // A random owner has namespaces; only its groups may stall, and only as its fault says.
        expect(plan.topology.namespaces.some((n) => n.anaGroup === group)).toBe(true);
        const { scope, consequences: { takeover } } = faultSpecs[fault];
        expect(plan.expect.stalls.every((s) => (scope === 'group' ? s.groups.includes(group) : s.groups.length === 1 && s.groups[0] === group))).toBe(true);
        const wanted = gateways > 1 ? takeover : { expected: false, reason: 'there is no other gateway in the group' };
        expect(plan.expect.takeovers).toEqual(wanted === null ? [] : [{ fault: 'f', group, ...wanted }]);
        expect(plan.steps.filter((s) => s.do === 'await')).toHaveLength(gateways > 1 ? 1 : 0);
      },
    ));
  });

  it('gives every namespace its own identity and spreads them over the groups', () => {
    const { topology } = planScenario('s', { ...base, lab: { gateways: 3, namespaces: 9, anaGroups: 3 } }, options);
    for (const key of ['uuid', 'nguid', 'nsid', 'image'] as const) expect(new Set(topology.namespaces.map((n) => n[key])).size).toBe(9);
    expect([1, 2, 3].map((g) => topology.namespaces.filter((n) => n.anaGroup === g).length)).toEqual([3, 3, 3]);
    expect(topology.namespaces.filter((n) => n.idle).map((n) => n.nsid)).toEqual([9]);
  });

  it('gives each host an identity, and every namespace to one host; the first host and all else are as without others', () => {
    const alone = planScenario('s', base, options);
    const { topology, shape, steps, bounds } = planScenario('s', { ...base, lab: { hosts: 3 } }, options);
    expect([alone.shape.hosts, shape.hosts]).toEqual([1, 3]);
    expect(topology.hosts.map(({ name }) => name)).toEqual(['host1', 'host2', 'host3']);
    for (const key of ['hostNqn', 'hostId'] as const) expect(new Set(topology.hosts.map((host) => host[key])).size).toBe(3);
    expect(topology.namespaces.map(({ host }) => host)).toEqual(['host1', 'host2', 'host3', 'host1']);
    expect(topology.hosts[0]).toEqual(alone.topology.hosts[0]);
    expect(topology.namespaces.map(({ host: _, ...rest }) => rest)).toEqual(alone.topology.namespaces.map(({ host: _, ...rest }) => rest));
    expect({ steps, bounds }).toEqual({ steps: alone.steps, bounds: alone.bounds });
    expect(planScenario('s', { ...base, lab: { hosts: 2 } }, { ...options, hosts: 3 }).topology.hosts).toEqual(topology.hosts);
  });

  it.each<[string, Partial<Scenario>, RegExp]>([
    ['a host without load', { lab: { hosts: 4 } }, /lab\.hosts: 4 hosts need as many namespaces with load, there are 3/],
    ['more groups than gateways', { lab: { gateways: 2, anaGroups: 3 } }, /lab\.anaGroups: 3 groups need as many gateways/],
    ['all namespaces idle', { workload: { idleNamespaces: 4 } }, /workload\.idleNamespaces/],
    ['a working set larger than the namespace', { workload: { workingSetBlocks: 1_000_000 } }, /workload\.workingSetBlocks/],
    ['an I/O size off the block size', { workload: { ioBytes: [6_000] } }, /workload\.ioBytes: 6000 is no multiple/],
    ['a target that is not there', { steps: [{ do: 'inject', id: 'f', fault: 'gateway.kill', target: 'gw9' }, { do: 'heal', id: 'f' }] }, /gw9 does not exist/],
    ['a fault without a heal', { steps: [{ do: 'inject', id: 'f', fault: 'gateway.kill', target: 'gw1' }] }, /f is never healed/],
    ['a heal without a fault', { steps: [{ do: 'heal', id: 'x' }] }, /no fault x/],
    ['the same id twice', { steps: [base.steps[0]!, base.steps[0]!, { do: 'heal', id: 'f' }] }, /second fault has the id f/],
    ['a wait for a fault that is not there', { steps: [{ do: 'await', what: 'takeover', of: 'x' }] }, /no fault x was injected/],
    ['a bound that is not there', { steps: [{ do: 'await', what: 'home', bound: 'soon' }] }, /no bound is named soon/],
  ])('refuses %s and names the field', (_, change, message) => {
    const error = usageErrorOf(() => planScenario('s', { ...base, ...change }, options));
    expect(error.message).toMatch(message);
    expect(error.exitCode).toBe(64);
  });
});

describe('parseSuite', () => {
  it.each<[string, unknown, RegExp]>([
    ['no suite at all', undefined, /Invalid input/],
    ['an unknown field of a scenario', { name: 's', scenarios: [{ ...base, durration: 3 }] }, /scenario one: unknown field "durration"/],
    ['an unknown field of a step', { name: 's', scenarios: [{ ...base, steps: [{ do: 'run', forMs: 1, forr: 1 }] }] }, /steps\.0: unknown field "forr"/],
    ['an unknown fault', { name: 's', scenarios: [{ ...base, steps: [{ do: 'inject', id: 'f', fault: 'gateway.hug', target: 'gw1' }] }] }, /steps\.0\.fault: .*gateway\.kill/],
    ['an unknown policy', { name: 's', scenarios: [{ ...base, lab: { policy: 'best' } }] }, /lab\.policy: .*numa.*round-robin/],
    ['9 hosts', { name: 's', scenarios: [{ ...base, lab: { hosts: 9 } }] }, /lab\.hosts: .*8/],
    ['17 gateways', { name: 's', scenarios: [{ ...base, lab: { gateways: 17 } }] }, /lab\.gateways: .*16/],
    ['two scenarios of one name', { name: 's', scenarios: [base, base] }, /two scenarios are named one/],
    ['no scenario', { name: 's', scenarios: [] }, /scenarios/],
  ])('refuses %s with one line that names it', (_, input, message) => {
    const error = usageErrorOf(() => parseSuite(input, 'x.suite.ts'));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^x\.suite\.ts: /);
    expect(error.message).not.toContain('\n');
    expect(error.exitCode).toBe(64);
  });

  it('takes the suites that come with pathproof', () => {
    expect(parseSuite(smoke, 'smoke').scenarios).toHaveLength(1);
    expect(parseSuite(failover, 'failover').scenarios.map((s) => s.name)).toEqual(['gateway-dead', 'gateway-off', 'gateway-removed', 'gateway-removed-by-cephadm', 'gateway-replaced-by-cephadm', 'listeners-removed', 'partition-store', 'partition-monitor', 'partition-both']);
  });
});

describe('a plan for Linux hosts against gateways of cephadm', () => {
  const both = (lab: 'native' | 'native-linux') => planScenario('s', { ...base, steps: [{ do: 'inject', id: 'f', fault: 'gateway.kill', target: 'gw1' }, { do: 'heal', id: 'f' }] }, { seed: '1', lab });

  it('expects of them what a kernel does, on an emulated processor', () => {
    const [own, linux] = [both('native'), both('native-linux')];
    expect(linux.platform).toMatchObject({ accel: 'tcg', fabrics: 1, kernelHosts: true });
    expect(linux.shape).toMatchObject({ headerDigest: false, dataDigest: false });
    expect(linux.expect.stalls.map(({ bound }) => bound)).toContain('rescanStall');
    expect(own.expect.stalls.map(({ bound }) => bound)).not.toContain('rescanStall');
    expect(linux.workload.maxIops).toBeLessThan(own.workload.maxIops === 0 ? Infinity : own.workload.maxIops);
  });

  it('leaves the gateways the time of processes of this machine', () => {
    const start = ({ bounds }: Plan): number => bounds.find(({ name }) => name === 'homeAwait')!.terms.find(({ name }) => name === 'gateway start')!.ms;
    expect(start(both('native-linux'))).toBe(start(both('native')));
    expect(start(both('native-linux'))).toBeLessThan(start(planScenario('s', base, { seed: '1', lab: 'qemu' })));
  });
});

describe('timers and bounds', () => {
  it('scales every timer, leaves “off” alone and keeps ANATT in whole seconds', () => {
    const quarter = scaleTimers(0.25);
    expect(quarter.beaconGraceMs).toBe(productionTimers.beaconGraceMs / 4);
    expect(quarter.fastIoFailTmoMs).toBe(-1);
    expect(quarter.anattMs % 1_000).toBe(0);
    expect(scaleTimers(1)).toEqual(productionTimers);
  });

  it('grows with the timer that it is derived from', () => {
    const ms = (overrides: object, bound: string): number =>
      planScenario('s', { ...base, lab: { timers: overrides } }, options).bounds.find((b) => b.name === bound)!.ms;
    expect(ms({ beaconGraceMs: 5_000 }, 'failoverStall') - ms({ beaconGraceMs: 4_000 }, 'failoverStall')).toBe(1_000);
    expect(ms({ ioTimeoutMs: 20_000 }, 'ioTimeoutStall') - ms({ ioTimeoutMs: 10_000 }, 'ioTimeoutStall')).toBe(10_000);
    expect(ms({ reconnectDelayMs: 20_000 }, 'failbackStall') - ms({ reconnectDelayMs: 10_000 }, 'failbackStall')).toBe(10_000);
    expect(ms({ deleteSuppressMs: 9_000 }, 'removalStall') - ms({ deleteSuppressMs: 8_000 }, 'removalStall')).toBe(1_000);
  });

  it('is the sum of its terms, and every term has a reason', () => {
    for (const bound of planScenario('s', base, options).bounds) {
      expect(bound.terms.reduce((sum, term) => sum + term.ms, 0)).toBe(bound.ms);
      expect(bound.terms.every((term) => term.reason.length > 10 && term.ms >= 0)).toBe(true);
    }
  });
});

function checkClosed(plan: Plan): void {
  const bounds = new Set(plan.bounds.map((b) => b.name));
  const gateways = new Set(plan.topology.gateways.map((g) => g.name));
  const faults = new Set(plan.steps.flatMap((s) => (s.do === 'inject' ? [s.id] : [])));
  for (const step of plan.steps) {
    if (step.do === 'inject') expect(gateways).toContain(step.target);
    if (step.do === 'await') expect(bounds).toContain(step.bound);
  }
  for (const allowance of [...plan.expect.stalls, ...plan.expect.overlaps]) {
    expect(bounds).toContain(allowance.bound);
    expect(faults).toContain(allowance.fault);
  }
}
