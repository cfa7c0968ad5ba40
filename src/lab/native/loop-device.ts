import { existsSync, openSync, ftruncateSync, closeSync, statSync } from 'node:fs';
import { infraError } from '../../util/errors.js';
import { loopsOf } from '../machine-parts.js';
import { runTool } from '../qemu/tools.js';

/** A sparse file of this size, unless it is there. */
export function makeSparseFile(file: string, bytes: number): void {
  if (existsSync(file)) return;
  const fd = openSync(file, 'wx', 0o600);
  try {
    ftruncateSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

/** The loop device with this file behind it, made if there is none. Whoever calls has recorded the file (machine-parts.ts). */
export async function attachLoop(file: string): Promise<{ name: string; major: number; minor: number }> {
  const path = (await loopsOf(file))[0] ?? (await runTool('losetup', ['--find', '--show', '--direct-io=off', file])).toString('utf8').trim();
  const name = path.replace('/dev/', '');
  if (!/^loop\d+$/.test(name)) throw infraError('LOOP_DEVICE', `losetup made ${path === '' ? 'nothing' : path} of ${file}`);
  const { rdev } = statSync(path);
  // makedev(3): the low 8 bits of both numbers, as far as loop devices need it.
  return { name, major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) };
}
