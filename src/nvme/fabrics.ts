import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { Size } from './limits.js';
import { AdminOpcode, FabricsType, psdtSgl } from './opcodes.js';
import { noData, readSgl, writeSgl } from './sqe.js';
import type { Sgl } from './sqe.js';
import { bytes, nqn, requireBig, struct, u16 } from './struct.js';

/** A Fabrics command (opcode 7Fh), by its FCTYPE. Times in milliseconds, counts real. */
export type FabricsSqe =
  | ConnectSqe
  | { fctype: 'property-get'; cid: number; size8: boolean; offset: number }
  | { fctype: 'property-set'; cid: number; size8: boolean; offset: number; value: bigint }
  | { fctype: 'disconnect'; cid: number; recfmt: number }
  | { fctype: 'auth-send' | 'auth-receive'; cid: number; spsp0: number; spsp1: number; secp: number; length: number; sgl: Sgl }
  /** Answer with `Status.invalidField` or `Status.invalidOpcode`. */
  | { fctype: 'unknown'; cid: number; raw: number };

export interface ConnectSqe {
  fctype: 'connect';
  cid: number;
  /** Record format: 0. */
  recfmt: number;
  /** 0: the admin queue. */
  qid: number;
  /** Entries of the submission queue; the wire value is one less. */
  sqSize: number;
  /** See `ConnectAttribute`. */
  cattr: number;
  /** Keep alive timeout; 0 disables it. Only the admin queue's counts. */
  katoMs: number;
  sgl: Sgl;
}

function start(fctype: number, cid: number, sgl: Readonly<Sgl>): Buffer {
  const out = Buffer.alloc(Size.sqe);
  out[0] = AdminOpcode.fabrics;
  out[1] = psdtSgl << 6;
  out.writeUInt16LE(requireRange('cid', cid, 0, 0xffff), 2);
  out[4] = fctype;
  writeSgl(out, sgl);
  return out;
}

/** 64 bytes; its data (`encodeConnectData`, 1024 bytes) goes in the capsule. Throws `FIELD_RANGE`. */
export function encodeConnectSqe(o: { cid: number; qid: number; sqSize: number; cattr?: number; katoMs?: number; recfmt?: number }): Buffer {
  const out = start(FabricsType.connect, o.cid, { kind: 'in-capsule', length: Size.connectData, offset: 0 });
  out.writeUInt16LE(requireRange('recfmt', o.recfmt ?? 0, 0, 0xffff), 40);
  out.writeUInt16LE(requireRange('qid', o.qid, 0, 0xffff), 42);
  out.writeUInt16LE(requireRange('sqSize', o.sqSize, 1, 0x1_0000) - 1, 44);
  out[46] = requireRange('cattr', o.cattr ?? 0, 0, 0xff);
  out.writeUInt32LE(requireRange('katoMs', o.katoMs ?? 0, 0, 0xffff_ffff), 48);
  return out;
}

/** `size8`: the property has 8 bytes (CAP), else 4. The value comes back in `Cqe.result`. */
export function encodePropertyGetSqe(o: { cid: number; size8: boolean; offset: number }): Buffer {
  const out = start(FabricsType.propertyGet, o.cid, noData);
  out[40] = o.size8 ? 1 : 0;
  out.writeUInt32LE(requireRange('offset', o.offset, 0, 0xffff_ffff), 44);
  return out;
}

export function encodePropertySetSqe(o: { cid: number; size8: boolean; offset: number; value: bigint }): Buffer {
  const out = start(FabricsType.propertySet, o.cid, noData);
  out[40] = o.size8 ? 1 : 0;
  out.writeUInt32LE(requireRange('offset', o.offset, 0, 0xffff_ffff), 44);
  out.writeBigUInt64LE(requireBig('value', o.value, o.size8 ? 64n : 32n), 48);
  return out;
}

export function encodeDisconnectSqe(o: { cid: number; recfmt?: number }): Buffer {
  const out = start(FabricsType.disconnect, o.cid, noData);
  out.writeUInt16LE(requireRange('recfmt', o.recfmt ?? 0, 0, 0xffff), 40);
  return out;
}

