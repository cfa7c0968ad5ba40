import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseNvmeGwShow } from '../../monitor/show-parser.js';
import { planScenario } from '../../plan/planner.js';
import { sleep } from '../../util/clock.js';
import { decideKvm } from '../qemu/accel.js';
import { designOf } from '../qemu/design.js';
import { ensureImage } from '../qemu/image/image.js';
import { defaultRecipe } from '../qemu/image/recipe.js';
import { addressOf, fabricNames } from '../qemu/network.js';
import { boot, bootAll, makeNodes } from '../qemu/nodes.js';
import { linesProgress } from '../qemu/progress.js';
import { provisionCeph } from '../qemu/provision/ceph.js';
import { startSwitch, type RunningSwitch } from '../qemu/switch/index.js';
import { ensureKeys } from '../qemu/vm/keys.js';
import type { QemuVm } from '../qemu/vm/vm.js';
import { Changes } from './changes.js';
import { cutLink, removeGateway, tableOf } from './commands.js';
import { parseInventory } from './file.js';
import { HostConnections, hostNamedRoute } from './hosts.js';
import { readJournal, UndoJournal } from './journal.js';
import { NftLinks } from './links.js';
import { commandsOfLastRun, unforeseen } from './testing/foreseen.js';
import { pathproofProcess } from './testing/pathproof-process.js';
import { PowerSwitch } from './testing/power-switch.js';
import { healInventory } from './undo.js';

const wanted = process.env['PATHPROOF_QEMU'] === '1';
if (!wanted) console.log('skipped: virtual machines are started only with PATHPROOF_QEMU=1');

const bringUpMaxMs = 30 * 60_000;
const runMaxMs = 20 * 60_000;

