import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { scaleTimers } from '../plan/timers.js';
import type { Beacon, GatewayMap } from './client.js';
import type { BlocklistStore } from './commands.js';
import { connectEmbeddedMonitor, type EmbeddedMonitorClient } from './embedded-client.js';
import { encodeMessage, frameMagic, MessageReader, MonitorError, MonitorLimit, serverMessageSchema, type ServerMessage } from './protocol.js';
import { MonitorServer, type MonitorServerOptions } from './server.js';
import { parseNvmeGwShow } from './show-parser.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

class FakeStore implements BlocklistStore {
  readonly addresses: string[] = [];
  failures = 0;
  epoch = 10;
  blocklist(addresses: string[]): Promise<number> {
    if (this.failures-- > 0) return Promise.reject(new Error('the store is away'));
    this.addresses.push(...addresses);
    return Promise.resolve(++this.epoch);
  }
  list(): Promise<string[]> {
    return Promise.resolve(this.addresses);
  }
}

/** Grace and tick are long enough for a busy machine; a test that needs a death waits for it. */
const timers = scaleTimers(0.1, { beaconGraceMs: 1_000, monTickMs: 200, failbackMs: 100 });

async function monitor(options: Partial<MonitorServerOptions> = {}): Promise<MonitorServer> {
  const server = await MonitorServer.start({
    listen: { host: '127.0.0.1', port: 0 }, timers, store: new FakeStore(), blocklistRetryMs: 5, ...options,
  });
  cleanups.push(() => server.close());
  return server;
}

let nonces = 1000;
function client(port: number, entity = `127.0.0.1:0/${++nonces}`): EmbeddedMonitorClient & { maps: GatewayMap[] } {
  const session = connectEmbeddedMonitor({ host: '127.0.0.1', port, entity, reconnectMs: 5 });
  const maps: GatewayMap[] = [];
  session.onMap((map) => maps.push(map));
  cleanups.push(() => session.close());
  return Object.assign(session, { maps });
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error(`never: ${what}`);
}

function beaconOf(gwId: string, availability: Beacon['availability'], more: Partial<Beacon> = {}): Beacon {
  return {
    gwId, pool: 'rbd', group: 'grp1', availability, lastOsdEpoch: 0, lastGwmapEpoch: 0,
    subsystems: availability === 'CREATED' ? [] : [{
      nqn: 'nqn.t', listeners: [{ adrfam: 'IPv4', traddr: '127.0.0.1', trsvcid: '4420' }], namespaces: [{ anaGroup: 1, nonce: `127.0.0.1:0/${gwId.length}` }],
    }],
    ...more,
  };
}

