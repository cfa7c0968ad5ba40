import { readFileSync } from 'node:fs';

/** Linux makes a new id at each boot (random(4)): what was found out about a machine holds until then. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
