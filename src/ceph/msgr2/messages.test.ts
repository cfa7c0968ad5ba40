import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as control from './control.js';
import { Decoder, encoded } from './encoding.js';
import { CephError } from './errors.js';
import { crcEncoder } from './frame-crc.js';
import { FrameReader } from './frame-reader.js';
import { Tag } from './frame.js';
import type { Frame } from './frame.js';
import { decodeMessage, encodeMessage, message, MessageType } from './message.js';
import type { Message } from './message.js';
import { decodeMonMap, fsidText, msgr2Endpoints, parseFsid } from './mon-map.js';
import { monCommand, monCommandAck, monGetMap, monGetVersion, monGetVersionReply, monMapMessage, monSubscribe, osdMapMessage } from './mon-messages.js';
import { decodeBeacon, encodeBeacon } from './nvmeof-beacon.js';
import type { GwBeacon } from './nvmeof-beacon.js';
import { decodeGwMap, encodeGwMap, entryOf } from './nvmeof-map.js';
import type { GwMap } from './nvmeof-map.js';
import { captured, oracleVectors } from './testing/captures.js';
import { encodeMonMap } from './testing/mon-map.js';

const code = (name: string): RegExp => new RegExp(`^${name}:`);
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decodeFrame(bytes: Buffer): Frame {
  const reader = new FrameReader();
  reader.push(bytes);
  return reader.next()!.frame;
}

const golden = (['cap-none.txt', 'cap-cephx.txt', 'cap-badauth.txt'] as const).flatMap((file) => captured(file))
  .filter(({ name }) => name === 'MESSAGE').map(({ bytes, fromClient }) => ({ bytes, fromClient, message: decodeMessage(decodeFrame(bytes)) }));
const ofType = (type: number): Message[] => golden.map((each) => each.message).filter((each) => each.type === type);

/** Decodes and encodes again with the codec of the message's type; undefined for types that the client does not read. */
function again(m: Message): Message | undefined {
  switch (m.type) {
    case MessageType.monGetMap:
      monGetMap.decode(m);
      return monGetMap.encode();
    case MessageType.monMap:
      return monMapMessage.encode(new Decoder(m.front).blob());
    case MessageType.monSubscribe: {
      const { subscriptions, hostname } = monSubscribe.decode(m);
      return monSubscribe.encode(subscriptions.reverse(), hostname);
    }
    case MessageType.monGetVersion:
      return monGetVersion.encode(monGetVersion.decode(m), m.tid);
    case MessageType.monGetVersionReply:
      return monGetVersionReply.encode(monGetVersionReply.decode(m));
    case MessageType.monCommand: {
      const { fsid, command } = monCommand.decode(m);
      return monCommand.encode(fsid, command[0] ?? '', m.tid);
    }
    case MessageType.nvmeofGwBeacon:
      return encodeBeacon(decodeBeacon(m));
    case MessageType.nvmeofGwMap:
      return encodeGwMap(decodeGwMap(m));
    default:
      return undefined;
  }
}

