/**
 * fio's latency bins ("plat" in its sources): 64 bins per power of two. The first 128 values have a bin of their
 * own, then each power of two is cut into 64 equal bins; a value is off by at most 1/128 of itself.
 * Unit: nanoseconds.
 */
export const PLAT_BITS = 6;
const PER_GROUP = 1 << PLAT_BITS;
/** Groups of 64 bins: 29, up to 2^34 ns. A latency of 17.2 s or more is counted in the last bin; the exact one is in `maxNs`. */
export const PLAT_GROUPS = 29;
/** Bins of a full histogram log line (`log_hist_coarseness=0`). */
export const PLAT_BINS = PLAT_GROUPS * PER_GROUP;

/** The bounds of one bin: `lowNs` inclusive, `highNs` exclusive. */
export interface BinBounds {
  readonly lowNs: number;
  readonly highNs: number;
}

/** Bounds of bin `index` (0 … PLAT_BINS-1). */
export function binBounds(index: number): BinBounds {
  if (index < 2 * PER_GROUP) return { lowNs: index, highNs: index + 1 };
  const widthBits = Math.floor(index / PER_GROUP) - 1;
  const width = 2 ** widthBits;
  const lowNs = 2 ** (widthBits + PLAT_BITS) + (index % PER_GROUP) * width;
  return { lowNs, highNs: lowNs + width };
}

/** The value fio reports for a bin: the value itself for the narrow ones, the middle (rounded down) for the rest. */
export function binValueNs(index: number): number {
  const { lowNs, highNs } = binBounds(index);
  return index < 2 * PER_GROUP ? lowNs : Math.floor(lowNs + (highNs - lowNs) / 2);
}

/** The bin that a latency falls into; values beyond the last bin are counted there, as fio does. */
export function binOf(ns: number): number {
  const value = Math.max(0, Math.floor(ns));
  if (value < 2 * PER_GROUP) return value;
  let top = Math.floor(Math.log2(value));
  // log2 of a value just below a power of two may round up.
  if (2 ** top > value) top -= 1;
  const widthBits = top - PLAT_BITS;
  const index = (widthBits + 1) * PER_GROUP + (Math.floor(value / 2 ** widthBits) - PER_GROUP);
  return Math.min(index, PLAT_BINS - 1);
}
