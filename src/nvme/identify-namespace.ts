import { NvmeCodecError, requireRange } from './errors.js';
import { Limit, Size } from './limits.js';
import { bytes, struct, u128, u16, u32, u64, u8 } from './struct.js';
import type { StructOf } from './struct.js';

/** Identify Namespace (CNS 00h), offsets as in the NVM command set specification. Sizes are logical blocks. */
const fields = {
  nsze: u64(0),
  ncap: u64(8),
  nuse: u64(16),
  nsfeat: u8(24),
  flbas: u8(26),
  mc: u8(27),
  dpc: u8(28),
  dps: u8(29),
  /** Bit 0: the namespace may be attached to several controllers. */
  nmic: u8(30),
  /** Reservation capabilities. */
  rescap: u8(31),
  dlfeat: u8(33),
  nawun: u16(34),
  nawupf: u16(36),
  nacwu: u16(38),
  nvmcap: u128(48),
  anagrpid: u32(92),
  /** Bit 0: write protected. */
  nsattr: u8(99),
  nvmsetid: u16(100),
  endgid: u16(102),
  nguid: bytes(104, 16),
  eui64: bytes(120, 8),
};

export interface LbaFormat {
  /** Metadata bytes per block. */
  ms: number;
  /** Block size as a power of two. */
  lbads: number;
  /** Relative performance, 0 best. */
  rp: number;
}

export type IdentifyNamespace = StructOf<typeof fields> & {
  /** 1..64 formats; NLBAF is their count, 0-based. */
  lbaf: LbaFormat[];
};

export const Nmic = { shared: 1 << 0 } as const;

const codec = struct('identify namespace', Size.identify, fields);
const nlbafAt = 25;
const lbafAt = 128;

/** 4096 bytes; one format of 512-byte blocks if `lbaf` is not given. Throws `FIELD_RANGE`. */
export function encodeIdentifyNamespace(f: Partial<IdentifyNamespace>): Buffer {
  const out = codec.encode(f);
  const lbaf = f.lbaf ?? [{ ms: 0, lbads: 9, rp: 0 }];
  out[nlbafAt] = requireRange('lbaf.length', lbaf.length, 1, Limit.lbaFormatsMax) - 1;
  lbaf.forEach((format, i) => {
    const value =
      requireRange('lbaf.ms', format.ms, 0, 0xffff) |
      (requireRange('lbaf.lbads', format.lbads, 0, 0xff) << 16) |
      (requireRange('lbaf.rp', format.rp, 0, 3) << 24);
    out.writeUInt32LE(value, lbafAt + 4 * i);
  });
  return out;
}

/** Throws `TRUNCATED`, or `FIELD_RANGE` for a size of 2^53 blocks and more or over 64 LBA formats. */
export function decodeIdentifyNamespace(b: Buffer): IdentifyNamespace {
  const base = codec.decode(b);
  const count = requireRange('lbaf.length', b[nlbafAt]! + 1, 1, Limit.lbaFormatsMax);
  const lbaf = Array.from({ length: count }, (_, i) => {
    const value = b.readUInt32LE(lbafAt + 4 * i);
    return { ms: value & 0xffff, lbads: (value >> 16) & 0xff, rp: (value >> 24) & 3 };
  });
  return { ...base, lbaf };
}

/** An all-zero answer: the NSID is valid but no active namespace has it. */
export function isInactiveNamespace(ns: IdentifyNamespace): boolean {
  return ns.nsze === 0 && ns.ncap === 0;
}

/**
 * Block size in bytes and number of blocks in the format that is in use. Throws `FIELD_RANGE` if FLBAS
 * points outside the list, the block size is not 512 B..64 KiB, or blocks carry metadata.
 */
export function namespaceGeometry(ns: Pick<IdentifyNamespace, 'nsze' | 'flbas' | 'lbaf'>): { blockSize: number; blocks: number } {
  // FLBAS: low 4 bits of the index in 3:0, high 2 bits in 6:5.
  const index = (ns.flbas & 0xf) | ((ns.flbas >> 1) & 0x30);
  const format = ns.lbaf[index];
  if (format === undefined) throw new NvmeCodecError('FIELD_RANGE', `FLBAS selects LBA format ${index} of ${ns.lbaf.length}`);
  if (format.ms !== 0) throw new NvmeCodecError('FIELD_RANGE', `LBA format ${index} has ${format.ms} bytes of metadata per block`);
  requireRange('lbads', format.lbads, 9, 16);
  return { blockSize: 2 ** format.lbads, blocks: ns.nsze };
}
