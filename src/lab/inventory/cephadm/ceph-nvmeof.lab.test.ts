import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJournal } from '../journal.js';
import { ensureCephNvmeof } from '../testing/ceph-nvmeof-image.js';
import type { ForeignCephadm } from '../testing/foreign-cephadm.js';
import { ForeignInventory } from '../testing/foreign-inventory.js';
import { commandsOfLastRun, unforeseen } from '../testing/foreseen.js';
import { pathproofProcess } from '../testing/pathproof-process.js';

const wanted = process.env['PATHPROOF_NVMEOF'] === '1';
if (!wanted) console.log('skipped: ceph-nvmeof is built, and namespaces and virtual machines are made, only with PATHPROOF_NVMEOF=1');

const bringUpMaxMs = 50 * 60_000;
const runMaxMs = 15 * 60_000;

/** The real ceph-nvmeof with its SPDK and its monitor client, deployed by the real cephadm; the Linux kernel's host; nothing of ours but this inventory. */
describe.skipIf(!wanted)('an inventory of the real ceph-nvmeof', () => {
  let lab: ForeignInventory;
  let foreign: ForeignCephadm;
  let specification: string;
  let listeners: string[];

  beforeAll(async () => {
    const image = await ensureCephNvmeof((line) => console.log(line));
    lab = await ForeignInventory.start({ name: 'nvmeof', gateways: image, yaml: ({ topology }) => `{ kind: ceph-nvmeof, subsystem: "${topology.nqn}" }` });
    ({ foreign } = lab);
    specification = await foreign.specification();
    listeners = await listed();
    expect(listeners).toHaveLength(2);
  }, bringUpMaxMs);

  afterAll(() => lab?.end(), 120_000);

  /** As ceph-nvmeof's own command line has them. */
  const listed = async (): Promise<string[]> => {
    const said = JSON.parse(await foreign.nvmeof.cli(['listener', 'list', '--subsystem', lab.plan.topology.nqn], 'gateway')) as { listeners: { host_name: string; traddr: string; trsvcid: number }[] };
    return said.listeners.map(({ host_name: host, traddr, trsvcid }) => `${host} ${traddr}:${trsvcid}`).sort();
  };
  const failover = (scenario: string): Promise<{ code: number | null; out: string }> => lab.prove(['failover', '--filter', scenario, '--results', join(lab.dir, scenario)]);

  /** Nothing of ours is left on any host; the service, the listeners and the gateways' own groups are as before. */
  async function expectUntouched(): Promise<void> {
    await foreign.untilServing(90_000);
    expect(await foreign.specification()).toBe(specification);
    expect(await listed()).toEqual(listeners);
    expect(await lab.leftovers()).toBe('');
    expect(readJournal('nvmeof').open).toEqual([]);
  }

  it('is ready, by its own look', async () => {
    const { code, out } = await pathproofProcess(['inventory', 'check', lab.file]);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, 600_000);

  it('passes smoke, runs what the dry run had shown, and is left as it was', async () => {
    const dry = await lab.run(['smoke', '--dry-run']);
    expect(dry.code).toBe(0);
    const results = join(lab.dir, 'results');
    const { code, out } = await lab.prove(['smoke', '--results', results]);
    expect(code, out).toBe(0);
    await expectUntouched();
    const commands = commandsOfLastRun(results, 'smoke');
    expect(commands.length).toBeGreaterThan(20);
    expect(unforeseen(commands, dry.out)).toEqual([]);
  }, runMaxMs);

  it('has all listeners of a gateway removed by its own command line, each command foreseen', async () => {
    const dry = await lab.run(['failover', '--filter', 'listeners-removed', '--dry-run']);
    const { code, out } = await failover('listeners-removed');
    expect(out).toMatch(/inject gateway\.listeners at gw\d/);
    expect(code, out).toBe(0);
    await expectUntouched();
    const commands = commandsOfLastRun(join(lab.dir, 'listeners-removed'), 'failover');
    expect(commands.some(({ command }) => /'listener' 'del'/.test(command))).toBe(true);
    expect(unforeseen(commands, dry.out)).toEqual([]);
  }, runMaxMs);

  it.each(['gateway-dead', 'gateway-removed-by-cephadm', 'gateway-off'])('passes failover/%s', async (scenario) => {
    const { code, out } = await failover(scenario);
    expect(out).toMatch(/inject \S+ at gw\d/);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, runMaxMs);

  it('is healed after its run was killed while a gateway had no listener', async () => {
    const { code } = await lab.run(['failover', '--filter', 'listeners-removed', '--results', join(lab.dir, 'killed')], /ANA group \d taken over/);
    expect(code).toBeNull();
    expect(await listed()).toHaveLength(listeners.length - 1);
    expect(readJournal('nvmeof').open.map(({ what }) => what)).toContainEqual(expect.stringMatching(/^listener \S+ removed$/));
    const healed = await pathproofProcess(['lab', 'heal', '--inventory', lab.file]);
    expect(healed.code, healed.out).toBe(0);
    await expectUntouched();
  }, runMaxMs);

  it('is refused where its gateways would move the namespaces of one that a fault removes', async () => {
    const usual = specification.replace(/rebalance_period_sec: \d+/, 'rebalance_period_sec: 7');
    expect(usual).not.toBe(specification);
    await foreign.on('ceph', `ceph orch apply -i - <<'END'\n${usual}\nEND`);
    try {
      const { code, out } = await lab.run(['failover', '--filter', 'gateway-removed-by-cephadm', '--results', join(lab.dir, 'refused')]);
      expect(code).toBe(3);
      expect(out).toMatch(/cephadm\.remove: every 7 s the gateways look/);
    } finally {
      await foreign.on('ceph', `ceph orch apply -i - <<'END'\n${specification}\nEND`);
    }
    await expectUntouched();
  }, runMaxMs);
});
