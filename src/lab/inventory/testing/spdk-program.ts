import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../../qemu/tools.js';
import { apart, builtFromSource, stepMaxMs } from './from-source.js';

/** What SPDK and DPDK are built with, and librbd of the suite's Ceph. */
const packages = [
  'build-essential', 'meson', 'ninja-build', 'python3', 'python3-pyelftools', 'python3-jinja2', 'python3-tabulate', 'nasm', 'autoconf', 'automake', 'libtool', 'pkgconf',
  'libaio-dev', 'libssl-dev', 'uuid-dev', 'libnuma-dev', 'libjson-c-dev', 'libkeyutils-dev', 'libncurses-dev', 'librbd-dev', 'librados-dev', 'openssl', 'ca-certificates',
];
/** No more than a gateway needs; a processor such as each of ours, emulated or not. */
const configure = [
  '--with-rbd', '--disable-tests', '--disable-unit-tests', '--disable-examples', '--without-vhost', '--without-virtio', '--without-vfio-user', '--without-nvme-cuse', '--without-xnvme',
  '--without-idxd', '--without-fsdev', '--without-aio-fsdev', '--without-uring', '--target-arch=x86-64-v2',
];
const program = 'nvmf_tgt';
/**
 * SPDK's target as ceph-nvmeof has it, built from Debian: the source package `ceph` contains ceph-nvmeof, and that SPDK (with DPDK), as git
 * submodules (src/nvmeof/gateway/spdk). With all libraries that it needs, in one folder that may lie anywhere: hosts of a test have none of
 * them. Needs root. Resolves to the folder, which is in the cache: `bin/nvmf_tgt`. Rejects with CEPH_SOURCE where the source cannot be had.
 */
export async function ensureSpdk(progress: (line: string) => void): Promise<string> {
  return builtFromSource({
    name: 'spdk', madeOf: [packages, configure, program, buildScript, launcher], packages, source: { what: 'SPDK', only: 'src/nvmeof/gateway/spdk' }, progress,
    make: async (part, stages) => {
      await runTool('unshare', [...apart, 'sh', '-c', buildScript, 'sh', stages.path('root'), stages.path('source'), part, configure.join(' '), program], { timeoutMs: stepMaxMs });
      mkdirSync(join(part, 'bin'));
      addProgram(part, program);
    },
  });
}

/** Lets `libexec/NAME` in the folder be started as `bin/NAME`. */
export function addProgram(folder: string, name: string): void {
  writeFileSync(join(folder, 'bin', name), launcher, { mode: 0o755 });
}

/** Starts the program of its own name with the libraries beside it, by their own loader: a host may have another C library. */
const launcher = `#!/bin/sh
home=$(dirname "$(dirname "$(readlink -f "$0")")")
OPENSSL_CONF=$home/openssl.cnf exec "$home/lib/ld-linux-x86-64.so.2" --library-path "$home/lib" "$home/libexec/\${0##*/}" "$@"
`;

/** $1: the root; $2: SPDK's source; $3: the folder that is made; $4: options of configure; $5: the program. */
const buildScript = `set -e
mount --make-rprivate /
mkdir -p "$1/src" "$1/out" "$3"
mount --bind "$2" "$1/src"
mount --bind "$3" "$1/out"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
chroot "$1" sh -ec '
cd /src
./configure '"$4"'
make -j$(nproc)
install -Ds build/bin/nvmf_tgt /usr/local/bin/nvmf_tgt
mkdir -p /out/lib /out/libexec
cp /etc/ssl/openssl.cnf /out/
cp $(command -v '"$5"') /out/libexec/
ldd $(command -v '"$5"') | grep -o "/[^ ]*\\.so[^ ]*" | while read -r library; do cp -L $library /out/lib/; done
' >&2
`;