/** Reads 64 bytes. Throws `TRUNCATED`, or `WRONG_COMMAND` if the opcode is not 7Fh. */
export function decodeFabricsSqe(b: Buffer): FabricsSqe {
  requireBytes('a Fabrics command', b, Size.sqe);
  if (b[0] !== AdminOpcode.fabrics) throw new NvmeCodecError('WRONG_COMMAND', `opcode ${b[0]!} is not a Fabrics command`);
  const cid = b.readUInt16LE(2);
  const raw = b[4]!;
  switch (raw) {
    case FabricsType.connect:
      return {
        fctype: 'connect', cid, recfmt: b.readUInt16LE(40), qid: b.readUInt16LE(42), sqSize: b.readUInt16LE(44) + 1,
        cattr: b[46]!, katoMs: b.readUInt32LE(48), sgl: readSgl(b),
      };
    case FabricsType.propertyGet:
      return { fctype: 'property-get', cid, size8: (b[40]! & 7) === 1, offset: b.readUInt32LE(44) };
    case FabricsType.propertySet: {
      const size8 = (b[40]! & 7) === 1;
      const value = size8 ? b.readBigUInt64LE(48) : BigInt(b.readUInt32LE(48));
      return { fctype: 'property-set', cid, size8, offset: b.readUInt32LE(44), value };
    }
    case FabricsType.disconnect:
      return { fctype: 'disconnect', cid, recfmt: b.readUInt16LE(40) };
    case FabricsType.authSend:
    case FabricsType.authReceive:
      return {
        fctype: raw === FabricsType.authSend ? 'auth-send' : 'auth-receive', cid,
        spsp0: b[41]!, spsp1: b[42]!, secp: b[43]!, length: b.readUInt32LE(44), sgl: readSgl(b),
      };
    default:
      return { fctype: 'unknown', cid, raw };
  }
}

const connectData = struct('connect data', Size.connectData, {
  hostId: bytes(0, 16),
  cntlid: u16(16),
  subNqn: nqn(256),
  hostNqn: nqn(512),
});

export interface ConnectData {
  /** 16 bytes. */
  hostId: Buffer;
  /** FFFFh (`cntlidDynamic`) on the admin queue, the controller's id on I/O queues. */
  cntlid: number;
  subNqn: string;
  hostNqn: string;
}

/** 1024 bytes. Throws `FIELD_RANGE`, `STRING_FIELD`. */
export function encodeConnectData(d: ConnectData): Buffer {
  return connectData.encode(d);
}

/** Throws `TRUNCATED`, or `STRING_FIELD` for an NQN without its end. */
export function decodeConnectData(b: Buffer): ConnectData {
  return connectData.decode(b);
}

/** What a Connect answers in dw0. */
export interface ConnectResult {
  cntlid: number;
  /** Authentication transaction required. */
  atr: boolean;
  /** Authentication and secure channel required. */
  ascr: boolean;
}

export function encodeConnectResult(r: { cntlid: number; atr?: boolean; ascr?: boolean }): number {
  return requireRange('cntlid', r.cntlid, 0, 0xffff) | (r.atr === true ? 1 << 17 : 0) | (r.ascr === true ? 1 << 18 : 0);
}

export function decodeConnectResult(dw0: number): ConnectResult {
  return { cntlid: dw0 & 0xffff, atr: (dw0 & (1 << 17)) !== 0, ascr: (dw0 & (1 << 18)) !== 0 };
}

/**
 * dw0 of a Connect that failed with `Status.connectInvalidParameters`: which parameter. `offset` is in
 * bytes, in the SQE or (`inData`) in the connect data.
 */
export function encodeConnectInvalid(o: { offset: number; inData: boolean }): number {
  return requireRange('offset', o.offset, 0, 0xffff) | (o.inData ? 1 << 16 : 0);
}

export function decodeConnectInvalid(dw0: number): { offset: number; inData: boolean } {
  return { offset: dw0 & 0xffff, inData: (dw0 & (1 << 16)) !== 0 };
}
