import { writeCqe } from './cqe.js';
import { crc32c } from './crc32c.js';
import { Fes, NvmeCodecError, requireRange } from './errors.js';
import { Limit, Size } from './limits.js';
import { PduFlag, PduType } from './pdu.js';
import type { C2hDataPdu, Digests, H2cDataPdu, IcReqPdu, IcRespPdu, Pdu, TermReqPdu } from './pdu.js';

const noDigests: Digests = { header: false, data: false };

/**
 * The bytes of one PDU as the buffers to write, in order: header (with its digest and the padding), then
 * the payload untouched (no copy), then the data digest. `alignBytes` is the receiver's (xPDA + 1) * 4.
 *
 * Digest rules as Linux has them: a header digest on everything but IC and TermReq PDUs, a data digest
 * wherever there is payload. Throws `FIELD_RANGE` for values that do not fit their field.
 */
export function encodePdu(pdu: Pdu, digests: Digests, alignBytes = 4): Buffer[] {
  switch (pdu.type) {
    case 'ICReq':
    case 'ICResp':
      return [encodeIc(pdu)];
    case 'H2CTermReq':
    case 'C2HTermReq':
      return encodeTermReq(pdu);
    case 'CapsuleCmd': {
      if (pdu.sqe.length !== Size.sqe) throw new NvmeCodecError('FIELD_RANGE', `an SQE has ${Size.sqe} bytes, not ${pdu.sqe.length}`);
      const header = startPdu(PduType.CapsuleCmd, 0, 72, pdu.data.length, digests, alignBytes);
      pdu.sqe.copy(header, 8);
      return finishPdu(header, 72, pdu.data, digests);
    }
    case 'CapsuleResp': {
      const header = startPdu(PduType.CapsuleResp, 0, 24, 0, digests, alignBytes);
      writeCqe(header, 8, pdu.cqe);
      return finishPdu(header, 24, undefined, digests);
    }
    case 'H2CData':
    case 'C2HData':
      return encodeData(pdu, digests, alignBytes);
    case 'R2T': {
      const header = startPdu(PduType.R2T, 0, 24, 0, digests, alignBytes);
      header.writeUInt16LE(requireRange('cid', pdu.cid, 0, 0xffff), 8);
      header.writeUInt16LE(requireRange('ttag', pdu.ttag, 0, 0xffff), 10);
      header.writeUInt32LE(requireRange('offset', pdu.offset, 0, 0xffff_ffff), 12);
      header.writeUInt32LE(requireRange('length', pdu.length, 1, 0xffff_ffff), 16);
      header.writeUInt32LE(0, 20);
      return finishPdu(header, 24, undefined, digests);
    }
  }
}

/** Bytes that `encodePdu` made, e.g. for a send budget. */
export function pduBytes(buffers: readonly Buffer[]): number {
  let bytes = 0;
  for (const buffer of buffers) bytes += buffer.length;
  return bytes;
}

function encodeData(pdu: H2cDataPdu | C2hDataPdu, digests: Digests, alignBytes: number): Buffer[] {
  if (pdu.data.length === 0) throw new NvmeCodecError('FIELD_RANGE', `${pdu.type} without data`);
  let flags = pdu.last ? PduFlag.last : 0;
  if (pdu.type === 'C2HData' && pdu.success) {
    if (!pdu.last) throw new NvmeCodecError('FIELD_RANGE', 'SUCCESS is only allowed on the last C2HData of a command');
    flags |= PduFlag.success;
  }
  const header = startPdu(PduType[pdu.type], flags, 24, pdu.data.length, digests, alignBytes);
  header.writeUInt16LE(requireRange('cid', pdu.cid, 0, 0xffff), 8);
  header.writeUInt16LE(pdu.type === 'H2CData' ? requireRange('ttag', pdu.ttag, 0, 0xffff) : 0, 10);
  header.writeUInt32LE(requireRange('offset', pdu.offset, 0, 0xffff_ffff), 12);
  header.writeUInt32LE(pdu.data.length, 16);
  header.writeUInt32LE(0, 20);
  return finishPdu(header, 24, pdu.data, digests);
}

