import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigFs, NvmetControl } from './index.js';
import { FakeConfigFs, FakeDevices } from './testing/fake-configfs.js';

const nqn = 'nqn.2026-01.io.pathproof:a';
const a = { host: '192.0.2.101', port: 4420 };
const b = { host: '198.51.100.101', port: 4420 };
const namespace = (nsid: number, anaGroup: number) => ({ nsid, anaGroup, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: String(nsid).repeat(32), image: `img${nsid}` });

let fs: FakeConfigFs;
let devices: FakeDevices;
let control: NvmetControl;
beforeEach(async () => {
  fs = new FakeConfigFs();
  devices = new FakeDevices();
  control = new NvmetControl({ fs, openDevice: devices.open, removeLimitMs: 200 });
  await control.addSubsystem({ nqn, serial: 'PP1', groupIndex: 1 });
});
afterEach(() => fs.remove());

async function serve(): Promise<void> {
  await control.addNamespace(nqn, namespace(1, 1));
  await control.addNamespace(nqn, namespace(2, 2));
  await control.addListener(nqn, a);
  await control.addListener(nqn, b);
}

const settled = async (promise: Promise<unknown>, ms = 120): Promise<boolean> => {
  let is = false;
  void promise.finally(() => { is = true; });
  await new Promise((resolve) => setTimeout(resolve, ms));
  return is;
};

describe('a subsystem', () => {
  it('has the serial, the model and the range of controller ids of its place in the group', () => {
    const read = (name: string): string => fs.read('subsystems', nqn, name);
    expect([read('attr_serial'), read('attr_model'), read('attr_cntlid_min'), read('attr_cntlid_max'), read('attr_allow_any_host')])
      .toEqual(['PP1', 'Ceph bdev Controller', '2041', '4080', '1']);
  });

  it('that the kernel has already is not taken over', async () => {
    await expect(new NvmetControl({ fs, openDevice: devices.open }).addSubsystem({ nqn, serial: 'PP1', groupIndex: 0 })).rejects.toMatchObject({ code: 'NVMET_EXISTS' });
  });

  it('is gone, with its listeners and namespaces, when it is removed', async () => {
    await serve();
    await control.removeSubsystem(nqn);
    expect(fs.list('subsystems')).toEqual([]);
    expect(fs.trace.filter((line) => line.startsWith('unlink'))).toHaveLength(2);
    expect((await control.describe()).subsystems).toEqual([]);
  });
});

describe('a namespace', () => {
  it('is enabled when all that identifies it is written', async () => {
    await control.addNamespace(nqn, namespace(2, 3));
    const at = `subsystems/${nqn}/namespaces/2`;
    expect(fs.trace.slice(-6)).toEqual([
      `mkdir ${at}`, `/dev/img2 > ${at}/device_path`, `00000000-0000-4000-8000-000000000002 > ${at}/device_uuid`,
      `${'2'.repeat(32)} > ${at}/device_nguid`, `3 > ${at}/ana_grpid`, `1 > ${at}/enable`,
    ]);
  });

  it('is described only while the kernel has it enabled', async () => {
    await serve();
    expect((await control.describe()).subsystems[0]!.namespaces).toEqual([
      { nsid: 1, uuid: '00000000-0000-4000-8000-000000000001', anaGroup: 1 }, { nsid: 2, uuid: '00000000-0000-4000-8000-000000000002', anaGroup: 2 },
    ]);
    fs.meddle('0', 'subsystems', nqn, 'namespaces', '2', 'enable');
    expect((await control.describe()).subsystems[0]!.namespaces).toHaveLength(1);
    await control.removeNamespace(nqn, 1);
    expect(control.access(nqn, []).namespaces).toBe(0);
  });
});

