import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { Size } from './limits.js';

/** A completion queue entry. */
export interface Cqe {
  cid: number;
  /** Command specific result: dw0 | dw1 << 32 (a Property Get of 8 bytes uses both). */
  result: bigint;
  /** The low dword of `result`, unsigned. */
  dw0: number;
  sqhd: number;
  /** Reserved with fabrics: 0. */
  sqid: number;
  /** SCT << 8 | SC; see `Status`. */
  status: number;
  /** Command Retry Delay: 0 none, 1..3 selects CRDT1..3 of Identify Controller. */
  crd: number;
  more: boolean;
  /** Do Not Retry. */
  dnr: boolean;
}

/**
 * A complete Cqe from the fields that matter: everything else is zero. `result` and `dw0` follow from
 * each other; if both are given they must agree (`FIELD_RANGE`).
 */
export function makeCqe(fields: Partial<Cqe> & { cid: number }): Cqe {
  const { result, dw0 } = resultOf(fields);
  return {
    cid: fields.cid,
    result,
    dw0,
    sqhd: fields.sqhd ?? 0,
    sqid: fields.sqid ?? 0,
    status: fields.status ?? 0,
    crd: fields.crd ?? 0,
    more: fields.more ?? false,
    dnr: fields.dnr ?? false,
  };
}

function resultOf(fields: Partial<Cqe>): { result: bigint; dw0: number } {
  if (fields.result === undefined) {
    const dw0 = fields.dw0 ?? 0;
    return { result: dw0 === 0 ? 0n : BigInt(dw0 >>> 0), dw0 };
  }
  const low = fields.result === 0n ? 0 : Number(fields.result & 0xffff_ffffn);
  if (fields.dw0 !== undefined && fields.dw0 !== low) {
    throw new NvmeCodecError('FIELD_RANGE', `dw0 = ${fields.dw0} contradicts the low dword of result, ${low}`);
  }
  return { result: fields.result, dw0: low };
}

/** Writes a CQE at `at`; all 16 bytes are set. The phase tag is 0, as fabrics wants it. */
export function writeCqe(out: Buffer, at: number, fields: Partial<Cqe> & { cid: number }): void {
  const { result, dw0 } = resultOf(fields);
  out.writeUInt32LE(requireRange('dw0', dw0, 0, 0xffff_ffff), at);
  // The usual completion has no result at all: keep BigInt arithmetic out of its way.
  if (result < 0n || result > 0xffff_ffff_ffff_ffffn) throw new NvmeCodecError('FIELD_RANGE', `result = ${String(result)} is not a u64`);
  out.writeUInt32LE(result <= 0xffff_ffffn ? 0 : Number(result >> 32n), at + 4);
  out.writeUInt16LE(requireRange('sqhd', fields.sqhd ?? 0, 0, 0xffff), at + 8);
  out.writeUInt16LE(requireRange('sqid', fields.sqid ?? 0, 0, 0xffff), at + 10);
  out.writeUInt16LE(requireRange('cid', fields.cid, 0, 0xffff), at + 12);
  const status = requireRange('status', fields.status ?? 0, 0, 0x7ff);
  const crd = requireRange('crd', fields.crd ?? 0, 0, 3);
  const more = fields.more === true ? 1 << 14 : 0;
  const dnr = fields.dnr === true ? 1 << 15 : 0;
  out.writeUInt16LE((status << 1) | (crd << 12) | more | dnr, at + 14);
}

/** 16 bytes. Throws `FIELD_RANGE`. */
export function encodeCqe(fields: Partial<Cqe> & { cid: number }): Buffer {
  const out = Buffer.allocUnsafe(Size.cqe);
  writeCqe(out, 0, fields);
  return out;
}

/** Reads the CQE at `at`. Throws `TRUNCATED`. The phase tag is ignored: it has no meaning with fabrics. */
export function decodeCqe(b: Buffer, at = 0): Cqe {
  requireBytes('a completion queue entry', b, at + Size.cqe);
  const dw0 = b.readUInt32LE(at);
  const dw1 = b.readUInt32LE(at + 4);
  const status = b.readUInt16LE(at + 14);
  return {
    cid: b.readUInt16LE(at + 12),
    result: dw0 === 0 && dw1 === 0 ? 0n : BigInt(dw0) | (BigInt(dw1) << 32n),
    dw0,
    sqhd: b.readUInt16LE(at + 8),
    sqid: b.readUInt16LE(at + 10),
    status: (status >> 1) & 0x7ff,
    crd: (status >> 12) & 3,
    more: (status & (1 << 14)) !== 0,
    dnr: (status & (1 << 15)) !== 0,
  };
}