describe('messages of a real session', () => {
  it('have headers that are written again byte for byte', () => {
    expect(golden.length).toBeGreaterThan(40);
    for (const { bytes, message: m } of golden) expect(crcEncoder.encode(encodeMessage(m, m)).toString('hex')).toBe(bytes.toString('hex'));
  });

  it('have contents that are written again byte for byte, both directions', () => {
    let count = 0;
    for (const { message: m } of golden) {
      const copy = again(m);
      if (copy === undefined) continue;
      count += 1;
      expect(copy.front.toString('hex')).toBe(m.front.toString('hex'));
      expect([copy.version, copy.compatVersion, copy.tid]).toEqual([m.version, m.compatVersion, m.type === MessageType.monGetVersionReply ? 0n : m.tid]);
    }
    expect(count).toBeGreaterThanOrEqual(40);
  });

  it('monmap', () => {
    const [m] = ofType(MessageType.monMap);
    const map = monMapMessage.decode(m!);
    expect(fsidText(map.fsid)).toBe('011c251c-7eef-43cf-b52a-7087adcc4ec8');
    expect(parseFsid(fsidText(map.fsid))).toEqual(map.fsid);
    expect(map.epoch).toBe(1);
    expect(map.mons.map(({ name }) => name)).toEqual(['a']);
    expect(msgr2Endpoints(map)).toEqual([{ host: '127.0.0.1', port: 3300 }]);
  });

  it('the answer to a command', () => {
    const [m] = ofType(MessageType.monCommandAck);
    const reply = monCommandAck.decode(m!);
    expect(reply).toMatchObject({ code: 0, output: Buffer.alloc(0), command: ['{"prefix":"osd blocklist","blocklistop":"add","addr":"10.0.0.9:0/5"}'] });
    expect(reply.status).toMatch(/^blocklisting 10\.0\.0\.9:0\/5 until /);
    // The monitor puts a version in front where we put 0.
    expect(monCommandAck.encode(reply, m!.tid).front.subarray(8)).toEqual(m!.front.subarray(8));
  });

  it('versions', () => {
    expect(monGetVersionReply.decode(ofType(MessageType.monGetVersionReply)[0]!)).toEqual({ handle: 2n, version: 41n, oldest: 1n });
    expect(monGetVersion.decode(ofType(MessageType.monGetVersion)[0]!)).toEqual({ handle: 2n, what: 'osdmap' });
  });

  it('the first map and the map after AVAILABLE', () => {
    const [created, available] = ofType(MessageType.nvmeofGwMap).map(decodeGwMap);
    const who = { gwId: 'a', pool: 'rbd', group: 'g' };
    expect(created!.epoch).toBe(0x103);
    expect(entryOf(created!, who)).toEqual({
      gwId: 'a', groupId: 0, gwMapEpoch: 0x103, subsystems: [], availability: 'CREATED', diff: { lastSequence: 0n, outOfOrder: false, mapFeatures: 1n },
    });
    expect(entryOf(available!, who)).toMatchObject({ availability: 'AVAILABLE', subsystems: [{ nqn: 'nqn.t:s', ana: [{ state: 'OPTIMIZED', osdEpoch: 0 }] }] });
    expect(entryOf(available!, { ...who, gwId: 'b' })).toBeUndefined();
    expect(entryOf(available!, { ...who, group: 'h' })).toBeUndefined();
  });

  it('the beacon that goes with it, and the one after', () => {
    const base = { gwId: 'a', pool: 'rbd', group: 'g', availability: 'AVAILABLE' as const, lastOsdEpoch: 0, lastGwmapEpoch: 0x103 };
    const first = encodeBeacon({
      ...base,
      subsystems: [{ nqn: 'nqn.t:s', listeners: [{ adrfam: 'IPv4', traddr: '10.0.0.1', trsvcid: '4420' }], namespaces: [{ anaGroup: 1, nonce: '10.0.0.1:0/77' }] }],
      diff: { sequence: 1n, changes: ['ADDED'] },
    });
    expect(first.front.toString('hex')).toBe(hex(
      '0000000000000000ffff0000000000000000 0100000061 03000000726264 0100000067 01000000 010150000000 070000006e716e2e743a73 01000000 01011c000000 0400000049507634 0800000031302e302e302e31 0400000034343230 01000000 010115000000 01000000 0d00000031302e302e302e313a302f3737 01000000 00000000 03010000 0100000000000000 010104000000 00000000',
    ).toString('hex'));
    const second = encodeBeacon({ ...base, subsystems: [], diff: { sequence: 2n, changes: [] } });
    expect(second.front.subarray(-14).toString('hex')).toBe('0200000000000000' + '0101' + '00000000');
  });
});

