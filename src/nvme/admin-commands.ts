import { NvmeCodecError, requireRange } from './errors.js';
import { nsidAll, Size } from './limits.js';
import { AdminOpcode, LogId } from './opcodes.js';
import { encodeSqe } from './sqe.js';
import type { Sqe } from './sqe.js';

const two32 = 0x1_0000_0000;

/** Identify; the 4096 bytes come back as C2HData. */
export function identifyCommand(o: { cid: number; cns: number; nsid?: number; cntid?: number; csi?: number }): Buffer {
  return encodeSqe({
    opcode: AdminOpcode.identify,
    cid: o.cid,
    nsid: o.nsid ?? 0,
    sgl: { kind: 'transport', length: Size.identify, offset: 0 },
    cdw10: requireRange('cns', o.cns, 0, 0xff) + requireRange('cntid', o.cntid ?? 0, 0, 0xffff) * 0x1_0000,
    cdw11: requireRange('csi', o.csi ?? 0, 0, 0xff) * 0x100_0000,
  });
}

export function decodeIdentify(sqe: Sqe): { cns: number; cntid: number; csi: number } {
  return { cns: sqe.cdw10 & 0xff, cntid: sqe.cdw10 >>> 16, csi: sqe.cdw11 >>> 24 };
}

/** Log Specific Field of the ANA log: bit 0 asks for groups only (RGO), all of them with an empty namespace list. */
export const anaLogRgo = 1;

export interface GetLogOptions {
  cid: number;
  /** See `LogId`. */
  lid: number;
  /** Log Specific Field, 0..127. */
  lsp?: number;
  /** Retain Asynchronous Event: do not re-arm the event that this log belongs to. */
  rae?: boolean;
  /** How much to return; a multiple of 4. */
  bytes: number;
  /** Where in the log to start; a multiple of 4. */
  offset?: number;
  /** Default: all namespaces, or 0 for the discovery log. */
  nsid?: number;
}

/** Get Log Page; the bytes come back as C2HData. Throws `FIELD_RANGE`. */
export function getLogCommand(o: GetLogOptions): Buffer {
  if (o.bytes % 4 !== 0) throw new NvmeCodecError('FIELD_RANGE', `bytes = ${o.bytes} is not a multiple of 4`);
  const dwords = requireRange('bytes', o.bytes, 4, 0xffff_fffc) / 4 - 1;
  const offset = requireRange('offset', o.offset ?? 0, 0, Number.MAX_SAFE_INTEGER);
  if (offset % 4 !== 0) throw new NvmeCodecError('FIELD_RANGE', `offset = ${offset} is not a multiple of 4`);
  const lid = requireRange('lid', o.lid, 0, 0xff);
  const lsp = requireRange('lsp', o.lsp ?? 0, 0, 0x7f);
  return encodeSqe({
    opcode: AdminOpcode.getLogPage,
    cid: o.cid,
    nsid: o.nsid ?? (lid === LogId.discovery ? 0 : nsidAll),
    sgl: { kind: 'transport', length: o.bytes, offset: 0 },
    cdw10: (lid | (lsp << 8) | (o.rae === true ? 1 << 15 : 0) | ((dwords & 0xffff) << 16)) >>> 0,
    cdw11: dwords >>> 16,
    cdw12: offset % two32,
    cdw13: Math.floor(offset / two32),
  });
}

/** The contract of `getLogCommand` read back; `bytes` up to 2^34. */
export function decodeGetLog(sqe: Sqe): { lid: number; lsp: number; rae: boolean; bytes: number; offset: number } {
  const dwords = (sqe.cdw10 >>> 16) + (sqe.cdw11 & 0xffff) * 0x1_0000 + 1;
  return {
    lid: sqe.cdw10 & 0xff,
    lsp: (sqe.cdw10 >> 8) & 0x7f,
    rae: (sqe.cdw10 & (1 << 15)) !== 0,
    bytes: dwords * 4,
    offset: sqe.cdw12 + sqe.cdw13 * two32,
  };
}

/** Set Features without data. `value` is cdw11. */
export function setFeaturesCommand(o: { cid: number; fid: number; value: number; save?: boolean; nsid?: number }): Buffer {
  return encodeSqe({
    opcode: AdminOpcode.setFeatures,
    cid: o.cid,
    nsid: o.nsid ?? 0,
    cdw10: (requireRange('fid', o.fid, 0, 0xff) | (o.save === true ? 1 << 31 : 0)) >>> 0,
    cdw11: o.value >>> 0,
  });
}

/** `select`: 0 current, 1 default, 2 saved, 3 supported capabilities. The value comes back in `Cqe.dw0`. */
export function getFeaturesCommand(o: { cid: number; fid: number; select?: number; nsid?: number }): Buffer {
  return encodeSqe({
    opcode: AdminOpcode.getFeatures,
    cid: o.cid,
    nsid: o.nsid ?? 0,
    cdw10: requireRange('fid', o.fid, 0, 0xff) | (requireRange('select', o.select ?? 0, 0, 7) << 8),
  });
}

/** For Set and Get Features; `save` has a meaning only for Set, `select` only for Get. */
export function decodeFeatures(sqe: Sqe): { fid: number; value: number; save: boolean; select: number } {
  return { fid: sqe.cdw10 & 0xff, value: sqe.cdw11, save: sqe.cdw10 >>> 31 === 1, select: (sqe.cdw10 >> 8) & 7 };
}

export function keepAliveCommand(o: { cid: number }): Buffer {
  return encodeSqe({ opcode: AdminOpcode.keepAlive, cid: o.cid });
}

/** Asynchronous Event Request: completes when an event happens; see aer.ts for its dw0. */
export function asyncEventCommand(o: { cid: number }): Buffer {
  return encodeSqe({ opcode: AdminOpcode.asyncEventRequest, cid: o.cid });
}

/** Abort of command `abortCid` on submission queue `sqid`. */
export function abortCommand(o: { cid: number; sqid: number; abortCid: number }): Buffer {
  return encodeSqe({
    opcode: AdminOpcode.abort,
    cid: o.cid,
    cdw10: requireRange('sqid', o.sqid, 0, 0xffff) + requireRange('abortCid', o.abortCid, 0, 0xffff) * 0x1_0000,
  });
}

export function decodeAbort(sqe: Sqe): { sqid: number; abortCid: number } {
  return { sqid: sqe.cdw10 & 0xffff, abortCid: sqe.cdw10 >>> 16 };
}

/** dw0 bit 0 of a completed Abort: clear means that the command was aborted. */
export function wasAborted(dw0: number): boolean {
  return (dw0 & 1) === 0;
}
