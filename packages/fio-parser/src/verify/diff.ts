import { looksGenerated } from './seed.js';

/** Most wrong ranges listed per block. */
export const RANGES_MAX = 64;
/** Good bytes between two wrong ranges below which they count as one. */
const JOIN_BYTES = 16;
/** Smallest unit that a device writes whole. */
const SECTOR = 512;

/** What stands in a wrong range. `fio-data` is payload of some other fio write. */
export type RangeContent = 'zeroes' | 'constant' | 'fio-data' | 'other';

/** Wrong bytes: offsets within the interval, `to` exclusive. */
export interface WrongRange {
  readonly from: number;
  readonly to: number;
  readonly content: RangeContent;
}

/** A payload compared with what it should be. */
export interface PayloadDiff {
  readonly wrongBytes: number;
  readonly wrongBits: number;
  readonly ranges: readonly WrongRange[];
  /**
   * How it may have come about:
   * - `bit-flip`: a single bit.
   * - `torn`: from a sector boundary on everything is wrong to the end, or everything up to one is.
   * - `sectors`: whole sectors are wrong.
   * - `bytes`: anything else.
   */
  readonly shape: 'bit-flip' | 'torn' | 'sectors' | 'bytes';
}

/** Compares `actual` and `expected` from `from` to `to`; undefined when they agree. */
export function diffPayload(actual: Buffer, expected: Buffer, from: number, to: number): PayloadDiff | undefined {
  const raw: { from: number; to: number }[] = [];
  let wrongBytes = 0;
  let wrongBits = 0;
  for (let at = from; at < to; at += 1) {
    let difference = actual[at]! ^ expected[at]!;
    if (difference === 0) continue;
    wrongBytes += 1;
    for (; difference !== 0; difference &= difference - 1) wrongBits += 1;
    const last = raw.at(-1);
    if (last !== undefined && at - last.to < JOIN_BYTES) last.to = at + 1;
    else raw.push({ from: at, to: at + 1 });
  }
  if (wrongBytes === 0) return undefined;
  const ranges = raw.slice(0, RANGES_MAX).map((range) => ({ ...range, content: contentOf(actual, range.from, range.to) }));
  return { wrongBytes, wrongBits, ranges, shape: shapeOf(raw, from, to, wrongBits) };
}

/** What the bytes from `from` to `to` of an interval are. */
export function contentOf(interval: Buffer, from = 0, to = interval.length): RangeContent {
  const bytes = interval.subarray(from, to);
  const first = bytes[0] ?? 0;
  if (bytes.every((byte) => byte === first)) return first === 0 ? 'zeroes' : 'constant';
  // A range begins at the first byte that differs; words begin at multiples of 8.
  return looksGenerated(interval.subarray(Math.ceil(from / 8) * 8, to)) ? 'fio-data' : 'other';
}

function shapeOf(ranges: readonly { from: number; to: number }[], from: number, to: number, wrongBits: number): PayloadDiff['shape'] {
  if (wrongBits === 1) return 'bit-flip';
  // A byte at an edge may be right by chance, so an edge is near enough within JOIN_BYTES.
  const onEdge = (at: number): boolean => at === from || at === to || at % SECTOR < JOIN_BYTES || at % SECTOR > SECTOR - JOIN_BYTES;
  const startsLate = (range: { from: number; to: number }): boolean => range.from - from > JOIN_BYTES;
  if (!ranges.every((range) => onEdge(range.from) && onEdge(range.to) && range.to - range.from >= Math.min(SECTOR, to - from) / 2)) return 'bytes';
  const only = ranges.length === 1 ? ranges[0]! : undefined;
  if (only === undefined) return 'sectors';
  const endsEarly = to - only.to > JOIN_BYTES;
  return startsLate(only) !== endsEarly ? 'torn' : 'sectors';
}
