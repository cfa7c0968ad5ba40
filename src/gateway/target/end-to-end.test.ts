import { afterEach, describe, expect, it } from 'vitest';
import { discover, MultipathHost } from '../../initiator/userspace/index.js';
import type { HostOptions } from '../../initiator/userspace/index.js';
import type { IoResult } from '../../workload/device.js';
import { cntlidRange } from '../control.js';
import { NvmeTcpTarget } from './target.js';
import { closeLater, nguidOf, nqn, pattern, uuidOf } from './testing/fixture.js';
import { MemoryBackend } from './testing/memory-backend.js';
import type { NvmeTcpTargetOptions } from './options.js';
import type { SocketAddress } from '../control.js';

interface Gateway { target: NvmeTcpTarget; address: SocketAddress }
interface Pair { gateways: [Gateway, Gateway]; backends: MemoryBackend[] }

const hosts: MultipathHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

/** Two gateways that serve the same two namespaces; gateway i + 1 is optimized for ANA group i + 1. */
async function pair(options: NvmeTcpTargetOptions = {}): Promise<Pair> {
  const backends = [1, 2].map(() => new MemoryBackend(2048, 512));
  const gateway = async (index: number): Promise<Gateway> => {
    const target = closeLater(new NvmeTcpTarget(options));
    const { min, max } = cntlidRange(index);
    target.addSubsystem({ nqn, serial: 'PP0001', cntlidMin: min, cntlidMax: max });
    backends.forEach((backend, i) => target.addNamespace(nqn, { nsid: i + 1, uuid: uuidOf(i + 1), nguid: nguidOf(i + 1), anaGroup: i + 1, backend }));
    await target.setAnaState(nqn, index + 1, 'optimized');
    return { target, address: await target.addListener(nqn, { host: '127.0.0.1', port: 0 }) };
  };
  return { gateways: [await gateway(0), await gateway(1)], backends };
}

async function connect({ gateways }: Pair, options: Partial<HostOptions> = {}): Promise<MultipathHost> {
  const host = new MultipathHost({
    name: 'host1', subNqn: nqn, hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555', hostId: '11111111-2222-3333-4444-555555555555',
    reconnectDelayMs: 50, katoMs: 5_000, ...options,
  });
  hosts.push(host);
  gateways.forEach(({ address }, i) => host.addController({ gateway: `gw${i + 1}`, ...address }));
  await host.connectAll();
  await expect.poll(() => host.heads().map((head) => head.paths.length), { timeout: 10_000 }).toEqual([2, 2]);
  await expect.poll(() => host.controllers().map((controller) => controller.state), { timeout: 10_000 }).toEqual(['live', 'live']);
  return host;
}

function expectOk(result: IoResult, gateway: string): void {
  expect(result).toMatchObject({ outcome: 'ok', status: 0 });
  expect(result.path).toMatch(new RegExp(`^${gateway}:`));
}

