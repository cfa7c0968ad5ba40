/** Fields of one direction. Version 5 adds the bandwidth samples and five of the sampled IOPS. */
export const DIRECTION_FIELDS = { 3: 41, 4: 41, 5: 47 } as const;
export const PERCENTILE_FIELDS = 20;
/** CPU (5), I/O depths (7), latencies in us (10) and ms (12). */
export const TAIL_FIELDS = 34;
export const DISK_FIELDS = 9;
/** Most semicolons a job name may have; each one shifts all columns. */
const NAME_SEMICOLONS_MAX = 16;

export type TerseVersion = keyof typeof DIRECTION_FIELDS;

export interface TerseLayout {
  /** Index of the group id: behind the name. */
  readonly groupAt: number;
  /** Blocks of direction fields. */
  readonly directions: number;
  /** Index of the first field behind the fixed ones. */
  readonly end: number;
}

const INTEGER = /^-?\d+$/;
const PERCENT = /^-?(?:[\d.]+|nan|inf)%$/i;

/**
 * Finds the columns of a terse line by their shape: the name may hold semicolons, `unified_rw_reporting` changes
 * the number of directions, and disks and a description follow. Undefined when no arrangement fits.
 */
export function terseLayout(fields: readonly string[], version: TerseVersion): TerseLayout | undefined {
  const size = DIRECTION_FIELDS[version];
  // The usual number first: two directions in version 3, three in 4 and 5.
  const counts = version === 3 ? [2, 1, 3] : [3, 1, 4];
  for (let groupAt = 3; groupAt <= 3 + NAME_SEMICOLONS_MAX && groupAt < fields.length; groupAt += 1) {
    if (!INTEGER.test(fields[groupAt]!) || !INTEGER.test(fields[groupAt + 1] ?? '')) continue;
    for (const directions of counts) {
      const tail = groupAt + 2 + directions * size;
      if (isTail(fields, tail)) return { groupAt, directions, end: tail + TAIL_FIELDS };
    }
  }
  return undefined;
}

/** user%, system%, three counts, then 29 percentages. */
function isTail(fields: readonly string[], at: number): boolean {
  if (fields.length < at + TAIL_FIELDS) return false;
  for (let index = 0; index < TAIL_FIELDS; index += 1) {
    const shape = index >= 2 && index < 5 ? INTEGER : PERCENT;
    if (!shape.test(fields[at + index]!)) return false;
  }
  return true;
}

/** Whether a disk begins at `at`: a name, seven counts, a percentage. */
export function isDisk(fields: readonly string[], at: number): boolean {
  if (fields.length < at + DISK_FIELDS || fields[at] === '') return false;
  for (let index = 1; index < DISK_FIELDS - 1; index += 1) if (!INTEGER.test(fields[at + index]!)) return false;
  return PERCENT.test(fields[at + DISK_FIELDS - 1]!);
}
