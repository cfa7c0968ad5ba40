import { createHash } from 'node:crypto';
import { excludedPaths, defaultRecipe, recipeHash, type ImageRecipe } from '../../src/lab/qemu/image/recipe.js';
import { boxFiles, boxScript, diskScript, grubModules, grubOptions } from './content.js';
import { diskLayout } from './disk.js';
import { boxInit, boxModules } from './init.js';

/** What a machine of Vagrant needs beyond the packages of the qemu lab: an init, sudo and what Vagrant itself calls in its guests. */
const boxPackages = ['systemd', 'systemd-sysv', 'udev', 'sudo', 'openssh-client', 'rsync', 'linux-sysctl-defaults', 'e2fsprogs', 'dmsetup'];

/** The packages of the qemu lab (one list for both) and what makes a machine of them. */
export function boxRecipe(suite?: string): ImageRecipe {
  const recipe = defaultRecipe(suite);
  return { ...recipe, packages: [...recipe.packages, ...boxPackages] };
}

/** Changes when the way of building changes in a manner that the other parts of the hash do not show. */
const boxBuilderVersion = 1;

/** 16 hexadecimal digits that stand for everything the box is made of. */
export function boxHash(recipe: ImageRecipe): string {
  const parts = [boxBuilderVersion, recipeHash(recipe), excludedPaths, diskLayout, boxFiles, boxScript, diskScript, grubModules, grubOptions, boxModules, boxInit];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

export const boxName = 'pathproof/lab';

/**
 * A version as Vagrant wants it, another one for each recipe: libvirt keeps the volume of a box by its name and version,
 * and a box that changes without a new version would go on with the old one.
 */
export function boxVersion(hash: string): string {
  return `1.0.${Number.parseInt(hash.slice(0, 8), 16)}`;
}
