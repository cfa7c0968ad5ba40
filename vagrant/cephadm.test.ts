import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseServed } from '../src/gateway/cephadm/index.js';
import { hostConfigSchema } from '../src/lab/guest/host-config.js';
import { daemonImage, gatewayImage, imageStorePath } from '../src/lab/native/host-files.js';
import { findProgram } from '../src/lab/qemu/tools.js';
import { boxHash, boxName, boxRecipe, filesOf, scriptOf } from './box/recipe.js';
import { describeCephadmNodes, mergedConfig } from './cephadm-nodes.js';
import { planFor } from './nodes.js';
import { checkRelease } from './provision/base.js';
import { placedOn } from './provision/cephadm.js';
import type { CephNvmeof } from './provision/node.js';
import { managerSteps, nvmeofSteps } from './provision/nvmeof-cli.js';
import { runSteps } from './provision/step.js';
import { settingsSchema, type LabSettings } from './settings.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const settingsOf = (overrides: Partial<LabSettings> = {}): LabSettings => settingsSchema.parse({
  ...(parse(readFileSync(join(root, 'vagrant/lab.yaml'), 'utf8')) as object), accel: 'tcg', state_dir: '/nowhere', flavour: 'cephadm', ...overrides,
});
const secrets = { fsid: '9c1b2a34-0000-4000-8000-000000000001', key: { secret: 'SECRET', public: 'ssh-ed25519 AAAA pathproof cephadm' } };
const nodesOf = (overrides: Partial<LabSettings> = {}) => {
  const settings = settingsOf(overrides);
  const plan = planFor(settings);
  return { plan, nodes: describeCephadmNodes(settings, plan, secrets) };
};
const registry = { images: 'registry', box: 'some/box' } as const;

describe('settings of the flavour cephadm', () => {
  it('refuse what cannot work', () => {
    expect(() => settingsOf({ box: 'some/box' })).toThrow('local images come with the local box');
    expect(() => settingsOf({ images: 'registry' })).toThrow('without internet');
    expect(() => settingsOf({ plan: 'plan.json' })).toThrow('flavour debian');
    expect(settingsOf(registry).images).toBe('registry');
  });

  it.skipIf(findProgram('ruby') === undefined)('give the machines the memory that containers need, and the OSD its disk', () => {
    const ruby = (code: string, env: Record<string, string>) => spawnSync('ruby', ['-r', join(root, 'vagrant/lab.rb'), '-e', `L = PathproofLab; puts ${code}`], { encoding: 'utf8', env: { ...process.env, LAB_ACCEL: 'kvm', ...env } }).stdout.trim();
    const memory = 'L.machines.map { |m| "#{m.name}:#{m.memory}" }.join(" ")';
    expect(ruby(memory, {})).toBe('ceph:2048 gw1:768 gw2:768 host1:1024');
    expect(ruby(memory, { LAB_FLAVOUR: 'cephadm' })).toBe('ceph:3072 gw1:1536 gw2:1536 host1:1024');
    expect(ruby(memory, { LAB_FLAVOUR: 'cephadm', LAB_IMAGES: 'registry', LAB_MEMORY_CEPH: '6000' })).toBe('ceph:6000 gw1:8192 gw2:8192 host1:1024');
    expect(ruby('L.machines.select { |m| L.osd_disk?(m) }.map(&:name).join(" ")', { LAB_FLAVOUR: 'cephadm' })).toBe('ceph');
    expect(ruby('L.machines.count { |m| L.osd_disk?(m) }', {})).toBe('0');
  });
});