describe('embedded monitor over TCP', () => {
  it('takes commands as Ceph spells them', async () => {
    const session = client((await monitor()).port);
    await until('connected', () => session.connected);
    const id = { pool: 'rbd', group: 'grp1' };
    expect(await session.command({ prefix: 'nvme-gw create', id: 'gw1', ...id })).toEqual({ code: 0, status: '', output: '' });
    expect((await session.command({ prefix: 'nvme-gw create', id: 'gw2', ...id })).code).toBe(0);
    expect((await session.command({ prefix: 'nvme-gw set-location', id: 'gw2', location: 'east', ...id })).code).toBe(0);
    expect((await session.command({ prefix: 'nvme-gw set-location', id: 'gw2', ...id }))).toMatchObject({ code: -22, status: 'missing required parameter location' });
    expect((await session.command({ prefix: 'nvme-gw disable', id: 'gw2', ...id })).code).toBe(0);
    expect((await session.command({ prefix: 'nvme-gw enable', id: 'gw2', ...id })).code).toBe(0);
    const shown = await session.command({ prefix: 'nvme-gw show', format: 'json', ...id });
    expect(parseNvmeGwShow(shown.output).gateways.map((gateway) => gateway.id)).toEqual(['gw1', 'gw2']);
    expect(JSON.parse((await session.command({ prefix: 'nvme-gw listeners', format: 'json', ...id })).output)).toMatchObject({ 'Created listeners': {} });
    expect((await session.command({ prefix: 'nvme-gw delete', id: 'gw2', ...id })).code).toBe(0);
    expect(JSON.parse((await session.command({ prefix: 'health', format: 'json' })).output)).toMatchObject({ status: 'HEALTH_OK' });
    expect((await session.command({ prefix: 'osd blocklist ls', format: 'json' })).output).toBe('[][]');
    expect(await session.command({ prefix: 'nvme-gw create', pool: 'rbd', group: 'g' })).toMatchObject({ code: -22, status: 'missing required parameter id' });
    expect(await session.command({ prefix: 'osd pool create' })).toMatchObject({ code: -22, status: 'command not known: osd pool create' });
    expect((await session.command({ prefix: '__proto__' })).code).toBe(-22);
    expect((await session.command({ prefix: 'nvme-gw disaster-set', ...id })).code).toBe(-95);
  });

  it('brings a gateway from CREATED to ACTIVE, and its session the maps', async () => {
    const commits: number[] = [];
    const server = await monitor({ onCommit: (epoch) => commits.push(epoch) });
    await server.command({ prefix: 'nvme-gw create', id: 'gw1', pool: 'rbd', group: 'grp1' });
    const [gateway, other] = [client(server.port), client(server.port)];
    await until('connected', () => gateway.connected && other.connected);
    gateway.sendBeacon(beaconOf('gw1', 'CREATED'));
    await until('a first map', () => gateway.maps.length === 1);
    expect(gateway.maps[0]).toMatchObject({ entry: { gwId: 'gw1', groupIndex: 0, availability: 'CREATED' } });
    gateway.sendBeacon(beaconOf('gw1', 'AVAILABLE'));
    await until('a second map', () => gateway.maps.length === 2);
    expect(gateway.maps[1]!.entry!.subsystems).toEqual([{ nqn: 'nqn.t', ana: [{ state: 'OPTIMIZED', osdEpoch: 0 }] }]);
    expect(other.maps).toEqual([]);
    expect(commits).toEqual([1, 2]);
  });

  it('blocklists a silent gateway with retries before its peer gets OPTIMIZED with the epoch', async () => {
    const store = new FakeStore();
    store.failures = 3;
    const server = await monitor({ store });
    for (const id of ['gw1', 'other']) await server.command({ prefix: 'nvme-gw create', id, pool: 'rbd', group: 'grp1' });
    const [dead, peer] = [client(server.port), client(server.port)];
    await until('connected', () => dead.connected && peer.connected);
    dead.sendBeacon(beaconOf('gw1', 'CREATED'));
    dead.sendBeacon(beaconOf('gw1', 'AVAILABLE'));
    let lastGwmapEpoch = 0;
    let lastOsdEpoch = 0;
    peer.onMap((map) => {
      lastGwmapEpoch = map.epoch;
      const state = map.entry?.subsystems[0]?.ana[0];
      if (state?.state === 'OPTIMIZED') lastOsdEpoch = Math.max(lastOsdEpoch, state.osdEpoch);
    });
    peer.sendBeacon(beaconOf('other', 'CREATED'));
    const beat = setInterval(() => peer.sendBeacon(beaconOf('other', 'AVAILABLE', { lastGwmapEpoch, lastOsdEpoch })), 50);
    cleanups.push(async () => clearInterval(beat));
    const stateOfOne = (): string | undefined => server.model.gateways('rbd', 'grp1').find(({ id }) => id === 'other')?.states[1];
    await until('takeover', () => stateOfOne() === 'ACTIVE');
    expect(store.addresses).toEqual(['127.0.0.1:0/3']);
    expect(lastOsdEpoch).toBe(11);
    const epochs = (): number[] => peer.maps.map((map) => map.entry?.subsystems[0]?.ana[0]).filter((state) => state?.state === 'OPTIMIZED').map((state) => state!.osdEpoch);
    // The model is ahead of what has crossed the socket.
    await until('the map without an epoch to wait for', () => epochs().length >= 2);
    expect(epochs()).toEqual([11, 0]);
    // The socket of the dead one was open all the time: only beacons count. It is told with an empty map.
    await until('the empty map', () => dead.maps.at(-1)!.entry === undefined);
  });

  it('is subscribed again after the connection was lost, and gets the present map at once', async () => {
    const server = await monitor();
    await server.command({ prefix: 'nvme-gw create', id: 'gw1', pool: 'rbd', group: 'grp1' });
    const proxy = await passThrough(server.port);
    const gateway = client(proxy.port);
    const changes: boolean[] = [];
    gateway.onConnection((connected) => changes.push(connected));
    await until('connected', () => gateway.connected);
    gateway.sendBeacon(beaconOf('gw1', 'CREATED'));
    gateway.sendBeacon(beaconOf('gw1', 'AVAILABLE'));
    await until('maps', () => gateway.maps.length === 2);
    proxy.cutAll();
    await until('disconnected', () => !gateway.connected);
    gateway.sendBeacon(beaconOf('gw1', 'UNAVAILABLE')); // dropped
    await expect(gateway.command({ prefix: 'health' })).rejects.toMatchObject({ code: 'MON_NOT_CONNECTED' });
    await until('the map again', () => gateway.maps.length === 3);
    expect(gateway.maps[2]!.entry!.availability).toBe('AVAILABLE');
    expect(changes).toEqual([true, false, true]);
  });

  it('keeps trying until the monitor is there, and rejects open commands when it goes', async () => {
    const first = await monitor();
    const { port } = first;
    await first.close();
    const session = client(port);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(session.connected).toBe(false);
    const second = await MonitorServer.start({ listen: { host: '127.0.0.1', port }, timers, store: { blocklist: () => new Promise(() => undefined), list: () => new Promise(() => undefined) } });
    await until('connected', () => session.connected);
    const open = session.command({ prefix: 'osd blocklist ls' });
    const rejected = expect(open).rejects.toMatchObject({ code: 'MON_DISCONNECTED' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await second.close();
    await rejected;
  });

  it('ends its session for good with close', async () => {
    const server = await monitor();
    const session = client(server.port);
    await until('connected', () => session.connected);
    await session.close();
    await session.close();
    expect(session.connected).toBe(false);
    await expect(session.command({ prefix: 'health' })).rejects.toBeInstanceOf(MonitorError);
  });

  it('gives an entity address to its newest connection', async () => {
    const server = await monitor();
    const entity = '127.0.0.1:0/77';
    const older = raw(server.port);
    older.socket.write(encodeMessage({ type: 'hello', version: 1, entity }));
    await until('welcome', () => older.messages.length === 1);
    const newer = client(server.port, entity);
    await until('superseded', () => older.messages.length === 2);
    expect(older.messages[1]).toMatchObject({ type: 'error', code: 'MON_SUPERSEDED' });
    await until('closed', () => older.closed());
    await until('connected', () => newer.connected);
    // The end of the old connection must not take the subscription of the new one away.
    await server.command({ prefix: 'nvme-gw create', id: 'gw1', pool: 'rbd', group: 'grp1' });
    newer.sendBeacon(beaconOf('gw1', 'CREATED'));
    newer.sendBeacon(beaconOf('gw1', 'AVAILABLE'));
    await until('maps', () => newer.maps.at(-1)?.entry?.availability === 'AVAILABLE');
  });

  const header = (length: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32BE(frameMagic, 0);
    bytes.writeUInt32BE(length, 4);
    return bytes;
  };
  it.each([
    ['MON_BAD_FRAME', [Buffer.from('not this protocol at all')]],
    ['MON_FRAME_TOO_LARGE', [header(MonitorLimit.frameBytesMax + 1)]],
    ['MON_BAD_MESSAGE', [header(2), Buffer.from('{}')]],
    ['MON_BAD_HELLO', [encodeMessage({ type: 'beacon', beacon: beaconOf('gw1', 'CREATED') })]],
    ['MON_BAD_HELLO', [encodeMessage({ type: 'hello', version: 2, entity: '127.0.0.1:0/5' })]],
    ['MON_BAD_HELLO', [encodeMessage({ type: 'hello', version: 1, entity: '127.0.0.1:0/5' }), encodeMessage({ type: 'hello', version: 1, entity: '127.0.0.1:0/6' })]],
  ])('says %s, closes, and goes on serving the others (%#)', async (code, chunks) => {
    const server = await monitor();
    const session = client(server.port);
    await until('connected', () => session.connected);
    const bad = raw(server.port);
    for (const chunk of chunks) bad.socket.write(chunk);
    await until('closed', () => bad.closed());
    expect(bad.messages.at(-1)).toMatchObject({ type: 'error', code });
    expect((await session.command({ prefix: 'health' })).output).toBe('HEALTH_OK');
  });

  it('refuses more connections than its limit', async () => {
    const server = await monitor();
    const sockets = Array.from({ length: MonitorLimit.connectionsMax + 1 }, () => raw(server.port));
    await until('one is refused', () => sockets.some(({ closed }) => closed()));
    expect(sockets.filter(({ closed }) => closed())).toHaveLength(1);
  });

  it('says MON_LISTEN when the port is taken', async () => {
    const { port } = await monitor();
    await expect(MonitorServer.start({ listen: { host: '127.0.0.1', port }, timers, store: new FakeStore() })).rejects.toMatchObject({ code: 'MON_LISTEN' });
  });
});

/** A connection without a client behind it. */
function raw(port: number): { socket: Socket; messages: ServerMessage[]; closed: () => boolean } {
  const socket = connect({ host: '127.0.0.1', port });
  const messages: ServerMessage[] = [];
  const reader = new MessageReader(serverMessageSchema);
  let closed = false;
  socket.on('data', (chunk: Buffer) => messages.push(...reader.push(chunk)));
  socket.on('error', () => undefined);
  socket.on('close', () => (closed = true));
  cleanups.push(async () => socket.destroy());
  return { socket, messages, closed: () => closed };
}

/** A proxy whose connections can be reset. */
async function passThrough(target: number): Promise<{ port: number; cutAll: () => void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const out = connect({ host: '127.0.0.1', port: target });
    for (const [a, b] of [[socket, out], [out, socket]] as const) {
      sockets.add(a);
      a.on('error', () => undefined).on('close', () => b.destroy()).pipe(b);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cutAll = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  cleanups.push(async () => {
    cutAll();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === 'object' && address !== null ? address.port : 0, cutAll };
}
