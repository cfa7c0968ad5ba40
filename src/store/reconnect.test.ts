import { afterEach, describe, expect, it } from 'vitest';
import { StoreStatus } from './errors.js';
import { StoreServer } from './server.js';
import {
  BreakableProxy, connect, filled, GatedFiles, RawClient, startStore, tempDir, testImage, Undo, until,
} from './store.test.kit.js';
import { StoreOp } from './wire.js';

const undo = new Undo();
afterEach(() => undo.run());

describe('a write sent again on a new connection', () => {
  it('is answered, not applied, when it has been applied, even if a newer write came since', async () => {
    const store = await startStore(undo);
    const first = new RawClient(store.port);
    await first.hello(9);
    first.write(5, 0, 1);
    await first.next();
    first.socket.destroy();
    const second = new RawClient(store.port);
    await second.hello(9, { connectSeq: 2 });
    second.write(6, 0, 2);
    expect((await second.next()).status).toBe(StoreStatus.ok);
    second.write(5, 0, 1);
    expect(await second.next()).toMatchObject({ id: 5, status: StoreStatus.ok });
    second.send(StoreOp.read, 7, { slba: 0, nlb: 1 });
    expect((await second.next()).payload[0]).toBe(2);
    expect(store.counters()).toMatchObject({ writesApplied: 2, replays: 1 });
    second.socket.destroy();
  });

  it('gets one answer, on the new connection, when its first sending is still held', async () => {
    const store = await startStore(undo);
    store.hold('*');
    const first = new RawClient(store.port);
    await first.hello(9);
    first.write(5, 0, 1);
    await until(() => store.injection().held['*'] === 1);
    const second = new RawClient(store.port);
    await second.hello(9, { connectSeq: 2 });
    await first.closed;
    second.write(5, 0, 1);
    await until(() => store.counters().duplicates === 1);
    expect(store.release()).toBe(1);
    expect(await second.next()).toMatchObject({ id: 5, status: StoreStatus.ok });
    expect(store.counters().writesApplied).toBe(1);
    second.socket.destroy();
  });

  it('is a different write when another instance uses the same nonce and id', async () => {
    const store = await startStore(undo);
    const [one, two] = [new RawClient(store.port), new RawClient(store.port)];
    await one.hello(9, { instance: 'one' });
    await two.hello(9, { instance: 'two' });
    one.write(1, 0, 1);
    await one.next();
    two.write(1, 0, 2);
    await two.next();
    expect(store.counters()).toMatchObject({ writesApplied: 2, replays: 0 });
    one.socket.destroy();
    two.socket.destroy();
  });
});

describe('a late connection', () => {
  it('cannot take the session from a newer one', async () => {
    const store = await startStore(undo);
    const current = new RawClient(store.port);
    await current.hello(9, { connectSeq: 3 });
    const late = new RawClient(store.port);
    expect((await late.hello(9, { connectSeq: 2 })).status).toBe(StoreStatus.staleSession);
    await late.closed;
    current.write(1, 0, 1);
    expect((await current.next()).status).toBe(StoreStatus.ok);
    current.socket.destroy();
  });
});

