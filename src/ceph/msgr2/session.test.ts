import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { keepalive2 } from './control.js';
import { CephError } from './errors.js';
import { Tag } from './frame.js';
import { MonCandidates } from './candidates.js';
import { huntParallel, Limit } from './limits.js';
import { message, MessageType } from './message.js';
import type { Message } from './message.js';
import { monCommand, monCommandAck, monGetMap, monGetVersion, monGetVersionReply, osdMapMessage } from './mon-messages.js';
import { CephMonSession } from './session.js';
import type { CephMonSessionOptions } from './session.js';
import { FakeMon } from './testing/fake-mon.js';
import type { FakeConnection, FakeMonOptions } from './testing/fake-mon.js';

const key2 = 'AgAk2wBr/G9QDiAAvHXoV+1HKsB+C6YVWHTVVqhlrAu5PjxrT9TBlYujJW0=';
const key1 = 'AQCW2wBribxDGRAAPnMAGD07m38GNYGMKQCTRQ==';
const fast = { reconnectMs: 5, reconnectMaxMs: 20, osdEpochPollMs: 5 };
const generousMs = 20_000;

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function fakeMon(o: FakeMonOptions = {}): Promise<FakeMon> {
  const mon = await FakeMon.listen(o);
  cleanups.push(() => mon.close());
  return mon;
}

function session(mons: FakeMon | FakeMon[], o: Partial<CephMonSessionOptions> = {}): CephMonSession {
  const open = new CephMonSession({ mons: [mons].flat().map(({ endpoint }) => endpoint), entity: 'client.x', timers: fast, ...o });
  cleanups.push(() => open.close());
  return open;
}

/** Resolves when the session's connection state is `wanted`. */
function state(open: CephMonSession, wanted: boolean): Promise<void> {
  return new Promise((resolve) => {
    if (open.connected === wanted) return resolve();
    open.onConnection((connected) => connected === wanted && resolve());
  });
}

async function failure(promise: Promise<unknown>): Promise<CephError> {
  try {
    await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(CephError);
    return error as CephError;
  }
  throw new Error('resolved');
}

/** A fake monitor that runs every command: the output is the command. */
function answering(mon: FakeMon): void {
  mon.onMessage = (connection, m) => {
    if (m.type !== MessageType.monCommand) return;
    const { fsid, command } = monCommand.decode(m);
    const code = fsid.equals(mon.fsid) ? 0 : -1;
    connection.send(monCommandAck.encode({ code, status: 'done', command, output: Buffer.from(command[0]!) }, m.tid));
  };
}

