import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventBody } from '../../../history/events.js';
import { StoreClient } from '../../../store/index.js';
import { LinkFabric } from '../../link/index.js';
import { Child } from './child.test.kit.js';
import type { StoreMemberConfig, StoreMemberInfo } from './store.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const blockSize = 4096;
const image = { name: 'rbd/ns1', bytes: 64 * blockSize, blockSize };
function tempDir(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pathproof-store-'));
  undo.push(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}
async function startStore(dir: string): Promise<Child<StoreMemberInfo>> {
  const config: StoreMemberConfig = { dir, images: [image] };
  const child = await Child.start<StoreMemberInfo>('./store.ts', config);
  undo.push(() => child.kill());
  return child;
}
async function connect(port: number, nonce: number): Promise<StoreClient> {
  const client = await StoreClient.connect({ host: '127.0.0.1', port, name: `client${nonce}`, nonce });
  undo.push(() => client.close());
  return client;
}
const versioned = (lane: number, version: number): Buffer => {
  const block = Buffer.alloc(blockSize, lane);
  for (let at = 0; at < blockSize; at += 512) block.writeUInt32LE(version, at);
  return block;
};
/** The version in a block; throws if the block is torn or another lane's. */
function versionOf(lane: number, block: Buffer): number {
  const version = block.readUInt32LE(0);
  if (version !== 0 && !block.equals(versioned(lane, version))) throw new Error(`block ${lane} is torn`);
  return version;
}

describe('the store member', () => {
  it('keeps every acknowledged write when it is SIGKILLed again and again in the middle of writes', { timeout: 90_000 }, async () => {
    const dir = tempDir();
    let store = await startStore(dir);
    const fabric = new LinkFabric();
    undo.push(() => fabric.close());
    const { port } = await fabric.addLink('gw1-store', { host: '127.0.0.1', port: store.info.port });
    const client = await connect(port, 1);
    const lanes = await client.openImage(image.name);
    const laneCount = 16;
    const acked = new Array<number>(laneCount).fill(0);
    const issued = new Array<number>(laneCount).fill(0);
    let stop = false;
    const writers = Array.from({ length: laneCount }, async (_, lane) => {
      while (!stop) {
        const version = ++issued[lane]!;
        await lanes.write(lane, versioned(lane, version));
        acked[lane] = version;
      }
    });
    const total = (): number => acked.reduce((sum, version) => sum + version, 0);

    for (let kill = 0; kill < 3; kill++) {
      const before = total();
      while (total() < before + 500) await new Promise((resolve) => setTimeout(resolve, 1));
      await store.kill();
      const promised = [...acked];
      store = await startStore(dir);
      // Straight from the new process, before the old client can reach it through the link.
      const reader = await connect(store.info.port, 100 + kill);
      const direct = await reader.openImage(image.name);
      for (let lane = 0; lane < laneCount; lane++) {
        const version = versionOf(lane, await direct.read(lane, 1));
        expect(version).toBeGreaterThanOrEqual(promised[lane]!);
        expect(version).toBeLessThanOrEqual(issued[lane]!);
      }
      fabric.setTarget('gw1-store', { host: '127.0.0.1', port: store.info.port });
    }
    stop = true;
    await Promise.all(writers);
    for (let lane = 0; lane < laneCount; lane++) {
      expect(versionOf(lane, await lanes.read(lane, 1))).toBe(issued[lane]);
    }
  });

  it('remembers blocklist and epoch if it is SIGKILLed right after it has acknowledged them', async () => {
    const dir = tempDir();
    const store = await startStore(dir);
    const monitor = await connect(store.info.port, 9);
    const victim = await connect(store.info.port, 1);
    const epoch = await monitor.blocklist([victim.address]);
    await store.kill();
    const again = await startStore(dir);
    await expect(connect(again.info.port, 1)).rejects.toMatchObject({ code: 'STORE_FENCED' });
    expect(await again.call('state')).toMatchObject({ epoch, blocklist: [victim.address] });
  });

  it('drops held writes of a fenced client over its IPC channel, and reports its state as events', async () => {
    const store = await startStore(tempDir());
    const victim = await connect(store.info.port, 1);
    const old = await victim.openImage(image.name);
    await store.call('hold', { client: 'client1' });
    const late = old.write(0, versioned(0, 66)).catch((error: unknown) => error);
    const state = (): Promise<{ injection: { held: Record<string, number> } }> => store.call('state');
    while ((await state()).injection.held['client1'] !== 1) continue;
    expect(await store.call('blocklistAdd', { addresses: [victim.address] })).toBe(2);
    expect(await late).toMatchObject({ kind: 'fenced' });
    expect(await store.call('release')).toBe(1);
    const events = (): Extract<EventBody, { type: 'store.state' }>[] => store.events.filter((event) => event.type === 'store.state');
    while (events().at(-1)?.droppedWrites !== 1) await new Promise((resolve) => setTimeout(resolve, 3));
    expect(events().at(-1)).toMatchObject({ epoch: 2, blocklist: ['127.0.0.1:0/1'], clients: [{ name: 'client1', fenced: true }] });
    const other = await (await connect(store.info.port, 2)).openImage(image.name);
    expect(versionOf(0, await other.read(0, 1))).toBe(0);
  });

  it('says its state when nothing changes, too', async () => {
    const store = await startStore(tempDir());
    const states = (): number => store.events.filter(({ type }) => type === 'store.state').length;
    const before = states();
    while (states() < before + 2) await new Promise((resolve) => setTimeout(resolve, 20));
  }, 20_000);

  it('refuses wrong parameters and goes on', async () => {
    const store = await startStore(tempDir());
    await expect(store.call('blocklistAdd', { addresses: ['gw1'] })).rejects.toThrow(/address/);
    await expect(store.call('setDefect', { defect: 'x', on: true })).rejects.toThrow(/defect/);
    await expect(store.call('setLatency', { latencyMs: -1 })).rejects.toThrow(/latency/);
    expect(await store.call('blocklistLs')).toEqual([]);
  });

  it('ends with code 1 and a reason if its state is damaged', async () => {
    const dir = tempDir();
    fs.writeFileSync(path.join(dir, 'state.json'), 'x');
    await expect(startStore(dir)).rejects.toThrow(/STORE_STATE_CORRUPT|state\.json/);
  });
});
