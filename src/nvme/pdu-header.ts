import { Fes, NvmeCodecError } from './errors.js';
import { Limit, Size } from './limits.js';
import { PduFlag, pduShapes } from './pdu.js';
import type { Digests, PduDirection, PduShape } from './pdu.js';

/** Where the parts of one PDU are, all validated. Bytes from the start of the PDU. */
export interface PduLayout {
  shape: PduShape;
  flags: number;
  /** Header, header digest and padding: the payload starts here. */
  dataAt: number;
  dataBytes: number;
  /** The header digest is there, at `shape.headerBytes`. */
  headerDigest: boolean;
  /** The data digest is there, behind the payload. */
  dataDigest: boolean;
}

export interface LayoutLimits {
  dataMaxBytes: number;
  inCapsuleMaxBytes: number;
  alignBytes: number;
}

/**
 * Checks a common header (8 bytes at `at`) and tells where everything is. What it refuses is fatal for the
 * connection: a stream cannot be resynchronised.
 *
 * The header is not yet known to be what was sent if header digests are on: then a wrong length is most
 * likely damage, but it must be refused all the same, since the digest's place follows from it.
 */
export function layoutOf(ch: Buffer, at: number, direction: PduDirection, digests: Digests, limits: LayoutLimits): PduLayout {
  const type = ch[at]!;
  const shape = pduShapes[type];
  if (shape === undefined) throw headerError('PDU_TYPE_UNKNOWN', `PDU type ${hex(type)}`, 0);
  if (shape.direction !== direction) throw headerError('PDU_TYPE_ROLE', `${shape.name} is not for this side`, 0);
  const hlen = ch[at + 2]!;
  if (hlen !== shape.headerBytes) throw headerError('PDU_HLEN', `${shape.name} with HLEN ${hlen}, not ${shape.headerBytes}`, 2);
  const flags = ch[at + 1]!;
  const plen = ch.readUInt32LE(at + 4);
  const headerDigest = shape.hasHeaderDigest && digests.header;
  checkDigestFlag(shape, flags, PduFlag.headerDigest, headerDigest);
  const digested = hlen + (headerDigest ? Size.digest : 0);
  if (plen < digested) throw headerError('PDU_PLEN', `${shape.name} with PLEN ${plen}, below ${digested}`, 4);

  switch (shape.payload) {
    case 'none':
      if (plen !== digested) throw headerError('PDU_PLEN', `${shape.name} with PLEN ${plen}, not ${digested}`, 4);
      return { shape, flags, dataAt: digested, dataBytes: 0, headerDigest, dataDigest: false };
    case 'term':
      if (plen > Limit.termReqMaxBytes) throw headerError('PDU_PLEN', `${shape.name} with PLEN ${plen}, over ${Limit.termReqMaxBytes}`, 4);
      return { shape, flags, dataAt: digested, dataBytes: plen - digested, headerDigest, dataDigest: false };
    case 'optional':
    case 'required':
      return payloadLayout(shape, flags, plen, digested, ch[at + 3]!, headerDigest, digests.data, limits);
  }
}

function payloadLayout(
  shape: PduShape, flags: number, plen: number, digested: number, pdo: number, headerDigest: boolean, dataDigests: boolean, limits: LayoutLimits,
): PduLayout {
  if (plen === digested) {
    if (shape.payload === 'required') throw headerError('PDU_PLEN', `${shape.name} without data`, 4);
    // Without data there is nothing to digest, and PDO is reserved (Linux writes 0).
    checkDigestFlag(shape, flags, PduFlag.dataDigest, false);
    return { shape, flags, dataAt: digested, dataBytes: 0, headerDigest, dataDigest: false };
  }
  checkDigestFlag(shape, flags, PduFlag.dataDigest, dataDigests);
  if (pdo < digested || pdo % limits.alignBytes !== 0) {
    throw headerError('PDU_PDO', `${shape.name} with PDO ${pdo}: header ends at ${digested}, alignment ${limits.alignBytes}`, 3);
  }
  const dataBytes = plen - pdo - (dataDigests ? Size.digest : 0);
  if (dataBytes <= 0) throw headerError('PDU_PLEN', `${shape.name} with PLEN ${plen} has no room for data behind PDO ${pdo}`, 4);
  if (shape.name === 'CapsuleCmd') {
    if (dataBytes > limits.inCapsuleMaxBytes) {
      throw headerError('PDU_DATA_LIMIT', `${dataBytes} bytes of in-capsule data, over ${limits.inCapsuleMaxBytes}`, 4);
    }
  } else if (dataBytes > limits.dataMaxBytes) {
    throw new NvmeCodecError('PDU_DATA_LIMIT', `${shape.name} with ${dataBytes} bytes, over ${limits.dataMaxBytes}`, Fes.limitExceeded, 0);
  }
  return { shape, flags, dataAt: pdo, dataBytes, headerDigest, dataDigest: dataDigests };
}

function checkDigestFlag(shape: PduShape, flags: number, bit: number, expected: boolean): void {
  // IC and TermReq PDUs have no digests: their flag bits are reserved and not looked at.
  if (!shape.hasHeaderDigest) return;
  // PDUs that cannot carry data leave the data digest bit reserved.
  if (((flags & bit) !== 0) !== expected) {
    const what = bit === PduFlag.headerDigest ? 'HDGST' : 'DDGST';
    throw headerError('PDU_FLAGS', `${shape.name} with ${what} flag ${expected ? 'cleared' : 'set'}, against what was negotiated`, 1);
  }
}

/** A fatal `invalid PDU header field` whose FEI is the offset of that field. */
export function headerError(code: NvmeCodecError['code'], message: string, fei: number): NvmeCodecError {
  return new NvmeCodecError(code, message, Fes.invalidPduHeaderField, fei);
}

function hex(value: number): string {
  return `${value.toString(16).padStart(2, '0').toUpperCase()}h`;
}
