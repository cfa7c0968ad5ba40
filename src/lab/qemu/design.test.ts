import { describe, expect, it } from 'vitest';
import { planScenario } from '../../plan/planner.js';
import type { Plan } from '../../plan/types.js';
import { designOf, type LabDesign } from './design.js';

const plan = (hosts: number): Plan => planScenario('s', { name: 'a', title: 'A lab', description: 'be up.', lab: { hosts }, steps: [{ do: 'run', forMs: 1 }] }, { seed: '1', lab: 'qemu' });
const design = (of: Plan): LabDesign => designOf(of, { recipe: 'r' }, 'tcg');

describe('designOf', () => {
  it('gives every host a machine, an identity and all paths, and the first is the same as alone', () => {
    const [one, two] = [design(plan(1)), design(plan(2))];
    expect(two.nodes.map(({ name }) => name)).toEqual(['ceph', 'gw1', 'gw2', 'host1', 'host2']);
    expect(two.hosts[0]).toEqual(one.hosts[0]);
    const [first, second] = two.hosts.map(({ config }) => config);
    expect(second!['controllers']).toEqual(first!['controllers']);
    for (const key of ['hostNqn', 'hostId']) expect(second![key]).not.toBe(first![key]);
    expect(two.key).not.toBe(one.key);
  });

  it('does not depend on whose the namespaces are, so that labs that were saved before still serve', () => {
    const before = plan(1);
    for (const namespace of before.topology.namespaces) delete namespace.host;
    delete before.shape.hosts;
    expect(design(before).key).toBe(design(plan(1)).key);
  });
});
