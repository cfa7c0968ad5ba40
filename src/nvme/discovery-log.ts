import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { Limit, Size } from './limits.js';
import { ascii, nqn, struct, u16, u8 } from './struct.js';
import type { StructOf } from './struct.js';
import { readU64, writeU64 } from './struct.js';

const entryFields = {
  trtype: u8(0),
  adrfam: u8(1),
  subtype: u8(2),
  treq: u8(3),
  portid: u16(4),
  /** FFFFh: dynamic controller model. */
  cntlid: u16(6),
  /** Admin queue entries, at most. */
  asqsz: u16(8),
  eflags: u16(10),
  /** The TCP port as decimal text. */
  trsvcid: ascii(32, 32),
  subnqn: nqn(256),
  traddr: ascii(512, 256),
  /** TSAS of TCP: security type, 0 none. */
  sectype: u8(768),
};

/** One discovery log entry, 1024 bytes; fields named as in the base specification. */
export type DiscoveryEntry = StructOf<typeof entryFields>;

export const TransportType = { rdma: 1, fc: 2, tcp: 3, loop: 254 } as const;
export const AddressFamily = { ipv4: 1, ipv6: 2 } as const;
export const SubsystemType = { referral: 1, nvm: 2, currentDiscovery: 3 } as const;

/** The well-known NQN of every discovery controller. */
export const discoveryNqn = 'nqn.2014-08.org.nvmexpress.discovery';

export interface DiscoveryLog {
  /** Changes whenever the log does: read it again if it differs between header and last entry. */
  genctr: number;
  recfmt: number;
  entries: DiscoveryEntry[];
}

const entryCodec = struct('discovery entry', Size.discoveryEntry, entryFields);

/** 1024 bytes of header, then 1024 per entry. Throws `FIELD_RANGE`, `STRING_FIELD`. */
export function encodeDiscoveryLog(log: { genctr: number; entries: readonly Partial<DiscoveryEntry>[] }): Buffer {
  const header = Buffer.alloc(Size.discoveryHeader);
  writeU64(header, 0, requireRange('genctr', log.genctr, 0, Number.MAX_SAFE_INTEGER));
  writeU64(header, 8, requireRange('entries', log.entries.length, 0, Limit.discoveryRecordsMax));
  return Buffer.concat([header, ...log.entries.map((entry) => entryCodec.encode(entry))]);
}

/** The first 18 bytes: how much there is to read. Throws `TRUNCATED`, or `FIELD_RANGE` for more records than the limit. */
export function decodeDiscoveryHeader(b: Buffer): { genctr: number; numrec: number; recfmt: number } {
  requireBytes('the discovery log header', b, 18);
  const numrec = requireRange('numrec', readU64(b, 8), 0, Limit.discoveryRecordsMax);
  return { genctr: readU64(b, 0), numrec, recfmt: b.readUInt16LE(16) };
}

/** The whole log. Throws as `decodeDiscoveryHeader`, `TRUNCATED` if records are missing, `STRING_FIELD`. */
export function decodeDiscoveryLog(b: Buffer): DiscoveryLog {
  const { genctr, numrec, recfmt } = decodeDiscoveryHeader(b);
  if (recfmt !== 0) throw new NvmeCodecError('FIELD_RANGE', `discovery record format ${recfmt} is not known`);
  requireBytes(`${numrec} discovery records`, b, Size.discoveryHeader + numrec * Size.discoveryEntry);
  const entries = Array.from({ length: numrec }, (_, i) => {
    const at = Size.discoveryHeader + i * Size.discoveryEntry;
    return entryCodec.decode(b.subarray(at, at + Size.discoveryEntry));
  });
  return { genctr, recfmt, entries };
}

/** Bytes of a log with this many records. */
export function discoveryLogBytes(numrec: number): number {
  return Size.discoveryHeader + numrec * Size.discoveryEntry;
}
