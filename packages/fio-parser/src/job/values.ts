/** Powers by suffix letter. */
const POWERS: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/**
 * A size such as `4k`, `10m`, `0x1000` in bytes, as fio reads it. With `kb_base=1024`, the default, `k`, `kb` and `ki`
 * are 1024 and `kib` is 1000; with `kb_base=1000` it is the other way round.
 *
 * Undefined for what is no plain size (`50%`, `${SIZE}`, a range), and for a fraction: fio drops everything behind the
 * point, suffix included, so `1.5k` means 1 byte to it.
 */
export function parseSize(text: string, kbBase: 1024 | 1000 = 1024): number | undefined {
  const hex = /^\s*0x([0-9a-f]{1,13})\s*$/i.exec(text);
  if (hex !== null) return Number.parseInt(hex[1]!, 16);
  const match = /^\s*(\d{1,16})(?:([kmgtp])(i|b|ib)?|b)?\s*$/i.exec(text);
  if (match === null) return undefined;
  const other = kbBase === 1024 ? 1000 : 1024;
  const unit = match[2] === undefined ? 1 : (match[3]?.toLowerCase() === 'ib' ? other : kbBase) ** POWERS[match[2].toLowerCase()]!;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const TIME_UNITS_US: Readonly<Record<string, number>> = { d: 86_400e6, h: 3_600e6, m: 60e6, s: 1e6, ms: 1e3, us: 1 };

/**
 * A time such as `10`, `500ms`, `2m` in microseconds. A number alone is in the unit of its option: seconds for
 * `runtime` and `ramp_time`, microseconds for `thinktime`. Undefined for what is no plain time; as with sizes, fio
 * drops fractions.
 */
export function parseTimeUs(text: string, bareUnit: 's' | 'ms' | 'us' = 's'): number | undefined {
  const match = /^\s*(\d{1,16})(d|h|m|s|ms|msec|us|usec)?\s*$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] ?? bareUnit).toLowerCase().replace('sec', 's');
  const us = Number(match[1]) * TIME_UNITS_US[unit]!;
  return Number.isSafeInteger(us) ? us : undefined;
}

/** A flag: a name alone and any number but 0 are true. Undefined for what is no number. */
export function parseFlag(value: string | undefined): boolean | undefined {
  if (value === undefined) return true;
  return /^\s*-?\d+\s*$/.test(value) ? Number(value) !== 0 : undefined;
}

/** A list of files or hosts, `:` between them, `\:` for a colon. */
export function parseFileList(text: string): string[] {
  return text.split(/(?<!\\):/).map((part) => part.replaceAll('\\:', ':'));
}
