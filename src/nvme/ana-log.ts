import { anaStateName, anaStateValue } from './ana.js';
import type { AnaStateName } from './ana.js';
import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { ascendingNsids, checkAscending } from './identify-lists.js';
import { Size } from './limits.js';
import { readU64, writeU64 } from './struct.js';

export interface AnaGroup {
  /** ANA group identifier, not 0. */
  id: number;
  /** Exact below 2^53. SPDK leaves it 0: never conclude from an equal count that nothing changed. */
  changeCount: number;
  state: AnaStateName;
  /** Attached namespaces of the group, ascending; empty in a log that was asked for with RGO. */
  nsids: number[];
}

export interface AnaLog {
  changeCount: number;
  groups: AnaGroup[];
}

const stateAt = 16;

/**
 * ANA log page (LID 0Ch): header, then per group a 32-byte descriptor and its NSIDs. With `rgo` (groups
 * only) every NSID list is left out and its count is 0. Groups and NSIDs are written in ascending order.
 *
 * Throws `ANA_LOG` for group id 0, one id twice, or a namespace in two groups; `NSID_LIST`; `FIELD_RANGE`.
 */
export function encodeAnaLog(log: { changeCount: number; groups: readonly AnaGroup[]; rgo?: boolean }): Buffer {
  const groups = [...log.groups].sort((a, b) => a.id - b.id);
  requireRange('groups', groups.length, 0, 0xffff);
  const lists = groups.map((group) => ascendingNsids(group.nsids));
  checkGroups(groups);
  const written = log.rgo === true ? groups.map((): number[] => []) : lists;
  let size: number = Size.anaLogHeader;
  for (const list of written) size += Size.anaGroupDescriptor + 4 * list.length;
  const out = Buffer.alloc(size);
  writeU64(out, 0, requireRange('changeCount', log.changeCount, 0, Number.MAX_SAFE_INTEGER));
  out.writeUInt16LE(groups.length, 8);
  let at: number = Size.anaLogHeader;
  groups.forEach((group, i) => {
    const nsids = written[i]!;
    out.writeUInt32LE(requireRange('group.id', group.id, 1, 0xffff_ffff), at);
    out.writeUInt32LE(nsids.length, at + 4);
    writeU64(out, at + 8, requireRange('group.changeCount', group.changeCount, 0, Number.MAX_SAFE_INTEGER));
    out[at + stateAt] = anaStateValue(group.state);
    at += Size.anaGroupDescriptor;
    for (const nsid of nsids) at = out.writeUInt32LE(nsid, at);
  });
  return out;
}

/**
 * Reads a log; bytes behind its last descriptor are ignored, so a buffer of `anaLogMaxBytes` will do.
 *
 * Throws `TRUNCATED` if the descriptors claim more than there is, `ANA_LOG` for group id 0 or twice, a
 * namespace in two groups or an undefined state, `NSID_LIST` for a list out of order. A namespace that no
 * group lists has no known state: it is pending, never optimized.
 */
export function decodeAnaLog(b: Buffer): AnaLog {
  requireBytes('the ANA log header', b, Size.anaLogHeader);
  const count = b.readUInt16LE(8);
  const groups: AnaGroup[] = [];
  let at: number = Size.anaLogHeader;
  for (let i = 0; i < count; i += 1) {
    requireBytes(`ANA group descriptor ${i + 1} of ${count}`, b, at + Size.anaGroupDescriptor);
    const id = b.readUInt32LE(at);
    const nsidCount = b.readUInt32LE(at + 4);
    const stateValue = b[at + stateAt]! & 0xf;
    const state = anaStateName(stateValue);
    if (state === undefined) throw new NvmeCodecError('ANA_LOG', `ANA group ${id} has state ${stateValue}, which is not defined`);
    const changeCount = readU64(b, at + 8);
    at += Size.anaGroupDescriptor;
    // Before the list is built: a count that the buffer cannot hold must not allocate anything.
    requireBytes(`${nsidCount} NSIDs of ANA group ${id}`, b, at + 4 * nsidCount);
    const nsids: number[] = [];
    for (const end = at + 4 * nsidCount; at < end; at += 4) nsids.push(b.readUInt32LE(at));
    checkAscending(nsids);
    groups.push({ id, changeCount, state, nsids });
  }
  checkGroups(groups);
  return { changeCount: readU64(b, 0), groups };
}

function checkGroups(groups: readonly AnaGroup[]): void {
  const ids = new Set<number>();
  const owners = new Map<number, number>();
  for (const { id, nsids } of groups) {
    if (id === 0) throw new NvmeCodecError('ANA_LOG', 'ANA group 0 does not exist');
    if (ids.has(id)) throw new NvmeCodecError('ANA_LOG', `ANA group ${id} twice`);
    ids.add(id);
    for (const nsid of nsids) {
      const other = owners.get(nsid);
      if (other !== undefined) throw new NvmeCodecError('ANA_LOG', `NSID ${nsid} in ANA groups ${other} and ${id}`);
      owners.set(nsid, id);
    }
  }
}

/** The state of a group; undefined if the log has no descriptor for it: treat as pending and read again. */
export function anaGroupState(log: AnaLog, groupId: number): AnaStateName | undefined {
  return log.groups.find((group) => group.id === groupId)?.state;
}

/** The largest ANA log that a controller can have, bytes; the buffer that a host reads it into. */
export function anaLogMaxBytes(c: { nanagrpid: number; mnan: number; nn: number }): number {
  return Size.anaLogHeader + Size.anaGroupDescriptor * c.nanagrpid + 4 * (c.mnan === 0 ? c.nn : c.mnan);
}