describe('connecting', () => {
  it('with auth none: subscribes to the monmap and to what was asked for', async () => {
    const mon = await fakeMon();
    const open = session(mon);
    open.subscribe('NVMeofGw');
    open.subscribe('osdmap', { start: 7n, onetime: true });
    await open.whenConnected(generousMs);
    const connection = await mon.connected();
    await mon.until(() => connection.subscriptions.size === 3);
    expect([...connection.subscriptions.values()]).toEqual(expect.arrayContaining([
      { what: 'monmap', start: 0n, onetime: false }, { what: 'NVMeofGw', start: 0n, onetime: false }, { what: 'osdmap', start: 7n, onetime: true },
    ]));
    expect(open.fsid).toBe('abababab-abab-abab-abab-abababababab');
    expect(open.globalId).toBe(connection.globalId);
    expect(open.secure).toBe(false);
    expect(open.entityAddress).toBe(`127.0.0.1:0/${connection.ident!.addresses[0]!.nonce}`);
    expect(open.monitor).toEqual(mon.endpoint);
    expect(mon.connections.every(({ problem }) => problem === undefined)).toBe(true);
  });

  it.each([
    ['crc mode, key type 2', key2, 'crc', false], ['secure mode, key type 2', key2, 'secure', true],
    ['crc mode, key type 1', key1, 'crc', false], ['secure mode, key type 1', key1, 'secure', true],
    ['whatever comes first, crc preferred', key2, 'prefer-crc', false], ['whatever comes first, secure preferred', key2, 'prefer-secure', true],
  ] as const)('with cephx, %s; commands work', async (_what, key, mode, secure) => {
    const mon = await fakeMon({ keys: { x: key } });
    mon.faults.coalesce = true;
    answering(mon);
    const open = session(mon, { key, mode });
    await open.whenConnected(generousMs);
    expect(open.secure).toBe(secure);
    const reply = await open.command({ prefix: 'status', text: 'x'.repeat(500) });
    expect(reply).toMatchObject({ code: 0, status: 'done' });
    expect(reply.output.toString()).toContain('"prefix":"status"');
    expect(mon.connections.every(({ problem }) => problem === undefined)).toBe(true);
  });

  it('to a monitor that only allows secure mode', async () => {
    const mon = await fakeMon({ keys: { x: key2 }, modes: [2] });
    const open = session(mon, { key: key2 });
    await open.whenConnected(generousMs);
    expect(open.secure).toBe(true);
    expect((await failure(session(mon, { key: key2, mode: 'crc' }).whenConnected(generousMs))).code).toBe('AUTH_METHOD');
  });

  it('keeps the nonce that it is given', async () => {
    const mon = await fakeMon();
    const open = session(mon, { nonce: 0xdead });
    await open.whenConnected(generousMs);
    expect(open.entityAddress).toBe('127.0.0.1:0/57005');
  });

  it('through a relay: announces the monitor\'s own address', async () => {
    const mon = await fakeMon();
    const relay = createServer((socket) => {
      void import('node:net').then(({ connect }) => {
        const out = connect(mon.endpoint);
        socket.on('error', () => out.destroy()).on('close', () => out.destroy()).pipe(out);
        out.on('error', () => socket.destroy()).on('close', () => socket.destroy()).pipe(socket);
      });
    });
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => void relay.close());
    const relayed = { host: '127.0.0.1', port: (relay.address() as AddressInfo).port };
    const open = session(mon, { mons: [{ ...relayed, announced: mon.endpoint }] });
    await open.whenConnected(generousMs);
    expect(open.monitor).toMatchObject(relayed);
    // Without it the monitor hangs up, and says nothing.
    const other = session(mon, { mons: [relayed] });
    expect((await failure(other.whenConnected(300))).message).toMatch(/MON_TIMEOUT.*in step ident|MON_TIMEOUT.*ECONNRESET/);
  });
});

describe('what cannot work is told at once', () => {
  it.each([
    ['a wrong key', { entity: 'client.x', key: key1 }, 'AUTH_DENIED'],
    ['an unknown entity', { entity: 'client.y', key: key2 }, 'AUTH_DENIED'],
    ['auth none at a monitor that wants cephx', { entity: 'client.x' }, 'AUTH_METHOD'],
  ])('%s: %#', async (_what, o, expected) => {
    const mon = await fakeMon({ keys: { x: key2 } });
    const open = session(mon, o);
    const error = await failure(open.whenConnected(generousMs));
    expect(error.code).toBe(expected);
    expect(open.lastError?.code).toBe(expected);
  });

  it('a cluster with another fsid', async () => {
    const mon = await fakeMon();
    const open = session(mon, { fsid: '00000000-0000-4000-8000-000000000000' });
    let connected = false;
    open.onConnection((up) => { connected ||= up; });
    expect((await failure(open.whenConnected(generousMs))).code).toBe('MON_WRONG_CLUSTER');
    expect(connected).toBe(false);
    expect((await failure(open.command({ prefix: 'x' }))).code).toBe('MON_NOT_CONNECTED');
  });

  it('features that we lack', async () => {
    const mon = await fakeMon();
    mon.faults.missingFeatures = 0x80n;
    expect((await failure(session(mon).whenConnected(generousMs))).code).toBe('MSGR_FEATURES');
  });

  it('and is tried again all the same: the key may be made later', async () => {
    const mon = await fakeMon({ keys: { other: key2 } });
    const open = session(mon, { key: key2 });
    expect((await failure(open.whenConnected(generousMs))).code).toBe('AUTH_DENIED');
    mon.keys!.set('x', mon.keys!.get('other')!);
    await open.whenConnected(generousMs);
  });

  it.each([
    ['no monitor', { mons: [] }, 'MSGR_FIELD'],
    ['port 0', { mons: [{ host: '127.0.0.1', port: 0 }] }, 'MSGR_FIELD'],
    ['too many monitors', { mons: Array.from({ length: Limit.monsMax + 1 }, (_, i) => ({ host: '127.0.0.1', port: i + 1 })) }, 'MSGR_LIMIT'],
    ['an entity that is no client', { entity: 'osd.1' }, 'MSGR_FIELD'],
    ['a key that is none', { key: 'secret' }, 'AUTH_KEY_FORMAT'],
    ['secure mode without a key', { mode: 'secure' as const }, 'AUTH_METHOD'],
    ['an fsid that is none', { fsid: 'x' }, 'MSGR_FIELD'],
  ])('%s: the constructor throws', (_what, o, expected) => {
    const make = (): CephMonSession => new CephMonSession({ mons: [{ host: '127.0.0.1', port: 1 }], entity: 'client.x', ...o });
    expect(make).toThrow(new RegExp(`^${expected}:`));
  });
});