describe('describeCephadmNodes', () => {
  it('tells the first node alone the key of the orchestrator, and the gateways its public half', () => {
    const { nodes } = nodesOf();
    expect(nodes.map(({ name }) => name)).toEqual(['ceph', 'gw1', 'gw2', 'host1']);
    expect(nodes.map((node) => JSON.stringify(node).includes('SECRET'))).toEqual([true, false, false, false]);
    expect(nodes.map(({ authorizedKeys }) => authorizedKeys?.length)).toEqual([1, 1, 1, 0]);
  });

  it('gives the gateways what they serve, as the plan has it, on both fabrics', () => {
    const { plan, nodes } = nodesOf();
    const file = nodes[1]!.files!.find(({ path }) => path === '/etc/pathproof/subsystem.json')!;
    const served = parseServed(file.text!);
    expect(served.nqn).toBe(plan.topology.nqn);
    expect(served.namespaces.map(({ uuid }) => uuid)).toEqual(plan.topology.namespaces.map(({ uuid }) => uuid));
    expect(served.nodes).toMatchObject({ gw1: { addresses: ['198.51.100.101'] }, gw2: { addresses: ['198.51.100.102'] } });
    expect(nodes[3]!.namespaces).toEqual(plan.topology.namespaces.map(({ uuid }) => uuid));
    expect(hostConfigSchema.parse(nodes[3]!.program!.config).controllers).toHaveLength(4);
  });

  it('adds one gateway after the other to the service, in order', () => {
    const { cephadm } = nodesOf({ gateways: 3 }).nodes[0]!;
    expect(cephadm!.services.map((text) => (parse(text) as { placement: { hosts: string[] } }).placement.hosts)).toEqual([['gw1'], ['gw1', 'gw2'], ['gw1', 'gw2', 'gw3']]);
    expect(cephadm!.service).toMatch(/^nvmeof\.rbd\./);
  });

  it('takes local images without a registry, and with one those that cephadm or the settings name', () => {
    const local = nodesOf().nodes[0]!.cephadm!;
    expect(local).toMatchObject({ image: daemonImage, pull: false });
    expect(local.nvmeof).toBeUndefined();
    expect(local.config).toContain(`container_image_nvmeof = ${gatewayImage}`);
    const pulled = nodesOf({ ...registry, ceph_image: 'a/ceph:v20', nvmeof_image: 'a/nvmeof:1.6' }).nodes[0]!.cephadm!;
    expect(pulled).toMatchObject({ image: 'a/ceph:v20', pull: true });
    expect(pulled.config).toContain('container_image_nvmeof = a/nvmeof:1.6');
    expect(parse(pulled.services[1]!)).not.toHaveProperty('extra_container_args');
    expect(nodesOf(registry).nodes[0]!.cephadm!.config).not.toContain('container_image');
  });

  it('has real gateways listen on each fabric, and namespaces in the load-balancing groups of the plan', () => {
    const { plan, nodes } = nodesOf(registry);
    const { nvmeof } = nodes[0]!.cephadm!;
    expect(nvmeof!.listeners.map(({ host, address }) => `${host} ${address}`)).toEqual(['gw1 192.0.2.101', 'gw1 198.51.100.101', 'gw2 192.0.2.102', 'gw2 198.51.100.102']);
    expect(nvmeof!.namespaces.map(({ anaGroup }) => anaGroup)).toEqual(plan.topology.namespaces.map(({ anaGroup }) => anaGroup));
    expect(nodes[1]!.files).toBeUndefined();
    expect(nodes[3]!.namespaces).toBe(plan.topology.namespaces.length);
  });

  it('spares emulated processors the manager’s modules, and no others', () => {
    expect(nodesOf().nodes[0]!.cephadm!.config).toContain('mgr_disabled_modules');
    // cephadm tells it of each service that it applies, and gives up without it.
    expect(nodesOf().nodes[0]!.cephadm!.config).not.toMatch(/mgr_disabled_modules.*\bprogress\b/);
    expect(nodesOf({ accel: 'kvm' }).nodes[0]!.cephadm!.config).not.toContain('mgr_disabled_modules');
  });
});

describe('mergedConfig', () => {
  it('has each section once, with all of its lines', () => {
    expect(mergedConfig(['[global]\na = 1\n[mon]\n', '[mgr]\nb = 2\n[global]\nc = 3\n'])).toBe('[global]\na = 1\nc = 3\n[mon]\n[mgr]\nb = 2\n');
    for (const { nodes } of [nodesOf(), nodesOf(registry), nodesOf({ accel: 'kvm' })]) {
      const sections = nodes[0]!.cephadm!.config.split('\n').filter((line) => line.startsWith('['));
      expect(sections.length).toBeGreaterThan(0);
      expect(new Set(sections).size).toBe(sections.length);
    }
  });
});

describe('box of the flavour cephadm', () => {
  it('has podman, cephadm and the store of the images, under a name and a hash of its own', () => {
    const recipe = boxRecipe(undefined, 'cephadm');
    expect(recipe.packages).toEqual(expect.arrayContaining(['cephadm', 'podman', 'catatonit', 'chrony', 'nvme-cli']));
    expect(boxName('cephadm')).not.toBe(boxName('debian'));
    expect(boxHash(recipe)).not.toBe(boxHash(boxRecipe()));
    expect(filesOf(recipe)['etc/containers/storage.conf']).toContain(imageStorePath);
    expect(scriptOf(recipe)).toContain('chrony');
    expect(Object.keys(filesOf(boxRecipe()))).not.toContain('etc/containers/storage.conf');
  });

  it.skipIf(findProgram('sysctl') === undefined)('has a sysctl that lists without failing, and sets as the real one does', () => {
    const dir = mkdtempSync(join(tmpdir(), 'pathproof-sysctl-'));
    const shim = join(dir, 'sysctl');
    writeFileSync(shim, filesOf(boxRecipe(undefined, 'cephadm'))['usr/local/sbin/sysctl']!);
    expect(spawnSync('sh', [shim, '-a'], { encoding: 'utf8' }).stdout).toContain('kernel.');
    expect(spawnSync('sh', [shim, 'no.such.key'], { encoding: 'utf8' }).status).not.toBe(0);
    rmSync(dir, { recursive: true });
  });
});

describe('checkRelease', () => {
  it('refuses what has no monitor of gateways, and another release than was asked for', () => {
    expect(() => checkRelease('20.2.4', 0)).not.toThrow();
    expect(() => checkRelease('20.2.4', 20)).not.toThrow();
    expect(() => checkRelease('18.2.7', 0)).toThrow('19 or newer');
    expect(() => checkRelease('20.2.4', 19)).toThrow('release 19 was asked for');
    expect(() => checkRelease('', 0)).toThrow('19 or newer');
  });
});

