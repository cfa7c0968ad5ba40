import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from '../qemu/cache.js';

/** Where the folders of native labs are while they are up: on the disk of the cache, which snapshots are copied from. */
export function labsDir(): string {
  const dir = join(cacheDir(), 'native', 'labs');
  mkdirSync(dir, { recursive: true });
  return dir;
}
