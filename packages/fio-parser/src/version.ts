/** A fio version, e.g. `fio-3.41`, `fio-3.33-12-g1a2b3c`, `3.16`. */
export interface FioVersion {
  readonly major: number;
  readonly minor: number;
  /** What follows the numbers, e.g. `-12-g1a2b3c-dirty`; empty for a release. */
  readonly suffix: string;
}

/** Reads a version as fio prints it; undefined when it is none. */
export function parseFioVersion(text: string): FioVersion | undefined {
  const match = /^\s*(?:fio-)?(\d{1,4})\.(\d{1,4})(\S{0,64})\s*$/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]), suffix: match[3]! };
}

/** Negative when `a` is older than `b`. The suffix does not count: `3.33-12-g…` compares like `3.33`. */
export function compareFioVersions(a: FioVersion, b: FioVersion): number {
  return a.major - b.major || a.minor - b.minor;
}

/** True when `version` is `major.minor` or newer. */
export function isAtLeast(version: FioVersion, major: number, minor: number): boolean {
  return compareFioVersions(version, { major, minor, suffix: '' }) >= 0;
}