describe("vectors of Ceph's own encoder", () => {
  const vectors = oracleVectors();
  const listener = { adrfam: 'IPv4', traddr: '127.0.0.1', trsvcid: '4420' };
  const namespaces = [{ anaGroup: 1, nonce: '127.0.0.1:0/1111' }, { anaGroup: 2, nonce: '127.0.0.1:0/2222' }];
  const subsystems = ['nqn.2016-06.io.spdk:cnode1', 'nqn.x:2'].map((nqn) => ({ nqn, listeners: [listener], namespaces }));

  it.each(vectors.filter(({ kind }) => kind === 'beacon'))('beacon version $fields.ver with $fields.n subsystems', ({ fields, bytes }) => {
    const m = { ...message(MessageType.nvmeofGwBeacon, Number(fields['ver']), bytes), compatVersion: Number(fields['compat']) };
    const beacon = decodeBeacon(m);
    const n = Number(fields['n']);
    expect(beacon.subsystems.map(({ nqn }) => nqn)).toEqual(subsystems.slice(0, n).map(({ nqn }) => nqn));
    expect(beacon).toMatchObject({ gwId: 'gw1', pool: 'rbd', group: 'grp1', lastOsdEpoch: 16, lastGwmapEpoch: 9 });
    expect(beacon.diff).toEqual(fields['ver'] === '2' ? { sequence: 7n, changes: (['ADDED', 'DELETED'] as const).slice(0, n) } : undefined);
    const copy = encodeBeacon({ ...beacon, subsystems: subsystems.slice(0, n) });
    expect(copy.front.toString('hex')).toBe(bytes.toString('hex'));
    expect([copy.version, copy.compatVersion, copy.priority, copy.type]).toEqual(['ver', 'compat', 'prio', 'type'].map((name) => Number(fields[name])));
  });

  it.each(vectors.filter(({ kind }) => kind === 'gwmap'))('map for features $fields.features', ({ fields, bytes }) => {
    const fixedGroups = fields['features'] === '3f07effffffdffff';
    const map = decodeGwMap(message(MessageType.nvmeofGwMap, 1, bytes));
    const entry = entryOf(map, { gwId: 'gw1', pool: 'rbd', group: 'grp1' })!;
    expect(entry).toMatchObject({ groupId: 1, gwMapEpoch: 9, availability: 'AVAILABLE', diff: { lastSequence: 42n, outOfOrder: true, mapFeatures: 1n } });
    expect(entry.subsystems[0]!.ana.slice(0, 2)).toEqual([{ state: 'OPTIMIZED', osdEpoch: 16 }, { state: 'INACCESSIBLE', osdEpoch: 0 }]);
    expect(entry.subsystems[0]!.ana).toHaveLength(fixedGroups ? 16 : 2);
    expect(encodeGwMap(map, { fixedGroups }).front.toString('hex')).toBe(bytes.toString('hex'));
  });
});

