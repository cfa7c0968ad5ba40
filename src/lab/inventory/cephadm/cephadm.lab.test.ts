import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { planScenario } from '../../../plan/planner.js';
import type { Plan } from '../../../plan/types.js';
import { addressOf } from '../../qemu/network.js';
import { readJournal } from '../journal.js';
import { commandsOfRun, unforeseen } from '../testing/foreseen.js';
import { ForeignCephadm } from '../testing/foreign-cephadm.js';
import { pathproofProcess } from '../testing/pathproof-process.js';
import { PowerSwitch } from '../testing/power-switch.js';

const wanted = process.env['PATHPROOF_NATIVE'] === '1';
if (!wanted) console.log('skipped: namespaces and virtual machines are made only with PATHPROOF_NATIVE=1');

const bringUpMaxMs = 20 * 60_000;
const runMaxMs = 15 * 60_000;
const suiteMaxMs = 40 * 60_000;

/** Hosts of the native lab whose gateways cephadm has deployed, and a Linux machine, reached by an ssh_config: no harness has a program in the gateways. */
describe.skipIf(!wanted)('an inventory of gateways that cephadm has deployed', () => {
  let dir: string;
  let foreign: ForeignCephadm;
  let power: PowerSwitch;
  let plan: Plan;
  let file: string;
  let specification: string;
  let gateways: string[];

  beforeAll(async () => {
    plan = planScenario('lab', { name: 'foreign', title: 'Foreign gateways', description: 'nothing.', lab: { blockSize: 512 }, steps: [{ do: 'run', forMs: 0 }] }, { seed: 'x', lab: 'native-linux' });
    foreign = await ForeignCephadm.start(plan, (line) => console.log(line), { gateways: 'own' });
    dir = mkdtempSync(join(tmpdir(), 'ppcephadm-'));
    vi.stubEnv('PATHPROOF_STATE', join(dir, 'state'));
    power = new PowerSwitch(dir, (name) => ({ isOn: () => foreign.host(name).running(), off: () => void foreign.host(name).kill(), on: () => void foreign.boot(name) }));
    const { topology } = plan;
    file = join(dir, 'inventory.yaml');
    writeFileSync(file, `format: 1
name: cephadm
sshConfig: ${foreign.sshConfig}
accel: ${foreign.accel}
hosts:
  ceph: { ssh: ceph.example, roles: [ceph] }
${topology.gateways.map(({ name }) => `  ${name}: { ssh: ${name}.example, roles: [gateway], fabrics: [${addressOf('a', name)}], ${power.yaml(name)} }`).join('\n')}
  host1: { ssh: host1.example, roles: [host], nqn: "${topology.hosts[0]!.hostNqn}" }
cluster: { admin: ceph, fsid: ${foreign.access.fsid}, mons: ["${foreign.access.monHosts.join('", "')}"], pool: ${topology.pool}, group: ${topology.group} }
gateways: { kind: ceph-nvmeof, subsystem: "${topology.nqn}", timers: { disconnectPanicMs: ${plan.shape.timers.disconnectPanicMs} } }
allow: [kill, network, powerOff, cephadm]
namespaces:
${topology.namespaces.map(({ nsid, uuid, nguid, image, anaGroup, blocks, blockSize }) => `  - { image: ${image}, mebibytes: ${(blocks * blockSize) / 1_048_576}, scratch: true, nsid: ${nsid}, uuid: ${uuid}, nguid: "${nguid}", anaGroup: ${anaGroup} }`).join('\n')}
`);
    specification = await exported();
    gateways = await ids();
  }, bringUpMaxMs);

  afterAll(async () => {
    power?.close();
    await foreign?.end();
    vi.unstubAllEnvs();
    if (dir !== undefined && process.env['PATHPROOF_KEEP_LOGS'] === undefined) rmSync(dir, { recursive: true, force: true });
  }, 120_000);

  const exported = (): Promise<string> => foreign.on('ceph', `ceph orch ls --service_name ${foreign.service} --export`);
  const ids = async (): Promise<string[]> => (await foreign.gateways()).map(({ id }) => id).sort();
  const run = (words: readonly string[], until?: RegExp): Promise<{ code: number | null; out: string }> => pathproofProcess(['run', ...words, '--seed', 'inv', '--lab', 'inventory', '--inventory', file], until);

  /** Nothing of ours is left on any host; cephadm has its service as before, each gateway serves its own group. */
  async function expectUntouched(): Promise<void> {
    await foreign.untilServing(90_000);
    expect(await exported()).toBe(specification);
    for (const name of ['ceph', 'gw1', 'gw2']) expect(await foreign.on(name, 'ls -d /usr/local/lib/pathproof /var/log/pathproof /var/cache/pathproof 2>/dev/null; nft list tables; pgrep -fa ru_maxrs[s] || true'), name).toBe('');
    expect(await foreign.on('host1', 'ls -d /usr/local/lib/pathproof /run/pathproof* /var/log/pathproof /var/cache/pathproof /etc/pathproof/*.json /var/tmp/pathproof* 2>/dev/null; cat /sys/class/nvme/*/subsysnqn 2>/dev/null; pgrep -fa /[l]ib/pathproof/ || true')).toBe('');
    expect(readJournal('cephadm').open).toEqual([]);
  }

  it('is ready, by its own look, although the gateways have the images open', async () => {
    const { code, out } = await pathproofProcess(['inventory', 'check', file]);
    expect(code, out).toBe(0);
    expect(out).toMatch(/✓ image image1 may be overwritten: nothing was ever written to it/);
    await expectUntouched();
    // Somebody else has it open, too: until its standard input says something.
    await foreign.on('ceph', `podman exec -d foreign-cli sh -c 'sleep 600 | rbd watch ${plan.topology.pool}/image1 & echo $! >/tmp/watcher; wait'`);
    await expect.poll(async () => (await pathproofProcess(['inventory', 'check', file])).out, { timeout: 60_000 }).toMatch(/✗ image image1 must not be overwritten: somebody has it open: \S+$/m);
    await foreign.on('ceph', 'podman exec foreign-cli sh -c "kill \\$(cat /tmp/watcher)"');
    // The watch of a client that was killed stays for half a minute (osd_client_watch_timeout).
    await expect.poll(async () => (await pathproofProcess(['inventory', 'check', file])).code, { timeout: 120_000 }).toBe(0);
  }, 600_000);

  it('passes smoke, runs what the dry run had shown, and is left as it was', async () => {
    const dry = await run(['smoke', '--dry-run']);
    expect(dry.code).toBe(0);
    await expectUntouched();
    const results = join(dir, 'results');
    const { code, out } = await run(['smoke', '--results', results]);
    expect(code, out).toBe(0);
    await expectUntouched();
    expect(await ids()).toEqual(gateways);
    const runDir = join(results, 'smoke', readdirSync(join(results, 'smoke'))[0]!);
    const commands = commandsOfRun(runDir);
    expect(commands.length).toBeGreaterThan(20);
    expect(unforeseen(commands, dry.out)).toEqual([]);
  }, runMaxMs);

  it('has a gateway removed and deployed again by its cephadm', async () => {
    const { code, out } = await run(['failover', '--filter', 'gateway-removed-by-cephadm', '--results', join(dir, 'removed')]);
    expect(out).toMatch(/inject cephadm\.remove at gw\d/);
    expect(code, out).toBe(0);
    await expectUntouched();
    // One of the two has a new id.
    expect((await ids()).filter((id) => gateways.includes(id))).toHaveLength(1);
    gateways = await ids();
  }, runMaxMs);

  it('has a gateway’s host switched off and on by its owner’s commands', async () => {
    const { code, out } = await run(['failover', '--filter', 'gateway-off', '--results', join(dir, 'power')]);
    expect(out).toMatch(/inject gateway\.power-off at gw\d/);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, runMaxMs);

  it('is healed after its run was killed while cephadm had removed a gateway', async () => {
    const { code } = await run(['failover', '--filter', 'gateway-removed-by-cephadm', '--results', join(dir, 'killed')], /ANA group \d taken over/);
    expect(code).toBeNull();
    expect(readJournal('cephadm').open.map(({ what }) => what)).toContain(`service ${foreign.service} handled by cephadm`);
    const healed = await pathproofProcess(['lab', 'heal', '--inventory', file]);
    expect(healed.code, healed.out).toBe(0);
    await expectUntouched();
    expect((await pathproofProcess(['lab', 'heal', '--inventory', file])).out).toMatch(/nothing is left to be undone/);
  }, runMaxMs);

  it('passes the suite of what an administrator does by cephadm', async () => {
    const { code, out } = await run(['cephadm', '--results', join(dir, 'cephadm')]);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, suiteMaxMs);

  it('is refused where a namespace is not the image that the inventory says it is', async () => {
    const [first, second] = plan.topology.namespaces;
    const other = join(dir, 'other.yaml');
    // Both may be overwritten; only who is who is wrong. After the runs above they have different data.
    writeFileSync(other, readFileSync(file, 'utf8').replace(`image: ${first!.image},`, 'image: X,').replace(`image: ${second!.image},`, `image: ${first!.image},`).replace('image: X,', `image: ${second!.image},`));
    const refused = await pathproofProcess(['run', 'smoke', '--seed', 'inv', '--lab', 'inventory', '--inventory', other, '--results', join(dir, 'refused')]);
    expect(refused.code).toBe(3);
    expect(refused.out).toMatch(/the lab broke: namespace 1 \(\S+\) is not image image2: at byte \d+ a host reads other data/);
    await expectUntouched();
  }, runMaxMs);
});
