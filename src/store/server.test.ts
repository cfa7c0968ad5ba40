import { afterEach, describe, expect, it } from 'vitest';
import type { BlockBackend } from '../gateway/backend.js';
import { StoreStatus } from './errors.js';
import type { StoreState } from './server.js';
import {
  blockSize, connect, filled, GatedFiles, RawClient, startStore, tempDir, testImage, Undo, until,
} from './store.test.kit.js';
import { StoreOp } from './wire.js';

const undo = new Undo();
afterEach(() => undo.run());
const value = async (image: BlockBackend, slba: number): Promise<number> => (await image.read(slba, 1))[0]!;
const settled = (promise: Promise<unknown>): { done: boolean } => {
  const state = { done: false };
  promise.then(() => (state.done = true), () => (state.done = true));
  return state;
};
/** Long enough for anything that is not being held back to happen over loopback. */
const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

describe('I/O', () => {
  it('reads what was written, zeroes elsewhere, and knows the geometry', async () => {
    const store = await startStore(undo);
    const client = await connect(undo, store.port, 5);
    const image = await client.openImage(testImage.name);
    expect([image.blockSize, image.blocks, client.address]).toEqual([4096, 256, '127.0.0.1:0/5']);
    await image.write(10, Buffer.concat([filled(1), filled(2), filled(3)]));
    expect(await image.read(9, 5)).toEqual(Buffer.concat([filled(0), filled(1), filled(2), filled(3), filled(0)]));
    await image.writeZeroes(11, 1);
    await image.deallocate(12, 1);
    await image.flush();
    expect(await image.read(10, 3)).toEqual(Buffer.concat([filled(1), filled(0, 2)]));
  });

  it('serves several clients and several images at once', async () => {
    const store = await startStore(undo);
    const [one, two] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    await one.createImage({ name: 'other', bytes: 1024 * 512, blockSize: 512 });
    const [a, b, other] = [await one.openImage(testImage.name), await two.openImage(testImage.name), await two.openImage('other')];
    await Promise.all(Array.from({ length: 200 }, (_, i) => (i % 2 ? a : b).write(i, filled(i))));
    await other.write(0, Buffer.alloc(512, 9));
    for (const i of [0, 7, 199]) expect(await value(b, i)).toBe(i);
    expect(await one.listImages()).toEqual([testImage, { name: 'other', bytes: 1024 * 512, blockSize: 512 }]);
  });

  it('rejects with the kind that a gateway needs', async () => {
    const files = new GatedFiles();
    const store = await startStore(undo, { openFile: files.open });
    const client = await connect(undo, store.port, 5);
    const image = await client.openImage(testImage.name);
    await expect(image.read(255, 2)).rejects.toMatchObject({ kind: 'range', code: 'STORE_RANGE' });
    await expect(image.write(256, filled(1))).rejects.toMatchObject({ kind: 'range' });
    await expect(image.write(0, Buffer.alloc(100))).rejects.toMatchObject({ kind: 'range' });
    await expect(client.openImage('none')).rejects.toMatchObject({ code: 'STORE_NO_SUCH_IMAGE' });
    files.failWith = 'ENOSPC';
    await expect(image.write(0, filled(1))).rejects.toMatchObject({ kind: 'no-space', code: 'STORE_NO_SPACE' });
    files.failWith = 'EIO';
    await expect(image.write(0, filled(1))).rejects.toMatchObject({ kind: 'io', code: 'STORE_IO' });
    files.failWith = null;
    await image.write(0, filled(1));
    expect(await value(image, 0)).toBe(1);
  });

  it('checks ranges and data lengths itself, whatever the client checks', async () => {
    const store = await startStore(undo);
    const raw = new RawClient(store.port);
    await raw.hello(9);
    raw.send(StoreOp.read, 1, { slba: 255, nlb: 2 });
    raw.send(StoreOp.read, 2, { slba: 2 ** 47, nlb: 1 });
    raw.send(StoreOp.read, 3, { slba: 0, nlb: 0 });
    raw.send(StoreOp.read, 4, { handle: 7, slba: 0, nlb: 1 });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await raw.next()).status);
    expect(statuses).toEqual([StoreStatus.range, StoreStatus.range, StoreStatus.range, StoreStatus.noSuchImage]);
    raw.send(StoreOp.write, 5, { slba: 0, nlb: 2, payload: filled(1) });
    await raw.closed;
    expect(store.counters().protocolErrors).toBe(1);
  });

  it('never tears overlapping writes, and no read sees half of one', async () => {
    const files = new GatedFiles();
    files.tearing = true;
    const store = await startStore(undo, { openFile: files.open });
    const clients = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const images = await Promise.all(clients.map((client) => client.openImage(testImage.name)));
    const blocks = 64;
    const torn: string[] = [];
    await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
      const image = images[lane % 2]!;
      for (let round = 0; round < 25; round++) {
        if (lane < 5) await image.write(0, filled(lane * 25 + round + 1, blocks));
        else {
          const data = await image.read(0, blocks);
          if (!data.equals(filled(data[0]!, blocks))) torn.push(`lane ${lane} round ${round}`);
        }
      }
    }));
    expect(torn).toEqual([]);
    const last = await images[0]!.read(0, blocks);
    expect(last.equals(filled(last[0]!, blocks))).toBe(true);
  });
});

