import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { addressOf, macOf } from '../src/lab/qemu/network.js';
import { findProgram } from '../src/lab/qemu/tools.js';
import { gatewayConfigText } from '../src/lab/guest/gateway-config.js';
import { hostConfigSchema } from '../src/lab/guest/host-config.js';
import { planScenario } from '../src/plan/planner.js';
import type { VirtualMachines } from '../src/plan/types.js';
import { bootArea, diskLayout } from './box/disk.js';
import { boxHash, boxRecipe, boxVersion } from './box/recipe.js';
import { completeCluster, describeNodes, designFor } from './nodes.js';
import { settingsSchema, type LabSettings } from './settings.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const settingsOf = (overrides: Partial<LabSettings> = {}): LabSettings => settingsSchema.parse({
  ...(parse(readFileSync(join(root, 'vagrant/lab.yaml'), 'utf8')) as object), accel: 'tcg', state_dir: '/nowhere', ...overrides,
});
const nodesOf = (settings: LabSettings) => {
  const design = designFor(settings);
  return describeNodes(settings, design, completeCluster(undefined, design.ceph));
};

describe('lab.yaml', () => {
  it('is what the schema says, and a wrong key or value is refused', () => {
    expect(settingsOf().gateways).toBe(2);
    expect(() => settingsOf({ gateway_kind: 'spdk' as 'nvmet' })).toThrow('only kind');
    expect(() => settingsOf({ gatways: 3 } as object)).toThrow('gatways');
  });
});

describe('osd_store', () => {
  it('is the disk, but for emulated machines, unless it is set; and cephadm’s is always the disk', () => {
    const storeOf = (settings: Partial<LabSettings>): string => designFor(settingsOf(settings)).ceph.objectStore;
    expect([storeOf({ accel: 'kvm' }), storeOf({ accel: 'tcg' })]).toEqual(['bluestore', 'memstore']);
    expect([storeOf({ accel: 'kvm', osd_store: 'memstore' }), storeOf({ accel: 'tcg', osd_store: 'bluestore' })]).toEqual(['memstore', 'bluestore']);
    expect(designFor(settingsOf({ osd_store: 'bluestore' })).ceph.storeMb).toBe(4_096);
    expect(() => settingsOf({ flavour: 'cephadm', osd_store: 'memstore' })).toThrow('gives its OSDs disks');
  });
});

describe('a plan as the settings', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pathproof-plan-'));
  const file = join(dir, 'plan.json');
  const planned = (machines: Partial<VirtualMachines> = {}) => planScenario('lab', { name: 'lab', title: 'lab', description: 'lab.', steps: [{ do: 'run', forMs: 0 }] }, { seed: '7', lab: 'vagrant', gateways: 3, hosts: 2, machines });
  afterAll(() => rmSync(dir, { recursive: true }));

  it('gives the nodes of the plan, with its names', () => {
    const plan = planned();
    writeFileSync(file, JSON.stringify(plan));
    const design = designFor(settingsOf({ plan: file }));
    expect(design.nodes.map(({ name }) => name)).toEqual(['ceph', 'gw1', 'gw2', 'gw3', 'host1', 'host2']);
    expect(design.gateways[0]!.config['nqn']).toBe(plan.topology.nqn);
  });

  it('is refused when its cluster has no secrets', () => {
    writeFileSync(file, JSON.stringify(planned({ auth: 'none' })));
    expect(() => designFor(settingsOf({ plan: file }))).toThrow('not for a lab of machines with cephx');
  });

  it.skipIf(findProgram('ruby') === undefined)('has its shape in lab.rb', () => {
    writeFileSync(file, JSON.stringify(planned()));
    const ruby = (env: Record<string, string>) => spawnSync('ruby', ['-r', join(root, 'vagrant/lab.rb'), '-e', 'puts PathproofLab.machines.map(&:name).join(" ")'], { encoding: 'utf8', env: { ...process.env, ...env } });
    expect(ruby({ LAB_PLAN: file, LAB_GATEWAYS: '9' }).stdout.trim()).toBe('ceph gw1 gw2 gw3 host1 host2');
    expect(ruby({ LAB_PLAN: join(dir, 'none.json') }).stderr).toContain('LAB_PLAN');
    writeFileSync(file, JSON.stringify({ ...planned(), platform: {} }));
    expect(ruby({ LAB_PLAN: file }).stderr).toContain('no plan for a lab of machines');
  });
});

describe('describeNodes', () => {
  it('tells each node what it needs, and no more of the secrets', () => {
    const nodes = nodesOf(settingsOf({ gateways: 3, hosts: 2 }));
    expect(nodes.map(({ name }) => name)).toEqual(['ceph', 'gw1', 'gw2', 'gw3', 'host1', 'host2']);
    expect(nodes.map(({ cluster }) => Object.keys(cluster?.secrets ?? {}).length)).toEqual([7, 1, 1, 1, 0, 0]);
    expect(Object.keys(nodes[2]!.cluster!.secrets)).toEqual(['client.nvmeof.gw2']);
    expect(nodes[0]!.cards.map(({ addresses }) => addresses)).toEqual([['192.0.2.10/24', '192.0.2.11/24', '192.0.2.31/24'], ['198.51.100.10/24', '198.51.100.11/24', '198.51.100.31/24']]);
  });

  it('gives configs that the programs take', () => {
    const nodes = nodesOf(settingsOf());
    const config = nodes.find(({ name }) => name === 'gw1')!.program!.config;
    expect(JSON.parse(gatewayConfigText({ ...config, auth: { kind: 'none' } }))).toMatchObject({ name: 'gw1', monHosts: ['192.0.2.11:3300'] });
    expect(hostConfigSchema.parse(nodes.at(-1)!.program!.config).controllers).toHaveLength(4);
  });

  it('has one path to each gateway with one fabric', () => {
    const nodes = nodesOf(settingsOf({ fabrics: 1 }));
    expect(hostConfigSchema.parse(nodes.at(-1)!.program!.config).controllers.map(({ traddr }) => traddr)).toEqual(['192.0.2.101', '192.0.2.102']);
    expect(nodes.every(({ cards }) => cards.length === 1)).toBe(true);
  });
});