describe('other vectors', () => {
  it('the empty map', () => {
    const bytes = hex('01000000 00000000 0101 04000000 00000000');
    const map = decodeGwMap(message(MessageType.nvmeofGwMap, 1, bytes));
    expect(map).toEqual({ epoch: 0, groups: [] });
    expect(encodeGwMap(map).front).toEqual(bytes);
  });

  it('a beacon of a gateway that has no map yet', () => {
    const m = encodeBeacon({ gwId: 'a', pool: 'rbd', group: 'g', subsystems: [], availability: 'CREATED', lastOsdEpoch: 0, lastGwmapEpoch: 0 });
    expect(m.front).toEqual(hex('0000000000000000ffff0000000000000000 0100000061 03000000726264 0100000067 00000000 00000000 00000000 00000000'));
    expect([m.version, m.compatVersion, m.priority]).toEqual([1, 1, 196]);
  });

  it('the entry of a monitor that does not know beacon diff', () => {
    const map: GwMap = { epoch: 3, groups: [{ pool: 'p', group: 'g', gateways: [{ gwId: 'a', groupId: 1, gwMapEpoch: 3, subsystems: [], availability: 'AVAILABLE' }] }] };
    expect(decodeGwMap(encodeGwMap(map))).toEqual(map);
  });

  it('control frames are decoded and encoded again byte for byte', () => {
    const codecs: Record<string, (frame: Frame) => Frame> = {
      HELLO: (f) => control.hello.encode(control.hello.decode(f)),
      AUTH_REQUEST: (f) => control.authRequest.encode(control.authRequest.decode(f)),
      AUTH_BAD_METHOD: (f) => control.authBadMethod.encode(control.authBadMethod.decode(f)),
      AUTH_REPLY_MORE: (f) => control.authReplyMore.encode(control.authReplyMore.decode(f)),
      AUTH_REQUEST_MORE: (f) => control.authRequestMore.encode(control.authRequestMore.decode(f)),
      AUTH_DONE: (f) => control.authDone.encode(control.authDone.decode(f)),
      AUTH_SIGNATURE: (f) => control.authSignature.encode(control.authSignature.decode(f)),
      CLIENT_IDENT: (f) => control.clientIdent.encode(control.clientIdent.decode(f)),
      SERVER_IDENT: (f) => control.serverIdent.encode(control.serverIdent.decode(f)),
      KEEPALIVE2: (f) => control.keepalive2.encode(control.keepalive2.decode(f)),
      KEEPALIVE2_ACK: (f) => control.keepalive2Ack.encode(control.keepalive2Ack.decode(f)),
    };
    const seen = new Set<string>();
    for (const { name, bytes } of (['cap-none.txt', 'cap-cephx.txt', 'cap-badauth.txt'] as const).flatMap((file) => captured(file))) {
      const codec = codecs[name];
      if (codec === undefined) continue;
      seen.add(name);
      expect(crcEncoder.encode(codec(decodeFrame(bytes))).toString('hex')).toBe(bytes.toString('hex'));
    }
    expect([...seen].sort()).toEqual(Object.keys(codecs).sort());
    expect(control.ack.decode(control.ack.encode(9n))).toBe(9n);
    expect(control.identMissingFeatures.decode(control.identMissingFeatures.encode(5n))).toBe(5n);
    expect(() => control.ack.decode(control.authSignature.encode(Buffer.alloc(32)))).toThrow(code('MSGR_UNEXPECTED'));
  });
});

describe('osdmap news', () => {
  it('are the newest epoch, wherever it stands', () => {
    const fsid = Buffer.alloc(16, 3);
    const blob = Buffer.alloc(5);
    const maps = { fsid, incremental: new Map([[8, blob], [7, blob]]), full: new Map([[6, blob]]) };
    expect(osdMapMessage.decode(osdMapMessage.encode({ ...maps, newest: 12 }))).toEqual({ fsid, newest: 12, epochs: [7, 8, 6] });
    expect(osdMapMessage.decode(osdMapMessage.encode({ ...maps, newest: 0 })).newest).toBe(8);
  });
});

const text = fc.string({ maxLength: 12, unit: 'grapheme' });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
const availability = fc.constantFrom('CREATED', 'AVAILABLE', 'UNAVAILABLE', 'DELETING');
const subsystem = fc.record({
  nqn: text,
  listeners: fc.array(fc.record({ adrfam: text, traddr: text, trsvcid: text }), { maxLength: 3 }),
  namespaces: fc.array(fc.record({ anaGroup: u32, nonce: text }), { maxLength: 3 }),
});
const change = fc.constantFrom('ADDED' as const, 'CHANGED' as const, 'DELETED' as const);
const beacons: fc.Arbitrary<GwBeacon> = fc.record({
  gwId: text, pool: text, group: text, availability, lastOsdEpoch: u32, lastGwmapEpoch: u32,
  told: fc.array(fc.tuple(subsystem, change), { maxLength: 3 }), sequence: fc.option(u64),
}).map(({ told, sequence, ...rest }) => ({
  ...rest, subsystems: told.map(([each]) => each), ...(sequence === null ? {} : { diff: { sequence, changes: told.map(([, each]) => each) } }),
}));
const ana = fc.record({ state: fc.constantFrom('OPTIMIZED' as const, 'INACCESSIBLE' as const), osdEpoch: u32 });
const gateway = fc.record({
  gwId: text, groupId: u32, gwMapEpoch: u32, availability,
  subsystems: fc.array(fc.record({ nqn: text, ana: fc.array(ana, { maxLength: 5 }) }), { maxLength: 3 }),
  diff: fc.option(fc.record({ lastSequence: u64, outOfOrder: fc.boolean(), mapFeatures: u64 })),
}).map(({ diff, ...rest }) => ({ ...rest, ...(diff === null ? {} : { diff }) }));
const maps = fc.record({
  epoch: u32, groups: fc.array(fc.record({ pool: text, group: text, gateways: fc.array(gateway, { maxLength: 3 }) }), { maxLength: 3 }),
}) as fc.Arbitrary<GwMap>;