describe('a connection that is lost', () => {
  it('comes back with the same address and global_id, and subscribes again', async () => {
    const mon = await fakeMon({ keys: { x: key2 } });
    const open = session(mon, { key: key2 });
    open.subscribe('NVMeofGw');
    await open.whenConnected(generousMs);
    const first = await mon.connected();
    const { globalId, entityAddress } = open;
    for (let round = 0; round < 3; round += 1) {
      const before = mon.connections.length;
      mon.dropAll();
      const again = await mon.until(() => mon.connections.length > before && mon.open.at(-1));
      await mon.until(() => again.subscriptions.has('NVMeofGw'));
      expect(again.globalIdAsked).toBe(globalId);
      expect(again.globalId).toBe(globalId);
      expect(again.ident!.addresses).toEqual(first.ident!.addresses);
      expect(again.ident!.globalSeq).toBeGreaterThan(first.ident!.globalSeq);
    }
    expect(open.entityAddress).toBe(entityAddress);
    expect(mon.connections.every(({ problem }) => problem === undefined)).toBe(true);
  });

  it('gets a new global_id when the monitors have forgotten the ticket', async () => {
    const mon = await fakeMon({ keys: { x: key2 } });
    const open = session(mon, { key: key2 });
    await open.whenConnected(generousMs);
    const old = open.globalId;
    mon.tickets.forget();
    mon.dropAll();
    await state(open, false);
    await state(open, true);
    expect(mon.open.at(-1)!.globalId).not.toBe(old);
    expect(open.globalId).toBe(mon.open.at(-1)!.globalId);
  });

  it('is told to the listeners; open commands reject, the next ones work', async () => {
    const mon = await fakeMon();
    const seen: boolean[] = [];
    const open = session(mon);
    open.onConnection((connected) => seen.push(connected));
    await open.whenConnected(generousMs);
    const lost = failure(open.command({ prefix: 'never answered' }));
    const version = failure(open.version('osdmap'));
    await mon.until(() => mon.open[0]?.received.some(({ type }) => type === MessageType.monGetVersion));
    mon.dropAll();
    expect((await lost).code).toBe('MON_DISCONNECTED');
    expect((await version).code).toBe('MON_DISCONNECTED');
    expect((await failure(open.command({ prefix: 'x' }))).code).toBe('MON_NOT_CONNECTED');
    expect(open.send(monGetMap.encode())).toBe(false);
    await state(open, true);
    answering(mon);
    expect((await open.command({ prefix: 'x' })).code).toBe(0);
    expect(seen).toEqual([true, false, true]);
  });

  it('is announced to a listener that comes late', async () => {
    const mon = await fakeMon();
    const open = session(mon);
    await open.whenConnected(generousMs);
    expect(await new Promise((resolve) => open.onConnection(resolve))).toBe(true);
  });

  it('a monitor that is down is tried until it is back', async () => {
    const mon = await fakeMon();
    const open = session(mon);
    await open.whenConnected(generousMs);
    const { port } = mon.endpoint;
    await mon.close();
    await state(open, false);
    expect((await failure(open.whenConnected(100))).message).toMatch(/^MON_TIMEOUT: .*ECONNREFUSED/);
    await mon.listen(port);
    await open.whenConnected(generousMs);
  });

  it('without answers to keepalives it is given up', async () => {
    const mon = await fakeMon();
    const open = session(mon, { timers: { ...fast, keepaliveMs: 10, keepaliveTimeoutMs: 1_500 } });
    await open.whenConnected(generousMs);
    const first = await mon.connected();
    await mon.until(() => first.keepalives >= 15);
    expect(first.gone).toBe(false);
    mon.faults.noKeepalive = true;
    await state(open, false);
    expect(open.lastError?.code).toBe('MON_KEEPALIVE');
    mon.faults.noKeepalive = false;
    await mon.until(() => mon.open.at(-1) !== first && mon.open.at(-1));
  });
});