/** Nodes of the qemu lab with a cluster and nothing of ours on them, reached by an ssh_config as hosts of somebody else's. */
describe.skipIf(!wanted)('an inventory of foreign hosts', () => {
  let dir: string;
  let fabrics: RunningSwitch | undefined;
  let nodes: Map<string, QemuVm>;
  let power: PowerSwitch;
  let text: string;
  let file: string;

  beforeAll(async () => {
    const progress = linesProgress((line) => console.log(line));
    const image = await ensureImage(defaultRecipe(), { progress: (line) => console.log(line) });
    const accel = (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg';
    dir = mkdtempSync(join(tmpdir(), 'ppinvlab-'));
    vi.stubEnv('PATHPROOF_STATE', join(dir, 'state'));
    const plan = planScenario('lab', { name: 'foreign', title: 'Foreign hosts', description: 'nothing.', steps: [{ do: 'run', forMs: 0 }] }, { seed: 'x', lab: 'qemu' });
    const design = designOf(plan, image.manifest, accel);
    fabrics = await startSwitch({ dir, seed: 'inventory test', fabrics: fabricNames.map((name) => ({ name, nodes: design.nodes.map((node) => node.name) })) }, join(dir, 'switch.log'));
    // No modules: whoever uses a host loads what it needs.
    nodes = makeNodes(design.nodes.map((node) => ({ ...node, modules: [] })), { image, accel, keys: await ensureKeys(dir), dir, logDir: join(dir, 'logs'), progress });
    await bootAll(nodes.values(), () => undefined);
    // A host has a time service; these have a clock that was read in whole seconds when they booted.
    for (const name of nodes.keys()) await onNode(name, `date -s @${(Date.now() / 1_000).toFixed(3)}`);
    const made = await provisionCeph(nodes.get('ceph')!.ssh, design.ceph, progress);
    // Somebody has to make the second gateway known, and another image has data of somebody else's.
    await made.shell.must({ prefix: 'nvme-gw delete', id: 'gw2', pool: plan.topology.pool, group: plan.topology.group });
    made.shell.close();
    await onNode('ceph', 'yes precious | head -c 16777216 >/tmp/precious && rbd import --image-feature layering /tmp/precious rbd/precious && truncate -s 16M /tmp/fs && mkfs.ext4 -q /tmp/fs && rbd import --image-feature layering /tmp/fs rbd/filesystem');

    // Who is switched off has another port of this machine afterwards: that one is reached at its own address, through another host.
    const routeTo = (name: string, port: number): string[] => (name.startsWith('gw') ? [`  HostName ${addressOf('a', name)}`, '  ProxyJump host1.example'] : ['  HostName 127.0.0.1', `  Port ${port}`]);
    writeFileSync(join(dir, 'ssh_config'), [...nodes.values()].map(({ name, ssh: { files } }) => [
      `Host ${name}.example`, ...routeTo(name, files.port), '  User root', `  IdentityFile ${files.keyFile}`, '  IdentitiesOnly yes', `  UserKnownHostsFile ${files.knownHosts}`, `  HostKeyAlias ${name}`, '  GlobalKnownHostsFile none', '',
    ].join('\n')).join(''));
    power = new PowerSwitch(dir, (name) => {
      const vm = nodes.get(name)!;
      return { isOn: () => vm.identity !== undefined, off: () => void vm.kill(), on: () => void boot(vm, () => undefined).then(() => onNode(name, `date -s @${(Date.now() / 1_000).toFixed(3)}`)) };
    });
    text = `format: 1
name: foreign
sshConfig: ssh_config
accel: ${accel}
hosts:
  ceph: { ssh: ceph.example, roles: [ceph] }
  gw1: { ssh: gw1.example, roles: [gateway], fabrics: [${fabricNames.map((f) => addressOf(f, 'gw1')).join(', ')}], ${power.yaml('gw1')} }
  gw2: { ssh: gw2.example, roles: [gateway], fabrics: [${fabricNames.map((f) => addressOf(f, 'gw2')).join(', ')}], ${power.yaml('gw2')} }
  host1: { ssh: host1.example, roles: [host] }
cluster: { admin: ceph, fsid: ${made.fsid}, mons: ["${made.monHosts.join('", "')}"], osds: [${addressOf('a', 'osd')}], pool: rbd, group: grp1 }
gateways: { kind: nvmet }
allow: [kill, network, powerOff]
namespaces:
${design.ceph.images.map(({ name, megabytes }) => `  - { image: ${name}, mebibytes: ${megabytes}, scratch: true }`).join('\n')}
`;
    file = join(dir, 'inventory.yaml');
    writeFileSync(file, text);
  }, bringUpMaxMs);

  afterAll(async () => {
    await Promise.all([...(nodes?.values() ?? [])].map((vm) => vm.kill()));
    power?.close();
    await fabrics?.end();
    vi.unstubAllEnvs();
    if (dir !== undefined && process.env['PATHPROOF_KEEP_LOGS'] === undefined) rmSync(dir, { recursive: true, force: true });
  });

  const onNode = async (name: string, command: string): Promise<string> => (await nodes.get(name)!.ssh.exec(command)).stdout.trim();

  /** Nothing of ours is left on any node, in the kernel either. */
  async function expectUntouched(): Promise<void> {
    for (const name of nodes.keys()) {
      expect(await onNode(name, 'ls -d /usr/local/lib/pathproof /run/pathproof* /var/log/pathproof /var/cache/pathproof /etc/pathproof/*.json /var/tmp/pathproof* 2>/dev/null; ls /sys/kernel/config/nvmet/subsystems /sys/kernel/config/nvmet/ports /sys/bus/rbd/devices 2>/dev/null | grep -v :; ls /dev/mapper | grep pathproof; cat /sys/class/nvme/*/subsysnqn 2>/dev/null; nft list tables; pgrep -fa /[l]ib/pathproof/ || true'), name).toBe('');
    }
    for (const name of ['gw1', 'gw2']) expect(await onNode(name, 'ls -d /sys/module/rbd /sys/module/nvmet_tcp 2>/dev/null || true')).toBe('');
    expect(parseNvmeGwShow(await onNode('ceph', 'ceph nvme-gw show rbd grp1 --format json')).gateways.filter(({ availability }) => availability !== 'DELETING').map(({ id }) => id)).toEqual(['gw1']);
    expect(readJournal('foreign').open).toEqual([]);
  }

  it('is ready, by its own look', async () => {
    const { code, out } = await pathproofProcess(['inventory', 'check', file]);
    expect(code, out).toBe(0);
    expect(out).toMatch(/✓ image image1 may be overwritten: nothing was ever written to it/);
    await expectUntouched();
  }, 600_000);

  it('has its links cut by its own kernel, and healed', async () => {
    const inventory = parseInventory(text, file);
    const connections = new HostConnections();
    const journal = UndoJournal.begin(inventory);
    const links = new NftLinks(inventory, new Changes(inventory, journal, connections), connections);
    const reaches = async (host: string, address: string): Promise<boolean> => (await connections.run(host, hostNamedRoute(inventory, host), `ping -c 1 -W 2 ${address}`, { okCodes: 'any' })).exitCode === 0;
    try {
      expect(await reaches('gw1', addressOf('a', 'osd'))).toBe(true);
      await links.cut('gw1-store', 'drop', 'both');
      expect(await reaches('gw1', addressOf('a', 'osd'))).toBe(false);
      expect(await reaches('gw1', addressOf('a', 'mon'))).toBe(true);
      expect((await links.stats('gw1-store')).bytesForward).toBeGreaterThan(0);
      expect(journal.open.map(({ host, what }) => `${host} ${what}`)).toEqual(['gw1 link gw1-store cut (both)']);
      await links.heal('gw1-store');
      expect(await reaches('gw1', addressOf('a', 'osd'))).toBe(true);
      await links.cut('gw1-monitor', 'drop', 'both');
      expect(await reaches('gw1', addressOf('a', 'mon'))).toBe(false);
      // The harness ends here; the journal has what it takes.
      journal.close();
      expect((await healInventory(inventory.name, connections)).map(({ problem }) => problem)).toEqual([undefined]);
      expect(await reaches('gw1', addressOf('a', 'mon'))).toBe(true);

      // And the host itself, when nobody comes.
      const { command } = cutLink(inventory, 'gw1-store', 'both');
      await onNode('gw1', command.replaceAll('900', '3'));
      expect(await onNode('gw1', 'nft list tables')).toContain(tableOf('gw1-store'));
      await sleep(8_000);
      expect(await onNode('gw1', 'nft list tables')).toBe('');
    } finally {
      connections.close();
    }
    await expectUntouched();
  }, 600_000);

  it('is healed after its run was killed', async () => {
    const { code } = await pathproofProcess(['run', 'smoke', '--lab', 'inventory', '--inventory', file, '--results', join(dir, 'killed')], /inject gateway\.kill/);
    expect(code).toBeNull();
    expect(readJournal('foreign').open.length).toBeGreaterThan(5);
    expect(await onNode('host1', 'ls /sys/class/nvme | wc -l')).not.toBe('0');
    const healed = await pathproofProcess(['lab', 'heal', '--inventory', file]);
    expect(healed.code, healed.out).toBe(0);
    expect(healed.out).toMatch(/undone {6}host1: host program and its folders/);
    await expectUntouched();
    expect((await pathproofProcess(['lab', 'heal', '--inventory', file])).out).toMatch(/nothing is left to be undone/);
    // A host that was never touched takes no harm from being undone.
    await onNode('gw1', removeGateway('gw1'));
    expect(existsSync(join(dir, 'killed'))).toBe(true);
  }, runMaxMs);

  it('passes smoke, runs what the dry run had shown, and is left as it was', async () => {
    const dry = await pathproofProcess(['run', 'smoke', '--seed', 'inv', '--lab', 'inventory', '--inventory', file, '--dry-run']);
    expect(dry.code).toBe(0);
    await expectUntouched();
    const results = join(dir, 'results');
    const { code, out } = await pathproofProcess(['run', 'smoke', '--seed', 'inv', '--lab', 'inventory', '--inventory', file, '--results', results]);
    expect(code, out).toBe(0);
    await expectUntouched();

    const run = commandsOfLastRun(results, 'smoke');
    expect(run.length).toBeGreaterThan(20);
    expect(unforeseen(run, dry.out)).toEqual([]);
  }, runMaxMs);

  it('has a gateway reached through another host switched off and on by its owner’s commands', async () => {
    const results = join(dir, 'power');
    const pids = (): number[] => ['gw1', 'gw2'].map((name) => nodes.get(name)!.identity!.pid);
    const before = pids();
    const { code, out } = await pathproofProcess(['run', 'failover', '--filter', 'gateway-off', '--seed', 'inv', '--lab', 'inventory', '--inventory', file, '--results', results]);
    expect(out).toMatch(/inject gateway\.power-off at gw\d/);
    expect(code, out).toBe(0);
    expect(pids().filter((pid, index) => pid !== before[index])).toHaveLength(1);
    await expectUntouched();
  }, runMaxMs);

  it('is not ready with images that belong to somebody else', async () => {
    const other = join(dir, 'other.yaml');
    writeFileSync(other, `${text}  - { image: precious, mebibytes: 16, scratch: true }\n  - { image: filesystem, mebibytes: 16, scratch: true }\n`);
    const { code, out } = await pathproofProcess(['inventory', 'check', other]);
    expect(code).toBe(3);
    expect(out).toMatch(/✗ image precious must not be overwritten: at byte 0 it has data that is not pathproof's/);
    expect(out).toMatch(/✗ image filesystem must not be overwritten: it has signatures \(wipefs\): 0x438,ext4/);
    const run = await pathproofProcess(['run', 'smoke', '--lab', 'inventory', '--inventory', other, '--results', join(dir, 'refused')]);
    expect(run.code).toBe(3);
    expect(run.out).toMatch(/INVENTORY_NOT_READY/);
    await expectUntouched();
  }, 900_000);
});
