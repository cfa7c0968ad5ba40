import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readJournal } from './journal.js';
import { commandsOfLastRun, unforeseen } from './testing/foreseen.js';
import type { ForeignCephadm } from './testing/foreign-cephadm.js';
import { ForeignInventory } from './testing/foreign-inventory.js';
import { pathproofProcess } from './testing/pathproof-process.js';
import { ensureSpdk } from './testing/spdk-program.js';

const wanted = process.env['PATHPROOF_SPDK'] === '1';
if (!wanted) console.log('skipped: SPDK is built, and namespaces and virtual machines are made, only with PATHPROOF_SPDK=1');

const bringUpMaxMs = 40 * 60_000;
const runMaxMs = 15 * 60_000;
const suiteMaxMs = 40 * 60_000;

/** A cluster of cephadm's, hosts with SPDK and without a gateway, and a Linux machine, reached by an ssh_config. */
describe.skipIf(!wanted)('an inventory of gateways on SPDK', () => {
  let lab: ForeignInventory;
  let foreign: ForeignCephadm;

  beforeAll(async () => {
    const spdk = await ensureSpdk((line) => console.log(line));
    lab = await ForeignInventory.start({
      name: 'spdk', gateways: 'none', group: 'spdk',
      prepare: async (hosts, { topology: { pool, gateways } }) => {
        await hosts.installSpdk(spdk);
        for (const { name } of gateways) await hosts.on('ceph', `ceph auth get-or-create client.nvmeof.${name} mon 'profile rbd' osd 'profile rbd pool=${pool}'`);
      },
      yaml: () => '{ kind: spdk, spdk: { target: /usr/local/bin/nvmf_tgt, arguments: [--interrupt-mode, --cpumask, "0x1", --no-huge, --mem-size, "512"] } }',
    });
    ({ foreign } = lab);
  }, bringUpMaxMs);

  afterAll(() => lab?.end(), 120_000);

  /** Nothing of ours is left on any host: no program, no SPDK, no gateway at the monitor. */
  async function expectUntouched(): Promise<void> {
    for (const name of ['ceph', 'gw1', 'gw2', 'host1']) {
      expect(await foreign.on(name, 'ls -d /usr/local/lib/pathproof /run/pathproof* /var/log/pathproof /var/cache/pathproof /etc/pathproof/gw* /etc/pathproof/host* 2>/dev/null; pgrep -fa "[l]ib/pathproof/|[n]vmf_tgt" || true'), name).toBe('');
    }
    for (const name of ['gw1', 'gw2']) expect(await foreign.on(name, 'nft list tables'), name).toBe('');
    expect(await foreign.on('ceph', `ceph nvme-gw show ${lab.plan.topology.pool} spdk --format json 2>/dev/null || true`)).not.toMatch(/"gw\d"/);
    expect(readJournal('spdk').open).toEqual([]);
  }

  it('is ready, by its own look', async () => {
    const { code, out } = await pathproofProcess(['inventory', 'check', lab.file, '--json']);
    expect(code, out).toBe(0);
    expect(out).toMatch(/"spdk": ?"SPDK v\d+/);
    await expectUntouched();
  }, 600_000);

  it('passes smoke, runs what the dry run had shown, and is left as it was', async () => {
    const dry = await lab.run(['smoke', '--dry-run']);
    expect(dry.code).toBe(0);
    await expectUntouched();
    const results = join(lab.dir, 'results');
    const { code, out } = await lab.prove(['smoke', '--results', results]);
    expect(code, out).toBe(0);
    await expectUntouched();
    const commands = commandsOfLastRun(results, 'smoke');
    expect(commands.length).toBeGreaterThan(20);
    expect(unforeseen(commands, dry.out)).toEqual([]);
  }, runMaxMs);

  it('passes the failover suite', async () => {
    const { code, out } = await lab.prove(['failover', '--results', join(lab.dir, 'failover')]);
    expect(code, out).toBe(0);
    await expectUntouched();
  }, suiteMaxMs);

  it('is healed after its run was killed', async () => {
    const { code } = await lab.run(['failover', '--filter', 'gateway-dead', '--results', join(lab.dir, 'killed')], /ANA group \d taken over/);
    expect(code).toBeNull();
    expect(readJournal('spdk').open.length).toBeGreaterThan(5);
    const healed = await pathproofProcess(['lab', 'heal', '--inventory', lab.file]);
    expect(healed.code, healed.out).toBe(0);
    await expectUntouched();
  }, runMaxMs);
});
