import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { findProgram } from '../tools.js';
import { excludedPaths, type ImageRecipe } from './recipe.js';

/** How mmdebstrap gets the owner ids of a root file system: as root, or in a user namespace of one's own. */
export type BootstrapMode = 'root' | 'unshare';

/** Why an image cannot be built by this user, or the mode in which it can. */
export function bootstrapMode(): { mode: BootstrapMode; why: string } | { mode: undefined; why: string } {
  if (process.getuid?.() === 0) return { mode: 'root', why: 'run by root' };
  const user = userInfo().username;
  if (findProgram('newuidmap') === undefined) return { mode: undefined, why: 'newuidmap is missing (package uidmap), and this is not root' };
  const ids = subordinateIds(user, '/etc/subuid');
  if (ids < subordinateIdsMin || subordinateIds(user, '/etc/subgid') < subordinateIdsMin) {
    return { mode: undefined, why: `user ${user} has fewer than ${subordinateIdsMin} ids in /etc/subuid and /etc/subgid` };
  }
  return { mode: 'unshare', why: `in a user namespace of user ${user}` };
}

const subordinateIdsMin = 65_536;

function subordinateIds(user: string, file: string): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return 0;
  }
  const lines = text.split('\n').map((line) => line.split(':')).filter(([name]) => name === user || name === String(process.getuid?.()));
  return Math.max(0, ...lines.map(([, , count]) => Number(count ?? 0)));
}

/** The arguments of mmdebstrap(1) that write the root file system of a recipe into `tar`. `hooks`: further options, e.g. `--customize-hook=…`. */
export function bootstrapArguments(recipe: ImageRecipe, mode: BootstrapMode, mirror: string, tar: string, hooks: readonly string[] = []): string[] {
  return [
    `--mode=${mode}`, '--variant=minbase', '--format=tar', `--architectures=${recipe.architecture}`,
    // A lab's clock, or a mirror's snapshot, may be months off; the signature is checked all the same.
    '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"',
    '--aptopt=Acquire::Retries "3"',
    ...excludedPaths.map((path) => `--dpkgopt=path-exclude=${path}`),
    `--include=${recipe.packages.join(',')}`, ...hooks,
    recipe.suite, tar, mirror, ...recipe.extraSources,
  ];
}