describe('placedOn', () => {
  it('is true for one host and no count', () => {
    const of = (placement: object) => [{ service_type: 'mon', placement }];
    expect(placedOn(of({ hosts: ['ceph'] }), 'mon', 'ceph')).toBe(true);
    expect(placedOn(of({ hosts: ['ceph', 'gw1'] }), 'mon', 'ceph')).toBe(false);
    expect(placedOn(of({ count: 5 }), 'mon', 'ceph')).toBe(false);
    expect(placedOn([], 'mon', 'ceph')).toBe(false);
  });
});

describe('nvmeofSteps', () => {
  let dir: string;
  const path = process.env['PATH'];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'pathproof-nvmeof-'));
    process.env['PATH'] = `${dir}:${path ?? ''}`;
  });
  afterEach(() => {
    process.env['PATH'] = path;
    rmSync(dir, { recursive: true });
  });

  /** Stands for a CLI: what was added is listed, as a flag for any host, else as all the words of its command. */
  const fake = (name: string, refusal = ''): void => {
    writeFileSync(join(dir, name), `#!/bin/sh
words="$*"
case " $words " in
  *" list "*) printf '{"status":0,"all":['; first=; while read -r line; do for word in $line; do printf '%s"%s"' "$first" "$word"; first=,; done; done <"${dir}/added"; printf ']'; grep -q 'host-nqn' "${dir}/added" && printf ',"allow_any_host":true'; printf '}\\n';;
  *" add "*) ${refusal === '' ? `echo "$words" >>"${dir}/added"; echo '{"status":0}'` : refusal};;
esac
`);
    chmodSync(join(dir, name), 0o755);
    writeFileSync(join(dir, 'added'), '');
  };
  const wanted = (cliImage: string): CephNvmeof => ({
    nqn: 'nqn.2026-01.io.example:a', pool: 'rbd', group: 'g', cliImage, serverAddress: '192.0.2.1',
    listeners: [{ host: 'gw1', address: '192.0.2.101', port: 4_420 }, { host: 'gw2', address: '192.0.2.102', port: 4_420 }],
    namespaces: [{ image: 'img1', anaGroup: 1 }, { image: 'img2', anaGroup: 2 }],
  });
  const run = (cliImage: string) => runSteps('ceph', nvmeofSteps(wanted(cliImage)), () => Promise.resolve([]), () => undefined);
  const added = () => readFileSync(join(dir, 'added'), 'utf8').trim().split('\n');

  it('speaks to the manager, and a second time changes nothing', async () => {
    fake('ceph');
    expect((await run('')).map(({ changed }) => changed)).toEqual([false, true, true, true, true, true, true]);
    expect(added()[0]).toBe('nvmeof subsystem add --nqn nqn.2026-01.io.example:a --no-group-append=true --gw-group g --format json');
    expect(added().at(-1)).toBe('nvmeof namespace add --nqn nqn.2026-01.io.example:a --rbd-pool rbd --rbd-image-name img2 --load-balancing-group 2 --gw-group g --format json');
    expect((await run('')).some(({ changed }) => changed)).toBe(false);
  });

  it('speaks to the container of older releases', async () => {
    fake('podman');
    await run('a/nvmeof-cli:1.4');
    expect(added()[1]).toBe('run --rm a/nvmeof-cli:1.4 --output stdio --format json --server-address 192.0.2.1 --server-port 5500 listener add --subsystem nqn.2026-01.io.example:a --host-name gw1 --traddr 192.0.2.101 --trsvcid 4420');
    expect((await run('a/nvmeof-cli:1.4')).some(({ changed }) => changed)).toBe(false);
  });

  it('takes a refusal for one, whether the exit code or the answer tells', async () => {
    fake('ceph', `echo '{"status":2,"error_message":"no such host"}'`);
    await expect(run('')).rejects.toThrow('no such host');
    fake('ceph', 'echo "no gateway" >&2; exit 5');
    await expect(run('')).rejects.toThrow('no gateway');
  });

  it('needs the manager’s dashboard for its command line, which is enabled once', async () => {
    writeFileSync(join(dir, 'ceph'), `#!/bin/sh
echo "$*" >>"${dir}/calls"
case "$*" in
  "mgr module ls"*) grep -q enable "${dir}/calls" && echo '{"enabled_modules":["cephadm","dashboard"]}' || echo '{"enabled_modules":["cephadm"]}';;
  "orch status"*) echo '{"available": true}';;
esac
`);
    chmodSync(join(dir, 'ceph'), 0o755);
    const enable = () => runSteps('ceph', managerSteps(wanted('')), () => Promise.resolve([]), () => undefined);
    expect((await enable()).map(({ changed }) => changed)).toEqual([true]);
    expect(readFileSync(join(dir, 'calls'), 'utf8')).toContain('mgr module enable dashboard\n');
    expect((await enable()).map(({ changed }) => changed)).toEqual([false]);
    expect(managerSteps(wanted('a/nvmeof-cli:1.4'))).toEqual([]);
  });
});
