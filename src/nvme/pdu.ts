import type { Cqe } from './cqe.js';

/** Which digests the two sides agreed on in ICReq/ICResp. */
export interface Digests {
  header: boolean;
  data: boolean;
}

/**
 * A PDU of NVMe/TCP, both directions. All lengths and offsets are bytes; counts are real, not 0-based.
 *
 * What a PduReader returns may share memory with the chunks that were pushed: copy what outlives them.
 */
export type Pdu =
  | IcReqPdu
  | IcRespPdu
  | TermReqPdu
  | CapsuleCmdPdu
  | CapsuleRespPdu
  | H2cDataPdu
  | C2hDataPdu
  | R2tPdu;

export interface IcReqPdu {
  type: 'ICReq';
  /** PDU format version: 0. */
  pfv: number;
  /** Host PDU data alignment, 0..31: C2HData payload starts at a multiple of (hpda + 1) * 4. */
  hpda: number;
  headerDigest: boolean;
  dataDigest: boolean;
  /** R2Ts that may be outstanding per command; the wire value is 0-based. */
  maxR2t: number;
}

export interface IcRespPdu {
  type: 'ICResp';
  pfv: number;
  /** Controller PDU data alignment, as `hpda` but for what the host sends. */
  cpda: number;
  headerDigest: boolean;
  dataDigest: boolean;
  /** Largest payload of one H2CData PDU. */
  maxH2cData: number;
}

export interface TermReqPdu {
  type: 'H2CTermReq' | 'C2HTermReq';
  /** Fatal Error Status, see `Fes`. */
  fes: number;
  /** Fatal Error Information: byte offset of the bad field, or the digest received (header digest error). */
  fei: number;
  /** Up to 128 bytes of the offending PDU's header. */
  header: Buffer;
}

export interface CapsuleCmdPdu {
  type: 'CapsuleCmd';
  /** 64 bytes. */
  sqe: Buffer;
  /** In-capsule data, empty if there is none. */
  data: Buffer;
  /** Reader only: the data digest did not match `data`. */
  dataDigestError?: true;
}

export interface CapsuleRespPdu {
  type: 'CapsuleResp';
  cqe: Cqe;
}

export interface H2cDataPdu {
  type: 'H2CData';
  cid: number;
  ttag: number;
  /** From the start of the command's data, not of the R2T. */
  offset: number;
  data: Buffer;
  /** The last PDU of its R2T. */
  last: boolean;
  dataDigestError?: true;
}

export interface C2hDataPdu {
  type: 'C2HData';
  cid: number;
  offset: number;
  data: Buffer;
  /** The last data PDU of the command. */
  last: boolean;
  /** Only with `last`: the command succeeded and no CapsuleResp will follow. */
  success: boolean;
  dataDigestError?: true;
}

export interface R2tPdu {
  type: 'R2T';
  cid: number;
  ttag: number;
  /** From the start of the command's data. */
  offset: number;
  length: number;
}

/** PDU type values on the wire (transport specification, "PDU-Type"). */
export const PduType = {
  ICReq: 0x00,
  ICResp: 0x01,
  H2CTermReq: 0x02,
  C2HTermReq: 0x03,
  CapsuleCmd: 0x04,
  CapsuleResp: 0x05,
  H2CData: 0x06,
  C2HData: 0x07,
  R2T: 0x09,
} as const satisfies Record<Pdu['type'], number>;

/** FLAGS bits of the common header. */
export const PduFlag = { headerDigest: 1 << 0, dataDigest: 1 << 1, last: 1 << 2, success: 1 << 3 } as const;

export type PduDirection = 'h2c' | 'c2h';

/** What is fixed about a PDU type. */
export interface PduShape {
  name: Pdu['type'];
  direction: PduDirection;
  /** HLEN. */
  headerBytes: number;
  /** Never for ICReq, ICResp and the TermReqs. */
  hasHeaderDigest: boolean;
  /** Something may follow the header: payload, or the offending header of a TermReq. */
  payload: 'none' | 'optional' | 'required' | 'term';
}

/** Indexed by wire type; a hole is a type that does not exist. */
export const pduShapes: readonly (PduShape | undefined)[] = [
  { name: 'ICReq', direction: 'h2c', headerBytes: 128, hasHeaderDigest: false, payload: 'none' },
  { name: 'ICResp', direction: 'c2h', headerBytes: 128, hasHeaderDigest: false, payload: 'none' },
  { name: 'H2CTermReq', direction: 'h2c', headerBytes: 24, hasHeaderDigest: false, payload: 'term' },
  { name: 'C2HTermReq', direction: 'c2h', headerBytes: 24, hasHeaderDigest: false, payload: 'term' },
  { name: 'CapsuleCmd', direction: 'h2c', headerBytes: 72, hasHeaderDigest: true, payload: 'optional' },
  { name: 'CapsuleResp', direction: 'c2h', headerBytes: 24, hasHeaderDigest: true, payload: 'none' },
  { name: 'H2CData', direction: 'h2c', headerBytes: 24, hasHeaderDigest: true, payload: 'required' },
  { name: 'C2HData', direction: 'c2h', headerBytes: 24, hasHeaderDigest: true, payload: 'required' },
  undefined,
  { name: 'R2T', direction: 'c2h', headerBytes: 24, hasHeaderDigest: true, payload: 'none' },
];
