import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { infraError } from '../../util/errors.js';
import { findProgram } from '../qemu/tools.js';

const toolMaxMs = 60_000;
const saidLines = 15;

/** A command line; `chroot` and what comes before it replace themselves, so that the pid is the program's. */
export interface CommandLine { file: string; args: string[] }

/**
 * How to run a program of another root file system on this machine: as root by chroot alone, otherwise inside a user
 * namespace in which this user is root. Network and processes are the machine's own.
 *
 * With `setpriv` (util-linux) the program is killed when the thread that started it ends: a harness that was killed
 * leaves no monitor behind. `proc`: with /proc, in a mount namespace of its own that goes with the program; only as root.
 * Throws TOOL_MISSING.
 */
export function chrootCommand(root: string, program: string, args: readonly string[] = [], { proc = false }: { proc?: boolean } = {}): CommandLine {
  const dying = findProgram('setpriv');
  const line = [
    ...(process.getuid?.() === 0 ? [] : [tool('unshare'), '--user', '--map-root-user', '--']),
    ...(dying === undefined ? [] : [dying, '--pdeathsig', 'KILL', '--']),
    ...(proc ? [tool('unshare'), '--mount', '--', tool('sh'), '-c', 'mount --bind /proc "$0/proc" && exec chroot "$0" "$@"', root] : [tool('chroot'), root]), program, ...args,
  ];
  return { file: line[0]!, args: line.slice(1) };
}

/** Runs a program that ends by itself. Anything but exit code 0 is an infra error (TOOL_FAILED) with what it said. */
export async function runInRoot(root: string, program: string, programArgs: readonly string[]): Promise<void> {
  const { file, args } = chrootCommand(root, program, programArgs);
  const result = await execa(file, args, { reject: false, stdin: 'ignore', all: true, timeout: toolMaxMs });
  if (result.exitCode === 0) return;
  const why = result.timedOut ? `did not end within ${toolMaxMs / 1_000} s` : (result.exitCode === undefined ? (result.signal ?? result.originalMessage) : `exit code ${result.exitCode}`);
  throw infraError('TOOL_FAILED', `${program} of ${root}: ${why}`, {
    details: result.all.trimEnd().split('\n').slice(-saidLines),
    ...(process.getuid?.() === 0 ? {} : { hint: 'are user namespaces allowed here? (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns); otherwise run as root' }),
  });
}

function tool(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw infraError('TOOL_MISSING', `${name} is not installed; it runs ceph-mon out of another root file system`, { hint: 'apt-get install -y util-linux coreutils' });
  return path;
}

/** Why no real ceph-mon can be run out of `PATHPROOF_CEPH_ROOT`; undefined if one can. For tests that are skipped then. */
export function realMonMissing(): string | undefined {
  const root = process.env['PATHPROOF_CEPH_ROOT'];
  if (root === undefined || root === '') return 'PATHPROOF_CEPH_ROOT does not name a root file system with ceph-mon, ceph-authtool and monmaptool';
  if (!existsSync(join(root, 'usr/bin/ceph-mon'))) return `no usr/bin/ceph-mon in PATHPROOF_CEPH_ROOT (${root})`;
  if (process.getuid?.() !== 0 && findProgram('unshare') === undefined) return 'neither root nor unshare for a user namespace';
  return undefined;
}
