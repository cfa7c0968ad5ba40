import { Decoder, encoded } from './encoding.js';
import type { Encoder } from './encoding.js';
import { CephError } from './errors.js';
import { Limit, Size } from './limits.js';
import { message, MessageType } from './message.js';
import type { Message } from './message.js';
import { decodeMonMap } from './mon-map.js';
import type { MonMap } from './mon-map.js';

/** Messages between a monitor and any client (facts: msgr2.md §9). Each has a codec for both directions. */

/** CEPH_SUBSCRIBE_ONETIME. */
const subscribeOnetime = 1;

export interface Subscription {
  /** `monmap`, `osdmap`, `config`, `NVMeofGw`… */
  what: string;
  /** First epoch that is wanted; 0: whatever there is now, and then every change. */
  start: bigint;
  onetime: boolean;
}

export interface OsdMapNews {
  fsid: Buffer;
  /** The newest epoch that the monitor has. */
  newest: number;
  /** Epochs of the maps in this message. */
  epochs: number[];
}

/** PaxosServiceMessage: version, deprecated session mon and its tid. */
export function writePaxos(e: Encoder): void {
  e.u64(0n).s16(-1).u64(0n);
}

export function readPaxos(d: Decoder): void {
  d.u64();
  d.s16();
  d.u64();
}

/** Throws MSGR_FIELD if the message is of another type, MSGR_COMPAT if only newer code may read it. */
export function requireMessage(m: Message, type: number, knownVersion: number): Decoder {
  if (m.type !== type) throw new CephError('MSGR_FIELD', `message type ${m.type} where ${type} was expected`);
  if (m.compatVersion > knownVersion) throw new CephError('MSGR_COMPAT', `message type ${type} needs at least v${m.compatVersion}, this client has v${knownVersion}`);
  return new Decoder(m.front);
}

function requireFsid(fsid: Buffer): Buffer {
  if (fsid.length !== Size.fsid) throw new CephError('MSGR_FIELD', `an fsid of ${fsid.length} bytes`);
  return fsid;
}

export const monGetMap = {
  encode: (): Message => message(MessageType.monGetMap, 1, Buffer.alloc(0)),
  decode: (m: Message): void => void requireMessage(m, MessageType.monGetMap, 1),
};

export const monMapMessage = {
  encode: (monMap: Buffer): Message => message(MessageType.monMap, 1, encoded((e) => e.blob(monMap))),
  decode: (m: Message): MonMap => decodeMonMap(requireMessage(m, MessageType.monMap, 1).blob()),
};

export const monSubscribe = {
  encode: (subscriptions: readonly Subscription[], hostname: string): Message => {
    // A std::map: in the byte order of its keys.
    const sorted = [...subscriptions].sort((a, b) => Buffer.compare(Buffer.from(a.what), Buffer.from(b.what)));
    return message(MessageType.monSubscribe, 3, encoded((e) => e
      .list(sorted, ({ what, start, onetime }) => e.string(what).u64(start).u8(onetime ? subscribeOnetime : 0))
      .string(hostname)));
  },
  decode: (m: Message): { subscriptions: Subscription[]; hostname: string } => {
    const d = requireMessage(m, MessageType.monSubscribe, 3);
    const subscriptions = d.list(Limit.subscriptionsMax, () => ({
      what: d.string(Limit.nameBytesMax), start: d.u64(), onetime: (d.u8() & subscribeOnetime) !== 0,
    }));
    return { subscriptions, hostname: d.remaining > 0 ? d.string(Limit.nameBytesMax) : '' };
  },
};

export const monGetVersion = {
  encode: ({ handle, what }: { handle: bigint; what: string }, tid = 0n): Message =>
    message(MessageType.monGetVersion, 1, encoded((e) => e.u64(handle).string(what)), { tid }),
  decode: (m: Message): { handle: bigint; what: string } => {
    const d = requireMessage(m, MessageType.monGetVersion, 1);
    return { handle: d.u64(), what: d.string(Limit.nameBytesMax) };
  },
};

export interface VersionReply { handle: bigint; version: bigint; oldest: bigint }

export const monGetVersionReply = {
  encode: ({ handle, version, oldest }: VersionReply): Message =>
    message(MessageType.monGetVersionReply, 2, encoded((e) => e.u64(handle).u64(version).u64(oldest)), { compatVersion: 2 }),
  decode: (m: Message): VersionReply => {
    const d = requireMessage(m, MessageType.monGetVersionReply, 2);
    const [handle, version] = [d.u64(), d.u64()];
    return { handle, version, oldest: m.version >= 2 ? d.u64() : 0n };
  },
};

/** What a command needs: the cluster's fsid (any other is refused) and one JSON text. Input goes into the data segment. */
export const monCommand = {
  encode: (fsid: Buffer, json: string, tid: bigint, input: Buffer = Buffer.alloc(0)): Message =>
    message(MessageType.monCommand, 1, encoded((e) => {
      writePaxos(e);
      e.raw(requireFsid(fsid)).list([json], (text) => e.string(text));
    }), { tid, data: input }),
  decode: (m: Message): { fsid: Buffer; command: string[] } => {
    const d = requireMessage(m, MessageType.monCommand, 1);
    readPaxos(d);
    return { fsid: d.raw(Size.fsid), command: d.list(Limit.openRequestsMax, () => d.string()) };
  },
};

export interface MonCommandReply {
  /** 0, or a negative POSIX error number. */
  code: number;
  status: string;
  command: string[];
  output: Buffer;
}

export const monCommandAck = {
  encode: (reply: MonCommandReply, tid: bigint): Message =>
    message(MessageType.monCommandAck, 1, encoded((e) => {
      writePaxos(e);
      e.s32(reply.code).string(reply.status).list(reply.command, (text) => e.string(text));
    }), { tid, data: reply.output }),
  decode: (m: Message): MonCommandReply => {
    const d = requireMessage(m, MessageType.monCommandAck, 1);
    readPaxos(d);
    return { code: d.s32(), status: d.string(), command: d.list(Limit.openRequestsMax, () => d.string()), output: m.data };
  },
};

/** Most maps in one MOSDMap (osd_map_message_max is 40 by default). */
const osdMapsMax = 10_000;

/** MOSDMap, without decoding the maps in it. */
export const osdMapMessage = {
  encode: ({ fsid, newest, incremental, full }: { fsid: Buffer; newest: number; incremental: Map<number, Buffer>; full: Map<number, Buffer> }): Message => {
    const maps = (e: Encoder, of: Map<number, Buffer>): Encoder =>
      e.list([...of].sort(([a], [b]) => a - b), ([epoch, blob]) => e.u32(epoch).blob(blob));
    return message(MessageType.osdMap, 4, encoded((e) => {
      e.raw(requireFsid(fsid));
      maps(maps(e, incremental), full).u32(0).u32(newest).u32(0);
    }), { compatVersion: 3 });
  },
  decode: (m: Message): OsdMapNews => {
    const d = requireMessage(m, MessageType.osdMap, 4);
    const fsid = d.raw(Size.fsid);
    const epochs = (): number[] => d.list(osdMapsMax, () => {
      const epoch = d.u32();
      d.blob();
      return epoch;
    });
    const all = [...epochs(), ...epochs()];
    d.u32();
    return { fsid, epochs: all, newest: all.reduce((a, b) => Math.max(a, b), d.u32()) };
  },
};