describe('fencing', () => {
  it('refuses everything of a blocklisted client, tells it at once, and leaves others alone', async () => {
    const store = await startStore(undo);
    const [victim, monitor] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const image = await victim.openImage(testImage.name);
    const others = await monitor.openImage(testImage.name);
    await image.write(0, filled(1));
    const told = new Promise<void>((resolve) => victim.onFenced(resolve));
    expect(await monitor.blocklist([victim.address])).toBe(2);
    await told;
    expect([victim.fenced, monitor.currentEpoch(), await monitor.blocklistLs()]).toEqual([true, 2, [victim.address]]);
    for (const attempt of [image.write(0, filled(2)), image.read(0, 1), image.flush(), image.deallocate(0, 1), victim.fetchEpoch()]) {
      await expect(attempt).rejects.toMatchObject({ kind: 'fenced', code: 'STORE_FENCED' });
    }
    expect(await value(others, 0)).toBe(1);
    await others.write(0, filled(3));
  });

  it('refuses by itself what a client that ignores its fencing sends, and counts the writes', async () => {
    const store = await startStore(undo);
    const raw = new RawClient(store.port);
    await raw.hello(9);
    await store.blocklistAdd(['127.0.0.1:0/9']);
    expect(await raw.next()).toMatchObject({ op: StoreOp.notice, status: StoreStatus.fenced, id: 0, epoch: 2 });
    raw.write(1, 0, 66);
    raw.send(StoreOp.read, 2, { slba: 0, nlb: 1 });
    raw.send(StoreOp.deallocate, 3, { slba: 0, nlb: 1 });
    raw.send(StoreOp.flush, 4);
    raw.send(StoreOp.admin, 5, { payload: Buffer.from('{"method":"epoch"}') });
    for (let i = 0; i < 5; i++) expect((await raw.next()).status).toBe(StoreStatus.fenced);
    expect(store.state()).toMatchObject({ droppedWrites: 2, clients: [{ name: 'raw9', address: '127.0.0.1:0/9', fenced: true }] });
    expect(store.counters()).toMatchObject({ writesApplied: 0, reads: 0 });
  });

  it('drops writes that were held before their pwrite when their client was blocklisted', async () => {
    const store = await startStore(undo);
    const [victim, monitor] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const [old, taker] = [await victim.openImage(testImage.name), await monitor.openImage(testImage.name)];
    await monitor.hold('client1');
    const late = [old.write(0, filled(66)), old.write(1, filled(66)), old.writeZeroes(2, 1)];
    const ends = Promise.allSettled(late);
    await until(() => store.injection().held['client1'] === 3);
    await monitor.waitForEpoch(await monitor.blocklist([victim.address]));
    for (const slba of [0, 1, 2]) await taker.write(slba, filled(7));
    expect(store.state().droppedWrites).toBe(0);
    expect(await monitor.release('client1')).toBe(3);
    await until(() => store.state().droppedWrites === 3);
    expect(await Promise.all([0, 1, 2].map((slba) => value(taker, slba)))).toEqual([7, 7, 7]);
    for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { kind: 'fenced' } });
  });

  it('drops writes that were delayed, or waiting for an overlapping write, when their client was blocklisted', async () => {
    const files = new GatedFiles();
    const store = await startStore(undo, { openFile: files.open });
    const [victim, other] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const [old, taker] = [await victim.openImage(testImage.name), await other.openImage(testImage.name)];
    files.holding = true;
    const running = taker.write(0, filled(7));
    await until(() => files.begun.length === 1);
    const waiting = old.write(0, filled(66)).catch((error: unknown) => error);
    store.setLatency(120);
    const delayed = old.write(1, filled(66)).catch((error: unknown) => error);
    // Both have arrived: the store answers in order of arrival to a request that it need not delay.
    await victim.fetchEpoch();
    await store.blocklistAdd([victim.address]);
    files.letGo();
    await running;
    await until(() => store.state().droppedWrites === 2);
    store.setLatency(0);
    for (const end of [await waiting, await delayed]) expect(end).toMatchObject({ kind: 'fenced' });
    expect([await value(taker, 0), await value(taker, 1)]).toEqual([7, 0]);
  });

  it('acknowledges the blocklist only after a pwrite that had begun has ended', async () => {
    const files = new GatedFiles();
    const store = await startStore(undo, { openFile: files.open });
    const [victim, monitor] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const [old, taker] = [await victim.openImage(testImage.name), await monitor.openImage(testImage.name)];
    files.holding = true;
    const begun = old.write(0, filled(1));
    await until(() => files.begun.length === 1);
    const blocklisted = monitor.blocklist([victim.address]);
    const epochSeen = taker.read(1, 1);
    const waited = settled(monitor.waitForEpoch(2));
    const acknowledged = settled(blocklisted);
    await epochSeen;
    await aWhile();
    expect([acknowledged.done, waited.done, store.epoch]).toEqual([false, false, 1]);
    files.letGo();
    expect(await blocklisted).toBe(2);
    // It began before the blocklist took hold, so it may succeed: it can no longer come late.
    await begun;
    expect(await value(taker, 0)).toBe(1);
  });

  it('stops a long zeroing in the middle', async () => {
    const files = new GatedFiles();
    const store = await startStore(undo, { openFile: files.open });
    const [victim, monitor] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const [old, taker] = [await victim.openImage(testImage.name), await monitor.openImage(testImage.name)];
    for (const slba of [0, 200]) await taker.write(slba, filled(5));
    files.holding = true;
    const zeroing = old.deallocate(0, 256).catch((error: unknown) => error);
    await until(() => files.begun.length === 1);
    const blocklisted = monitor.blocklist([victim.address]);
    await until(() => store.blocklistLs().length === 1);
    files.letGo();
    await blocklisted;
    expect(await zeroing).toMatchObject({ kind: 'fenced' });
    expect([await value(taker, 0), await value(taker, 200)]).toEqual([0, 5]);
  });

  it('lets a client in again under a new nonce, or after a removal from the blocklist', async () => {
    const store = await startStore(undo);
    await store.blocklistAdd(['127.0.0.1:0/1']);
    await expect(connect(undo, store.port, 1)).rejects.toMatchObject({ code: 'STORE_FENCED' });
    await connect(undo, store.port, 11);
    expect(await store.blocklistRm(['127.0.0.1:0/1'])).toBe(3);
    await connect(undo, store.port, 1);
  });

  it('keeps blocklist, epoch and data over a restart', async () => {
    const dir = tempDir(undo);
    const first = await startStore(undo, { dir });
    const image = await (await connect(undo, first.port, 1)).openImage(testImage.name);
    await image.write(3, filled(4));
    await first.blocklistAdd(['127.0.0.1:0/1']);
    await first.close();
    const second = await startStore(undo, { dir });
    expect(second.state()).toMatchObject({ epoch: 2, blocklist: ['127.0.0.1:0/1'] });
    await expect(connect(undo, second.port, 1)).rejects.toMatchObject({ code: 'STORE_FENCED' });
    expect(await value(await (await connect(undo, second.port, 2)).openImage(testImage.name), 3)).toBe(4);
  });
});