/** The header buffer with its common header written, room for digest and padding, and the padding zeroed. */
function startPdu(type: number, flagBits: number, headerBytes: number, dataBytes: number, digests: Digests, alignBytes: number): Buffer {
  const digested = headerBytes + (digests.header ? Size.digest : 0);
  const dataDigest = digests.data && dataBytes > 0;
  let flags = flagBits;
  if (digests.header) flags |= PduFlag.headerDigest;
  if (dataDigest) flags |= PduFlag.dataDigest;
  let end = digested;
  if (dataBytes > 0 && alignBytes !== 4) end = alignUp(digested, alignBytes);
  const header = Buffer.allocUnsafe(end);
  header[0] = type;
  header[1] = flags;
  header[2] = headerBytes;
  header[3] = dataBytes > 0 ? end : 0;
  header.writeUInt32LE(requireRange('plen', end + dataBytes + (dataDigest ? Size.digest : 0), 0, 0xffff_ffff), 4);
  if (end > digested) header.fill(0, digested);
  return header;
}

function finishPdu(header: Buffer, headerBytes: number, data: Buffer | undefined, digests: Digests): Buffer[] {
  if (digests.header) header.writeUInt32LE(crc32c(header.subarray(0, headerBytes)), headerBytes);
  if (data === undefined || data.length === 0) return [header];
  if (!digests.data) return [header, data];
  const digest = Buffer.allocUnsafe(Size.digest);
  digest.writeUInt32LE(crc32c(data));
  return [header, data, digest];
}

function alignUp(bytes: number, alignBytes: number): number {
  if (alignBytes % 4 !== 0) throw new NvmeCodecError('FIELD_RANGE', `alignBytes = ${alignBytes} is not a multiple of 4`);
  requireRange('alignBytes', alignBytes, 4, Limit.alignMaxBytes);
  return Math.ceil(bytes / alignBytes) * alignBytes;
}

function encodeIc(pdu: IcReqPdu | IcRespPdu): Buffer {
  const out = Buffer.alloc(Size.icPdu);
  out[0] = PduType[pdu.type];
  out[2] = Size.icPdu;
  out.writeUInt32LE(Size.icPdu, 4);
  out.writeUInt16LE(requireRange('pfv', pdu.pfv, 0, 0xffff), 8);
  out[10] = requireRange('pda', pdu.type === 'ICReq' ? pdu.hpda : pdu.cpda, 0, 31);
  out[11] = (pdu.headerDigest ? 1 : 0) | (pdu.dataDigest ? 2 : 0);
  const value = pdu.type === 'ICReq' ? requireRange('maxR2t', pdu.maxR2t, 1, 0x1_0000_0000) - 1 : requireRange('maxH2cData', pdu.maxH2cData, 0, 0xffff_ffff);
  out.writeUInt32LE(value, 12);
  return out;
}

function encodeTermReq(pdu: TermReqPdu): Buffer[] {
  requireRange('header.length', pdu.header.length, 0, Limit.termReqHeaderMaxBytes);
  // Only a digest needs more than 16 bits; see readFei for why a larger offset could not be told apart.
  const feiMax = pdu.fes === Fes.headerDigestError ? 0xffff_ffff : 0xffff;
  const out = Buffer.alloc(24);
  out[0] = PduType[pdu.type];
  out[2] = 24;
  out.writeUInt32LE(24 + pdu.header.length, 4);
  out.writeUInt16LE(requireRange('fes', pdu.fes, 0, 0xffff), 8);
  out.writeUInt32LE(requireRange('fei', pdu.fei, 0, feiMax), 10);
  return pdu.header.length === 0 ? [out] : [out, pdu.header];
}

/** The TermReq that answers a codec error; `header` is what was received of the offending PDU. */
export function termReqFor(type: 'H2CTermReq' | 'C2HTermReq', error: NvmeCodecError, header: Buffer = Buffer.alloc(0)): TermReqPdu {
  const fei = error.fes === Fes.headerDigestError ? error.fei >>> 0 : Math.min(error.fei, 0xffff);
  return {
    type,
    fes: error.fes === Fes.none ? Fes.invalidPduHeaderField : error.fes,
    fei,
    header: header.subarray(0, Limit.termReqHeaderMaxBytes),
  };
}

/** Encoding without digests, as IC and TermReq PDUs need it. */
export { noDigests };
