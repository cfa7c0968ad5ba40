import { decodeAddress, decodeAddresses, encodeAddress, encodeAddresses } from './address.js';
import type { EntityAddress } from './address.js';
import { Decoder, encoded } from './encoding.js';
import type { Encoder } from './encoding.js';
import { CephError } from './errors.js';
import { Tag, tagName } from './frame.js';
import type { Frame } from './frame.js';
import { Limit, Size } from './limits.js';

/** Entity types (ceph/src/include/msgr.h); also the bits of a service ticket mask. */
export const EntityType = { mon: 1, mds: 2, osd: 4, client: 8, mgr: 0x10, auth: 0x20 } as const;

/** CEPH_AUTH_* and CEPH_CON_MODE_* (ceph/src/include/ceph_fs.h, msg/msg_types.h). */
export const AuthMethod = { none: 1, cephx: 2, gss: 4 } as const;
export const ConMode = { crc: 1, secure: 2 } as const;

/** Connection without a session that could be resumed: what every client of a monitor uses. */
export const identFlagLossy = 1n;

export interface Hello { entityType: number; peerAddress: EntityAddress }
export interface AuthRequest { method: number; modes: number[]; payload: Buffer }
export interface AuthBadMethod { method: number; result: number; allowedMethods: number[]; allowedModes: number[] }
export interface AuthDone { globalId: bigint; mode: number; payload: Buffer }
export interface Ident {
  addresses: EntityAddress[];
  /** The sender's global_id; C++ clients send -1. */
  gid: bigint;
  globalSeq: bigint;
  supported: bigint;
  required: bigint;
  flags: bigint;
  cookie: bigint;
}
export interface ClientIdent extends Ident { target: EntityAddress }
/** utime_t. */
export interface Stamp { seconds: number; nanoseconds: number }

/** Alternatives that an auth frame may list. */
const choicesMax = 16;

function control(tag: number, write: (e: Encoder) => void): Frame {
  return { tag, segments: [encoded(write)] };
}

/**
 * Decodes a control frame's only segment. Throws MSGR_UNEXPECTED if it is another frame. Bytes behind the known
 * fields are ignored, as Ceph does: that is where a newer release puts its additions.
 */
function read<T>(frame: Frame, tag: number, decode: (d: Decoder) => T): T {
  if (frame.tag !== tag || frame.segments.length !== 1) {
    throw new CephError('MSGR_UNEXPECTED', `${tagName(frame.tag)} with ${frame.segments.length} segments where ${tagName(tag)} was expected`);
  }
  return decode(new Decoder(frame.segments[0]!));
}

const choices = (d: Decoder): number[] => d.list(choicesMax, () => d.u32());
const authBlob = (d: Decoder): Buffer => d.blob(Limit.handshakeFrameBytesMax);

export const hello = {
  encode: (h: Hello): Frame => control(Tag.hello, (e) => encodeAddress(e.u8(h.entityType), h.peerAddress)),
  decode: (f: Frame): Hello => read(f, Tag.hello, (d) => ({ entityType: d.u8(), peerAddress: decodeAddress(d) })),
};

export const authRequest = {
  encode: (r: AuthRequest): Frame => control(Tag.authRequest, (e) => e.u32(r.method).list(r.modes, (mode) => e.u32(mode)).blob(r.payload)),
  decode: (f: Frame): AuthRequest => read(f, Tag.authRequest, (d) => ({ method: d.u32(), modes: choices(d), payload: authBlob(d) })),
};

export const authBadMethod = {
  encode: (b: AuthBadMethod): Frame => control(Tag.authBadMethod, (e) => e.u32(b.method).s32(b.result)
    .list(b.allowedMethods, (method) => e.u32(method)).list(b.allowedModes, (mode) => e.u32(mode))),
  decode: (f: Frame): AuthBadMethod => read(f, Tag.authBadMethod, (d) => ({
    method: d.u32(), result: d.s32(), allowedMethods: choices(d), allowedModes: choices(d),
  })),
};