describe('hunting', () => {
  it('connects to one of several, whichever answer', async () => {
    const mons = [await fakeMon(), await fakeMon(), await fakeMon()];
    mons[0]!.faults.mute = true;
    mons[1]!.faults.noMonMap = true;
    const open = session(mons);
    await open.whenConnected(generousMs);
    expect(open.monitor).toEqual(mons[2]!.endpoint);
    // The losers of the round are let go.
    await mons[1]!.until(() => mons[1]!.connections.every(({ gone }) => gone));
  });

  it('moves on when its monitor goes away', async () => {
    const mons = [await fakeMon(), await fakeMon()];
    const open = session(mons);
    await open.whenConnected(generousMs);
    const used = mons.find(({ endpoint }) => endpoint.port === open.monitor!.port)!;
    const other = mons.find((mon) => mon !== used)!;
    await used.close();
    await state(open, false);
    await state(open, true);
    expect(open.monitor).toEqual(other.endpoint);
  });

  it('learns monitors from the monmap', async () => {
    const [first, second] = [await fakeMon(), await fakeMon()];
    first.peers = [second.endpoint];
    const open = session(first);
    await open.whenConnected(generousMs);
    await first.close();
    await state(open, false);
    await open.whenConnected(generousMs);
    expect(open.monitor).toEqual(second.endpoint);
  });

  it('does not unlearn them from a monmap that is older than the one it has', async () => {
    const [first, second] = [await fakeMon(), await fakeMon()];
    first.peers = [second.endpoint];
    first.monMapEpoch = 5;
    const open = session(first);
    await open.whenConnected(generousMs);
    first.peers = [];
    first.monMapEpoch = 4;
    const connection = await first.connected();
    connection.send(first.monMap());
    const told = new Promise<void>((resolve) => open.onMessage(() => resolve()));
    connection.send(message(900, 1, Buffer.alloc(0)));
    await told;
    await first.close();
    await state(open, false);
    await open.whenConnected(generousMs);
    expect(open.monitor).toEqual(second.endpoint);
  });

  it('does not learn any when it is told so', async () => {
    const [first, second] = [await fakeMon(), await fakeMon()];
    first.peers = [second.endpoint];
    const open = session(first, { learnMons: false });
    await open.whenConnected(generousMs);
    await first.close();
    await state(open, false);
    expect((await failure(open.whenConnected(200))).code).toBe('MON_TIMEOUT');
    expect(second.connections).toHaveLength(0);
  });

  it.each([['says nothing', 'mute'], ['shakes hands, but has no quorum', 'noMonMap']] as const)('a monitor that %s is left after the round', async (_what, fault) => {
    const mon = await fakeMon();
    mon.faults[fault] = true;
    const open = session(mon, { timers: { ...fast, huntMs: 60 } });
    await mon.until(() => mon.connections.length >= 2);
    expect(open.lastError?.code).toBe('MON_HANDSHAKE_TIMEOUT');
    expect(open.connected).toBe(false);
    mon.faults[fault] = false;
    mon.dropAll();
    await open.whenConnected(generousMs);
  });

  it('a server that is no monitor: MSGR_BANNER', async () => {
    const web = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => void web.close());
    const open = new CephMonSession({ mons: [{ host: '127.0.0.1', port: (web.address() as AddressInfo).port }], entity: 'client.x', timers: fast });
    cleanups.push(() => open.close());
    expect((await failure(open.whenConnected(200))).message).toMatch(/MSGR_BANNER/);
  });

  it('a wrong signature ends the attempt', async () => {
    const mon = await fakeMon({ keys: { x: key2 } });
    mon.faults.wrongSignature = true;
    const open = session(mon, { key: key2 });
    await mon.until(() => open.lastError !== undefined);
    expect(open.lastError!.code).toBe('AUTH_SIGNATURE');
    mon.faults.wrongSignature = false;
    await open.whenConnected(generousMs);
  });

  it('takes every candidate before any comes again, the lost one last', () => {
    const mons = Array.from({ length: 7 }, (_, i) => ({ host: 'm', port: i + 1 }));
    const candidates = new MonCandidates(mons);
    const rounds = [candidates.next(mons[3]), candidates.next(), candidates.next()];
    expect(rounds.every((round) => round.length === huntParallel)).toBe(true);
    const order = rounds.flat().slice(0, 7);
    expect(new Set(order.map(({ port }) => port)).size).toBe(7);
    expect(order.at(-1)).toBe(mons[3]);
    candidates.learn([{ host: 'm', port: 1 }, { host: 'n', port: 9 }]);
    expect(candidates.all).toHaveLength(8);
    expect(new MonCandidates(mons.slice(0, 2)).next()).toHaveLength(2);
  });
});

