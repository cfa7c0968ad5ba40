import { describe, expect, it } from 'vitest';
import type { Ability } from '../../fault/specs.js';
import { skipReason } from '../../plan/fits.js';
import { planScenario } from '../../plan/planner.js';
import type { Scenario } from '../../plan/scenario.js';
import { parseInventory } from './file.js';
import { platformOf } from './platform.js';
import { exampleInventory, existingInventory } from './testing/example.js';

const platform = (text = exampleInventory) => platformOf(parseInventory(text, 'i.yaml'));
const scenario = (fault: string, lab: Scenario['lab'] = undefined): Scenario => ({
  name: 'one', title: 'One fault', description: 'inject one.', ...(lab === undefined ? {} : { lab }),
  steps: [{ do: 'inject', id: 'f', fault, target: 'gw1' }, { do: 'heal', id: 'f' }],
} as Scenario);

describe('what an inventory lets a run do', () => {
  it('is what it allows', () => {
    expect(platform().inventory!.abilities).toEqual<Ability[]>(['gateway.kill', 'gateway.stop', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor', 'link.host-gateway']);
    expect(platform(exampleInventory.replace('allow: [kill, network]', 'allow: []')).inventory!.abilities).toEqual(['gateway.listeners']);
  });

  it.each([
    ['gateway.kill', 'allow: []', 'gateway.kill needs gateway.kill (the inventory does not allow kill)'],
    ['gateway.remove', 'allow: [kill]', 'gateway.remove needs monitor.command (the inventory does not allow cephadm)'],
    ['gateway.power-off', 'allow: [kill]', 'gateway.power-off needs gateway.power (the inventory does not allow powerOff)'],
    ['store.hold-write', 'allow: [kill, network]', 'store.hold-write needs store.hold (no inventory can do that)'],
  ])('skips %s with %s, and says why', (fault, allow, reason) => {
    expect(skipReason(scenario(fault), 'inventory', platform(exampleInventory.replace('allow: [kill, network]', allow)))).toBe(reason);
  });

  it('cannot cut a gateway off from the store alone when a monitor has the same address', () => {
    expect(skipReason(scenario('partition.store'), 'inventory', platform(exampleInventory.replace('osds: [192.0.2.31]', 'osds: [192.0.2.11]')))).toContain('a monitor and an OSD share the address 192.0.2.11');
    expect(skipReason(scenario('partition.store'), 'inventory', platform(exampleInventory.replace('  osds: [192.0.2.31]\n', '')))).toContain('does not name the OSDs');
    expect(skipReason(scenario('partition.store'), 'inventory', platform())).toBeUndefined();
  });

  it('is other things with gateways that cephadm has deployed', () => {
    const there = platform(existingInventory);
    expect(there.inventory!.abilities).toEqual<Ability[]>(['gateway.kill', 'gateway.stop', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor', 'link.host-gateway', 'cephadm']);
    expect(skipReason(scenario('cephadm.remove'), 'inventory', there)).toBeUndefined();
    expect(skipReason(scenario('gateway.remove'), 'inventory', there)).toMatch(/^gateway\.remove needs monitor\.command \(cephadm has these gateways created and deleted/);
    expect(skipReason(scenario('gateway.listeners'), 'inventory', platform(existingInventory.replace('[kill, ', '[')))).toMatch(/the inventory does not allow kill/);
    expect(skipReason(scenario('cephadm.remove'), 'inventory', platform(existingInventory.replace(', cephadm]', ']')))).toMatch(/the inventory does not allow cephadm/);
    expect(skipReason(scenario('cephadm.remove'), 'inventory', platform())).toMatch(/no inventory can do that/);
    expect(skipReason(scenario('gateway.kill', { anaGroups: 1 }), 'inventory', there)).toBe('made for 1 anaGroups, the inventory rack has 2');
  });

  it('skips a scenario that is made for another number of hosts', () => {
    expect(skipReason(scenario('gateway.kill', { gateways: 4 }), 'inventory', platform())).toBe('made for 4 gateways, the inventory rack has 2');
    expect(skipReason(scenario('gateway.kill', { gateways: 2 }), 'inventory', platform())).toBeUndefined();
  });
});

describe('a plan for an inventory', () => {
  const plan = (seed: string) => planScenario('smoke', scenario('gateway.kill'), { seed, lab: 'inventory', platform: platform() });

  it('has the images, the pool and as many gateways and hosts as there are', () => {
    const { topology, shape } = plan('a');
    expect(topology).toMatchObject({ pool: 'rbd', group: 'grp1' });
    expect(topology.namespaces.map(({ image, blocks, blockSize }) => ({ image, blocks, blockSize }))).toEqual(['pp1', 'pp2', 'pp3', 'pp4'].map((image) => ({ image, blocks: 32_768, blockSize: 512 })));
    expect(topology.gateways.map(({ name }) => name)).toEqual(['gw1', 'gw2']);
    expect(shape).toMatchObject({ gateways: 2, hosts: 1, namespaces: 4, namespaceMiB: 16, timers: { scale: 1 } });
  });

  it('has the subsystem, the namespaces and the timers of gateways that are there already', () => {
    const { topology, shape } = planScenario('smoke', { ...scenario('gateway.kill'), lab: { timers: { disconnectPanicMs: 5_000 } } }, { seed: 'a', lab: 'inventory', platform: platform(existingInventory) });
    expect(topology.nqn).toBe('nqn.2016-06.io.spdk:cnode1');
    expect(topology.namespaces[1]).toMatchObject({ nsid: 12, uuid: '11111111-2222-4333-8444-555555555552', nguid: '11111111222243338444555555555552', anaGroup: 2, image: 'pp2', blocks: 32_768 });
    // Linux refuses a host NQN that it knows with another identifier.
    expect(topology.hosts).toEqual([{ name: 'host1', hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-0000000000AA', hostId: '1111111122224333844400000000' + '00aa' }]);
    // A scenario cannot set what it does not start; what the inventory does not say is as Ceph has it.
    expect(shape.timers).toMatchObject({ beaconGraceMs: 10_000, disconnectPanicMs: 100_000 });
    expect(shape.anaGroups).toBe(2);
  });

  it('names everything the same in every run: the hosts are set up once', () => {
    expect(plan('a').topology).toEqual(plan('b').topology);
  });

  it('refuses another shape than there is, and a lab without an inventory', () => {
    expect(() => planScenario('smoke', scenario('gateway.kill'), { seed: 'a', lab: 'inventory', platform: platform(), gateways: 3 })).toThrow(/lab.gateways: 3 are wanted, the inventory rack has 2/);
    expect(() => planScenario('smoke', scenario('gateway.kill'), { seed: 'a', lab: 'inventory' })).toThrow(/needs to know its hosts/);
  });
});
