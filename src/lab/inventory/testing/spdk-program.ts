import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { infraError, messageOf, PathproofError } from '../../../util/errors.js';
import { cacheDir } from '../../qemu/cache.js';
import { defaultSuite } from '../../qemu/image/recipe.js';
import { withLock } from '../../qemu/image/lock.js';
import { findMirror } from '../../qemu/image/mirror.js';
import { StagedBuild } from '../../qemu/image/stages.js';
import { runTool } from '../../qemu/tools.js';

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
/** unshare(1): in namespaces that end with the command, and with them all its processes and mounts. */
const apart = ['--mount', '--pid', '--fork', '--kill-child', '--'];

const stepMaxMs = 30 * 60_000;
const lockWaitMaxMs = 40 * 60_000;

/**
 * SPDK's target as ceph-nvmeof has it, built from Debian: the source package `ceph` contains ceph-nvmeof, and that SPDK (with DPDK), as git
 * submodules (src/nvmeof/gateway/spdk). With all libraries that it needs, in one folder that may lie anywhere: hosts of a test have none of
 * them. Needs root. Resolves to the folder, which is in the cache: `bin/nvmf_tgt`. Rejects with SPDK_SOURCE where the source cannot be had.
 */
export async function ensureSpdk(progress: (line: string) => void): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([1, defaultSuite, packages, configure, program, sourceScript, buildScript, launcher])).digest('hex').slice(0, 16);
  const dir = join(cacheDir(), 'spdk', `${defaultSuite}-${hash}`);
  const made = join(dir, 'spdk');
  if (existsSync(made)) return made;
  return withLock(`${dir}.lock`, lockWaitMaxMs, (pid) => progress(`waiting for pid ${pid}, which builds SPDK`), async () => {
    const stages = new StagedBuild(dir, progress);
    const mirror = await findMirror();
    const root = stages.path('root');
    await stages.run({ file: 'root', title: 'compilers and libraries (mmdebstrap)', make: async (part) => void await runTool('unshare', [
      // What it mounts there goes when it is killed.
      ...apart, 'mmdebstrap', '--mode=root', '--variant=minbase', '--format=directory', '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Retries "3"',
      `--include=${packages.join(',')}`, defaultSuite, part, `deb ${mirror} ${defaultSuite} main`, `deb-src ${mirror} ${defaultSuite} main`,
    ], { timeoutMs: stepMaxMs }) });
    await stages.run({ file: 'source', title: 'Debian’s source of Ceph, SPDK in it', make: async (part) => {
      try {
        await runTool('sh', ['-c', sourceScript, 'sh', root, part], { timeoutMs: stepMaxMs });
      } catch (error) {
        throw infraError('SPDK_SOURCE', `the archive ${mirror} does not give its source of Ceph, which SPDK is in`, { cause: error, details: error instanceof PathproofError ? error.details : [messageOf(error)] });
      }
    } });
    await stages.run({ file: 'spdk', title: 'SPDK, compiled', make: async (part) => {
      await runTool('unshare', [...apart, 'sh', '-c', buildScript, 'sh', root, stages.path('source'), part, configure.join(' '), program], { timeoutMs: stepMaxMs });
      mkdirSync(join(part, 'bin'));
      addProgram(part, program);
    } });
    for (const each of readdirSync(dir)) if (each !== 'spdk' && each !== 'stages.json') rmSync(join(dir, each), { recursive: true, force: true });
    return made;
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

/** $1: the root; $2: the folder that gets SPDK's source. */
const sourceScript = `set -e
mkdir -p "$1/src"
chroot "$1" sh -c 'apt-get -o Acquire::Check-Valid-Until=false update && cd /src && apt-get source --tar-only --download-only ceph' >&2
mkdir -p "$2"
tar -xf "$1"/src/ceph_*.orig.tar.* -C "$2" --strip-components=5 --wildcards '*/src/nvmeof/gateway/spdk'
rm -rf "$1/src"
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
