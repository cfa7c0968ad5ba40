import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { sleep } from '../util/clock.js';

/**
 * What a lab of namespaces makes of this machine besides processes. Names are recorded before anything is made under
 * them, so that whatever there is can be found by its name after the harness was killed. Mounts and network namespaces
 * need no names: they are private to processes of these control groups and end with them.
 */
export const machinePartsSchema = z.object({
  /** Control groups (v2), as folders: every process in them or below belongs to the lab. */
  cgroups: z.array(z.string()).default([]),
  /** Files that are, or were about to be, behind loop devices. */
  loopFiles: z.array(z.string()).default([]),
});
export type MachineParts = z.output<typeof machinePartsSchema>;

const emptyMaxMs = 10_000;

/** Where control groups v2 are mounted: alone, or beside v1 (systemd's hybrid mode). Undefined: nowhere. */
export function cgroupMount(mounts: string = readFileSync('/proc/self/mounts', 'utf8')): string | undefined {
  const line = mounts.split('\n').map((each) => each.split(' ')).find(([, path, type]) => type === 'cgroup2' && path !== undefined && path.startsWith('/sys/fs/cgroup'));
  return line?.[1];
}

/** Does any process of this control group, or of one below it, run? */
export function isPopulated(cgroup: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(join(cgroup, 'cgroup.events'), 'utf8'));
  } catch {
    return false;
  }
}

/**
 * SIGKILL to every process in a control group and below (cgroup.kill, Linux 5.14), also to those that appear meanwhile,
 * then removes the group. Resolves to whether there were any. Rejects when one does not end.
 */
export async function removeCgroup(cgroup: string): Promise<boolean> {
  if (!existsSync(cgroup)) return false;
  const populated = isPopulated(cgroup);
  const deadline = Date.now() + emptyMaxMs;
  if (populated) writeFileSync(join(cgroup, 'cgroup.kill'), '1');
  while (isPopulated(cgroup)) {
    if (Date.now() >= deadline) throw new Error(`processes of ${cgroup} still run after SIGKILL`);
    await sleep(20);
  }
  removeFolders(cgroup);
  return populated;
}

function removeFolders(cgroup: string): void {
  for (const entry of readdirSync(cgroup, { withFileTypes: true })) if (entry.isDirectory()) removeFolders(join(cgroup, entry.name));
  rmdirSync(cgroup);
}

/** The loop devices with this file behind them. */
export async function loopsOf(file: string): Promise<string[]> {
  const { stdout, exitCode } = await execa('losetup', ['--associated', file, '--noheadings', '--output', 'NAME'], { reject: false });
  return exitCode === 0 ? stdout.split('\n').map((line) => line.trim()).filter((line) => line !== '') : [];
}

/** Ends and removes all parts; resolves to what there was, in words. Rejects when something stays. */
export async function removeMachineParts(parts: MachineParts): Promise<string[]> {
  const removed: string[] = [];
  for (const cgroup of parts.cgroups) if (await removeCgroup(cgroup)) removed.push(`processes of ${cgroup}`);
  for (const file of parts.loopFiles) {
    for (const device of await loopsOf(file)) {
      await execa('losetup', ['--detach', device]);
      removed.push(device);
    }
    const deadline = Date.now() + emptyMaxMs;
    while ((await loopsOf(file)).length > 0) {
      if (Date.now() >= deadline) throw new Error(`${file} is still behind a loop device`);
      await sleep(20);
    }
  }
  return removed;
}
