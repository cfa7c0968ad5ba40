import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { Limit, Size } from './limits.js';

/**
 * Active Namespace ID List (CNS 02h): 1024 NSIDs greater than the command's, ascending, zero-filled.
 * Sorts; throws `NSID_LIST` for duplicates, invalid NSIDs or more than 1024.
 */
export function encodeActiveNsList(nsids: readonly number[]): Buffer {
  if (nsids.length > Limit.nsListEntriesMax) throw new NvmeCodecError('NSID_LIST', `${nsids.length} NSIDs, over ${Limit.nsListEntriesMax}`);
  const out = Buffer.alloc(Size.identify);
  ascendingNsids(nsids).forEach((nsid, i) => void out.writeUInt32LE(nsid, 4 * i));
  return out;
}

/** Up to the first zero. 1024 entries: there may be more, ask again from the last one. Throws `TRUNCATED`, `NSID_LIST`. */
export function decodeActiveNsList(b: Buffer): number[] {
  requireBytes('an active namespace list', b, Size.identify);
  const nsids: number[] = [];
  for (let i = 0; i < Limit.nsListEntriesMax; i += 1) {
    const nsid = b.readUInt32LE(4 * i);
    if (nsid === 0) break;
    nsids.push(nsid);
  }
  checkAscending(nsids);
  return nsids;
}

/** A sorted copy. Throws `NSID_LIST` for duplicates and for what is no NSID. */
export function ascendingNsids(nsids: readonly number[]): number[] {
  const sorted = [...nsids].sort((a, b) => a - b);
  checkAscending(sorted);
  return sorted;
}

/** Throws `NSID_LIST` unless strictly ascending and each in 1..FFFFFFFEh: Linux' merge walk skips what is out of order. */
export function checkAscending(nsids: readonly number[]): void {
  let previous = 0;
  for (const nsid of nsids) {
    if (!Number.isInteger(nsid) || nsid > Limit.nsidMax || nsid <= previous) {
      throw new NvmeCodecError('NSID_LIST', `NSID ${nsid} after ${previous}: not strictly ascending in 1..${Limit.nsidMax}`);
    }
    previous = nsid;
  }
}

/** Namespace identification descriptors (CNS 03h). */
export interface NsDescriptors {
  /** 8 bytes. */
  eui64?: Buffer;
  /** 16 bytes. */
  nguid?: Buffer;
  /** 16 bytes, in the order in which a UUID is printed. */
  uuid?: Buffer;
  /** Command set identifier: 0 NVM. */
  csi?: number;
}

const Nidt = { eui64: 1, nguid: 2, uuid: 3, csi: 4 } as const;
const lengths = new Map<number, number>([[Nidt.eui64, 8], [Nidt.nguid, 16], [Nidt.uuid, 16], [Nidt.csi, 1]]);
const descriptorHeader = 4;

/** 4096 bytes. Throws `NS_DESCRIPTOR` for an identifier of a wrong length. */
export function encodeNsDescriptors(d: NsDescriptors): Buffer {
  const out = Buffer.alloc(Size.identify);
  let at = 0;
  const add = (nidt: number, value: Buffer | undefined): void => {
    if (value === undefined) return;
    if (value.length !== lengths.get(nidt)) throw new NvmeCodecError('NS_DESCRIPTOR', `identifier type ${nidt} with ${value.length} bytes`);
    out[at] = nidt;
    out[at + 1] = value.length;
    value.copy(out, at + descriptorHeader);
    at += descriptorHeader + value.length;
  };
  add(Nidt.eui64, d.eui64);
  add(Nidt.nguid, d.nguid);
  add(Nidt.uuid, d.uuid);
  add(Nidt.csi, d.csi === undefined ? undefined : Buffer.of(requireRange('csi', d.csi, 0, 0xff)));
  return out;
}

/**
 * Descriptors up to the first with length 0. Types that are not known are skipped by their length. Throws
 * `NS_DESCRIPTOR` for a known type with a wrong length, a type twice, or one that leaves the page; `TRUNCATED`.
 */
export function decodeNsDescriptors(b: Buffer): NsDescriptors {
  requireBytes('namespace identification descriptors', b, Size.identify);
  const out: NsDescriptors = {};
  const seen = new Set<number>();
  let at = 0;
  while (at + descriptorHeader <= Size.identify) {
    const nidt = b[at]!;
    const nidl = b[at + 1]!;
    if (nidl === 0) break;
    const end = at + descriptorHeader + nidl;
    if (end > Size.identify) throw new NvmeCodecError('NS_DESCRIPTOR', `identifier type ${nidt} ends at ${end}, behind the page`);
    const expected = lengths.get(nidt);
    if (expected !== undefined) {
      if (expected !== nidl) throw new NvmeCodecError('NS_DESCRIPTOR', `identifier type ${nidt} with ${nidl} bytes, not ${expected}`);
      if (seen.has(nidt)) throw new NvmeCodecError('NS_DESCRIPTOR', `identifier type ${nidt} twice`);
      seen.add(nidt);
      const value = Buffer.from(b.subarray(at + descriptorHeader, end));
      if (nidt === Nidt.eui64) out.eui64 = value;
      else if (nidt === Nidt.nguid) out.nguid = value;
      else if (nidt === Nidt.uuid) out.uuid = value;
      else out.csi = value[0]!;
    }
    at = end;
  }
  return out;
}

/** `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, lower case, of 16 bytes. */
export function formatUuid(b: Buffer): string {
  if (b.length !== 16) throw new NvmeCodecError('FIELD_RANGE', `a UUID has 16 bytes, not ${b.length}`);
  const hex = b.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The 16 bytes of a printed UUID. Throws `STRING_FIELD`. */
export function parseUuid(text: string): Buffer {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw new NvmeCodecError('STRING_FIELD', `not a UUID: ${JSON.stringify(text)}`);
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}
