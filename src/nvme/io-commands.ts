import { NvmeCodecError, requireRange } from './errors.js';
import { Limit, Size } from './limits.js';
import { IoOpcode } from './opcodes.js';
import { encodeSqe, noData } from './sqe.js';
import type { Sgl, Sqe } from './sqe.js';
import { readU64, writeU64 } from './struct.js';

const fuaBit = 1 << 30;
const deacBit = 1 << 25;

/** Read, Write, Compare, Write Zeroes, Verify, Write Uncorrectable: all have this layout. Counts are logical blocks. */
export interface RwOptions {
  opcode: number;
  cid: number;
  nsid: number;
  slba: number;
  /** Real count, 1..65536. */
  nlb: number;
  /** The data is in the capsule, this many bytes. */
  inCapsuleBytes?: number;
  /** The data is moved by C2HData (read) or R2T and H2CData (write), this many bytes. */
  transportBytes?: number;
  /** Force Unit Access. */
  fua?: boolean;
  /** Write Zeroes only: deallocate if possible. */
  deac?: boolean;
  /** See `Fuse`. */
  fuse?: number;
}

/** The 64-byte SQE; without `inCapsuleBytes` and `transportBytes` one that moves no data. Throws `FIELD_RANGE`. */
export function rwCommand(o: RwOptions): Buffer {
  const slba = requireRange('slba', o.slba, 0, Number.MAX_SAFE_INTEGER);
  const nlb = requireRange('nlb', o.nlb, 1, Limit.nlbMax);
  if (o.inCapsuleBytes !== undefined && o.transportBytes !== undefined) {
    throw new NvmeCodecError('FIELD_RANGE', 'the data is either in the capsule or moved by the transport, not both');
  }
  let sgl: Readonly<Sgl> = noData;
  if (o.inCapsuleBytes !== undefined) sgl = { kind: 'in-capsule', length: o.inCapsuleBytes, offset: 0 };
  else if (o.transportBytes !== undefined) sgl = { kind: 'transport', length: o.transportBytes, offset: 0 };
  return encodeSqe({
    opcode: o.opcode,
    cid: o.cid,
    nsid: o.nsid,
    fuse: o.fuse ?? 0,
    sgl,
    cdw10: slba % 0x1_0000_0000,
    cdw11: Math.floor(slba / 0x1_0000_0000),
    cdw12: (nlb - 1) | (o.fua === true ? fuaBit : 0) | (o.deac === true ? deacBit : 0),
  });
}

/**
 * SLBA, count and flags of a command that `rwCommand` makes. An SLBA of 2^53 and more is not exact, but
 * stays at least 2^53: a range check against any real namespace refuses it all the same.
 */
export function decodeRw(sqe: Sqe): { slba: number; nlb: number; fua: boolean; deac: boolean } {
  return {
    slba: sqe.cdw10 + sqe.cdw11 * 0x1_0000_0000,
    nlb: (sqe.cdw12 & 0xffff) + 1,
    fua: (sqe.cdw12 & fuaBit) !== 0,
    deac: (sqe.cdw12 & deacBit) !== 0,
  };
}

export function flushCommand(o: { cid: number; nsid: number }): Buffer {
  return encodeSqe({ opcode: IoOpcode.flush, cid: o.cid, nsid: o.nsid });
}

/** Dataset Management; the ranges (`encodeDsmRanges`, 16 bytes each) go in the capsule. */
export function dsmCommand(o: { cid: number; nsid: number; ranges: number; deallocate: boolean }): Buffer {
  const ranges = requireRange('ranges', o.ranges, 1, Limit.dsmRangesMax);
  return encodeSqe({
    opcode: IoOpcode.datasetManagement,
    cid: o.cid,
    nsid: o.nsid,
    sgl: { kind: 'in-capsule', length: ranges * Size.dsmRange, offset: 0 },
    cdw10: ranges - 1,
    cdw11: o.deallocate ? 1 << 2 : 0,
  });
}

export function decodeDsm(sqe: Sqe): { ranges: number; deallocate: boolean } {
  return { ranges: (sqe.cdw10 & 0xff) + 1, deallocate: (sqe.cdw11 & (1 << 2)) !== 0 };
}

/** Logical blocks. */
export interface DsmRange {
  slba: number;
  /** 0 is allowed: the range is then empty. */
  nlb: number;
}

/** 16 bytes per range, at most 256. Throws `FIELD_RANGE`. */
export function encodeDsmRanges(ranges: readonly DsmRange[]): Buffer {
  requireRange('ranges', ranges.length, 1, Limit.dsmRangesMax);
  const out = Buffer.alloc(ranges.length * Size.dsmRange);
  ranges.forEach((range, i) => {
    const at = i * Size.dsmRange;
    out.writeUInt32LE(requireRange('nlb', range.nlb, 0, 0xffff_ffff), at + 4);
    writeU64(out, at + 8, requireRange('slba', range.slba, 0, Number.MAX_SAFE_INTEGER));
  });
  return out;
}

/** `count` ranges (default: all that `b` holds). SLBAs as in `decodeRw`. Throws `TRUNCATED`, `FIELD_RANGE`. */
export function decodeDsmRanges(b: Buffer, count: number = Math.floor(b.length / Size.dsmRange)): DsmRange[] {
  requireRange('ranges', count, 1, Limit.dsmRangesMax);
  if (b.length < count * Size.dsmRange) throw new NvmeCodecError('TRUNCATED', `${count} ranges need ${count * Size.dsmRange} bytes, got ${b.length}`);
  return Array.from({ length: count }, (_, i) => {
    const at = i * Size.dsmRange;
    return { slba: readU64(b, at + 8), nlb: b.readUInt32LE(at + 4) };
  });
}