/** AUTH_REPLY_MORE (from the monitor) and AUTH_REQUEST_MORE (to it): a payload of the authentication method. */
export const authReplyMore = {
  encode: (payload: Buffer): Frame => control(Tag.authReplyMore, (e) => e.blob(payload)),
  decode: (f: Frame): Buffer => read(f, Tag.authReplyMore, authBlob),
};
export const authRequestMore = {
  encode: (payload: Buffer): Frame => control(Tag.authRequestMore, (e) => e.blob(payload)),
  decode: (f: Frame): Buffer => read(f, Tag.authRequestMore, authBlob),
};

export const authDone = {
  encode: (a: AuthDone): Frame => control(Tag.authDone, (e) => e.u64(a.globalId).u32(a.mode).blob(a.payload)),
  decode: (f: Frame): AuthDone => read(f, Tag.authDone, (d) => ({ globalId: d.u64(), mode: d.u32(), payload: authBlob(d) })),
};

export const authSignature = {
  encode: (signature: Buffer): Frame => ({ tag: Tag.authSignature, segments: [signature] }),
  decode: (f: Frame): Buffer => read(f, Tag.authSignature, (d) => d.raw(Size.signature)),
};

function writeIdentTail(e: Encoder, i: Ident): void {
  e.u64(BigInt.asUintN(64, i.gid)).u64(i.globalSeq).u64(i.supported).u64(i.required).u64(i.flags).u64(i.cookie);
}

function readIdentTail(d: Decoder): Omit<Ident, 'addresses'> {
  return {
    gid: BigInt.asIntN(64, d.u64()), globalSeq: d.u64(), supported: d.u64(), required: d.u64(), flags: d.u64(), cookie: d.u64(),
  };
}

export const clientIdent = {
  encode: (i: ClientIdent): Frame => control(Tag.clientIdent, (e) => {
    encodeAddresses(e, i.addresses);
    encodeAddress(e, i.target);
    writeIdentTail(e, i);
  }),
  decode: (f: Frame): ClientIdent => read(f, Tag.clientIdent, (d) => ({ addresses: decodeAddresses(d), target: decodeAddress(d), ...readIdentTail(d) })),
};

export const serverIdent = {
  encode: (i: Ident): Frame => control(Tag.serverIdent, (e) => {
    encodeAddresses(e, i.addresses);
    writeIdentTail(e, i);
  }),
  decode: (f: Frame): Ident => read(f, Tag.serverIdent, (d) => ({ addresses: decodeAddresses(d), ...readIdentTail(d) })),
};

export const identMissingFeatures = {
  encode: (missing: bigint): Frame => control(Tag.identMissingFeatures, (e) => e.u64(missing)),
  decode: (f: Frame): bigint => read(f, Tag.identMissingFeatures, (d) => d.u64()),
};

const stamp = (d: Decoder): Stamp => ({ seconds: d.u32(), nanoseconds: d.u32() });
const stamped = (tag: number, s: Stamp): Frame => control(tag, (e) => e.u32(s.seconds).u32(s.nanoseconds));

export const keepalive2 = {
  encode: (s: Stamp): Frame => stamped(Tag.keepalive2, s),
  decode: (f: Frame): Stamp => read(f, Tag.keepalive2, stamp),
};
/** Carries the stamp of the KEEPALIVE2 that it answers. */
export const keepalive2Ack = {
  encode: (s: Stamp): Frame => stamped(Tag.keepalive2Ack, s),
  decode: (f: Frame): Stamp => read(f, Tag.keepalive2Ack, stamp),
};

export const ack = {
  encode: (seq: bigint): Frame => control(Tag.ack, (e) => e.u64(seq)),
  decode: (f: Frame): bigint => read(f, Tag.ack, (d) => d.u64()),
};
