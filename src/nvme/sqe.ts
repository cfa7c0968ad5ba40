import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { Size } from './limits.js';
import { psdtSgl } from './opcodes.js';

/**
 * Where the data of a command is.
 *
 * - `none`: no data. On the wire a transport descriptor of length 0, as Linux writes it.
 * - `in-capsule`: data block descriptor, offset subtype (01h): the data follows the SQE at `offset`.
 * - `transport`: transport SGL data block (5Ah): C2HData for reads, R2T and H2CData for writes.
 * - `unsupported`: any other descriptor; only from `decodeSqe`. Answer it with `Status.sglTypeInvalid`.
 */
export interface Sgl {
  kind: 'none' | 'in-capsule' | 'transport' | 'unsupported';
  /** Bytes. */
  length: number;
  /** Bytes from the start of the in-capsule data; 0 for the other kinds. */
  offset: number;
}

/** A submission queue entry of the admin or NVM command set. Fabrics commands: see fabrics.ts. */
export interface Sqe {
  opcode: number;
  cid: number;
  nsid: number;
  /** Fused operation: 0 none, 1 first, 2 second. */
  fuse: number;
  /** PRP or SGL for Data Transfer; fabrics allows only 1 (SGL). */
  psdt: number;
  sgl: Sgl;
  cdw10: number;
  cdw11: number;
  cdw12: number;
  cdw13: number;
  cdw14: number;
  cdw15: number;
}

const sglInCapsule = 0x01;
const sglTransport = 0x5a;
const sglAt = 24;
const two32 = 0x1_0000_0000;

export const noData: Readonly<Sgl> = { kind: 'none', length: 0, offset: 0 };

/** Writes the 16-byte SGL descriptor of an SQE that starts at `out[0]`. */
export function writeSgl(out: Buffer, sgl: Readonly<Sgl>): void {
  if (sgl.kind === 'unsupported') throw new NvmeCodecError('FIELD_RANGE', 'an unsupported SGL descriptor cannot be encoded');
  const inCapsule = sgl.kind === 'in-capsule';
  const offset = inCapsule ? requireRange('sgl.offset', sgl.offset, 0, Number.MAX_SAFE_INTEGER) : 0;
  const length = sgl.kind === 'none' ? 0 : requireRange('sgl.length', sgl.length, 0, 0xffff_ffff);
  out.writeUInt32LE(offset % two32, sglAt);
  out.writeUInt32LE(Math.floor(offset / two32), sglAt + 4);
  out.writeUInt32LE(length, sglAt + 8);
  out.writeUInt32LE((inCapsule ? sglInCapsule : sglTransport) * 0x100_0000, sglAt + 12);
}

/** Reads the SGL descriptor of an SQE. Offsets of 2^53 and more lose low bits; no capsule is that long. */
export function readSgl(b: Buffer): Sgl {
  const length = b.readUInt32LE(sglAt + 8);
  const id = b[sglAt + 15]!;
  if (id === sglTransport) return { kind: length === 0 ? 'none' : 'transport', length, offset: 0 };
  if (id === sglInCapsule) {
    return { kind: 'in-capsule', length, offset: b.readUInt32LE(sglAt) + b.readUInt32LE(sglAt + 4) * two32 };
  }
  // A zeroed descriptor: what a host writes that does not care, for commands without data.
  return { kind: id === 0 && length === 0 ? 'none' : 'unsupported', length, offset: 0 };
}

/** 64 bytes; fields not given are 0, `psdt` 1 (SGL), `sgl` none. Throws `FIELD_RANGE`. */
export function encodeSqe(s: Partial<Sqe> & { opcode: number; cid: number }): Buffer {
  const out = Buffer.allocUnsafe(Size.sqe);
  out[0] = requireRange('opcode', s.opcode, 0, 0xff);
  out[1] = requireRange('fuse', s.fuse ?? 0, 0, 3) | (requireRange('psdt', s.psdt ?? psdtSgl, 0, 3) << 6);
  out.writeUInt16LE(requireRange('cid', s.cid, 0, 0xffff), 2);
  out.writeUInt32LE(requireRange('nsid', s.nsid ?? 0, 0, 0xffff_ffff), 4);
  out.fill(0, 8, sglAt);
  writeSgl(out, s.sgl ?? noData);
  out.writeUInt32LE(requireRange('cdw10', s.cdw10 ?? 0, 0, 0xffff_ffff), 40);
  out.writeUInt32LE(requireRange('cdw11', s.cdw11 ?? 0, 0, 0xffff_ffff), 44);
  out.writeUInt32LE(requireRange('cdw12', s.cdw12 ?? 0, 0, 0xffff_ffff), 48);
  out.writeUInt32LE(requireRange('cdw13', s.cdw13 ?? 0, 0, 0xffff_ffff), 52);
  out.writeUInt32LE(requireRange('cdw14', s.cdw14 ?? 0, 0, 0xffff_ffff), 56);
  out.writeUInt32LE(requireRange('cdw15', s.cdw15 ?? 0, 0, 0xffff_ffff), 60);
  return out;
}

/** Reads the first 64 bytes of `b`. Throws `TRUNCATED`, nothing else: a bad field is the command's error, not the codec's. */
export function decodeSqe(b: Buffer): Sqe {
  requireBytes('a submission queue entry', b, Size.sqe);
  const flags = b[1]!;
  return {
    opcode: b[0]!,
    cid: b.readUInt16LE(2),
    nsid: b.readUInt32LE(4),
    fuse: flags & 3,
    psdt: flags >> 6,
    sgl: readSgl(b),
    cdw10: b.readUInt32LE(40),
    cdw11: b.readUInt32LE(44),
    cdw12: b.readUInt32LE(48),
    cdw13: b.readUInt32LE(52),
    cdw14: b.readUInt32LE(56),
    cdw15: b.readUInt32LE(60),
  };
}
