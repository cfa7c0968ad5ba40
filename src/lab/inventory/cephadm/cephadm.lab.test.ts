import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../../plan/types.js';
import { readJournal } from '../journal.js';
import { commandsOfLastRun, unforeseen } from '../testing/foreseen.js';
import type { ForeignCephadm } from '../testing/foreign-cephadm.js';
import { ForeignInventory } from '../testing/foreign-inventory.js';
import { pathproofProcess } from '../testing/pathproof-process.js';

const wanted = process.env['PATHPROOF_NATIVE'] === '1';
if (!wanted) console.log('skipped: namespaces and virtual machines are made only with PATHPROOF_NATIVE=1');

const bringUpMaxMs = 20 * 60_000;
const runMaxMs = 15 * 60_000;
const suiteMaxMs = 40 * 60_000;

/** Hosts of the native lab whose gateways cephadm has deployed, and a Linux machine, reached by an ssh_config: no harness has a program in the gateways. */
describe.skipIf(!wanted)('an inventory of gateways that cephadm has deployed', () => {
  let lab: ForeignInventory;
  let foreign: ForeignCephadm;
  let plan: Plan;
  let specification: string;
  let gateways: string[];

  beforeAll(async () => {
    lab = await ForeignInventory.start({ name: 'cephadm', gateways: 'own', yaml: ({ topology, shape }) => `{ kind: ceph-nvmeof, subsystem: "${topology.nqn}", timers: { disconnectPanicMs: ${shape.timers.disconnectPanicMs} } }` });
    ({ foreign, plan } = lab);
    specification = await foreign.specification();
    gateways = await ids();
  }, bringUpMaxMs);

  afterAll(() => lab?.end(), 120_000);

  const ids = async (): Promise<string[]> => (await foreign.gateways()).map(({ id }) => id).sort();

  /** Nothing of ours is left on any host; cephadm has its service as before, each gateway serves its own group. */
  async function expectUntouched(): Promise<void> {
    await foreign.untilServing(90_000);
    expect(await foreign.specification()).toBe(specification);
    expect(await lab.leftovers()).toBe('');
    expect(readJournal('cephadm').open).toEqual([]);
  }

  it('is ready, by its own look, although the gateways have the images open', async () => {
    const { code, out } = await pathproofProcess(['inventory', 'check', lab.file]);
    expect(code, out).toBe(0);
    expect(out).toMatch(/✓ image image1 may be overwritten: nothing was ever written to it/);
    await expectUntouched();
    // Somebody else has it open, too: until its standard input says something.
    await foreign.on('ceph', `podman exec -d foreign-cli sh -c 'sleep 600 | rbd watch ${plan.topology.pool}/image1 & echo $! >/tmp/watcher; wait'`);
    await expect.poll(async () => (await pathproofProcess(['inventory', 'check', lab.file])).out, { timeout: 60_000 }).toMatch(/✗ image image1 must not be overwritten: somebody has it open: \S+$/m);
    await foreign.on('ceph', 'podman exec foreign-cli sh -c "kill \\$(cat /tmp/watcher)"');
    // The watch of a client that was killed stays for half a minute (osd_client_watch_timeout).
    await expect.poll(async () => (await pathproofProcess(['inventory', 'check', lab.file])).code, { timeout: 120_000 }).toBe(0);
  }, 600_000);

  it('passes smoke, runs what the dry run had shown, and is left as it was', async () => {
    const dry = await lab.run(['smoke', '--dry-run']);
    expect(dry.code).toBe(0);
    await expectUntouched();
    const results = join(lab.dir, 'results');
    const { code, out } = await lab.run(['smoke', '--results', results]);
    expect(code, out).toBe(0);
    await expectUntouched();
    expect(await ids()).toEqual(gateways);
    const commands = commandsOfLastRun(results, 'smoke');
    expect(commands.length).toBeGreaterThan(20);
    expect(unforeseen(commands, dry.out)).toEqual([]);
  }, runMaxMs);

  it('has a gateway removed and deployed again by its cephadm', async () => {
    const { code, out } = await lab.run(['failover', '--filter', 'gateway-removed-by-cephadm', '--results', join(lab.dir, 'removed')]);
    expect(out).toMatch(/inject cephadm\.remove at gw\d/);
    expect(code, out).toBe(0);
    await expectUntouched();
    // One of the two has a new id.
    expect((await ids()).filter((id) => gateways.includes(id))).toHaveLength(1);
    gateways = await ids();
  }, runMaxMs);

  it('has a gateway’s host switched off and on by its owner’s commands', async () => {
    const { code, out } = await lab.run(['failover', '--filter', 'gateway-off', '--results', join(lab.dir, 'power')]);
    expect(out).toMatch(/inject gateway\.power-off at gw\d/);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, runMaxMs);

  it('is healed after its run was killed while cephadm had removed a gateway', async () => {
    const { code } = await lab.run(['failover', '--filter', 'gateway-removed-by-cephadm', '--results', join(lab.dir, 'killed')], /ANA group \d taken over/);
    expect(code).toBeNull();
    expect(readJournal('cephadm').open.map(({ what }) => what)).toContain(`service ${foreign.service} handled by cephadm`);
    const healed = await pathproofProcess(['lab', 'heal', '--inventory', lab.file]);
    expect(healed.code, healed.out).toBe(0);
    await expectUntouched();
    expect((await pathproofProcess(['lab', 'heal', '--inventory', lab.file])).out).toMatch(/nothing is left to be undone/);
  }, runMaxMs);

  it('passes the suite of what an administrator does by cephadm', async () => {
    const { code, out } = await lab.run(['cephadm', '--results', join(lab.dir, 'cephadm')]);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, suiteMaxMs);

  it('is refused where a namespace is not the image that the inventory says it is', async () => {
    const [first, second] = plan.topology.namespaces;
    const other = join(lab.dir, 'other.yaml');
    // Both may be overwritten; only who is who is wrong. After the runs above they have different data.
    writeFileSync(other, readFileSync(lab.file, 'utf8').replace(`image: ${first!.image},`, 'image: X,').replace(`image: ${second!.image},`, `image: ${first!.image},`).replace('image: X,', `image: ${second!.image},`));
    const refused = await pathproofProcess(['run', 'smoke', '--seed', 'inv', '--lab', 'inventory', '--inventory', other, '--results', join(lab.dir, 'refused')]);
    expect(refused.code).toBe(3);
    expect(refused.out).toMatch(/the lab broke: namespace 1 \(\S+\) is not image image2: at byte \d+ a host reads other data/);
    await expectUntouched();
  }, runMaxMs);
});