describe('StoreClient over a breaking network', () => {
  it('loses, repeats and reorders nothing while connections break in the middle of frames', async () => {
    const store = await startStore(undo);
    const proxy = await BreakableProxy.open(undo, store.port);
    let budget = 3_000;
    proxy.budgetBytes = () => (budget += 7_001) % 200_000;
    const client = await connect(undo, proxy.port, 1, { backoffMinMs: 1, backoffMaxMs: 5 });
    const image = await client.openImage(testImage.name);
    const [lanes, rounds] = [16, 60];
    const wrong: string[] = [];
    await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
      for (let round = 1; round <= rounds; round++) {
        await image.write(lane, filled(round));
        const seen = (await image.read(lane, 1))[0];
        if (seen !== round) wrong.push(`lane ${lane}: wrote ${round}, read ${seen}`);
      }
    }));
    expect(wrong).toEqual([]);
    expect(proxy.connections).toBeGreaterThan(10);
    // Every write exactly once, however often it was sent.
    expect(store.counters().writesApplied).toBe(lanes * rounds);
    expect(store.counters().replays + store.counters().duplicates).toBeGreaterThan(0);
  });

  it('hangs while the store is away and goes on with another store process on the same folder', async () => {
    const dir = tempDir(undo);
    const first = await startStore(undo, { dir });
    const { port } = first;
    const client = await connect(undo, port, 1, { backoffMaxMs: 20 });
    const image = await client.openImage(testImage.name);
    await image.write(0, filled(1));
    const lost = new Promise<string>((resolve) => client.onDisconnect(resolve));
    await first.close();
    await lost;
    expect(client.connected).toBe(false);
    const pending = [image.write(1, filled(2)), image.write(1, filled(3)), image.read(0, 1)];
    const back = new Promise<void>((resolve) => client.onReconnect(resolve));
    const second = undo.add(await StoreServer.start({ dir, listen: { host: '127.0.0.1', port } }), (it) => it.close());
    await back;
    const ends = await Promise.all(pending);
    expect((ends[2] as Buffer)[0]).toBe(1);
    expect((await image.read(1, 1))[0]).toBe(3);
    // The new process knows nothing of the old session's answers: numbers begin anew on both sides.
    for (let i = 0; i < 50; i++) await image.write(2, filled(i));
    expect(second.counters().protocolErrors).toBe(0);
  });

  it('learns at the reconnect that it has been fenced, and then everything open is fenced', async () => {
    const store = await startStore(undo);
    const proxy = await BreakableProxy.open(undo, store.port);
    const client = await connect(undo, proxy.port, 1);
    const image = await client.openImage(testImage.name);
    await image.write(0, filled(1));
    store.hold('*');
    const open = image.write(0, filled(66)).catch((error: unknown) => error);
    await until(() => store.injection().held['*'] === 1);
    // The link is cut before the blocklisting, so the notice is lost.
    const fenced = new Promise<void>((resolve) => client.onFenced(resolve));
    const gone = until(() => store.state().clients.length === 0);
    const accepted = proxy.connections;
    proxy.breakAll();
    await gone;
    await store.blocklistAdd([client.address]);
    await fenced;
    expect(proxy.connections).toBeGreaterThan(accepted);
    expect(await open).toMatchObject({ kind: 'fenced' });
    store.release();
    await until(() => store.state().droppedWrites === 1);
  });

  it('gives up an operation only after requestTimeoutMs, as unreachable, and works on', async () => {
    const store = await startStore(undo);
    const client = await connect(undo, store.port, 1, { requestTimeoutMs: 1_500 });
    const image = await client.openImage(testImage.name);
    store.hold('*');
    await expect(image.write(0, filled(1))).rejects.toMatchObject({ kind: 'unreachable', code: 'STORE_TIMEOUT' });
    store.release();
    await image.write(0, filled(2));
    expect((await image.read(0, 1))[0]).toBe(2);
  });

  it('says STORE_UNREACHABLE when nothing answers, STORE_CLOSED for what is open at close', async () => {
    const store = await startStore(undo);
    const client = await connect(undo, store.port, 1);
    const image = await client.openImage(testImage.name);
    store.hold('*');
    const open = image.write(0, filled(1)).catch((error: unknown) => error);
    await client.close();
    expect(await open).toMatchObject({ kind: 'unreachable', code: 'STORE_CLOSED' });
    await expect(image.read(0, 1)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    const { port } = store;
    await store.close();
    await expect(connect(undo, port, 2, { connectTimeoutMs: 100 })).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', kind: 'unreachable' });
  });

  it('keeps more than clientInflightMax operations, in order, while the store holds them', async () => {
    const files = new GatedFiles();
    const store = await startStore(undo, { openFile: files.open });
    const client = await connect(undo, store.port, 1);
    const image = await client.openImage(testImage.name);
    store.hold('*');
    const writes = Array.from({ length: 1500 }, (_, i) => image.write(i % 4, filled(i % 251)));
    await until(() => store.injection().held['*'] === 1024);
    store.release();
    await Promise.all(writes);
    const values = await Promise.all([0, 1, 2, 3].map(async (slba) => (await image.read(slba, 1))[0]));
    expect(values).toEqual([1496, 1497, 1498, 1499].map((i) => i % 251));
  });
});

describe('a connection that breaks while operations are being re-sent', () => {
  it('does not make the store forget the answers that are still to be asked for again', async () => {
    const store = await startStore(undo);
    const proxy = await BreakableProxy.open(undo, store.port);
    const client = await connect(undo, proxy.port, 1, { backoffMinMs: 1, backoffMaxMs: 2 });
    const image = await client.openImage(testImage.name);
    proxy.swallowAfter = (connection) => {
      // All writes arrive, no answer returns; then a few arrive again and are answered; then all goes well.
      if (connection === 2) return { upBytes: Infinity, downBytes: 90 };
      if (connection === 3) return { upBytes: 9_000, downBytes: Infinity };
      return { upBytes: Infinity, downBytes: Infinity };
    };
    proxy.breakAll();
    await until(() => proxy.connections === 2 && client.connected);
    let answered = 0;
    const writes = Promise.all(Array.from({ length: 40 }, (_, slba) => image.write(slba, filled(slba + 1)).then(() => answered++)));
    await until(() => store.counters().writesApplied === 40);
    proxy.breakAll();
    await until(() => store.counters().replays > 0);
    // Let the answers of connection 3 reach the client.
    await until(() => answered > 0);
    proxy.breakAll();
    await writes;
    expect(proxy.connections).toBe(4);
    expect(store.counters().writesApplied).toBe(40);
  });
});
