import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { checkInventory } from './check.js';
import { factsScript, parseFacts, problemsOf, type HostFacts } from './facts.js';
import { hostNamed, parseInventory } from './file.js';
import { HostConnections } from './hosts.js';
import { exampleInventory, existingInventory, spdkInventory } from './testing/example.js';
import { FakeSsh } from './testing/fake-ssh.js';

const inventory = parseInventory(exampleInventory, 'i.yaml');
const good: HostFacts = { uid: 0, os: 'Debian', kernel: '7.2', timeMs: 1, node: 'v22.1.0', nvme: 'nvme 2.1', fio: 'fio-3.42', nft: 'nftables v1.1', ceph: 'ceph version 20.2', spdk: null, multipath: 'Y', missingModules: [], missingTools: [], nvmetSubsystems: [], rbdDevices: [], running: [], addresses: [], gateways: [] };
const problems = (name: string, facts: Partial<HostFacts>): string[] => problemsOf(inventory, hostNamed(inventory, name), { ...good, ...facts });

describe('what speaks against a host', () => {
  it('is nothing when all is there', () => {
    for (const name of ['ceph', 'gw1', 'gw2', 'host1']) expect(problems(name, {})).toEqual([]);
  });

  it.each([
    ['gw1', { uid: 1000 }, /not root/],
    ['gw1', { uid: Number.NaN }, /not root/],
    ['gw1', { node: null }, /^node is missing/],
    ['host1', { node: 'v18.19.0' }, /node v18\.19\.0 is too old/],
    ['gw1', { missingModules: ['rbd'] }, /kernel module rbd is missing/],
    ['gw1', { missingTools: ['pgrep', 'dmsetup'] }, /^dmsetup is missing/],
    ['gw1', { nvmetSubsystems: ['nqn.x'] }, /exports nqn\.x already: gw1 has to be for pathproof alone/],
    ['gw1', { rbdDevices: ['rbd/vm-1'] }, /RBD images are mapped \(rbd\/vm-1\)/],
    ['gw2', { nft: null }, /nft, which allow: \[network\] needs, is missing/],
    ['host1', { nvme: null }, /nvme-cli is missing/],
    ['host1', { multipath: 'N' }, /multipath is off/],
    ['host1', { running: ['host 77'] }, /runs already \(host 77\)/],
    ['ceph', { ceph: null }, /rbd \(ceph-common\) is missing/],
  ])('%s with %j', (name, facts, problem) => {
    expect(problems(name, facts as Partial<HostFacts>)).toEqual([expect.stringMatching(problem)]);
  });

  it('does not ask a host for what only gateways need', () => {
    expect(problems('host1', { rbdDevices: ['rbd/x'], missingModules: ['rbd'], nvmetSubsystems: ['nqn.y'], ceph: null })).toEqual([]);
    expect(problems('ceph', { node: null, nvme: null, nft: null })).toEqual([]);
  });

  it('is other things where cephadm has deployed the gateways', () => {
    const existing = parseInventory(existingInventory, 'i.yaml');
    const own = `${existing.cluster.fsid}/nvmeof.rbd.grp1.node-a.abcdef`;
    const found = (facts: Partial<HostFacts>): string[] => problemsOf(existing, hostNamed(existing, 'gw1'), { ...good, node: null, missingModules: ['rbd', 'nvmet'], missingTools: ['dmsetup'], gateways: [own], ...facts });
    expect(found({})).toEqual([]);
    expect(found({ missingTools: ['podman'] })).toEqual(['podman is missing']);
    expect(found({ nft: null })).toEqual(['nft, which allow: [network] needs, is missing']);
    expect(found({ gateways: [] })).toEqual(['cephadm has no gateway of nvmeof.rbd.grp1 there']);
    expect(found({ gateways: [own, own.replace('abcdef', 'ghijkl')] })).toEqual([expect.stringMatching(/^cephadm has 2 gateways of nvmeof\.rbd\.grp1 there/)]);
    expect(found({ gateways: [own.replace(existing.cluster.fsid, '00000000-1111-2222-3333-444444444444')] })).toEqual([expect.stringMatching(/^cephadm has no gateway of nvmeof\.rbd\.grp1 there \(but /)]);
  });

  it('is SPDK and nothing of the kernel where the gateways are on SPDK', () => {
    const spdk = parseInventory(spdkInventory, 'i.yaml');
    const found = (facts: Partial<HostFacts>): string[] => problemsOf(spdk, hostNamed(spdk, 'gw1'), { ...good, spdk: 'SPDK v26.01', missingModules: ['rbd', 'nvmet'], missingTools: ['dmsetup', 'modprobe'], nvmetSubsystems: ['nqn.x'], rbdDevices: ['rbd/x'], ...facts });
    expect(found({})).toEqual([]);
    expect(found({ spdk: null })).toEqual(["SPDK's target /opt/spdk/nvmf_tgt does not run there (gateways.spdk.target names it)"]);
    expect(found({ node: null, missingTools: ['setpriv'] })).toEqual(['node is missing', 'setpriv is missing']);
    expect(problemsOf(spdk, hostNamed(spdk, 'host1'), good)).toEqual([]);
    expect(factsScript(spdk)).toContain('say spdk "$(/opt/spdk/nvmf_tgt --version 2>/dev/null)"');
    expect(factsScript(inventory)).not.toContain('nvmf_tgt');
  });

  it('is read from lines', () => {
    expect(parseFacts('uid=0\nos=Debian GNU/Linux\nkernel=7.2\ntimeMs=5\nnode=v22.1.0\nnvme=\nmissingModules=rbd\nmissingModules=nvmet\nrbdDevices=a/b\n')).toMatchObject({ uid: 0, os: 'Debian GNU/Linux', node: 'v22.1.0', nvme: null, missingModules: ['rbd', 'nvmet'], rbdDevices: ['a/b'] });
  });
});

describe('inventory check', () => {
  let dir: string;
  let ssh: FakeSsh;
  let hosts: HostConnections;

  /** Programs as they answer on the hosts. */
  function program(name: string, text: string): void {
    const file = join(ssh.bin, name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`);
    chmodSync(file, 0o755);
  }

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'ppcheck-'));
    ssh = new FakeSsh(dir);
    mkdirSync(join(dir, 'tmp'));
    vi.stubEnv('PATH', `${ssh.bin}:${process.env['PATH']}`);
    program('id', 'echo 0');
    program('nvme', 'echo nvme version 2.1');
    program('nft', 'echo nftables v1.1');
    for (const tool of ['modinfo', 'dmsetup', 'flock', 'setsid', 'ping', 'modprobe']) program(tool, 'exit 0');
    program('pgrep', 'exit 1');
    program('rbd', `case "$*" in
      *--version*) echo ceph version 20.2 ;;
      *info*pp4*) echo "rbd: error opening image pp4" >&2; exit 2 ;;
      *info*) echo '{"size":16777216,"object_size":4194304,"block_name_prefix":"rbd_data.5"}' ;;
      *status*) echo '{"watchers":[]}' ;;
      *diff*pp2*) echo "0 4194304 data" ;;
      *image-meta*) exit 2 ;;
    esac`);
    program('rados', 'case "$*" in *0000000000000000*) for a; do f=$a; done; printf precious >"$f" ;; *) echo "error getting: (2) No such file or directory" >&2; exit 1 ;; esac');
    program('wipefs', 'exit 0');
    hosts = new HostConnections();
  });
  afterEach(() => {
    hosts.close();
    vi.unstubAllEnvs();
    rmSync(dir, { recursive: true, force: true });
  });

  it('says of each host what is there, and of each image why it may be overwritten or not', async () => {
    const found = await checkInventory(inventory, hosts);
    expect(found.hosts.map(({ host, problems: own }) => [host, own])).toEqual([['ceph', []], ['gw1', []], ['gw2', []], ['host1', []]]);
    expect(found.hosts[0]!.clock!.offsetMs).toBeLessThanOrEqual(found.hosts[0]!.clock!.errMs + 1);
    expect(found.hosts[1]!.facts).toMatchObject({ uid: 0, nvme: 'nvme version 2.1', node: process.version });
    expect(found.namespaces).toEqual([
      { image: 'pp1', proof: 'nothing was ever written to it', problem: undefined },
      { image: 'pp2', proof: undefined, problem: 'at byte 0 it has data that is not pathproof\'s' },
      { image: 'pp3', proof: 'nothing was ever written to it', problem: undefined },
      { image: 'pp4', proof: undefined, problem: 'there is no such image' },
    ]);
    expect(found.ready).toBe(false);
  }, 120_000);

  it('waits for clients of a gateway that was killed, and for nobody else', async () => {
    program('hostname', 'echo 192.0.2.101');
    // One that goes after two looks, one of somebody else, one that stays.
    program('rbd', `case "$*" in
      *--version*) echo ceph version 20.2 ;;
      *info*) echo '{"size":16777216,"object_size":4194304,"block_name_prefix":"rbd_data.5"}' ;;
      *status*pp1*) echo x >>${dir}/looks; if [ $(wc -l <${dir}/looks) -gt 2 ]; then echo '{"watchers":[]}'; else echo '{"watchers":[{"address":"192.0.2.101:0/7"}]}'; fi ;;
      *status*pp2*) echo '{"watchers":[{"address":"192.0.2.101:0/7"},{"address":"192.0.2.9:0/1"}]}' ;;
      *status*pp3*) echo '{"watchers":[{"address":"192.0.2.101:0/8"}]}' ;;
      *status*) echo '{"watchers":[]}' ;;
    esac`);
    const said: string[] = [];
    const found = await checkInventory(inventory, hosts, { say: (text) => said.push(text), watchMaxMs: 9_000 });
    expect(found.namespaces.map(({ problem }) => problem)).toEqual([undefined, 'somebody has it open: 192.0.2.101:0/7, 192.0.2.9:0/1', 'somebody has it open: 192.0.2.101:0/8', undefined]);
    expect(said).toEqual(['pp1', 'pp3'].map((image) => expect.stringMatching(new RegExp(`^image ${image}: a gateway that was killed still counts as having it open`)) as string));
  }, 120_000);

  it('goes on when a host cannot be reached', async () => {
    ssh.down('gw2');
    const found = await checkInventory(inventory, hosts);
    expect(found.hosts.find(({ host }) => host === 'gw2')!.problems).toEqual([expect.stringMatching(/no SSH connection.*No route to host/)]);
    expect(found.ready).toBe(false);
  }, 120_000);
});
