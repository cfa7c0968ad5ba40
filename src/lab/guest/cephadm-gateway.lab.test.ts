import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BackendError } from '../../gateway/backend.js';
import { nbdBackend } from '../../gateway/nbd/backend.js';
import { NbdClient } from '../../gateway/nbd/client.js';
import { MultipathHost, type NamespaceHead } from '../../initiator/userspace/index.js';
import { IoOpcode } from '../../nvme/index.js';
import { gatewayExitCodes } from '../member/gateway-exit.js';
import { blockSize, nativeRootMissing, NativeGateways, nqn, until, type RunningGateway } from './cephadm-gateway.lab.test.kit.js';

const why = nativeRootMissing();
if (why !== undefined) console.log(`skipped: ${why}`);

const minuteMs = 60_000;
/** More than fits into a capsule, so that it has a data phase that can be held. */
const writeBlocks = 4;
const blocksOf = (fill: number): Buffer => Buffer.alloc(writeBlocks * blockSize, fill);

describe.skipIf(why !== undefined)('two gateways as cephadm starts them, on a real monitor and a real OSD', () => {
  let lab: NativeGateways;
  let host: MultipathHost;
  let gw1: RunningGateway;
  let gw2: RunningGateway;
  const head = (nsid: number): NamespaceHead => host.heads().find((each) => each.nsid === nsid)!;
  const write = async (nsid: number, slba: number, fill: number): Promise<void> => {
    expect(await head(nsid).write(slba, blocksOf(fill))).toMatchObject({ outcome: 'ok' });
  };
  const expectRead = async (nsid: number, slba: number, fill: number): Promise<void> => {
    const { outcome, data } = await head(nsid).read(slba, writeBlocks) as { outcome: string; data?: Buffer };
    expect(outcome).toBe('ok');
    expect(data?.equals(blocksOf(fill)), `block ${slba} of namespace ${nsid} has ${data?.[0]}, not ${fill}`).toBe(true);
  };
  const blocklisted = async ({ info }: RunningGateway, images: readonly string[]): Promise<void> => {
    const list = await lab.blocklist();
    for (const image of images) expect(list).toContain(info.storeAddresses[image]!);
  };

  beforeAll(async () => {
    lab = await NativeGateways.up();
    await lab.deploy('h2', '127.0.0.2');
    await lab.deploy('h3', '127.0.0.3');
    host = new MultipathHost({
      name: 'host1', subNqn: nqn, hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111', hostId: '11111111-1111-4111-8111-111111111111', policy: 'numa', ioQueues: 2,
      headerDigest: true, dataDigest: true, katoMs: 5_000, ioTimeoutMs: 30_000, adminTimeoutMs: 60_000, reconnectDelayMs: 1_000, ctrlLossTmoMs: 600_000, fastIoFailTmoMs: -1, connectTimeoutMs: 3_000,
    });
  }, 3 * minuteMs);
  afterAll(async () => {
    await host?.close();
    await lab?.down();
  }, minuteMs);

  it('join the monitor, are AVAILABLE, and ACTIVE for a group each', async () => {
    gw1 = await lab.start('h2');
    gw2 = await lab.start('h3');
    await lab.untilActive(['h2', 'h3']);
    const { gateways } = await lab.show();
    expect(gateways.map(({ id, availability, listeners }) => [id, availability, listeners])).toEqual([
      ['client.nvmeof.rbd.grp1.h2.aaaaaa', 'AVAILABLE', 1], ['client.nvmeof.rbd.grp1.h3.aaaaaa', 'AVAILABLE', 1],
    ]);
    await expect.poll(() => gw1.state, { timeout: 10_000 }).toMatchObject({ gateway: 'gw1', serving: true, namespaces: 2, listeners: [`127.0.0.2:${lab.port}`], ana: { 1: 'optimized', 2: 'inaccessible' } });
    await expect.poll(() => gw2.state, { timeout: 10_000 }).toMatchObject({ gateway: 'gw2', ana: { 1: 'inaccessible', 2: 'optimized' } });
    expect(gw1.info).toMatchObject({ name: 'gw1', gwId: 'client.nvmeof.rbd.grp1.h2.aaaaaa' });
    // Each image has a client of its own, no two of them the same.
    const addresses = [gw1, gw2].flatMap(({ info }) => Object.values(info.storeAddresses));
    expect(new Set(addresses).size).toBe(4);
    for (const address of addresses) expect(address).toMatch(/^127\.0\.0\.1:0\/\d+$/);
    expect(gw1.state!.storeEpoch).toBeGreaterThan(0);
  }, 2 * minuteMs);

  it('serve a multipath host, which reads what it has written', async () => {
    for (const [gateway, address] of [['gw1', '127.0.0.2'], ['gw2', '127.0.0.3']] as const) host.addController({ gateway, host: address, port: lab.port });
    await host.connectAll();
    await until('both namespaces have a usable path', () => [1, 2].every((nsid) => head(nsid)?.paths.some(({ ana }) => ana === 'optimized')), minuteMs);
    for (const nsid of [1, 2]) {
      await write(nsid, 0, 0x10 + nsid);
      await expectRead(nsid, 0, 0x10 + nsid);
      await expectRead(nsid, 100, 0);
    }
  }, 2 * minuteMs);

  it('a stopped one is taken over from; its client is refused by the OSD, and the write that it still has is never seen', async () => {
    const isGw1 = (name: string): boolean => host.controllers().find((each) => each.name === name)?.gateway === 'gw1';
    const hold = host.holdBeforeH2cData(({ opcode, nsid, controller }) => opcode === IoOpcode.write && nsid === 1 && isGw1(controller));
    const held = head(1).write(8, blocksOf(0xaa));
    await hold.whenHeld(1);
    gw1.signal('SIGSTOP');
    // Into the sockets of the stopped gateway, which has asked for it.
    expect(hold.release()).toEqual({ sent: 1, dropped: 0 });
    await lab.untilActive(['h3', 'h3']);
    await blocklisted(gw1, ['img1']);
    // The host has sent it again, through the other gateway; newer data is upon it.
    expect(await held).toMatchObject({ outcome: 'ok' });
    await write(1, 8, 0xbb);
    await expectRead(1, 8, 0xbb);

    // Straight at the storage daemon of the stopped gateway, which itself was not stopped.
    const nbd = await NbdClient.open(exportSocket(gw1), 'image0');
    await expect(nbdBackend(nbd, blockSize).write(8, blocksOf(0xcc))).rejects.toMatchObject({ kind: 'fenced' });
    await nbd.close();

    gw1.signal('SIGCONT');
    const exit = await gw1.exit;
    console.log(`  the stopped gateway went on and ended with ${exit}: ${/ended: .*/.exec(gw1.said())?.[0] ?? '?'}`);
    expect([gatewayExitCodes.fenced, gatewayExitCodes['failed-over']]).toContain(exit);
    await expectRead(1, 8, 0xbb);
    await expectRead(1, 0, 0x11);
  }, 3 * minuteMs);

  it('it comes back as a new incarnation, and gets its group back', async () => {
    const before = gw1.info.storeAddresses;
    gw1 = await lab.start('h2');
    for (const image of lab.images) expect(gw1.info.storeAddresses[image]).not.toBe(before[image]);
    await lab.untilActive(['h2', 'h3'], 2 * minuteMs);
    await write(1, 16, 0x31);
    await expectRead(1, 8, 0xbb);
    await expectRead(1, 16, 0x31);
  }, 3 * minuteMs);

  it('a killed one is blocklisted and taken over from, and leaves no storage daemon behind', async () => {
    const { storePid } = gw1.info;
    expect(storePid).toBeGreaterThan(0);
    gw1.signal('SIGKILL');
    expect(await gw1.exit).toBe('SIGKILL');
    await until('its storage daemon is gone', () => !alive(storePid!), 5_000);
    await lab.untilActive(['h3', 'h3']);
    await blocklisted(gw1, ['img1']);
    await write(1, 24, 0x41);
    await expectRead(1, 24, 0x41);
    gw1 = await lab.start('h2');
    await lab.untilActive(['h2', 'h3'], 2 * minuteMs);
    await expectRead(1, 24, 0x41);
  }, 4 * minuteMs);

  it('writes can be held before the store', async () => {
    await gw2.member!.request('holdWrites');
    const held = head(2).write(32, blocksOf(0x52));
    await until('a write is held', async () => (await gw2.member!.request('heldWrites')) === 1, 10_000);
    await expectRead(2, 32, 0);
    expect(await gw2.member!.request('releaseWrites')).toBe(1);
    expect(await held).toMatchObject({ outcome: 'ok' });
    await expectRead(2, 32, 0x52);
  }, minuteMs);

  it('a write that it holds while it is blocklisted is refused by the OSD; the host takes another path and loses nothing', async () => {
    await gw1.member!.request('holdWrites');
    const held = head(1).write(40, blocksOf(0x61));
    await until('a write is held', async () => (await gw1.member!.request('heldWrites')) === 1, 10_000);
    await lab.cluster.command({ prefix: 'osd blocklist', blocklistop: 'add', addr: gw1.info.storeAddresses['img1']! });
    // The monitors have it; from when on the OSD has it, only the OSD can say.
    const nbd = await NbdClient.open(exportSocket(gw1), 'image0');
    await until('the OSD refuses its client', () => nbdBackend(nbd, blockSize).read(0, 1).then(() => false, (error: unknown) => (error as BackendError).kind === 'fenced'), 30_000);
    // Its own look at the store may have ended it by now, and the write with it.
    await gw1.member!.request('releaseWrites').catch(() => undefined);
    expect(await gw1.exit).toBe(gatewayExitCodes.fenced);
    expect(gw1.said()).toContain(`fenced: the cluster refuses img1's client ${gw1.info.storeAddresses['img1']!}`);
    await lab.untilActive(['h3', 'h3']);
    const { outcome, sends } = await held;
    expect(outcome).toBe('ok');
    expect(sends).toBeGreaterThan(1);
    await expectRead(1, 40, 0x61);
    gw1 = await lab.start('h2');
    await lab.untilActive(['h2', 'h3'], 2 * minuteMs);
  }, 4 * minuteMs);

  it('one whose storage daemon dies ends itself with that reason, and tells it to a harness that comes later', async () => {
    gw2.member!.close();
    process.kill(gw2.info.storePid!, 'SIGKILL');
    expect(await gw2.exit).toBe(gatewayExitCodes['store-lost']);
    expect(gw2.said()).toMatch(/ended: store-lost: .*(SIGKILL|connection)/);
    expect(gw2.said()).toContain('"detail":"store-lost"');
    await lab.untilActive(['h2', 'h2']);
    await expectRead(2, 32, 0x52);
    gw2 = await lab.start('h3');
    await lab.untilActive(['h2', 'h3'], 2 * minuteMs);
  }, 4 * minuteMs);

  it('keeps its events for a harness that listens later', async () => {
    gw2.member!.close();
    const from = gw2.events.length;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await gw2.attach();
    const times = gw2.events.slice(from).filter(({ type }) => type === 'gw.state').map(({ tUs }) => tUs);
    expect(times.length).toBeGreaterThan(5);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  }, minuteMs);

  it('SIGTERM ends them in good order, within the time that podman gives', async () => {
    const folders = (): number[] => [gw1, gw2].map(({ dir }) => scratchOf(dir).length);
    const before = folders();
    const startedMs = performance.now();
    for (const gateway of [gw1, gw2]) gateway.signal('SIGTERM');
    expect(await Promise.all([gw1.exit, gw2.exit])).toEqual([0, 0]);
    const ms = performance.now() - startedMs;
    console.log(`  ${ms.toFixed(0)} ms from SIGTERM to the end`);
    expect(ms).toBeLessThan(8_000);
    // What killed incarnations left goes with the container; these two have cleaned up.
    expect(folders()).toEqual(before.map((count) => count - 1));
  }, minuteMs);
});

/** The socket of the storage daemon of a running gateway. */
function exportSocket({ info }: RunningGateway): string {
  const path = /addr\.path=([^,\0]+)/.exec(readFileSync(`/proc/${info.storePid!}/cmdline`, 'utf8'))![1]!;
  return join(process.env['PATHPROOF_NATIVE_ROOT']!, path);
}

/** Folders of its storage daemons, one for each incarnation that did not clean up or still runs. */
function scratchOf(dir: string): string[] {
  return readdirSync(dir).filter((name) => name.startsWith('ppgw-')).map((name) => join(dir, name));
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
