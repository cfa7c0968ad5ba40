import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decideKvm, type Accel } from './accel.js';
import { ensureImage } from './image/image.js';
import { defaultRecipe } from './image/recipe.js';
import { addressOf, fabricNames, type FabricName } from './network.js';
import { bootAll, fabricCard, makeNodes, restoreAll } from './nodes.js';
import { startSwitch, type RunningSwitch } from './switch/index.js';
import { ensureKeys } from './vm/keys.js';
import type { QemuVm } from './vm/vm.js';

const wanted = process.env['PATHPROOF_QEMU'] === '1';
if (!wanted) console.log('skipped: virtual machines are started only with PATHPROOF_QEMU=1');

/** Real machines, real kernels, our switch between them. Minutes, not seconds, if the image has to be built first. */
describe.skipIf(!wanted)('two virtual machines', () => {
  let dir: string;
  let fabrics: RunningSwitch | undefined;
  let nodes = new Map<string, QemuVm>();
  let accel: Accel;
  const names = ['gw1', 'host1'];

  beforeAll(async () => {
    const image = await ensureImage(defaultRecipe(), { progress: (line) => console.log(line) });
    accel = (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg';
    dir = mkdtempSync(join(tmpdir(), 'ppvm-'));
    fabrics = await startSwitch({ dir, seed: 'lab test', fabrics: fabricNames.map((name) => ({ name, nodes: names })) }, join(dir, 'switch.log'));
    nodes = makeNodes(names.map((name) => ({ name, memoryMb: 512, cpus: 1, modules: ['nvme-tcp'] })), {
      image, accel, keys: await ensureKeys(dir), dir, logDir: join(dir, 'logs'), progress: (node, step) => console.log(`${node}: ${step}`),
    });
    await bootAll(nodes.values(), (node, step) => console.log(`${node}: ${step}`));
  }, 30 * 60_000);

  afterAll(async () => {
    for (const vm of nodes.values()) await vm.kill();
    await fabrics?.end();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  const host = (): QemuVm => nodes.get('host1')!;
  const received = async (fabric: FabricName, count = 3): Promise<number> => {
    const { stdout } = await host().ssh.exec(`ping -q -c ${count} -i 0.2 -W 2 ${addressOf(fabric, 'gw1')}`, { okCodes: [0, 1] });
    return Number(/(\d+) received/.exec(stdout)![1]);
  };

  it('cut, delay and heal a fabric, and only that one', async () => {
    const { client } = fabrics!;
    expect(await received('a')).toBe(3);
    const cut = await client.add({ fabric: 'a', node: 'gw1', direction: 'both', action: { kind: 'cut' } });
    expect(await received('a')).toBe(0);
    expect(await received('b')).toBe(3);
    expect((await client.port('a', 'gw1')).cutFrames).toBeGreaterThan(0);
    await client.heal(cut);
    expect(await received('a')).toBe(3);
    const delay = await client.add({ fabric: 'a', node: 'gw1', direction: 'to', action: { kind: 'delay', delayMs: 200 } });
    const { stdout } = await host().ssh.exec(`ping -q -c 3 -i 0.2 ${addressOf('a', 'gw1')}`);
    expect(Number(/= ([\d.]+)\//.exec(stdout)![1])).toBeGreaterThanOrEqual(200);
    await client.heal(delay);
  }, 120_000);

  it('show the guest a cable that is out', async () => {
    const carrier = async (): Promise<string> => (await host().ssh.exec(`cat /sys/class/net/${fabricCard('b')}/carrier`)).stdout.trim();
    await host().setLink('b', false);
    expect(await carrier()).toBe('0');
    await host().setLink('b', true);
    expect(await carrier()).toBe('1');
  }, 60_000);

  it('take and give files and streams', async () => {
    await host().ssh.upload(Buffer.from([0, 255, 10]), '/tmp/in/file');
    await host().ssh.download('/tmp/in/file', join(dir, 'back'));
    expect((await host().ssh.exec('stat -c %s /tmp/in/file')).stdout.trim()).toBe('3');
    const lines: string[] = [];
    const stream = host().ssh.stream('cat', (line) => {
      lines.push(line);
      if (lines.length === 2) stream.stop();
    });
    stream.write('one\ntwo\n');
    await stream.ended;
    expect(lines).toEqual(['one', 'two']);
    await expect(host().ssh.exec('echo broken >&2; exit 7')).rejects.toMatchObject({ code: 'NODE_COMMAND', details: ['broken'] });
  }, 60_000);

  it('keep time like the machine they run on', async () => {
    for (const vm of nodes.values()) {
      // The round trip of a command bounds the error.
      const startedMs = Date.now();
      const first = Number((await vm.ssh.exec('date +%s%3N')).stdout);
      const middleMs = Date.now();
      await host().ssh.exec('sleep 5');
      const secondStartMs = Date.now();
      const second = Number((await vm.ssh.exec('date +%s%3N')).stdout);
      const elapsed = second - first;
      expect(elapsed).toBeGreaterThan((secondStartMs - middleMs) * 0.95);
      expect(elapsed).toBeLessThan((Date.now() - startedMs) * 1.05);
    }
  }, 120_000);

  it('come back from a snapshot, in the same process and in a new one', async () => {
    await host().ssh.exec('echo before >/root/mark');
    await host().saveSnapshot('here');
    await host().ssh.exec('echo after >/root/mark');
    await host().loadSnapshot('here');
    await host().untilSshAgain();
    expect((await host().ssh.exec('cat /root/mark')).stdout).toBe('before\n');
    await host().kill();
    await restoreAll([host()], 'here');
    expect((await host().ssh.exec('cat /root/mark')).stdout).toBe('before\n');
    expect(await received('a')).toBe(3);
  }, 180_000);

  it('report a panic with the last words of the console', async () => {
    const vm = nodes.get('gw1')!;
    void vm.ssh.exec('echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger', { timeoutMs: 5_000 }).catch(() => undefined);
    expect(await vm.broken).toMatchObject({ kind: 'panic' });
    expect(vm.consoleTail().join('\n')).toContain('sysrq');
    const exit = vm.exited;
    await vm.kill();
    expect(await exit).toMatchObject({ signal: 'SIGKILL' });
    expect(vm.identity).toBeUndefined();
  }, 60_000);
});
