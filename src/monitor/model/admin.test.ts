import { describe, expect, it } from 'vitest';
import { maxGatewaysPerGroup } from './types.js';
import { group, pool, Simulation } from '../testing/simulation.js';

function settled(...ids: string[]): Simulation {
  const sim = new Simulation();
  sim.create(...ids);
  sim.start(...ids);
  sim.runUntil(4_000);
  return sim;
}

function anaGroups(sim: Simulation): Record<string, number> {
  return Object.fromEntries(sim.model.gateways(pool, group).map(({ id, anaGroup }) => [id, anaGroup]));
}

function blocklisted(sim: Simulation): string[] {
  return sim.effects.flatMap((effect) => (effect.kind === 'blocklist' ? effect.addresses : []));
}

describe('create', () => {
  it('gives the lowest free ANA group and STANDBY in all groups', () => {
    const sim = new Simulation();
    sim.create('b', 'a', 'c');
    expect(anaGroups(sim)).toEqual({ a: 2, b: 1, c: 3 });
    expect(sim.states('a')).toEqual({ 1: 'STANDBY', 2: 'STANDBY', 3: 'STANDBY' });
  });

  it('fills a gap', () => {
    const sim = settled('gw1', 'gw2', 'gw3');
    for (const agent of sim.agents.values()) agent.namespaceGroups = [1, 3]; // none in group 2: gw2 can go
    sim.runUntil(5_500);
    sim.model.delete(5_500, pool, group, 'gw2');
    sim.kill('gw2');
    sim.runUntil(10_000);
    expect(anaGroups(sim)).toEqual({ gw1: 1, gw3: 3 });
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 3: 'STANDBY' });
    sim.create('gw9');
    expect(anaGroups(sim)).toEqual({ gw1: 1, gw9: 2, gw3: 3 });
  });

  it('returns 0 for a gateway that exists, and changes nothing', () => {
    const { model } = settled('gw1');
    const { epoch } = model;
    expect(model.create(4_000, pool, group, 'gw1')).toMatchObject({ code: 0, effects: [] });
    expect(model.epoch).toBe(epoch);
  });

  it('refuses a seventeenth gateway with EINVAL, in this group only', () => {
    const sim = new Simulation();
    for (let i = 0; i < maxGatewaysPerGroup; i++) expect(sim.model.create(0, pool, group, `gw${i}`).code).toBe(0);
    const refused = sim.model.create(0, pool, group, 'one-too-many');
    expect(refused).toMatchObject({ code: -22, effects: [] });
    expect(refused.status).toContain('16 gateways');
    expect(sim.model.create(0, pool, 'other', 'one-too-many').code).toBe(0);
  });
});