describe('round trips', () => {
  it('beacons', () => {
    fc.assert(fc.property(beacons, (beacon) => {
      expect(decodeBeacon(encodeBeacon(beacon))).toEqual(beacon);
    }));
  });

  it('gateway maps', () => {
    fc.assert(fc.property(maps, (map) => {
      expect(decodeGwMap(encodeGwMap(map))).toEqual(map);
    }));
  });

  it('headers', () => {
    fc.assert(fc.property(fc.record({ type: fc.integer({ min: 0, max: 0xffff }), version: fc.integer({ min: 1, max: 0xffff }), tid: u64, seq: u64, ackSeq: u64, front: fc.uint8Array(), data: fc.uint8Array() }), (o) => {
      const m = message(o.type, o.version, Buffer.from(o.front), { tid: o.tid, data: Buffer.from(o.data) });
      const frame = decodeFrame(crcEncoder.encode(encodeMessage(m, o)));
      expect(decodeMessage(frame)).toEqual({ ...m, seq: o.seq, ackSeq: o.ackSeq });
    }));
  });

  it('subscriptions and commands', () => {
    fc.assert(fc.property(fc.uniqueArray(text, { maxLength: 5 }), u64, fc.boolean(), text, (names, start, onetime, hostname) => {
      const subscriptions = names.map((what) => ({ what, start, onetime }));
      const decoded = monSubscribe.decode(monSubscribe.encode(subscriptions, hostname));
      expect(decoded.hostname).toBe(hostname);
      expect(new Set(decoded.subscriptions.map(({ what }) => what))).toEqual(new Set(names));
      expect(decoded.subscriptions.every((each) => each.start === start && each.onetime === onetime)).toBe(true);
    }));
    const reply = { code: -13, status: 'access denied', command: ['{}'], output: Buffer.from('[]') };
    expect(monCommandAck.decode(monCommandAck.encode(reply, 9n))).toEqual(reply);
  });

  it('monmaps, as the fake monitor writes them', () => {
    const map = { fsid: Buffer.alloc(16, 9), epoch: 4, mons: ['a', 'b'].map((name, i) => ({ name, addresses: [{ type: 2, nonce: 0, host: '10.0.0.1', port: 3300 + i }] })) };
    expect(decodeMonMap(encodeMonMap(map))).toEqual(map);
  });
});

