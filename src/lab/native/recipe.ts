import { createHash } from 'node:crypto';
import { defaultSuite, excludedPaths } from '../qemu/image/recipe.js';
import { containerfile, hostFiles, hostUnits } from './host-files.js';

/** What the native lab's two root file systems are made of. */
export interface NativeRecipe {
  /** A Debian suite with cephadm and a Ceph that has NVMeofGwMon. */
  suite: string;
  architecture: string;
  /** In the container image of every Ceph daemon, and of the gateway, which is the same with another entry point. */
  daemonPackages: readonly string[];
  /** On each native host. */
  hostPackages: readonly string[];
}

const daemonPackages = [
  'ceph-mon', 'ceph-mgr', 'ceph-mgr-cephadm', 'ceph-osd', 'ceph-volume', 'ceph-common', 'ceph-base', 'lvm2', 'udev', 'ca-certificates', 'hostname', 'iproute2',
  'procps', 'util-linux', 'kmod',
  // `ceph nvmeof …`, for the real ceph-nvmeof.
  'ceph-mgr-dashboard', 'python3-grpcio', 'python3-protobuf',
  // The gateway: its program, and librbd behind an NBD socket.
  'nodejs', 'qemu-utils', 'qemu-system-common', 'qemu-block-extra',
];

const hostPackages = [
  'systemd', 'systemd-sysv', 'dbus', 'udev', 'kmod', 'cephadm', 'podman', 'crun', 'catatonit', 'openssh-server', 'openssh-client', 'lvm2', 'python3', 'python3-jinja2',
  'python3-yaml', 'iproute2', 'iputils-ping', 'procps', 'hostname', 'jq', 'sudo', 'e2fsprogs', 'nftables', 'util-linux', 'ca-certificates',
];

export function nativeRecipe(suite: string = defaultSuite): NativeRecipe {
  return { suite, architecture: 'amd64', daemonPackages, hostPackages };
}

/** Changes when the way of building changes in a manner that old images must not survive. */
const builderVersion = 1;

/** 16 hexadecimal digits that stand for the recipe, the files put on each host, and how this version of pathproof builds them. */
export function nativeRecipeHash(recipe: NativeRecipe): string {
  const parts = [builderVersion, recipe.suite, recipe.architecture, [...recipe.daemonPackages].sort(), [...recipe.hostPackages].sort(), excludedPaths, hostFiles, hostUnits, containerfile];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