describe('delete', () => {
  it('suppresses failovers, tells the gateway with an empty map, and hands its group over with a blocklist at the next tick', () => {
    const sim = settled('gw1', 'gw2');
    const { nonce } = sim.agent('gw1');
    sim.runUntil(4_500);
    sim.input(() => sim.model.delete(4_500, pool, group, 'gw1').effects);
    sim.runUntil(4_500);
    expect(sim.availability('gw1')).toBe('DELETING');
    expect(sim.states('gw1')).toEqual({ 1: 'STANDBY', 2: 'STANDBY' });
    expect(sim.agent('gw1').alive).toBe(false);
    sim.partition('gw1'); // its supervisor starts it again: let nobody hear of that
    sim.runUntil(9_999); // the tick at 5 s lies within the suppression, which ends at 9.5 s
    expect(sim.states('gw2')[1]).toBe('STANDBY');
    sim.runUntil(10_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(blocklisted(sim)).toEqual([nonce]);
    sim.runUntil(11_000);
    expect(sim.states('gw2')[1]).toBe('ACTIVE');
    sim.heal('gw1'); // the new incarnation gets nowhere
    sim.runUntil(30_000);
    expect(sim.availability('gw1')).toBe('DELETING');
    expect(sim.agent('gw1').own).toBeUndefined();
  });

  it('keeps the gateway DELETING while a namespace is in its ANA group, then drops it and its group', () => {
    const sim = settled('gw1', 'gw2');
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw1').effects);
    sim.kill('gw1');
    sim.runUntil(60_000);
    expect(sim.availability('gw1')).toBe('DELETING');
    for (const agent of sim.agents.values()) agent.namespaceGroups = [2];
    sim.runUntil(65_000);
    expect(sim.availability('gw1')).toBeUndefined();
    expect(sim.states('gw2')).toEqual({ 2: 'ACTIVE' });
    expect(sim.agent('gw2').maps.at(-1)!.entry!.subsystems[0]!.ana).toEqual([
      { state: 'INACCESSIBLE', osdEpoch: 0 }, { state: 'OPTIMIZED', osdEpoch: 0 },
    ]);
  });

  it('drops all when only DELETING ones are left, and blocklists who may still write', () => {
    const sim = settled('gw1', 'gw2');
    const nonces = [sim.agent('gw1').nonce, sim.agent('gw2').nonce];
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw1').effects);
    expect(sim.model.gateways(pool, group)).toHaveLength(2);
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw2').effects);
    expect(sim.model.gateways(pool, group)).toEqual([]);
    expect(sim.model.gwEpoch(pool, group)).toBeUndefined();
    expect(blocklisted(sim).sort()).toEqual(nonces.sort());
  });

  it('returns 0 for an unknown gateway and for one that is being deleted', () => {
    const { model } = settled('gw1', 'gw2');
    expect(model.delete(4_000, pool, group, 'gw7')).toMatchObject({ code: 0, effects: [] });
    expect(model.delete(4_000, 'nopool', group, 'gw1')).toMatchObject({ code: 0, effects: [] });
    expect(model.delete(4_000, pool, group, 'gw1').code).toBe(0);
    expect(model.delete(4_001, pool, group, 'gw1')).toMatchObject({ code: 0, effects: [] });
  });

  it('takes the group no later, and with the blocklist, when the gateway\'s daemon is started again', () => {
    const sim = settled('gw1', 'gw2');
    const { nonce } = sim.agent('gw1');
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw1').effects);
    sim.runUntil(9_999);
    expect(sim.agent('gw1').incarnation).toBe(2); // since 5 s, and nobody listens
    expect(sim.states('gw2')[1]).toBe('STANDBY');
    sim.runUntil(10_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(blocklisted(sim)).toEqual([nonce]);
  });

  it('ignores the beacons of a DELETING gateway', () => {
    const sim = settled('gw1', 'gw2');
    const beacon = sim.agent('gw1').beacon();
    sim.model.delete(4_000, pool, group, 'gw1');
    expect(sim.model.beacon(4_100, sim.agent('gw1').address, beacon)).toEqual([]);
    expect(sim.model.beacon(4_200, 'new', { ...beacon, availability: 'CREATED', subsystems: [] })).toEqual([]);
    expect(sim.model.beacon(4_300, 'new', { ...beacon, availability: 'CREATED', subsystems: [] })).toEqual([]);
    expect(sim.availability('gw1')).toBe('DELETING');
  });
});

describe('create while another one is DELETING', () => {
  it('revives the same id, which gets its group back', () => {
    const sim = settled('gw1', 'gw2');
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw1').effects);
    sim.kill('gw1');
    sim.runUntil(30_000);
    sim.create('gw1');
    expect(sim.availability('gw1')).toBe('CREATED');
    expect(anaGroups(sim)).toEqual({ gw1: 1, gw2: 2 });
    sim.start('gw1');
    sim.runUntil(36_000);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY' });
    expect(sim.states('gw2')).toEqual({ 1: 'STANDBY', 2: 'ACTIVE' });
  });

  it('lets a new id inherit the ANA group instead of a new number', () => {
    const sim = settled('gw1', 'gw2', 'gw3');
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw2').effects);
    sim.kill('gw2');
    sim.runUntil(30_000);
    sim.create('gw2.abcdef');
    expect(anaGroups(sim)).toEqual({ gw1: 1, 'gw2.abcdef': 2, gw3: 3 });
    sim.start('gw2.abcdef');
    sim.runUntil(36_000);
    expect(sim.states('gw2.abcdef')[2]).toBe('ACTIVE');
  });

  it('blocklists the deleted gateway first when no takeover has done so yet', () => {
    const sim = settled('gw1', 'gw2');
    const { nonce } = sim.agent('gw1');
    sim.storeStalled = true;
    sim.input(() => sim.model.delete(4_000, pool, group, 'gw1').effects);
    sim.create('gw1.new');
    expect(blocklisted(sim)).toEqual([nonce]);
    sim.runUntil(10_000); // the heir is CREATED: gw2 takes the group, but may not serve before the store has answered
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(sim.model.optimizedAt(pool, group).get(1)).toBeUndefined();
  });
});

describe('disable and enable', () => {
  it('declares the gateway down, hands over after the suppression, and keeps it at CREATED until enabled', () => {
    const sim = settled('gw1', 'gw2');
    sim.input(() => sim.model.disable(4_000, pool, group, 'gw1').effects);
    expect(sim.availability('gw1')).toBe('UNAVAILABLE');
    sim.partition('gw1');
    sim.runUntil(8_999);
    expect(sim.states('gw2')[1]).toBe('STANDBY');
    sim.runUntil(10_000);
    expect(sim.states('gw2')[1]).toBe('WAIT_BLOCKLIST_CMPL');
    expect(blocklisted(sim)).toHaveLength(1);
    sim.heal('gw1');
    sim.runUntil(60_000); // restarted meanwhile, it beacons AVAILABLE
    expect(sim.availability('gw1')).toBe('CREATED');
    expect(sim.states('gw2')).toEqual({ 1: 'ACTIVE', 2: 'ACTIVE' });
    expect(sim.model.gateways(pool, group)[0]).toMatchObject({ id: 'gw1', adminState: 'DISABLED' });
    sim.input(() => sim.model.enable(60_000, pool, group, 'gw1').effects);
    sim.runUntil(66_000);
    expect(sim.states('gw1')).toEqual({ 1: 'ACTIVE', 2: 'STANDBY' });
  });

  it('is idempotent, and EINVAL for an unknown gateway', () => {
    const { model } = settled('gw1', 'gw2');
    expect(model.disable(4_000, pool, group, 'gw1').code).toBe(0);
    expect(model.disable(4_000, pool, group, 'gw1')).toMatchObject({ code: 0, effects: [] });
    expect(model.enable(4_000, pool, group, 'gw2')).toMatchObject({ code: 0, effects: [] });
    expect(model.enable(4_000, pool, group, 'gw7').code).toBe(-22);
    expect(model.disable(4_000, pool, group, 'gw7').code).toBe(-22);
  });
});

describe('set-location', () => {
  it('is accepted once, then EEXIST; EINVAL for an unknown gateway', () => {
    const { model } = settled('gw1');
    expect(model.setLocation(4_000, pool, group, 'gw1', 'east').code).toBe(0);
    expect(model.setLocation(4_000, pool, group, 'gw1', 'east').code).toBe(-17);
    expect(model.setLocation(4_000, pool, group, 'gw7', 'east').code).toBe(-22);
    expect(JSON.parse(model.show(4_000, pool, group))).toMatchObject({ 'Created Gateways:': [{ location: 'east' }] });
  });
});

describe('health', () => {
  it('warns of a single gateway, of one that is down, and of a deletion that does not end', () => {
    const sim = settled('gw1');
    expect(sim.model.health(4_000)).toMatchObject({ status: 'HEALTH_WARN', checks: { NVMEOF_SINGLE_GATEWAY: { summary: { count: 1 } } } });
    sim.create('gw2');
    sim.start('gw2');
    sim.runUntil(8_000);
    expect(sim.model.health(8_000)).toEqual({ status: 'HEALTH_OK', checks: {} });
    sim.kill('gw2');
    sim.runUntil(16_000);
    expect(Object.keys(sim.model.health(16_000).checks)).toEqual(['NVMEOF_GATEWAY_DOWN']);
    sim.model.delete(16_000, pool, group, 'gw2');
    expect(sim.model.health(916_000)).toEqual({ status: 'HEALTH_OK', checks: {} });
    const late = sim.model.health(916_001);
    expect(late.checks.NVMEOF_GATEWAY_DELETING).toMatchObject({ severity: 'HEALTH_WARN', summary: { count: 1 } });
    expect(late.checks.NVMEOF_GATEWAY_DELETING!.detail[0]!.message).toContain('gw2');
  });
});
