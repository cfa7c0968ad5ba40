import { Decoder, encoded } from './encoding.js';
import { CephError } from './errors.js';
import { Tag, tagName } from './frame.js';
import type { Frame } from './frame.js';
import { Size } from './limits.js';

/** Message types (ceph/src/msg/Message.h). */
export const MessageType = {
  monMap: 4,
  monGetMap: 5,
  monSubscribe: 15,
  monSubscribeAck: 16,
  monGetVersion: 19,
  monGetVersionReply: 20,
  osdMap: 41,
  monCommand: 50,
  monCommandAck: 51,
  config: 62,
  nvmeofGwMap: 0x800,
  nvmeofGwBeacon: 0x801,
} as const;

export const Priority = { default: 127, high: 196 } as const;

/** FOOTER_COMPLETE | FOOTER_NOCRC, which C++ peers put in the header as well. */
const messageFlags = 3;

/** A message as its type's codec makes and reads it. */
export interface Message {
  type: number;
  version: number;
  /** Oldest version of the decoder that may read it. 0 never goes on the wire: `version` is sent instead, as in C++. */
  compatVersion: number;
  priority: number;
  /** Transaction id; replies to commands and version questions carry that of the question. */
  tid: bigint;
  front: Buffer;
  data: Buffer;
}

/** What the connection adds. */
export interface Sequence {
  /** 1 for the first message of a connection, and so on. */
  seq: bigint;
  /** Last sequence number that was received. */
  ackSeq: bigint;
}

export function message(type: number, version: number, front: Buffer, o: Partial<Pick<Message, 'compatVersion' | 'priority' | 'tid' | 'data'>> = {}): Message {
  return {
    type, version, front,
    compatVersion: o.compatVersion ?? 1, priority: o.priority ?? Priority.default, tid: o.tid ?? 0n, data: o.data ?? Buffer.alloc(0),
  };
}

/** Segments: header, front, middle (which nothing here uses), data (facts: msgr2.md §7). */
export function encodeMessage(m: Message, { seq, ackSeq }: Sequence): Frame {
  const header = encoded((e) => e
    .u64(seq).u64(m.tid).u16(m.type).u16(m.priority).u16(m.version)
    .u32(0).u16(0) // data padding, data offset
    .u64(ackSeq).u8(messageFlags).u16(m.compatVersion === 0 ? m.version : m.compatVersion).u16(0));
  return { tag: Tag.message, segments: [header, m.front, Buffer.alloc(0), m.data] };
}

export function decodeMessage(frame: Frame): Message & Sequence {
  const [header, front, , data] = frame.segments;
  if (frame.tag !== Tag.message) throw new CephError('MSGR_UNEXPECTED', `${tagName(frame.tag)} is no message`);
  if (header!.length !== Size.messageHeader) throw new CephError('MSGR_FIELD', `a message header of ${header!.length} bytes`);
  const d = new Decoder(header!);
  const [seq, tid, type, priority, version] = [d.u64(), d.u64(), d.u16(), d.u16(), d.u16()];
  d.raw(6);
  const ackSeq = d.u64();
  d.u8();
  const compatVersion = d.u16();
  const none = Buffer.alloc(0);
  return { seq, ackSeq, tid, type, priority, version, compatVersion, front: front ?? none, data: data ?? none };
}
