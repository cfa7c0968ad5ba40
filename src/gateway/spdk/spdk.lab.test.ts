import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MultipathHost } from '../../initiator/userspace/index.js';
import { ensureSpdk } from '../../lab/inventory/testing/spdk-program.js';
import { freePorts } from '../../util/free-ports.js';
import type { SocketAddress } from '../control.js';
import { nguidOf, nqn, pattern, uuidOf } from '../target/testing/fixture.js';
import { JsonRpcClient, SpdkControl, SpdkTarget } from './index.js';

const wanted = process.env['PATHPROOF_SPDK'] === '1';
if (!wanted) console.log('skipped: SPDK is built only with PATHPROOF_SPDK=1');

/** Time that each write takes at gw1's storage, milliseconds. */
const slowMs = 400;
const bytes = 1_048_576;

interface Gateway { target: SpdkTarget; control: SpdkControl; address: SocketAddress; rpcs: JsonRpcClient[] }

/** Two real SPDK targets that serve the same two files, driven by the control; our initiator is the host. Storage of gw1 is slow to write. */
describe.skipIf(!wanted)('the control, on SPDK itself', () => {
  let program: string;
  let dir: string;
  const gateways: Gateway[] = [];
  const hosts: MultipathHost[] = [];

  beforeAll(async () => {
    program = join(await ensureSpdk((line) => console.log(line)), 'bin/nvmf_tgt');
  }, 40 * 60_000);
  afterEach(async () => {
    await Promise.all(hosts.splice(0).map((host) => host.close()));
    for (const { target, rpcs } of gateways.splice(0)) {
      for (const rpc of rpcs) rpc.close();
      await target.kill();
    }
  });
  afterAll(() => {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  async function start(index: number): Promise<Gateway> {
    const own = mkdtempSync(join(dir, 'g'));
    const target = await SpdkTarget.start({ program, args: ['--cpumask', '0x1', '--disable-cpumask-locks', '--interrupt-mode', '--no-huge', '--mem-size', '512'], dir: own, log: () => undefined });
    const rpcs = [new JsonRpcClient(target.socket), new JsonRpcClient(target.socket)];
    const control = new SpdkControl({ orders: rpcs[0]!, looks: rpcs[1]!, bdevOf: (image) => Promise.resolve(image), maxNamespaces: 16 });
    await rpcs[0]!.call('nvmf_create_transport', { trtype: 'TCP' });
    await control.addSubsystem({ nqn, serial: 'PP0001', groupIndex: index });
    for (const nsid of [1, 2]) {
      await rpcs[0]!.call('bdev_aio_create', { name: `file${nsid}`, filename: join(dir, `file${nsid}`), block_size: 512 });
      const writeUs = index === 0 ? slowMs * 1_000 : 1;
      await rpcs[0]!.call('bdev_delay_create', { name: `img${nsid}`, base_bdev_name: `file${nsid}`, avg_read_latency: 1, p99_read_latency: 1, avg_write_latency: writeUs, p99_write_latency: writeUs });
      await control.addNamespace(nqn, { nsid, uuid: uuidOf(nsid), nguid: nguidOf(nsid), anaGroup: nsid, image: `img${nsid}` });
    }
    const address = await control.addListener(nqn, { host: '127.0.0.1', port: (await freePorts(1))[0]! });
    const gateway = { target, control, address, rpcs };
    gateways.push(gateway);
    return gateway;
  }

  async function pair(): Promise<{ gw1: Gateway; gw2: Gateway; host: MultipathHost }> {
    dir ??= mkdtempSync(join(tmpdir(), 'ppspdk-'));
    for (const nsid of [1, 2]) {
      const fd = openSync(join(dir, `file${nsid}`), 'w');
      ftruncateSync(fd, bytes);
      closeSync(fd);
    }
    const gw1 = await start(0);
    const gw2 = await start(1);
    const host = new MultipathHost({
      name: 'host1', subNqn: nqn, hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555', hostId: '11111111-2222-3333-4444-555555555555', reconnectDelayMs: 50, katoMs: 5_000,
    });
    hosts.push(host);
    [gw1, gw2].forEach(({ address }, i) => host.addController({ gateway: `gw${i + 1}`, ...address }));
    await host.connectAll();
    await expect.poll(() => host.heads().map((head) => head.paths.length), { timeout: 10_000 }).toEqual([2, 2]);
    await expect.poll(() => host.controllers().map((controller) => controller.state), { timeout: 10_000 }).toEqual(['live', 'live']);
    return { gw1, gw2, host };
  }

  it('serves what it is told, nobody may write, and it says so itself', async () => {
    const { gw1, host } = await pair();
    expect(gw1.target.version).toMatch(/^SPDK v\d+\.\d+/);
    expect(host.inventory()).toMatchObject({
      controllers: [{ gateway: 'gw1', cntlid: 1 }, { gateway: 'gw2', cntlid: 2_041 }],
      namespaces: [1, 2].map((nsid) => ({ nsid, uuid: uuidOf(nsid), anaGroup: nsid, blockSize: 512, blocks: bytes / 512, gateways: expect.arrayContaining(['gw1', 'gw2']) as string[] })),
    });
    for (const head of host.heads()) expect(head.paths.map(({ ana }) => ana)).toEqual(['inaccessible', 'inaccessible']);
    expect(await gw1.control.describe()).toEqual({
      driver: 'spdk', subsystems: [{ nqn, listeners: [{ bound: gw1.address, advertised: gw1.address }], ana: { 1: 'inaccessible', 2: 'inaccessible' }, namespaces: [1, 2].map((nsid) => ({ nsid, uuid: uuidOf(nsid), anaGroup: nsid })) }],
    });
  }, 60_000);

  it('a group is taken away once its writes are at rest, and goes on elsewhere with their data', async () => {
    const { gw1, gw2, host } = await pair();
    const [head] = host.heads();
    await gw1.control.setAnaState(nqn, 1, 'optimized');
    await expect.poll(() => Object.fromEntries(head!.paths.map(({ gateway, ana }) => [gateway, ana]))).toEqual({ gw1: 'optimized', gw2: 'inaccessible' });
    expect((await gw1.control.describe()).subsystems[0]!.ana).toEqual({ 1: 'optimized', 2: 'inaccessible' });
    const data = pattern(4_096, 7);
    let writtenMs = 0;
    const writing = head!.write(8, data).then((result) => {
      writtenMs = performance.now();
      return result;
    });
    // It is at the storage by now, and stays there for a while.
    await new Promise((resolve) => setTimeout(resolve, slowMs / 4));
    expect(writtenMs).toBe(0);
    await gw1.control.setAnaState(nqn, 1, 'inaccessible');
    const takenMs = performance.now();
    expect(await writing).toMatchObject({ outcome: 'ok', status: 0 });
    // Told before it had answered the write: it would have been taken away with the write under way.
    expect(takenMs).toBeGreaterThan(writtenMs - 20);
    await gw2.control.setAnaState(nqn, 1, 'optimized');
    const read = await head!.read(8, 8);
    expect(read.path).toMatch(/^gw2:/);
    expect(read.data?.equals(data)).toBe(true);
  }, 60_000);

  it('a listener that is removed ends its hosts’ connections, and comes back with the states of now', async () => {
    const { gw1, gw2, host } = await pair();
    await gw2.control.setAnaState(nqn, 2, 'optimized');
    await gw2.control.removeListener(nqn, gw2.address);
    await expect.poll(() => host.controllers().map(({ state }) => state === 'live'), { timeout: 10_000 }).toEqual([true, false]);
    expect((await gw2.control.describe()).subsystems[0]!.listeners).toEqual([]);
    await gw2.control.setAnaState(nqn, 1, 'optimized');
    await gw2.control.addListener(nqn, gw2.address);
    await expect.poll(() => host.controllers().map(({ state }) => state), { timeout: 20_000 }).toEqual(['live', 'live']);
    await expect.poll(() => host.heads().map((head) => head.paths.find(({ gateway }) => gateway === 'gw2')?.ana), { timeout: 10_000 }).toEqual(['optimized', 'optimized']);
    expect((await gw1.control.describe()).subsystems[0]!.ana).toEqual({ 1: 'inaccessible', 2: 'inaccessible' });
  }, 60_000);

  it('SPDK that is killed serves nothing, and does not answer', async () => {
    const { gw1, host } = await pair();
    await gw1.target.kill();
    await expect.poll(() => host.controllers().map(({ state }) => state === 'live'), { timeout: 10_000 }).toEqual([false, true]);
    await expect(gw1.control.describe()).rejects.toMatchObject({ code: 'SPDK' });
  }, 60_000);

  it('SPDK that is asked to end does so in good order', async () => {
    const { gw1 } = await pair();
    await gw1.target.stop(10_000);
    expect(await gw1.target.ended).toBe('SPDK ended with exit code 0');
  }, 60_000);

  it('what SPDK refuses is an error with its words', async () => {
    const { gw1 } = await pair();
    await expect(gw1.control.addSubsystem({ nqn, serial: 'PP0001', groupIndex: 0 })).rejects.toMatchObject({ code: 'SPDK_RPC', message: expect.stringMatching(/^nvmf_create_subsystem: /) as string });
    await expect(gw1.control.addListener(nqn, gw1.address)).rejects.toMatchObject({ code: 'SPDK_RPC' });
    await expect(gw1.rpcs[0]!.call('bdev_rbd_register_cluster', { nonsense: 1 })).rejects.toMatchObject({ code: 'SPDK_RPC', unknownMethod: false });
    await expect(gw1.rpcs[0]!.call('no_such_method')).rejects.toMatchObject({ unknownMethod: true });
  }, 60_000);
});
