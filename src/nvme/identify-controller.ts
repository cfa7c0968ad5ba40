import { Size } from './limits.js';
import { ascii, bytes, nqn, struct, u128, u16, u32, u64big, u8 } from './struct.js';
import type { StructOf } from './struct.js';

/** Identify Controller (CNS 01h), offsets as in the base specification; fields named as there, in lower case. */
const fields = {
  vid: u16(0),
  ssvid: u16(2),
  sn: ascii(4, 20),
  mn: ascii(24, 40),
  fr: ascii(64, 8),
  rab: u8(72),
  ieee: bytes(73, 3),
  /** See `Cmic`. */
  cmic: u8(76),
  /** Largest transfer as a power of two of 4 KiB; 0: no limit. */
  mdts: u8(77),
  cntlid: u16(78),
  ver: u32(80),
  /** See `AsyncEvents`. */
  oaes: u32(92),
  /** See `Ctratt`. */
  ctratt: u32(96),
  /** See `ControllerType`. */
  cntrltype: u8(111),
  fguid: bytes(112, 16),
  /** Command retry delays, 100 ms units. */
  crdt1: u16(128),
  crdt2: u16(130),
  crdt3: u16(132),
  /** Controller instance uniquifier and random number (TP8028). */
  ciu: u8(135),
  cirn: u64big(136),
  oacs: u16(256),
  /** Abort command limit, 0-based. */
  acl: u8(258),
  /** Asynchronous event request limit, 0-based. */
  aerl: u8(259),
  frmw: u8(260),
  lpa: u8(261),
  /** Error log page entries, 0-based. */
  elpe: u8(262),
  npss: u8(263),
  wctemp: u16(266),
  cctemp: u16(268),
  tnvmcap: u128(280),
  /** Keep alive granularity, 100 ms units; 0: not supported. */
  kas: u16(320),
  /** Longest time a group stays in transition, seconds. */
  anatt: u8(342),
  /** See `Anacap`. */
  anacap: u8(343),
  anagrpmax: u32(344),
  nanagrpid: u32(348),
  /** Command quiesce time, milliseconds (TP4129). */
  cqt: u16(386),
  sqes: u8(512),
  cqes: u8(513),
  maxcmd: u16(514),
  nn: u32(516),
  /** See `Oncs`. */
  oncs: u16(520),
  /** Bit 0: compare and write. */
  fuses: u16(522),
  fna: u8(524),
  /** Bit 0: volatile write cache. */
  vwc: u8(525),
  awun: u16(526),
  awupf: u16(528),
  acwu: u16(532),
  sgls: u32(536),
  /** Largest number of allowed namespaces; sizes the ANA log. 0: not reported, NN counts. */
  mnan: u32(540),
  subnqn: nqn(768),
  /** I/O queue command capsule size, 16-byte units. */
  ioccsz: u32(1792),
  iorcsz: u32(1796),
  /** In-capsule data offset, 16-byte units. */
  icdoff: u16(1800),
  fcatt: u8(1802),
  msdbd: u8(1803),
  ofcs: u16(1804),
  /** Cross-controller reset limit (TP8028). */
  ccrl: u8(1807),
};

export type IdentifyController = StructOf<typeof fields>;

const codec = struct('identify controller', Size.identify, fields);

/** 4096 bytes. Throws `FIELD_RANGE`, `STRING_FIELD`. */
export function encodeIdentifyController(f: Partial<IdentifyController>): Buffer {
  return codec.encode(f);
}

/** Throws `TRUNCATED`, or `STRING_FIELD` for a SUBNQN without its end. */
export function decodeIdentifyController(b: Buffer): IdentifyController {
  return codec.decode(b);
}

export const Cmic = { multiPort: 1 << 0, multiController: 1 << 1, ana: 1 << 3 } as const;

/** TBKAS: traffic based keep alive. */
export const Ctratt = { hostId128: 1 << 0, tbkas: 1 << 6 } as const;

export const ControllerType = { io: 1, discovery: 2, admin: 3 } as const;

export const Oncs = {
  compare: 1 << 0,
  writeUncorrectable: 1 << 1,
  datasetManagement: 1 << 2,
  writeZeroes: 1 << 3,
  reservations: 1 << 5,
} as const;

/** SGLS of an NVMe/TCP controller: SGLs, keyed no, offset in-capsule (bit 20), transport SGL (bit 21). */
export const Sgls = { supported: 1 << 0, inCapsuleOffset: 1 << 20, transport: 1 << 21 } as const;

const capsuleUnitBytes = 16;

/** In-capsule data that I/O commands may carry: IOCCSZ * 16 − 64. Never negative. */
export function inCapsuleDataBytes(c: { ioccsz: number }): number {
  return Math.max(0, c.ioccsz * capsuleUnitBytes - Size.sqe);
}

/** IOCCSZ for this much in-capsule data, rounded up to its unit. */
export function ioccszFor(inCapsuleBytes: number): number {
  return Math.ceil((Size.sqe + inCapsuleBytes) / capsuleUnitBytes);
}

/** Largest transfer of one command in bytes; Infinity if the controller has no limit. */
export function maxTransferBytes(c: { mdts: number }): number {
  return c.mdts === 0 ? Infinity : 4096 * 2 ** c.mdts;
}
