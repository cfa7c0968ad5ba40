import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpdkControl } from './control.js';
import { JsonRpcClient } from './json-rpc.js';
import { FakeSpdk } from './testing/fake-spdk.js';

const nqn = 'nqn.2026-01.io.pathproof:a';
const a = { host: '192.0.2.101', port: 4420 };
const b = { host: '198.51.100.101', port: 4420 };
const namespace = (nsid: number, anaGroup: number) => ({ nsid, anaGroup, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: `${nsid}a`.repeat(16), image: `img${nsid}` });

let spdk: FakeSpdk;
let clients: JsonRpcClient[];
let control: SpdkControl;
beforeEach(async () => {
  spdk = await FakeSpdk.start();
  clients = [new JsonRpcClient(spdk.path), new JsonRpcClient(spdk.path)];
  control = new SpdkControl({ orders: clients[0]!, looks: clients[1]!, bdevOf: (image) => Promise.resolve(`rbd_${image}`), maxNamespaces: 16 });
});
afterEach(async () => {
  for (const client of clients) client.close();
  await spdk.end();
});

async function serve(): Promise<void> {
  await control.addSubsystem({ nqn, serial: 'PP1', groupIndex: 1 });
  await control.addNamespace(nqn, namespace(1, 1));
  await control.addNamespace(nqn, namespace(2, 2));
  await control.addListener(nqn, a);
  await control.addListener(nqn, b);
}

const settled = async (promise: Promise<unknown>, ms: number): Promise<boolean> => {
  let is = false;
  void promise.finally(() => { is = true; });
  await new Promise((resolve) => setTimeout(resolve, ms));
  return is;
};

describe('what is served by SPDK', () => {
  it('has the serial, the model and the range of controller ids of its place in the group, and reports ANA', async () => {
    await serve();
    expect(spdk.subsystems.get(nqn)!.created).toEqual({ nqn, serial_number: 'PP1', model_number: 'Ceph bdev Controller', max_namespaces: 16, ana_reporting: true, min_cntlid: 2_041, max_cntlid: 4_080, allow_any_host: true });
    expect(spdk.subsystems.get(nqn)!.namespaces[1]).toEqual({ nsid: 2, bdev_name: 'rbd_img2', uuid: '00000000-0000-4000-8000-000000000002', nguid: '2A'.repeat(16), anagrpid: 2 });
  });

  it('lets in the hosts that are named, and no other', async () => {
    await control.addSubsystem({ nqn, serial: 'PP1', groupIndex: 0, hosts: ['nqn.h1', 'nqn.h2'] });
    expect(spdk.subsystems.get(nqn)).toMatchObject({ created: { allow_any_host: false }, hosts: ['nqn.h1', 'nqn.h2'] });
  });

  it('is described as SPDK has it, also what nobody asked for', async () => {
    await serve();
    await control.setAnaState(nqn, 1, 'optimized');
    spdk.subsystems.get(nqn)!.listeners[1]!.ana[1] = 'non_optimized';
    expect(await control.describe()).toEqual({
      driver: 'spdk',
      subsystems: [{
        nqn, listeners: [{ bound: a, advertised: a }, { bound: b, advertised: b }], ana: { 1: 'optimized', 2: 'non-optimized' },
        namespaces: [{ nsid: 1, uuid: '00000000-0000-4000-8000-000000000001', anaGroup: 1 }, { nsid: 2, uuid: '00000000-0000-4000-8000-000000000002', anaGroup: 2 }],
      }],
    });
    spdk.subsystems.delete(nqn);
    expect(await control.access(nqn)).toBeUndefined();
  });

  it('is gone when it is removed', async () => {
    await serve();
    await control.removeNamespace(nqn, 1);
    expect((await control.describe()).subsystems[0]!.namespaces).toHaveLength(1);
    await control.removeSubsystem(nqn);
    expect((await control.describe()).subsystems).toEqual([]);
  });

  it('does not answer while SPDK does not', async () => {
    await serve();
    spdk.silent.add('nvmf_get_subsystems');
    const asked = control.describe();
    await expect.poll(() => spdk.of('nvmf_get_subsystems').length).toBe(1);
    spdk.drop();
    await expect(asked).rejects.toMatchObject({ code: 'SPDK' });
  });
});

