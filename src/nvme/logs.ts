import { NvmeCodecError, requireBytes, requireRange } from './errors.js';
import { ascendingNsids, checkAscending } from './identify-lists.js';
import { Limit, nsidAll, Size } from './limits.js';
import { struct, u128, u16, u32, u64big, u8 } from './struct.js';
import type { StructOf } from './struct.js';

/** Log pages: ANA, changed namespaces, discovery, SMART, error. */
export * from './ana-log.js';
export * from './discovery-log.js';

/** Changed namespace list (LID 04h). */
export interface ChangedNamespaces {
  /** More than 1024 changed: rescan everything. `nsids` is then empty. */
  overflow: boolean;
  nsids: number[];
}

/** 4096 bytes; over 1024 NSIDs become an overflow. Sorts. Throws `NSID_LIST`. */
export function encodeChangedNamespaces(nsids: readonly number[]): Buffer {
  const out = Buffer.alloc(Size.changedNsList);
  if (nsids.length > Limit.nsListEntriesMax) out.writeUInt32LE(nsidAll, 0);
  else ascendingNsids(nsids).forEach((nsid, i) => void out.writeUInt32LE(nsid, 4 * i));
  return out;
}

/**
 * Reading this log only clears its event: what changed is found by a rescan of the active list and a new
 * ANA log. Throws `TRUNCATED`, `NSID_LIST`.
 */
export function decodeChangedNamespaces(b: Buffer): ChangedNamespaces {
  requireBytes('a changed namespace list', b, Size.changedNsList);
  if (b.readUInt32LE(0) === nsidAll) return { overflow: true, nsids: [] };
  const nsids: number[] = [];
  for (let i = 0; i < Limit.nsListEntriesMax; i += 1) {
    const nsid = b.readUInt32LE(4 * i);
    if (nsid === 0) break;
    nsids.push(nsid);
  }
  checkAscending(nsids);
  return { overflow: false, nsids };
}

const smartFields = {
  criticalWarning: u8(0),
  compositeTemperatureK: u16(1),
  availableSparePercent: u8(3),
  availableSpareThresholdPercent: u8(4),
  percentageUsed: u8(5),
  enduranceGroupCriticalWarning: u8(6),
  /** Units of 1000 * 512 bytes. */
  dataUnitsRead: u128(32),
  dataUnitsWritten: u128(48),
  hostReadCommands: u128(64),
  hostWriteCommands: u128(80),
  controllerBusyMinutes: u128(96),
  powerCycles: u128(112),
  powerOnHours: u128(128),
  unsafeShutdowns: u128(144),
  mediaErrors: u128(160),
  errorLogEntries: u128(176),
  warningTemperatureMinutes: u32(192),
  criticalTemperatureMinutes: u32(196),
};

/** SMART / health information (LID 02h), 512 bytes. */
export type SmartLog = StructOf<typeof smartFields>;

const smartCodec = struct('SMART log', Size.smartLog, smartFields);

export function encodeSmartLog(log: Partial<SmartLog>): Buffer {
  return smartCodec.encode(log);
}

export function decodeSmartLog(b: Buffer): SmartLog {
  return smartCodec.decode(b);
}

const errorFields = {
  /** Unique, starts at 1; 0 marks an entry that is not used. */
  errorCount: u64big(0),
  sqid: u16(8),
  cid: u16(10),
  /** The status word of the CQE, phase tag in bit 0. */
  statusField: u16(12),
  parameterLocation: u16(14),
  lba: u64big(16),
  nsid: u32(24),
  vendorLog: u8(28),
  trtype: u8(29),
  csi: u8(30),
  opcode: u8(31),
  commandSpecific: u64big(32),
  transportSpecific: u16(40),
};

/** Error information log entry (LID 01h), 64 bytes. */
export type ErrorLogEntry = StructOf<typeof errorFields>;

const errorCodec = struct('error log entry', Size.errorLogEntry, errorFields);

/** Newest first; `slots` (ELPE + 1) entries of 64 bytes, the unused ones zero. Throws `FIELD_RANGE`. */
export function encodeErrorLog(entries: readonly Partial<ErrorLogEntry>[], slots: number = entries.length): Buffer {
  requireRange('slots', slots, entries.length, 256);
  const out = Buffer.alloc(slots * Size.errorLogEntry);
  entries.forEach((entry, i) => void errorCodec.encode(entry).copy(out, i * Size.errorLogEntry));
  return out;
}

/** The entries in use. Throws `TRUNCATED` if `b` is not whole entries. */
export function decodeErrorLog(b: Buffer): ErrorLogEntry[] {
  if (b.length % Size.errorLogEntry !== 0) throw new NvmeCodecError('TRUNCATED', `an error log of ${b.length} bytes is not whole entries of ${Size.errorLogEntry}`);
  const entries: ErrorLogEntry[] = [];
  for (let at = 0; at < b.length; at += Size.errorLogEntry) {
    const entry = errorCodec.decode(b.subarray(at, at + Size.errorLogEntry));
    if (entry.errorCount !== 0n) entries.push(entry);
  }
  return entries;
}
