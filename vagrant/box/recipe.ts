import { createHash } from 'node:crypto';
import { excludedPaths, defaultRecipe, recipeHash, type ImageRecipe } from '../../src/lab/qemu/image/recipe.js';
import { nativeRecipe, nativeRecipeHash } from '../../src/lab/native/recipe.js';
import { usageError } from '../../src/util/errors.js';
import { boxFiles, boxScript, cephadmFiles, cephadmScript, diskScript, grubModules, grubOptions } from './content.js';
import { diskLayout } from './disk.js';
import { boxInit, boxModules } from './init.js';

/** What a machine of Vagrant needs beyond the packages of the qemu lab: an init, sudo and what Vagrant itself calls in its guests. */
const boxPackages = ['systemd', 'systemd-sysv', 'udev', 'sudo', 'openssh-client', 'rsync', 'linux-sysctl-defaults', 'e2fsprogs', 'dmsetup'];

/** What cephadm asks of a host, and of the container runtime's parts those that podman only recommends. */
export const cephadmPackages = ['dbus', 'cephadm', 'podman', 'crun', 'catatonit', 'lvm2', 'chrony', 'python3', 'python3-jinja2', 'python3-yaml', 'ca-certificates'] as const;

/** `cephadm` has the container images of the native lab, too. */
export const boxFlavours = ['debian', 'cephadm'] as const;
export type BoxFlavour = (typeof boxFlavours)[number];

/** A word of a command line as a flavour; a usage error if it is none. */
export function boxFlavour(word: string): BoxFlavour {
  const flavour = boxFlavours.find((each) => each === word);
  if (flavour === undefined) throw usageError('FLAVOUR', `there is no flavour ${word}`, `There are ${boxFlavours.join(' and ')}.`);
  return flavour;
}

export interface BoxRecipe extends ImageRecipe { flavour: BoxFlavour }

/** The packages of the qemu lab (one list for all) and what makes a machine of them. */
export function boxRecipe(suite?: string, flavour: BoxFlavour = 'debian'): BoxRecipe {
  const recipe = defaultRecipe(suite);
  return { ...recipe, flavour, packages: [...recipe.packages, ...boxPackages, ...(flavour === 'cephadm' ? cephadmPackages : [])] };
}

/** Files of the box that no package has. */
export function filesOf({ flavour }: BoxRecipe): Readonly<Record<string, string>> {
  return flavour === 'cephadm' ? { ...boxFiles, ...cephadmFiles } : boxFiles;
}

export function scriptOf({ flavour }: BoxRecipe): string {
  return flavour === 'cephadm' ? `${boxScript}${cephadmScript}` : boxScript;
}

/** Changes when the way of building changes in a manner that the other parts of the hash do not show. */
const boxBuilderVersion = 1;

/** 16 hexadecimal digits that stand for everything the box is made of. */
export function boxHash(recipe: BoxRecipe): string {
  const images = recipe.flavour === 'cephadm' ? [nativeRecipeHash(nativeRecipe(recipe.suite))] : [];
  const parts = [boxBuilderVersion, recipeHash(recipe), excludedPaths, diskLayout, filesOf(recipe), scriptOf(recipe), diskScript, grubModules, grubOptions, boxModules, boxInit, ...images];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

export function boxName(flavour: BoxFlavour): string {
  return flavour === 'cephadm' ? 'pathproof/cephadm' : 'pathproof/lab';
}

/**
 * A version as Vagrant wants it, another one for each recipe: libvirt keeps the volume of a box by its name and version,
 * and a box that changes without a new version would go on with the old one.
 */
export function boxVersion(hash: string): string {
  return `1.0.${Number.parseInt(hash.slice(0, 8), 16)}`;
}