describe('bad contents', () => {
  const everyDecoder: ((m: Message) => unknown)[] = [
    (m) => monMapMessage.decode(m), (m) => monSubscribe.decode(m), (m) => monGetVersion.decode(m), (m) => monGetVersionReply.decode(m),
    (m) => monCommand.decode(m), (m) => monCommandAck.decode(m), (m) => osdMapMessage.decode(m), (m) => decodeBeacon(m), (m) => decodeGwMap(m),
  ];

  it('cut at every byte: refused', () => {
    for (const { message: m } of golden) {
      if (again(m) === undefined || m.front.length === 0) continue;
      for (let cut = 0; cut < m.front.length; cut += 1) {
        const short = { ...m, front: m.front.subarray(0, cut) };
        // The hostname is optional: old clients do not send it.
        if (m.type === MessageType.monSubscribe && cut === m.front.length - 5) continue;
        expect(() => again(short)).toThrow(CephError);
      }
    }
  });

  it('garbage: a CephError or a value, and quickly', () => {
    const types = [4, 15, 19, 20, 50, 51, 41, 0x801, 0x800];
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 0, max: 8 }), fc.integer({ min: 1, max: 4 }), (front, which, version) => {
      try {
        everyDecoder[which]!({ ...message(types[which]!, version, Buffer.from(front)) });
      } catch (error) {
        expect(error).toBeInstanceOf(CephError);
      }
    }), { numRuns: 2_000 });
  });

  it('golden contents with a changed byte: a CephError or a value', () => {
    const candidates = golden.map((each) => each.message).filter((m) => m.front.length > 0 && again(m) !== undefined);
    fc.assert(fc.property(fc.constantFrom(...candidates), fc.nat(), fc.integer({ min: 1, max: 255 }), (m, at, flip) => {
      const front = Buffer.from(m.front);
      front.writeUInt8(front.readUInt8(at % front.length) ^ flip, at % front.length);
      try {
        again({ ...m, front });
      } catch (error) {
        expect(error).toBeInstanceOf(CephError);
      }
    }), { numRuns: 2_000 });
  });

  it.each([
    ['an availability that does not exist', () => decodeBeacon(message(MessageType.nvmeofGwBeacon, 1, hex('0000000000000000ffff0000000000000000 0100000061 03000000726264 0100000067 00000000 07000000 00000000 00000000'))), 'MSGR_FIELD'],
    ['another type', () => decodeGwMap(message(MessageType.nvmeofGwBeacon, 1, Buffer.alloc(18))), 'MSGR_FIELD'],
    ['a message that only newer code may read', () => decodeGwMap({ ...message(MessageType.nvmeofGwMap, 9, Buffer.alloc(18)), compatVersion: 9 }), 'MSGR_COMPAT'],
    ['more descriptors than subsystems', () => encodeBeacon({ gwId: 'a', pool: 'p', group: 'g', subsystems: [], availability: 'AVAILABLE', lastOsdEpoch: 0, lastGwmapEpoch: 0, diff: { sequence: 1n, changes: ['ADDED'] } }), 'MSGR_FIELD'],
    ['an exported state that does not exist', () => decodeGwMap(message(MessageType.nvmeofGwMap, 1, hex('01000000 03010000 010169000000 01000000 03000000726264 0100000067 010153000000 01000000 0100000061 020144000000 00000000 04010000 020221000000 01000000 070000006e716e2e743a73 01010c000000 01000000 09000000 00000000 01000000 0000000000000000 00 0100000000000000'))), 'MSGR_FIELD'],
    ['a monmap of Ceph 10', () => decodeMonMap(encoded((e) => e.struct(3, 3, () => e.raw(Buffer.alloc(40))))), 'MSGR_COMPAT'],
    ['a short header', () => decodeMessage({ tag: Tag.message, segments: [Buffer.alloc(40)] }), 'MSGR_FIELD'],
    ['a frame that is no message', () => decodeMessage({ tag: Tag.ack, segments: [Buffer.alloc(8)] }), 'MSGR_UNEXPECTED'],
    ['a text that is no fsid', () => parseFsid('1c251c7e'), 'MSGR_FIELD'],
    ['a short fsid', () => monCommand.encode(Buffer.alloc(4), '{}', 1n), 'MSGR_FIELD'],
  ])('%s', (_what, action, expected) => {
    expect(action).toThrow(code(expected));
  });

  it('a compat version of 0 is sent as the version', () => {
    const m = { ...message(5, 3, Buffer.alloc(0)), compatVersion: 0 };
    expect(decodeMessage(encodeMessage(m, { seq: 1n, ackSeq: 0n })).compatVersion).toBe(3);
  });
});
