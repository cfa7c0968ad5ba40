import type { LogRecord } from './types.js';
import { LOG_DIRECTIONS } from './types.js';
import { priorityOf } from './record.js';

/**
 * Samples as fio keeps them in memory, which is what `log_store_compressed=1` packs: little-endian, 8-byte aligned,
 * with flags for the optional parts in the upper bits of the direction.
 *
 *   as fio 3.33:  time u64, value u64,           direction u32, priority u16, pad, blockSize u64 [, offset u64]
 *   as fio 3.41:  time u64, value u64, max u64,  direction u32, priority u16, pad, blockSize u64 [, offset u64] [, issue u64]
 */
export type StoredLayout = 'one-value' | 'two-values';

const HAS_OFFSET = 0x80000000;
const HAS_PRIORITY = 0x40000000;
const HAS_MAX = 0x20000000;
const HAS_ISSUE_TIME = 0x10000000;
const FLAGS = 0xf0000000;
/** Bytes looked at to tell the layouts apart: 73 samples at least. */
export const PROBE_BYTES = 4096;

/** Bytes before the optional parts, and where the direction is. */
const FIXED = { 'one-value': { size: 32, directionAt: 16 }, 'two-values': { size: 40, directionAt: 24 } } as const;

/**
 * Tells the layout by the samples at the start, PROBE_BYTES of them or all there are (`atEnd`). Undefined when neither
 * fits.
 */
export function storedLayout(bytes: Buffer, atEnd: boolean): StoredLayout | undefined {
  return (['one-value', 'two-values'] as const).find((layout) => {
    const size = sampleSize(bytes, layout);
    if (size === undefined || bytes.length < size || (atEnd && bytes.length % size !== 0)) return false;
    const flags = flagsAt(bytes, 0, layout);
    for (let at = 0; at + size <= bytes.length; at += size) {
      // One log has one set of flags, and a block size is nothing (an average) or below 1 GiB.
      if (!plausible(bytes, at, layout) || flagsAt(bytes, at, layout) !== flags) return false;
      if (bytes.readBigUInt64LE(at + FIXED[layout].directionAt + 8) > 2n ** 30n) return false;
    }
    return true;
  });
}

function flagsAt(bytes: Buffer, at: number, layout: StoredLayout): number {
  return (bytes.readUInt32LE(at + FIXED[layout].directionAt) & FLAGS) >>> 0;
}

/** Bytes of one sample, from the flags of the first one. */
export function sampleSize(bytes: Buffer, layout: StoredLayout): number | undefined {
  const { size, directionAt } = FIXED[layout];
  if (bytes.length < directionAt + 4) return undefined;
  const flags = bytes.readUInt32LE(directionAt);
  return size + ((flags & HAS_OFFSET) !== 0 ? 8 : 0) + (layout === 'two-values' && (flags & HAS_ISSUE_TIME) !== 0 ? 8 : 0);
}

/** The sample at `at`; undefined when it cannot be one. */
export function storedSample(bytes: Buffer, at: number, layout: StoredLayout): LogRecord | undefined {
  if (!plausible(bytes, at, layout)) return undefined;
  const { size, directionAt } = FIXED[layout];
  const word = bytes.readUInt32LE(at + directionAt);
  const priority = bytes.readUInt16LE(at + directionAt + 4);
  const hasOffset = (word & HAS_OFFSET) !== 0;
  const hasIssueTime = layout === 'two-values' && (word & HAS_ISSUE_TIME) !== 0;
  return {
    timeMs: u64(bytes, at),
    value: u64(bytes, at + 8),
    ...(layout === 'two-values' && (word & HAS_MAX) !== 0 ? { max: u64(bytes, at + 16) } : {}),
    direction: LOG_DIRECTIONS[(word & ~FLAGS) >>> 0]!,
    blockSize: u64(bytes, at + directionAt + 8),
    ...(hasOffset ? { offset: u64(bytes, at + size) } : {}),
    // As the text log would show it.
    ...((word & HAS_PRIORITY) !== 0 ? { priority: priorityOf(priority) } : { highPriority: priority >> 13 === 1 }),
    ...(hasIssueTime ? { issueTimeNs: u64(bytes, at + size + (hasOffset ? 8 : 0)) } : {}),
  };
}

/** A known direction, padding or not, and a block size that some device could have. */
function plausible(bytes: Buffer, at: number, layout: StoredLayout): boolean {
  const { size, directionAt } = FIXED[layout];
  if (at + size > bytes.length) return false;
  const direction = (bytes.readUInt32LE(at + directionAt) & ~FLAGS) >>> 0;
  return direction < LOG_DIRECTIONS.length && bytes.readBigUInt64LE(at + directionAt + 8) < 2n ** 40n && bytes.readBigUInt64LE(at) < 2n ** 53n;
}

function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