describe('messages', () => {
  const connected = async (o: Partial<CephMonSessionOptions> = {}): Promise<{ mon: FakeMon; open: CephMonSession; connection: FakeConnection }> => {
    const mon = await fakeMon();
    const open = session(mon, o);
    await open.whenConnected(generousMs);
    return { mon, open, connection: await mon.connected() };
  };
  const next = (open: CephMonSession): Promise<Message> => new Promise((resolve) => open.onMessage(resolve));

  it('of unknown types reach the listeners; a repeated sequence number does not', async () => {
    const { open, connection } = await connected();
    const seen: number[] = [];
    open.onMessage((m) => seen.push(m.type));
    connection.send(message(900, 1, Buffer.alloc(0)));
    connection.sendAgain(message(901, 1, Buffer.alloc(0)));
    const last = new Promise<void>((resolve) => open.onMessage((m) => m.type === 902 && resolve()));
    connection.send(message(902, 1, Buffer.alloc(0)));
    await last;
    expect(seen).toEqual([900, 902]);
  });

  it('acknowledge what came before', async () => {
    const { mon, open, connection } = await connected();
    const got = next(open);
    connection.send(message(900, 1, Buffer.alloc(0)));
    await got;
    open.send(monGetMap.encode());
    const sent = await mon.until(() => connection.received.find(({ type }) => type === MessageType.monGetMap)) as Message & { ackSeq: bigint };
    expect(sent.ackSeq).toBe(2n); // the monmap and the message
  });

  it('a listener that throws, contents that cannot be read, a frame that has no place here: the connection is given up', async () => {
    const { mon, open, connection } = await connected();
    open.onMessage((m) => {
      if (m.type === 900) throw new CephError('MSGR_FIELD', 'test');
    });
    const closes = async (from: FakeConnection, action: () => void, code: string): Promise<FakeConnection> => {
      action();
      await mon.until(() => from.gone);
      expect(open.lastError?.code ?? code).toBe(code);
      return mon.until(() => mon.open.at(-1) !== from && mon.open.at(-1));
    };
    const second = await closes(connection, () => connection.send(message(900, 1, Buffer.alloc(0))), 'MSGR_FIELD');
    const third = await closes(second, () => second.send(message(MessageType.osdMap, 4, Buffer.alloc(5))), 'MSGR_TRUNCATED');
    const fourth = await closes(third, () => third.sendFrame({ tag: Tag.wait, segments: [Buffer.alloc(0)] }), 'MSGR_UNEXPECTED');
    await closes(fourth, () => fourth.sendRaw(Buffer.alloc(64, 0x55)), 'MSGR_CRC');
    await open.whenConnected(generousMs);
  });

  it('keepalives of the monitor are answered, acks ignored', async () => {
    const { mon, open, connection } = await connected();
    connection.sendFrame({ tag: Tag.ack, segments: [Buffer.alloc(8)] });
    connection.sendFrame(keepalive2.encode({ seconds: 1, nanoseconds: 2 }));
    answering(mon);
    expect((await open.command({ prefix: 'x' })).code).toBe(0);
    expect(connection.problem).toBeUndefined();
  });

  it('versions', async () => {
    const { mon, open } = await connected();
    mon.onMessage = (connection, m) => {
      if (m.type === MessageType.monGetVersion) connection.send(monGetVersionReply.encode({ handle: monGetVersion.decode(m).handle, version: 41n, oldest: 1n }));
    };
    expect(await open.version('osdmap')).toEqual({ newest: 41n, oldest: 1n });
    expect(open.osdEpoch).toBe(41);
  });

  it('commands: answers in any order, a timeout, and a limit', async () => {
    const { mon, open } = await connected({ timers: { ...fast, commandMs: 150 } });
    const waiting: Message[] = [];
    mon.onMessage = (connection, m) => {
      if (m.type !== MessageType.monCommand) return;
      waiting.push(m);
      if (waiting.length !== 3) return;
      for (const each of [waiting[2]!, waiting[0]!]) {
        connection.send(monCommandAck.encode({ code: -22, status: 'no', command: [], output: Buffer.from(monCommand.decode(each).command[0]!) }, each.tid));
      }
    };
    const replies = [1, 2, 3].map((n) => open.command({ prefix: `c${n}` }));
    const silent = failure(replies[1]!);
    expect((await replies[0]!).output.toString()).toBe('{"prefix":"c1"}');
    expect(await replies[2]!).toMatchObject({ code: -22, status: 'no' });
    expect((await silent).code).toBe('MON_TIMEOUT');
    const many = Array.from({ length: Limit.openRequestsMax + 1 }, () => failure(open.command({ prefix: 'x' })));
    expect((await many.at(-1)!).code).toBe('MON_TOO_MANY_COMMANDS');
    expect((await many[0]!).code).toBe('MON_TIMEOUT');
  });
});

