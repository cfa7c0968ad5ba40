import { isAtLeast, parseFioVersion } from 'fio-parser';

/**
 * True when a write that ended in an error is left out of the verification. Releases up to 3.42 keep it in their list
 * and report its block as corrupt (axboe/fio pull request 2086, merged after 3.42; issue 1215 shows the effect). A build
 * between two releases counts as the older one, an unknown version as an old one.
 */
export function skipsErroredWrites(versionText: string): boolean {
  const version = parseFioVersion(versionText);
  return version !== undefined && isAtLeast(version, 3, 43);
}