describe('state events', () => {
  it('tell of clients, blocklist and dropped writes', async () => {
    const store = await startStore(undo);
    const seen: StoreState[] = [];
    store.onState((state) => seen.push(state));
    const client = await connect(undo, store.port, 1);
    await until(() => seen.at(-1)?.clients.length === 1);
    await store.blocklistAdd([client.address]);
    // Not throttled: the event precedes the acknowledgement.
    expect(seen.at(-1)).toMatchObject({ epoch: 2, blocklist: [client.address], clients: [{ fenced: true }] });
    await client.close();
    await until(() => seen.at(-1)?.clients.length === 0);
    const raw = new RawClient(store.port);
    await raw.hello(1);
    raw.write(1, 0, 66);
    await until(() => seen.at(-1)?.droppedWrites === 1);
    raw.socket.destroy();
  });
});

describe('defects, each of which an honest store does not show', () => {
  async function lateWrite(defect: 'fence-on-arrival-only' | 'ignore-blocklist' | null): Promise<number> {
    const store = await startStore(undo);
    const [victim, taker] = [await connect(undo, store.port, 1), await connect(undo, store.port, 2)];
    const [old, image] = [await victim.openImage(testImage.name), await taker.openImage(testImage.name)];
    if (defect !== null) await taker.setDefect(defect, true);
    store.hold('client1');
    old.write(0, filled(66)).catch(() => undefined);
    await until(() => store.injection().held['client1'] === 1);
    await store.blocklistAdd([victim.address]);
    await image.write(0, filled(7));
    store.release();
    await until(() => store.counters().writesApplied === 2 || store.state().droppedWrites === 1);
    return value(image, 0);
  }
  it('a late write lands after the blocklisting', async () => {
    expect([await lateWrite(null), await lateWrite('fence-on-arrival-only'), await lateWrite('ignore-blocklist')]).toEqual([7, 66, 66]);
  });

  it('ignore-blocklist serves a blocklisted client, fence-on-arrival-only does not', async () => {
    const store = await startStore(undo);
    store.setDefect('fence-on-arrival-only', true);
    await store.blocklistAdd(['127.0.0.1:0/1']);
    await expect(connect(undo, store.port, 1)).rejects.toMatchObject({ code: 'STORE_FENCED' });
    store.setDefect('ignore-blocklist', true);
    const image = await (await connect(undo, store.port, 1)).openImage(testImage.name);
    await image.write(0, filled(1));
    expect(await value(image, 0)).toBe(1);
  });

  it('ack-before-write acknowledges, then lets a read see the old data', async () => {
    const store = await startStore(undo);
    const image = await (await connect(undo, store.port, 1)).openImage(testImage.name);
    store.setDefect('ack-before-write', true);
    await image.write(0, filled(1));
    expect(store.counters().writesApplied).toBe(0);
    await until(async () => (await value(image, 0)) === 1);
  });

  it('lose-writes loses an acknowledged write now and then', async () => {
    const store = await startStore(undo);
    const image = await (await connect(undo, store.port, 1)).openImage(testImage.name);
    store.setDefect('lose-writes', true);
    for (let slba = 0; slba < 200; slba++) await image.write(slba, filled(1));
    const data = await image.read(0, 200);
    const lost = Array.from({ length: 200 }, (_, slba) => slba).filter((slba) => data[slba * blockSize] === 0);
    expect(lost).toEqual([96, 193]);
  });
});