describe('waiting for an osdmap epoch', () => {
  it('asks until the monitors have it, over a reconnection', async () => {
    const mon = await fakeMon();
    let epoch = 3n;
    let asked = 0;
    mon.onMessage = (connection, m) => {
      if (m.type !== MessageType.monGetVersion) return;
      asked += 1;
      if (asked === 2) return connection.drop();
      if (asked === 5) epoch = 9n;
      connection.send(monGetVersionReply.encode({ handle: monGetVersion.decode(m).handle, version: epoch, oldest: 1n }));
    };
    const open = session(mon);
    await open.waitForOsdEpoch(9, generousMs);
    expect(asked).toBeGreaterThanOrEqual(5);
    expect(open.osdEpoch).toBe(9);
    const before = asked;
    await open.waitForOsdEpoch(8);
    expect(asked).toBe(before);
  });

  it('an osdmap that comes by subscription counts', async () => {
    const mon = await fakeMon();
    const open = session(mon);
    open.subscribe('osdmap');
    await open.whenConnected(generousMs);
    const connection = await mon.connected();
    const waited = open.waitForOsdEpoch(12, generousMs);
    connection.send(osdMapMessage.encode({ fsid: mon.fsid, newest: 12, incremental: new Map([[12, Buffer.alloc(3)]]), full: new Map() }));
    await waited;
  });

  it('rejects after its time, and when the session is closed', async () => {
    const mon = await fakeMon();
    const open = session(mon, { timers: { ...fast, commandMs: 20 } });
    expect((await failure(open.waitForOsdEpoch(9, 60))).code).toBe('MON_TIMEOUT');
    const closed = failure(open.waitForOsdEpoch(9, generousMs));
    await open.close();
    expect((await closed).code).toBe('MON_CLOSED');
  });
});

describe('close', () => {
  it('rejects what is open and never connects again', async () => {
    const mon = await fakeMon();
    const open = session(mon);
    await open.whenConnected(generousMs);
    const connection = await mon.connected();
    const command = failure(open.command({ prefix: 'x' }));
    const seen: boolean[] = [];
    open.onConnection((connected) => seen.push(connected));
    await open.close();
    expect((await command).code).toBe('MON_CLOSED');
    await mon.until(() => connection.gone);
    expect(seen.at(-1)).toBe(false);
    expect((await failure(open.whenConnected(10))).code).toBe('MON_CLOSED');
    expect((await failure(open.command({ prefix: 'x' }))).code).toBe('MON_CLOSED');
    await open.close();
    expect(mon.connections).toHaveLength(1);
  });

  it('while hunting', async () => {
    const mon = await fakeMon();
    mon.faults.mute = true;
    const open = session(mon);
    const waiting = failure(open.whenConnected(generousMs));
    await mon.until(() => mon.connections.length === 1);
    await open.close();
    expect((await waiting).code).toBe('MON_CLOSED');
    await mon.until(() => mon.connections[0]!.gone);
  });
});
