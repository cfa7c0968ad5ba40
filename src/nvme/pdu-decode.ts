import { decodeCqe } from './cqe.js';
import { Fes, NvmeCodecError } from './errors.js';
import { PduFlag } from './pdu.js';
import type { Pdu, TermReqPdu } from './pdu.js';
import { headerError } from './pdu-header.js';
import type { PduLayout } from './pdu-header.js';

/**
 * Checks what the layout could not: the fields of the PDU specific header. Called once the whole header
 * (`h`, at least `headerBytes` long) is there and its digest holds, before any payload is waited for.
 */
export function checkSpecificHeader(layout: PduLayout, h: Buffer): void {
  switch (layout.shape.name) {
    case 'C2HData':
      if ((layout.flags & PduFlag.success) !== 0 && (layout.flags & PduFlag.last) === 0) {
        throw headerError('PDU_FLAGS', 'C2HData with SUCCESS but without LAST', 1);
      }
      checkDataLength(layout, h);
      return;
    case 'H2CData':
      checkDataLength(layout, h);
      return;
    case 'R2T':
      if (h.readUInt32LE(16) === 0) throw headerError('PDU_DATA_LENGTH', 'R2T for 0 bytes', 16);
      return;
    case 'ICReq':
    case 'ICResp':
      if (h[10]! > 31) throw headerError('FIELD_RANGE', `PDU data alignment ${h[10]!} is over 31`, 10);
      return;
    case 'H2CTermReq':
    case 'C2HTermReq':
    case 'CapsuleCmd':
    case 'CapsuleResp':
      return;
  }
}

function checkDataLength(layout: PduLayout, h: Buffer): void {
  const datal = h.readUInt32LE(16);
  if (datal !== layout.dataBytes) {
    throw headerError('PDU_DATA_LENGTH', `${layout.shape.name} with DATAL ${datal}, but PLEN leaves ${layout.dataBytes}`, 16);
  }
}

/** Builds the PDU from its checked header and payload; both are kept as they are, not copied. */
export function decodePdu(layout: PduLayout, h: Buffer, data: Buffer, dataDigestError: boolean): Pdu {
  const flagged = dataDigestError ? { dataDigestError: true as const } : undefined;
  switch (layout.shape.name) {
    case 'ICReq':
      return { type: 'ICReq', pfv: h.readUInt16LE(8), hpda: h[10]!, headerDigest: (h[11]! & 1) !== 0, dataDigest: (h[11]! & 2) !== 0, maxR2t: h.readUInt32LE(12) + 1 };
    case 'ICResp':
      return { type: 'ICResp', pfv: h.readUInt16LE(8), cpda: h[10]!, headerDigest: (h[11]! & 1) !== 0, dataDigest: (h[11]! & 2) !== 0, maxH2cData: h.readUInt32LE(12) };
    case 'H2CTermReq':
    case 'C2HTermReq':
      return decodeTermReq(layout.shape.name, h, data);
    case 'CapsuleCmd':
      return { type: 'CapsuleCmd', sqe: h.subarray(8, 72), data, ...flagged };
    case 'CapsuleResp':
      return { type: 'CapsuleResp', cqe: decodeCqe(h, 8) };
    case 'H2CData':
      return { type: 'H2CData', cid: h.readUInt16LE(8), ttag: h.readUInt16LE(10), offset: h.readUInt32LE(12), data, last: (layout.flags & PduFlag.last) !== 0, ...flagged };
    case 'C2HData':
      return {
        type: 'C2HData', cid: h.readUInt16LE(8), offset: h.readUInt32LE(12), data,
        last: (layout.flags & PduFlag.last) !== 0, success: (layout.flags & PduFlag.success) !== 0, ...flagged,
      };
    case 'R2T':
      return { type: 'R2T', cid: h.readUInt16LE(8), ttag: h.readUInt16LE(10), offset: h.readUInt32LE(12), length: h.readUInt32LE(16) };
  }
}

function decodeTermReq(type: TermReqPdu['type'], h: Buffer, header: Buffer): TermReqPdu {
  const fes = h.readUInt16LE(8);
  return { type, fes, fei: readFei(h, fes), header };
}

/**
 * FEI is at byte 10 by the specification, at byte 12 from hosts and controllers whose C struct was not
 * packed (older Linux). An offset never needs more than 16 bits, so zeros at 10 with something at 12 mean
 * the second form; only a digest (header digest error) may have its low half zero in the first one.
 */
function readFei(h: Buffer, fes: number): number {
  const packed = h.readUInt32LE(10);
  if ((packed & 0xffff) !== 0) return packed;
  const reserved = h.readUInt16LE(14);
  if (fes === Fes.headerDigestError && reserved === 0) return packed;
  return h.readUInt32LE(12);
}

/** For a reader that was used again after it failed. */
export function readerFailed(first: NvmeCodecError): NvmeCodecError {
  return new NvmeCodecError('READER_FAILED', `the stream ended with ${first.message}`, first.fes, first.fei);
}