describe('a listener', () => {
  it('begins with every group inaccessible, also the one that is born optimized', async () => {
    await control.addNamespace(nqn, namespace(1, 1));
    await control.addNamespace(nqn, namespace(2, 2));
    let linkedWith: string[] = [];
    const link = fs.link.bind(fs);
    fs.link = (target, ...parts) => {
      linkedWith = [fs.ana(1, 1), fs.ana(1, 2)];
      link(target, ...parts);
    };
    expect(await control.addListener(nqn, a)).toEqual(a);
    expect(linkedWith).toEqual(['inaccessible', 'inaccessible']);
    expect(fs.read('ports', '1', 'addr_trtype')).toBe('tcp');
    expect(fs.read('ports', '1', 'addr_adrfam')).toBe('ipv4');
  });

  it('speaks IPv6 where its address does', async () => {
    await control.addListener(nqn, { host: '2001:db8::1', port: 4420 });
    expect(fs.read('ports', '1', 'addr_adrfam')).toBe('ipv6');
  });

  it('comes back in the same port, with the states that were set while it was gone', async () => {
    await serve();
    await control.setAnaState(nqn, 1, 'optimized');
    await control.removeListener(nqn, a);
    expect(control.access(nqn, []).listeners.map(({ bound }) => bound)).toEqual([b]);
    await control.setAnaState(nqn, 1, 'inaccessible');
    await control.setAnaState(nqn, 2, 'optimized');
    expect(fs.ana(1, 1)).toBe('optimized');
    await control.addListener(nqn, a);
    expect([fs.ana(1, 1), fs.ana(1, 2), fs.list('ports').length]).toEqual(['inaccessible', 'optimized', 2]);
    // By the time that it could be reached the states were there.
    expect(fs.trace.slice(-3)).toEqual(['inaccessible > ports/1/ana_groups/1/ana_state', 'optimized > ports/1/ana_groups/2/ana_state', `link ports/1/subsystems/${nqn}`]);
  });

  it('that is there is not added again', async () => {
    await serve();
    const before = fs.trace.length;
    await control.addListener(nqn, a);
    expect(fs.trace).toHaveLength(before);
  });

  it('where somebody else listens is refused, and not described', async () => {
    fs.taken.add('192.0.2.101:4420');
    await expect(control.addListener(nqn, a)).rejects.toThrow('EADDRINUSE');
    expect(control.access(nqn, []).listeners).toEqual([]);
  });

  it('needs a port number', async () => {
    await expect(control.addListener(nqn, { ...a, port: 0 })).rejects.toThrow(RangeError);
  });

  it('is described as hosts know it', async () => {
    await control.addListener(nqn, { ...a, advertised: b });
    expect((await control.describe()).subsystems[0]!.listeners).toEqual([{ bound: a, advertised: b }]);
  });
});

describe('an ANA state', () => {
  beforeEach(serve);

  it('is in force in all ports when the call returns, before anything is awaited', () => {
    void control.setAnaState(nqn, 2, 'optimized');
    expect([fs.ana(1, 2), fs.ana(2, 2), fs.ana(1, 1)]).toEqual(['optimized', 'optimized', 'inaccessible']);
  });

  it('follows the order of the calls', async () => {
    await Promise.all([control.setAnaState(nqn, 1, 'optimized'), control.setAnaState(null, 1, 'inaccessible')]);
    expect([fs.ana(1, 1), fs.ana(2, 1)]).toEqual(['inaccessible', 'inaccessible']);
  });

  it('that it has already is not written again: hosts would be told of a change', async () => {
    await control.setAnaState(nqn, 1, 'optimized');
    const before = fs.trace.length;
    await control.setAnaState(nqn, 1, 'optimized');
    expect(fs.trace).toHaveLength(before);
  });

  it('of a group that nobody has heard of makes no group', async () => {
    for (let group = 3; group <= 16; group++) await control.setAnaState(null, group, 'inaccessible');
    expect(fs.list('ports', '1', 'ana_groups')).toEqual(['1', '2']);
  });

  it('of a group without namespaces here is kept and described', async () => {
    await control.setAnaState(nqn, 7, 'optimized');
    expect(control.access(nqn, [1, 2]).ana).toEqual({ 1: 'inaccessible', 2: 'inaccessible', 7: 'optimized' });
    await control.setAnaState(nqn, 7, 'inaccessible');
    expect(fs.ana(2, 7)).toBe('inaccessible');
  });

  it('is described as the kernel has it: a lost write shows, and one of somebody else', async () => {
    fs.lose.add('ports/1/ana_groups/1/ana_state');
    fs.lose.add('ports/2/ana_groups/1/ana_state');
    await control.setAnaState(nqn, 1, 'optimized');
    expect(control.access(nqn, []).ana).toMatchObject({ 1: 'inaccessible' });
    fs.meddle('optimized', 'ports', '1', 'ana_groups', '2', 'ana_state');
    // Optimized through one of two ports: that is what a host can get.
    expect((await control.describe()).subsystems[0]!.ana).toEqual({ 1: 'inaccessible', 2: 'optimized' });
  });

  it('is inaccessible where nothing listens', async () => {
    await control.setAnaState(nqn, 1, 'optimized');
    await control.removeListener(nqn, a);
    await control.removeListener(nqn, b);
    expect(control.access(nqn, [1, 2])).toEqual({ listeners: [], ana: { 1: 'inaccessible', 2: 'inaccessible' }, namespaces: 2 });
  });

  it('of a port that two subsystems share is what both of them may have', async () => {
    const other = `${nqn}2`;
    await control.addSubsystem({ nqn: other, serial: 'PP2', groupIndex: 1 });
    await control.setAnaState(nqn, 1, 'optimized');
    await control.addListener(other, a);
    expect([fs.ana(1, 1), fs.ana(2, 1)]).toEqual(['inaccessible', 'optimized']);
    await control.setAnaState(other, 1, 'optimized');
    expect(fs.ana(1, 1)).toBe('optimized');
    await control.setAnaState(nqn, 1, 'inaccessible');
    expect([fs.ana(1, 1), fs.ana(2, 1)]).toEqual(['inaccessible', 'inaccessible']);
  });
});

