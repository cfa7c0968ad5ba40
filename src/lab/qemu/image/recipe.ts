import { createHash } from 'node:crypto';
import { initramfsModules, initramfsInit } from './init-script.js';

/**
 * What an image is made of. Two images with the same recipe do the same work; their package versions are
 * those of the day they were built (the manifest names them).
 */
export interface ImageRecipe {
  /** A Debian suite: "forky", "trixie", "sid", … */
  suite: string;
  architecture: string;
  packages: readonly string[];
  /** Adds what a suite lacks, e.g. another Ceph release: more lines for sources.list, given to mmdebstrap. */
  extraSources: readonly string[];
}

export const defaultSuite = 'forky';

const kernelPackages = ['linux-image-cloud-amd64', 'kmod'];
const cephPackages = ['ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-base', 'ceph-common'];
const storagePackages = ['nvme-cli', 'fio'];
const systemPackages = [
  'nodejs', 'openssh-server', 'openssh-sftp-server', 'nftables', 'iproute2', 'iputils-ping', 'tcpdump', 'procps', 'util-linux', 'hostname', 'busybox-static', 'zstd',
];

export function defaultRecipe(suite: string = defaultSuite, extraSources: readonly string[] = []): ImageRecipe {
  return { suite, architecture: 'amd64', packages: [...kernelPackages, ...cephPackages, ...storagePackages, ...systemPackages], extraSources };
}

/** Never needed in a VM of the lab; together about a fifth of the image. */
export const excludedPaths: readonly string[] = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/locale/*', '/usr/share/info/*'];

/** Changes when the way of building changes in a manner that old images must not survive. */
const builderVersion = 2;

/** 16 hexadecimal digits that stand for the recipe and for how this version of pathproof builds it. */
export function recipeHash(recipe: ImageRecipe): string {
  const parts = [builderVersion, recipe.suite, recipe.architecture, [...recipe.packages].sort(), recipe.extraSources, excludedPaths, initramfsModules, initramfsInit];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
