import { describe, expect, it } from 'vitest';
import { group, pool, Simulation } from '../testing/simulation.js';
import { makeMonitorDefects, monitorDefectNames, type MonitorDefectName } from './index.js';

/** gw1, gw2 (and gw3) started and settled at their own groups, with a defect or without. */
function settled(defect: MonitorDefectName | null, ...ids: string[]): Simulation {
  const sim = new Simulation({ ...(defect === null ? {} : { wrapModel: makeMonitorDefects([defect]).model }), restartMs: 10_000 });
  sim.create(...ids);
  sim.start(...ids);
  sim.runUntil(4_000);
  return sim;
}
const owners = (sim: Simulation, anaGroup: number): string[] => [...sim.agents.values()].filter((agent) => agent.alive && agent.optimized.has(anaGroup)).map(({ id }) => id);
const remove = (sim: Simulation, id: string): void => sim.input(() => sim.model.delete(sim.nowMs(), pool, group, id).effects);
const exits = (sim: Simulation): string[] => [...sim.agents.values()].filter(({ incarnation }) => incarnation > 1).map(({ id }) => id);

describe('without a defect', () => {
  it('the wrapped model is the model', () => {
    const parts = makeMonitorDefects([]);
    const sim = new Simulation();
    expect(parts.model(sim.model)).toBe(sim.model);
  });

  it.each(monitorDefectNames.filter((name) => name !== 'monitor.no-blocklist'))('%s does not show while nothing happens', (name) => {
    const sim = settled(name, 'gw1', 'gw2');
    sim.runFor(60_000);
    expect([owners(sim, 1), owners(sim, 2)]).toEqual([['gw1'], ['gw2']]);
    expect(exits(sim)).toEqual([]);
  });
});

describe('monitor defects', () => {
  it('no-blocklist: the store is never asked, and the takeover goes on', async () => {
    const asked: string[][] = [];
    const store = makeMonitorDefects(['monitor.no-blocklist']).store({ blocklist: (addresses) => Promise.resolve(asked.push(addresses)), list: () => Promise.resolve(['a']) });
    expect(await store.blocklist(['10.0.0.1:0/7'])).toBe(1);
    expect(asked).toEqual([]);
    expect(await store.list()).toEqual(['a']);
  });

  it('never-declares-down: a dead gateway keeps its group', () => {
    const honest = settled(null, 'gw1', 'gw2');
    const sim = settled('monitor.never-declares-down', 'gw1', 'gw2');
    for (const each of [honest, sim]) {
      each.kill('gw1');
      each.runFor(60_000);
    }
    expect(owners(honest, 1)).toEqual(['gw2']);
    expect(owners(sim, 1)).toEqual([]);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
  });

  it('ignore-no-listeners: a gateway without listeners keeps its group', () => {
    const sim = settled('monitor.ignore-no-listeners', 'gw1', 'gw2');
    sim.agent('gw1').listening = false;
    sim.runFor(30_000);
    expect(sim.states('gw1')['1']).toBe('ACTIVE');
    const honest = settled(null, 'gw1', 'gw2');
    honest.agent('gw1').listening = false;
    honest.runFor(30_000);
    expect(honest.states('gw2')['1']).toBe('ACTIVE');
  });

  it('failover-storm: a gateway that comes back is thrown out again', () => {
    const sim = settled('monitor.failover-storm', 'gw1', 'gw2');
    sim.kill('gw1');
    sim.runFor(20_000);
    sim.start('gw1');
    sim.runFor(30_000);
    expect(sim.agent('gw1').incarnation).toBeGreaterThan(2);
    const honest = settled(null, 'gw1', 'gw2');
    honest.kill('gw1');
    honest.runFor(20_000);
    honest.start('gw1');
    honest.runFor(30_000);
    expect(honest.agent('gw1').incarnation).toBe(2);
  });

  it('delete-ignored: the gateway stays as it was', () => {
    const sim = settled('monitor.delete-ignored', 'gw1', 'gw2');
    remove(sim, 'gw1');
    sim.runFor(1_000);
    expect(sim.availability('gw1')).toBe('AVAILABLE');
  });

  it('stuck-deleting: creating it again changes nothing', () => {
    const sim = settled('monitor.stuck-deleting', 'gw1', 'gw2');
    remove(sim, 'gw1');
    sim.runFor(10_000);
    sim.create('gw1');
    sim.runFor(20_000);
    expect(sim.availability('gw1')).toBe('DELETING');
  });

  it('new-group-on-create: its old group goes to somebody else', () => {
    const sim = settled('monitor.new-group-on-create', 'gw1', 'gw2');
    remove(sim, 'gw1');
    sim.runFor(10_000);
    sim.create('gw1');
    const views = sim.model.gateways(pool, group);
    expect(views.find(({ id }) => id === 'gw1')!.anaGroup).toBe(3);
    expect(views.find(({ id }) => id === 'gw1.new')!.anaGroup).toBe(1);
  });

  it('recreated-inaccessible: the map says ACTIVE, the gateway is never told', () => {
    const sim = settled('monitor.recreated-inaccessible', 'gw1', 'gw2');
    remove(sim, 'gw1');
    sim.kill('gw1');
    sim.runFor(15_000);
    sim.create('gw1');
    sim.start('gw1');
    sim.runFor(60_000);
    expect(sim.states('gw1')['1']).toBe('ACTIVE');
    expect(owners(sim, 1)).toEqual([]);
  });

  it('fast-reboot-double: both serve the group for a while', () => {
    let most = 0;
    const sim = settled('monitor.fast-reboot-double', 'gw1', 'gw2');
    sim.kill('gw1');
    sim.runFor(500);
    sim.start('gw1');
    for (let i = 0; i < 40; i++) {
      sim.runFor(250);
      most = Math.max(most, owners(sim, 1).length);
    }
    expect(most).toBe(2);
  });

  it('map-to-wrong-gateway: only a simultaneous restart mixes them up', () => {
    const sim = settled('monitor.map-to-wrong-gateway', 'gw1', 'gw2');
    sim.kill('gw1', 'gw2');
    sim.runFor(1_000);
    sim.start('gw1', 'gw2');
    sim.runFor(10_000);
    expect(sim.agent('gw1').own?.gwId).toBe('gw2');
    expect(sim.agent('gw2').own?.gwId).toBe('gw1');
    const apart = settled('monitor.map-to-wrong-gateway', 'gw1', 'gw2');
    for (const id of ['gw1', 'gw2']) {
      apart.kill(id);
      apart.runFor(20_000);
      apart.start(id);
      apart.runFor(20_000);
    }
    expect(apart.agent('gw1').own?.gwId).toBe('gw1');
  });

  it('listener-removal-ends-peers: the other gateways go, and not the one whose listeners went', () => {
    const sim = settled('monitor.listener-removal-ends-peers', 'gw1', 'gw2', 'gw3');
    sim.agent('gw1').listening = false;
    sim.runFor(1_500);
    expect(sim.agent('gw1').alive).toBe(true);
    expect([sim.agent('gw2').alive, sim.agent('gw3').alive]).toEqual([false, false]);
  });
});