describe('a listener', () => {
  it('lets nobody write before its ANA states are set', async () => {
    await control.addSubsystem({ nqn, serial: 'PP1', groupIndex: 0 });
    await control.addNamespace(nqn, namespace(1, 1));
    await control.addListener(nqn, a);
    expect(spdk.ana(nqn, 1)).toEqual(['inaccessible']);
  });

  it('of an SPDK that opens it optimized is closed again, and that SPDK refused', async () => {
    spdk.old = true;
    await control.addSubsystem({ nqn, serial: 'PP1', groupIndex: 0 });
    await expect(control.addListener(nqn, a)).rejects.toMatchObject({ code: 'SPDK_ANA' });
    expect(spdk.subsystems.get(nqn)!.listeners).toEqual([]);
  });

  it('that comes back has the states of now, also those that change while it opens', async () => {
    await serve();
    await control.setAnaState(nqn, 1, 'optimized');
    await control.removeListener(nqn, b);
    expect((await control.describe()).subsystems[0]!.listeners).toHaveLength(1);
    const opening = control.addListener(nqn, b);
    const changing = [control.setAnaState(nqn, 1, 'inaccessible'), control.setAnaState(nqn, 2, 'optimized')];
    await Promise.all([opening, ...changing]);
    expect([spdk.ana(nqn, 1), spdk.ana(nqn, 2)]).toEqual([['inaccessible', 'inaccessible'], ['optimized', 'optimized']]);
  });
});

describe('an ANA state', () => {
  it('is that of each listener, and the last one wins', async () => {
    await serve();
    void control.setAnaState(nqn, 2, 'optimized');
    void control.setAnaState(nqn, 2, 'inaccessible');
    await control.setAnaState(nqn, 2, 'non-optimized');
    expect(spdk.ana(nqn, 2)).toEqual(['non_optimized', 'non_optimized']);
    expect(spdk.of('nvmf_subsystem_listener_set_ana_state').map((params) => params['ana_state'])).toEqual(['optimized', 'optimized', 'inaccessible', 'inaccessible', 'non_optimized', 'non_optimized']);
  });

  it('of all subsystems leaves groups alone that nobody has heard of', async () => {
    await serve();
    for (let group = 1; group <= 16; group++) await control.setAnaState(null, group, 'inaccessible');
    expect(spdk.of('nvmf_subsystem_listener_set_ana_state').map((params) => params['anagrpid'])).toEqual([1, 1, 2, 2]);
  });

  it('that takes a group away is reached when SPDK has nothing of it under way any more', async () => {
    await serve();
    await control.setAnaState(nqn, 1, 'optimized');
    spdk.depth.set('rbd_img1', 3);
    // Another group's I/O is no reason to wait.
    spdk.depth.set('rbd_img2', 5);
    const taken = control.setAnaState(nqn, 1, 'inaccessible');
    expect(await settled(taken, 150)).toBe(false);
    expect(spdk.ana(nqn, 1)).toEqual(['inaccessible', 'inaccessible']);
    // An order behind it is not held back.
    await control.setAnaState(nqn, 2, 'optimized');
    expect(spdk.ana(nqn, 2)).toEqual(['optimized', 'optimized']);
    spdk.depth.set('rbd_img1', 0);
    await taken;
    expect(spdk.periods.get('rbd_img1')).toBe(0);
  });

  it('that gives the group back ends the wait', async () => {
    await serve();
    spdk.depth.set('rbd_img1', 1);
    const taken = control.setAnaState(nqn, 1, 'inaccessible');
    expect(await settled(taken, 60)).toBe(false);
    await control.setAnaState(nqn, 1, 'optimized');
    await taken;
    expect(spdk.ana(nqn, 1)).toEqual(['optimized', 'optimized']);
    expect(spdk.periods.get('rbd_img1')).toBe(0);
  });

  it('that takes a group away again while it is waited for goes on being waited for', async () => {
    await serve();
    spdk.depth.set('rbd_img1', 1);
    const first = control.setAnaState(nqn, 1, 'inaccessible');
    expect(await settled(first, 60)).toBe(false);
    const second = control.setAnaState(nqn, 1, 'inaccessible');
    await first;
    expect(await settled(second, 60)).toBe(false);
    expect(spdk.periods.get('rbd_img1')).toBeGreaterThan(0);
    spdk.depth.set('rbd_img1', 0);
    await second;
    expect(spdk.periods.get('rbd_img1')).toBe(0);
  });

  it('that SPDK does not have is refused', async () => {
    await serve();
    await expect(control.setAnaState(nqn, 1, 'persistent-loss')).rejects.toMatchObject({ code: 'SPDK' });
  });
});
