import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { infraError } from '../../util/errors.js';
import { cacheDir } from '../qemu/cache.js';
import { ensureImage } from '../qemu/image/image.js';
import { withLock } from '../qemu/image/lock.js';
import { defaultRecipe, type ImageRecipe } from '../qemu/image/recipe.js';
import { findProgram, runTool } from '../qemu/tools.js';

/** What a monitor needs of the lab's image, as paths in it: 310 of its 710 MB. */
const neededPaths = [
  'usr/bin/ceph-mon', 'usr/bin/ceph-authtool', 'usr/bin/monmaptool', 'usr/lib/x86_64-linux-gnu', 'usr/lib64', 'lib', 'lib64', 'bin', 'sbin', 'etc',
] as const;
const monProgram = 'usr/bin/ceph-mon';
const unpackMaxMs = 5 * 60_000;
const lockWaitMaxMs = 10 * 60_000;

export interface RootOptions {
  progress: (line: string) => void;
  recipe?: ImageRecipe;
}

/**
 * A folder with a root file system that has ceph-mon: `PATHPROOF_CEPH_ROOT` if it is set, else one that is unpacked
 * from the qemu lab's image into the cache folder, once per image; the image is built first if there is none.
 *
 * Rejects with an infra error: CEPH_ROOT (the named folder has no ceph-mon), TOOL_MISSING, TOOL_FAILED, and those
 * of the image.
 */
export async function ensureCephRoot({ progress, recipe = defaultRecipe() }: RootOptions): Promise<string> {
  const named = process.env['PATHPROOF_CEPH_ROOT'];
  if (named !== undefined && named !== '') {
    if (existsSync(join(named, monProgram))) return named;
    throw infraError('CEPH_ROOT', `PATHPROOF_CEPH_ROOT (${named}) has no ${monProgram}`, { hint: 'unset it to use the lab’s own image, or unpack one: unsquashfs -d DIR root.squashfs' });
  }
  const image = await ensureImage(recipe, { progress });
  const dir = join(cacheDir(), 'roots', basename(image.dir));
  return cached(dir) ?? withLock(`${dir}.lock`, lockWaitMaxMs,
    (pid) => progress(`waiting for pid ${pid}, which unpacks the image`),
    async () => cached(dir) ?? unpack(image.rootfs, dir, progress));
}

function cached(dir: string): string | undefined {
  return existsSync(join(dir, monProgram)) ? dir : undefined;
}

async function unpack(squashfs: string, dir: string, progress: (line: string) => void): Promise<string> {
  if (findProgram('unsquashfs') === undefined) {
    throw infraError('TOOL_MISSING', 'unsquashfs is not installed; it unpacks the image that has ceph-mon', { hint: 'apt-get install -y squashfs-tools, or `pathproof doctor --lab qemu --fix`' });
  }
  progress(`unpacking ceph-mon from ${squashfs}`);
  const part = `${dir}.part`;
  rmSync(part, { recursive: true, force: true });
  // Only regular files, folders and links are among these paths: no right to make device nodes is needed.
  await runTool('unsquashfs', ['-quiet', '-no-progress', '-d', part, squashfs, ...neededPaths], { timeoutMs: unpackMaxMs });
  mkdirSync(join(part, 'tmp'), { recursive: true });
  if (cached(part) === undefined) throw infraError('CEPH_ROOT', `the image ${squashfs} has no ${monProgram}`, { hint: 'does its recipe have the package ceph-mon?' });
  renameSync(part, dir);
  return dir;
}
