import { isAtLeast, type FioVersion } from '../version.js';
import type { LogColumn } from './types.js';

/** Every arrangement that some fio writes, most usual first. The order decides when several fit. */
function arrangements(version: FioVersion | undefined): LogColumn[][] {
  const priorities = version === undefined ? [true, false] : [isAtLeast(version, 3, 17)];
  const found: LogColumn[][] = [];
  for (const priority of priorities) {
    for (const max of [false, true]) {
      for (const offset of [false, true]) {
        // fio refuses log_issue_time without log_offset, and has it only in releases with priorities.
        for (const issueTime of offset && priority ? [false, true] : [false]) {
          found.push([
            'time',
            'value',
            ...(max ? (['max'] as const) : []),
            'direction',
            'blockSize',
            ...(offset ? (['offset'] as const) : []),
            ...(priority ? (['priority'] as const) : []),
            ...(issueTime ? (['issueTime'] as const) : []),
          ]);
        }
      }
    }
  }
  return found;
}

/** Arrangements that fit all sample lines, the most usual first. */
export function fittingLayouts(samples: readonly (readonly string[])[], version: FioVersion | undefined): LogColumn[][] {
  return arrangements(version).filter((columns) => samples.every((fields) => fits(fields, columns)) && makesSense(samples, columns));
}

/** What shape alone cannot tell: a maximum is no less than its average, and offsets of whole blocks differ. */
function makesSense(samples: readonly (readonly string[])[], columns: readonly LogColumn[]): boolean {
  const max = columns.indexOf('max');
  if (max >= 0 && samples.some((fields) => Number(fields[max]) < Number(fields[1]))) return false;
  const offset = columns.indexOf('offset');
  if (offset < 0) return true;
  // In a windowed log block size and offset are both 0.
  const single = samples.filter((fields) => Number(fields[columns.indexOf('blockSize')]) > 0);
  return single.length < 2 || single.some((fields) => Number(fields[offset]) > 1);
}

/** Whether each field has the shape of its column. */
export function fits(fields: readonly string[], columns: readonly LogColumn[]): boolean {
  return fields.length === columns.length && columns.every((column, index) => SHAPES[column].test(fields[index]!));
}

const INTEGER = /^\d{1,20}$/;
const SHAPES: Readonly<Record<LogColumn, RegExp>> = {
  time: INTEGER,
  value: /^-?\d{1,20}$/,
  max: /^-?\d{1,20}$/,
  direction: /^[0-7]$/,
  blockSize: INTEGER,
  offset: INTEGER,
  // One bit, or with log_prio the kernel's 16 bits in hex.
  priority: /^(?:[01]|0x[0-9a-f]{4})$/,
  issueTime: INTEGER,
};
