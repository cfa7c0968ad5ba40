import { describe, expect, it } from 'vitest';
import type { EventBody } from '../history/events.js';
import { inventory } from './inventory.js';
import { healthyRun } from './testing/healthy-run.js';
import { twoFabrics } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

type Inventory = Extract<EventBody, { type: 'host.inventory' }>;
const check = (run: DraftRun): ReturnType<typeof inventory.check> => inventory.check(run.input);
const atEnd = (change: (body: Inventory) => Partial<Inventory>): DraftRun => healthyRun().change('host.inventory', ({ label }) => label === 'end', change);
const namespace = (nsid: number, change: Partial<Inventory['namespaces'][number]>) => (body: Inventory): Partial<Inventory> => ({
  namespaces: body.namespaces.map((each) => (each.nsid === nsid ? { ...each, ...change } : each)),
});
const controller = (gateway: string, change: Partial<Inventory['controllers'][number]>) => (body: Inventory): Partial<Inventory> => ({
  controllers: body.controllers.map((each) => (each.gateway === gateway ? { ...each, ...change } : each)),
});

describe('inventory', () => {
  it('passes when everything is back unchanged', async () => {
    expect(await check(healthyRun())).toMatchObject({
      verdict: 'pass', summary: '4 namespaces and 2 controllers at each of 1 host, the same at start and end and as the topology has them', metrics: { namespaces: 4, controllersSeen: 4 },
    });
  });

  it.each<[string, string, (body: Inventory) => Partial<Inventory>]>([
    ['a lost namespace', 'host1 at end: namespace 2 (uuid-2) is there 0 times', (body) => ({ namespaces: body.namespaces.filter(({ nsid }) => nsid !== 2) })],
    ['a namespace twice', 'host1 at end: namespace 2 (uuid-2) is there 2 times', (body) => ({ namespaces: [...body.namespaces, body.namespaces[1]!] })],
    ['a foreign namespace', 'host1 at end: namespace 9 (uuid-9) is not in the topology', (body) => ({ namespaces: [...body.namespaces, { ...body.namespaces[1]!, nsid: 9, uuid: 'uuid-9' }] })],
    ['a new NGUID', 'host1 at end: namespace 2 has nguid other instead of nguid-2', namespace(2, { nguid: 'other' })],
    ['a new NSID', 'host1 at end: namespace 2 has nsid 7 instead of 2', namespace(2, { nsid: 7 })],
    ['a new ANA group', 'host1 at end: namespace 2 has anaGroup 1 instead of 2', namespace(2, { anaGroup: 1 })],
    ['a new size', 'host1 at end: namespace 2 has blocks 10 instead of 1024', namespace(2, { blocks: 10 })],
    ['a lost path', 'host1 at end: namespace 2 has no path through gw1', namespace(2, { gateways: ['gw2'] })],
    ['a dead controller', 'host1 at end: no live controller at gw1 (nvme1 connecting)', controller('gw1', { state: 'connecting' })],
    ['a lost controller', 'host1 at end: no live controller at gw1 (none at all)', (body) => ({ controllers: body.controllers.slice(1) })],
    ['a controller id of another gateway’s range', 'host1 at end: nvme2 at gw2 has controller id 2040, outside its range 2041–4080', controller('gw2', { cntlid: 2040 })],
    ['a controller id twice', 'host1 at end: nvme2 and nvme1 have the same controller id 2', controller('gw2', { cntlid: 2 })],
    ['another subsystem', 'host1 at end: nvme2 belongs to subsystem nqn.other instead of nqn.2026-01.io.pathproof:test', controller('gw2', { subnqn: 'nqn.other' })],
    ['an unknown gateway', 'host1 at end: nvme2 is at gw7, which is not in the topology', controller('gw2', { gateway: 'gw7' })],
  ])('fails %s', async (_what, text, change) => {
    const result = await check(atEnd(change));
    expect(result.verdict).toBe('fail');
    expect(result.evidence.map((each) => each.text)).toContain(text);
  });

  it('names what changed between start and end', async () => {
    const result = await check(atEnd(namespace(2, { nguid: 'other' })));
    expect(result.evidence.map(({ text }) => text)).toContain('host1: namespace 2 changed its nguid from nguid-2 to other');
  });

  it('fails what was wrong from the start', async () => {
    const run = healthyRun().change('host.inventory', () => true, controller('gw1', { state: 'dead' }));
    expect((await check(run)).evidence.map(({ text }) => text)).toContain('host1 at start: no live controller at gw1 (nvme1 dead)');
  });

  it('misses one of two controllers at a gateway that does not come back', async () => {
    expect(await check(twoFabrics(healthyRun()))).toMatchObject({ verdict: 'pass', metrics: { controllersSeen: 8 } });
    const halfDead = twoFabrics(healthyRun()).change('host.inventory', ({ label }) => label === 'end', ({ controllers }) => ({
      controllers: controllers.map((each) => (each.controller === 'nvme1-b' ? { ...each, state: 'connecting' as const } : each)),
    }));
    expect(await check(halfDead)).toMatchObject({ verdict: 'fail', summary: 'host1: 2 controllers were live at gw1 at the start, 1 at the end' });
    // Under new names, as a kernel gives them, they are back.
    const renamed = twoFabrics(healthyRun()).change('host.inventory', ({ label }) => label === 'end', ({ controllers }) => ({ controllers: controllers.map((each) => ({ ...each, controller: `new-${each.controller}` })) }));
    expect((await check(renamed)).verdict).toBe('pass');
  });

  it('leaves discovery controllers aside', async () => {
    const discovery = { controller: 'nvme9', gateway: 'gw1', address: '', cntlid: 1, subnqn: 'nqn.2014-08.org.nvmexpress.discovery', state: 'live' as const };
    expect((await check(atEnd((body) => ({ controllers: [...body.controllers, discovery] })))).verdict).toBe('pass');
  });

  it('is unknown without an inventory, or for an empty topology', async () => {
    expect((await check(healthyRun().remove('host.inventory', ({ label }) => label === 'start'))).summary).toBe('host1 has no inventory of the start');
    expect((await check(healthyRun().remove('host.inventory', ({ label }) => label === 'end'))).verdict).toBe('unknown');
    const empty = healthyRun();
    empty.plan.topology.hosts = [];
    expect((await check(empty)).verdict).toBe('unknown');
  });
});