describe('our initiator against our target', () => {
  it('sees both gateways, their controller ids, and every namespace with its identity', async () => {
    const all = await pair();
    const host = await connect(all);
    expect(host.inventory()).toMatchObject({
      controllers: [{ gateway: 'gw1', cntlid: 1, state: 'live' }, { gateway: 'gw2', cntlid: 2041, state: 'live' }],
      namespaces: [1, 2].map((nsid) => ({ nsid, uuid: uuidOf(nsid), anaGroup: nsid, blockSize: 512, blocks: 2048, gateways: ['gw1', 'gw2'] })),
    });
    for (const controller of host.controllers()) expect(host.refused(controller)).toEqual([]);
  });

  it.each<[string, Partial<HostOptions>, NvmeTcpTargetOptions]>([
    ['plain', {}, {}],
    ['both digests, no SQ flow control', { headerDigest: true, dataDigest: true, disableSqFlow: true }, {}],
    ['several R2Ts, small PDUs, several queues', { maxR2t: 4, ioQueues: 3 }, { r2tBytes: 8192, maxH2cDataBytes: 4096, c2hDataBytes: 4096 }],
  ])('I/O of all sizes goes through the optimized path: %s', async (_what, hostOptions, targetOptions) => {
    const all = await pair(targetOptions);
    const host = await connect(all, hostOptions);
    for (const [i, head] of host.heads().entries()) {
      const gateway = `gw${i + 1}`;
      await Promise.all([1, 8, 16, 17, 128, 256].map(async (nlb, n) => {
        const data = pattern(nlb * 512, n + 10 * i);
        const slba = n * 256;
        expectOk(await head.write(slba, data), gateway);
        const read = await head.read(slba, nlb);
        expectOk(read, gateway);
        // toEqual walks buffers byte by byte.
        expect(read.data?.equals(data)).toBe(true);
        expect(all.backends[i]!.peek(slba, nlb).equals(data)).toBe(true);
      }));
      expectOk(await head.flush(), gateway);
    }
  });

  it('a planned move: demote, then promote elsewhere; I/O queues in between and goes on there', async () => {
    const all = await pair();
    const host = await connect(all);
    const [gw1, gw2] = all.gateways;
    const head = host.heads()[0]!;
    expectOk(await head.write(0, pattern(512)), 'gw1');
    await gw1.target.setAnaState(nqn, 1, 'inaccessible');
    const queued = head.write(1, pattern(512, 2));
    await gw2.target.setAnaState(nqn, 1, 'optimized');
    expectOk(await queued, 'gw2');
    expectOk(await head.read(0, 2), 'gw2');
  });

  it('the owner loses its listener: I/O in flight goes to the new owner; back again after the listener returns', async () => {
    const all = await pair();
    const host = await connect(all);
    const [gw1, gw2] = all.gateways;
    const head = host.heads()[0]!;
    const writes = Array.from({ length: 16 }, (_, i) => head.write(i, pattern(512, i + 1)));
    const removed = gw1.target.removeListener(nqn, gw1.address);
    await gw2.target.setAnaState(nqn, 1, 'optimized');
    await removed;
    for (const write of await Promise.all(writes)) expect(write.outcome).toBe('ok');
    expectOk(await head.read(0, 16), 'gw2');
    await gw1.target.addListener(nqn, gw1.address);
    await expect.poll(() => host.controllers()[0]!.state, { timeout: 10_000 }).toBe('live');
    await gw2.target.setAnaState(nqn, 1, 'inaccessible');
    await gw1.target.setAnaState(nqn, 1, 'optimized');
    const read = await head.read(0, 16);
    expectOk(read, 'gw1');
    expect(read.data).toEqual(Buffer.concat(Array.from({ length: 16 }, (_, i) => pattern(512, i + 1))));
  });

  it('a fenced backend is a path error: the host takes the other gateway once it serves', async () => {
    const all = await pair();
    const own = new MemoryBackend(2048);
    const [gw1, gw2] = all.gateways;
    gw1.target.addNamespace(nqn, { nsid: 3, uuid: uuidOf(3), nguid: nguidOf(3), anaGroup: 1, backend: own });
    gw2.target.addNamespace(nqn, { nsid: 3, uuid: uuidOf(3), nguid: nguidOf(3), anaGroup: 3, backend: new MemoryBackend(2048) });
    own.failWith = 'fenced';
    await gw2.target.setAnaState(nqn, 3, 'optimized');
    const host = new MultipathHost({ name: 'host1', subNqn: nqn, hostNqn: 'nqn.h', hostId: '11111111-2222-3333-4444-555555555555' });
    hosts.push(host);
    all.gateways.forEach(({ address }, i) => host.addController({ gateway: `gw${i + 1}`, ...address }));
    await host.connectAll();
    await expect.poll(() => host.heads()[2]?.paths.length, { timeout: 10_000 }).toBe(2);
    expectOk(await host.heads()[2]!.write(0, pattern(512)), 'gw2');
  });

  it('a namespace that is added shows up', async () => {
    const all = await pair();
    const host = await connect(all);
    const backend = new MemoryBackend(64);
    for (const { target } of all.gateways) target.addNamespace(nqn, { nsid: 7, uuid: uuidOf(7), nguid: nguidOf(7), anaGroup: 2, backend });
    await expect.poll(() => host.heads().find((head) => head.nsid === 7)?.paths.length, { timeout: 10_000 }).toBe(2);
    expectOk(await host.heads().find((head) => head.nsid === 7)!.write(0, pattern(512)), 'gw2');
  });

  it('finds the subsystem by discovery', async () => {
    const all = await pair();
    const { host, port } = all.gateways[0].address;
    const entries = await discover({ host, port });
    expect(entries.map(({ subnqn, traddr, trsvcid }) => [subnqn, traddr, trsvcid])).toEqual([[nqn, host, String(port)]]);
  });
});