describe('a group that was made inaccessible', () => {
  beforeEach(serve);

  it('is drained when none of its namespaces has a command under way', async () => {
    devices.inflight.set('img1', 2);
    devices.inflight.set('img2', 9);
    const drained = control.setAnaState(nqn, 1, 'inaccessible');
    expect(await settled(drained)).toBe(false);
    devices.inflight.set('img1', 0);
    expect(await settled(drained)).toBe(true);
  });

  it('is not waited for any more once it is optimized again', async () => {
    devices.inflight.set('img1', 1);
    const drained = control.setAnaState(nqn, 1, 'inaccessible');
    await control.setAnaState(nqn, 1, 'optimized');
    expect(await settled(drained)).toBe(true);
  });
});

it('a tree that is not there is no empty one', async () => {
  const none = new NvmetControl({ fs: new ConfigFs('/nonexistent/nvmet'), openDevice: devices.open });
  await expect(none.describe()).rejects.toMatchObject({ code: 'NVMET', hint: expect.stringContaining('nvmet loaded') as unknown });
});

it('storage that has failed is a data plane that does not answer', async () => {
  let failure = undefined as string | undefined;
  const frail = new NvmetControl({ fs, openDevice: devices.open, failure: () => failure });
  await expect(frail.describe()).resolves.toMatchObject({ driver: 'nvmet' });
  failure = 'rbd0: -5';
  await expect(frail.describe()).rejects.toThrow('rbd0: -5');
});

describe('the tree itself', () => {
  let root: string;
  beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'pathproof-tree-')); });
  afterEach(() => rmSync(root, { recursive: true }));

  it('never makes an attribute that is not there', () => {
    const tree = new ConfigFs(root);
    expect(() => tree.write(1, 'attr_new')).toThrow(expect.objectContaining({ code: 'NVMET' }) as Error);
    expect(existsSync(join(root, 'attr_new'))).toBe(false);
    expect(tree.readIfThere('attr_new')).toBeUndefined();
    expect(() => tree.read('attr_new')).toThrow('ENOENT');
  });

  it('goes on without a removal that I/O keeps waiting', async () => {
    // Opening a pipe that nobody reads blocks as the kernel does while commands are under way.
    mkdirSync(join(root, '1'));
    execFileSync('mkfifo', [join(root, '1', 'enable')]);
    const startedMs = performance.now();
    await expect(new ConfigFs(root).removeBlocking(150, '1')).rejects.toMatchObject({ code: 'NVMET_BUSY' });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    // Its storage answers after all.
    execFileSync('cat', [join(root, '1', 'enable')]);
  });

  it('says when something cannot be removed, and removes what can', async () => {
    mkdirSync(join(root, '2'));
    await new ConfigFs(root).removeBlocking(5_000, '2');
    expect(existsSync(join(root, '2'))).toBe(false);
    mkdirSync(join(root, '3'));
    writeFileSync(join(root, '3', 'child'), '');
    await expect(new ConfigFs(root).removeBlocking(5_000, '3')).rejects.toMatchObject({ code: 'NVMET' });
  });
});