describe('completeCluster', () => {
  it('keeps what is known and adds who is new', () => {
    const { ceph } = designFor(settingsOf());
    const before = completeCluster(undefined, ceph);
    const after = completeCluster(before, designFor(settingsOf({ gateways: 3 })).ceph);
    expect(after).toMatchObject(before);
    expect(Object.keys(after.secrets)).toHaveLength(Object.keys(before.secrets).length + 1);
    expect(before.secrets['mon.']![1]).not.toBe(before.secrets['mon.']![2]);
  });
});

describe('box', () => {
  it('has all packages of the qemu lab, and another version for another recipe', () => {
    const { packages } = boxRecipe();
    for (const name of ['ceph-mon', 'nvme-cli', 'fio', 'nodejs', 'linux-image-cloud-amd64', 'systemd-sysv', 'sudo']) expect(packages).toContain(name);
    const hashes = [boxRecipe(), boxRecipe('sid')].map(boxHash);
    expect(hashes[0]).not.toBe(hashes[1]);
    expect(boxVersion(hashes[0]!)).toMatch(/^1\.0\.\d+$/);
    expect(boxVersion(hashes[0]!)).not.toBe(boxVersion(hashes[1]!));
  });

  it('boots from a sector with one active Linux partition that begins behind GRUB', () => {
    const area = bootArea(Buffer.alloc(512, 0xeb), Buffer.from('core'));
    expect(area).toHaveLength(diskLayout.offsetBytes);
    expect(area.subarray(510, 516).toString('latin1')).toBe('\x55\xaacore');
    expect([area[439], area[440], area[446], area[450]]).toEqual([0xeb, 0, 0x80, 0x83]);
    expect(area.readUInt32LE(454) * 512).toBe(diskLayout.offsetBytes);
    expect((area.readUInt32LE(454) + area.readUInt32LE(458)) * 512).toBe(diskLayout.totalBytes);
    expect(() => bootArea(Buffer.alloc(512), Buffer.alloc(diskLayout.offsetBytes))).toThrow(RangeError);
  });
});

describe.skipIf(findProgram('ruby') === undefined)('lab.rb', () => {
  const ruby = (code: string, env: Record<string, string> = {}) => spawnSync('ruby', ['-r', join(root, 'vagrant/lab.rb'), '-e', code], { encoding: 'utf8', env: { ...process.env, ...env } });

  it('has the addresses of network.ts', () => {
    const { stdout } = ruby('PathproofLab.machines.each { |m| %w[a b].each { |f| puts [m.name, f, PathproofLab.address(f, m), m.mac(f)].join(" ") } }', { LAB_GATEWAYS: '3', LAB_HOSTS: '2' });
    const lines = stdout.trim().split('\n').map((line) => line.split(' ') as [string, 'a' | 'b', string, string]);
    expect(lines).toHaveLength(12);
    for (const [node, fabric, address, mac] of lines) expect([address, mac]).toEqual([addressOf(fabric, node), macOf(fabric, node)]);
  });

  it('takes the environment for more than the file, and refuses what is no number', () => {
    expect(ruby('print PathproofLab.settings["memory"]["ceph"]', { LAB_MEMORY_CEPH: '4096' }).stdout).toBe('4096');
    const { status, stderr } = ruby('PathproofLab.settings', { LAB_GATEWAYS: 'two' });
    expect(status).not.toBe(0);
    expect(stderr).toContain('LAB_GATEWAYS must be a whole number');
  });
});

describe.skipIf(findProgram('vagrant') === undefined)('vagrant validate', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'pp-vagrant-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const validate = (env: Record<string, string>): string => execFileSync('vagrant', ['validate'], {
    cwd: root, encoding: 'utf8', timeout: 120_000,
    env: { ...process.env, VAGRANT_HOME: join(dir, 'home'), VAGRANT_DOTFILE_PATH: join(dir, 'dot'), VAGRANT_CHECKPOINT_DISABLE: '1', VAGRANT_DEFAULT_PROVIDER: 'libvirt', ...env },
  });

  it.each([
    ['software emulation', { LAB_ACCEL: 'tcg' }],
    ['KVM', { LAB_ACCEL: 'kvm' }],
    ['another box, other counts, one fabric', { LAB_BOX: 'debian/trixie64', LAB_GATEWAYS: '4', LAB_HOSTS: '2', LAB_FABRICS: '1' }],
    ['cephadm', { LAB_ACCEL: 'tcg', LAB_FLAVOUR: 'cephadm' }],
  ])('passes: %s', (_, env) => {
    expect(validate(env)).toContain('validated successfully');
  }, 130_000);

  it('fails where a value is wrong', () => {
    expect(() => validate({ LAB_GATEWAYS: 'two' })).toThrow('LAB_GATEWAYS must be a whole number');
  }, 130_000);
});
