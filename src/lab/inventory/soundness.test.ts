import { describe, expect, it } from 'vitest';
import { planScenario } from '../../plan/planner.js';
import { untilSound, type SoundnessInput } from './soundness.js';

const plan = planScenario('t', { name: 's', title: 'Any', description: 'nothing.', steps: [{ do: 'run', forMs: 0 }] }, { seed: 'x', lab: 'native-linux' });
const { gateways, namespaces } = plan.topology;

interface State { clean?: boolean; availability?: string; states?: string[]; group?: (nsid: number, own: number) => number; others?: string[] }

/** A lab on paper: what the monitor says, and what the kernel of the only host has. */
function paper({ clean = true, availability = 'AVAILABLE', states = gateways.map(() => 'live'), group = (_, own) => own, others = [] }: State): SoundnessInput {
  const shown = [...gateways.map(({ name, anaGroup }) => ({ name, anaGroup })), ...others.map((name) => ({ name, anaGroup: 9 }))];
  return {
    plan,
    cluster: { must: ({ prefix }) => Promise.resolve(prefix === 'status'
      ? JSON.stringify({ pgmap: { num_pgs: 8, pgs_by_state: [{ state_name: clean ? 'active+clean' : 'peering', count: 8 }] } })
      : JSON.stringify({ epoch: 5, pool: 'rbd', group: 'g', 'num gws': shown.length, 'Anagrp list': '[ 1 2 ]', 'Created Gateways:': shown.map(({ name, anaGroup }) => ({
        'gw-id': name, 'anagrp-id': anaGroup, 'num-namespaces': 2, 'performed-full-startup': 1, Availability: availability, 'ana states': ` ${anaGroup}: ACTIVE `,
      })) })) },
    hosts: [{ name: 'host1', ssh: { exec: (command) => Promise.resolve({ stdout: command.includes('ana_grpid') ? namespaces.map(({ nsid, uuid, anaGroup }) => `${uuid} ${group(nsid, anaGroup)}\n`).join('') : `${states.join('\n')}\n`, stderr: '', exitCode: 0, ms: 1 }) } }],
  };
}

describe('hosts and a cluster that are there already', () => {
  it('may be used when all is in its place', async () => {
    expect(await untilSound(paper({}), 0)).toMatch(/^active\+clean, gateways AVAILABLE, 2 live controllers at host1$/);
  });

  it.each<[string, State, RegExp]>([
    ['a placement group is not clean', { clean: false }, /not all placement groups are active\+clean/],
    ['a gateway is away', { availability: 'UNAVAILABLE' }, /the monitor has gw1 UNAVAILABLE/],
    ['somebody else has a gateway in the group', { others: ['gw9'] }, /another gateway, gw9/],
    ['a path is missing', { states: ['live', 'connecting'] }, /host1 has controllers live, connecting instead of 2 live ones/],
    // As ceph-nvmeof's rebalancing does it.
    ['a namespace was moved to another ANA group', { group: (nsid, own) => (nsid === 3 ? 3 - own : own) }, /host1 has namespace 3 in ANA group 2 instead of 1/],
  ])('may not be used when %s', async (_, state, problem) => {
    await expect(untilSound(paper(state), 0)).rejects.toThrow(problem);
  });
});
