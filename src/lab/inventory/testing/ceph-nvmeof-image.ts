import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTool } from '../../qemu/tools.js';
import { apart, builtFromSource, debianRoot, stepMaxMs } from './from-source.js';
import { ensureSpdk } from './spdk-program.js';

/** What the monitor client is built with, and the protocol files of Python. */
const buildPackages = [
  'build-essential', 'cmake', 'ninja-build', 'pkgconf', 'python3', 'python3-yaml', 'python3-jinja2', 'libgrpc++-dev', 'libprotobuf-dev', 'protobuf-compiler', 'protobuf-compiler-grpc',
  'libboost-dev', 'libboost-thread-dev', 'libboost-iostreams-dev', 'libfmt-dev', 'librados-dev', 'libssl-dev', 'libblkid-dev', 'libudev-dev', 'libxxhash-dev', 'libcap-dev', 'ca-certificates',
];
/** In the image: what its Python programs import (pyproject.toml), and what the monitor client is linked with. */
const imagePackages = [
  'ca-certificates', 'python3', 'python3-grpcio', 'python3-protobuf', 'python3-yaml', 'python3-tabulate', 'python3-netifaces', 'python3-prometheus-client', 'python3-cryptography', 'python3-pykmip',
  'python3-rados', 'python3-rbd', 'libgrpc++1.51t64', 'librados2', 'librbd1', 'ceph-common', 'procps', 'iproute2', 'openssl',
];
/** Large, and in no part of it. */
const without = ['src/nvmeof/gateway/spdk/dpdk', 'src/test', 'src/pybind/mgr', 'src/rocksdb', 'src/boost', 'src/seastar', 'src/arrow', 'src/s3select', 'src/jaegertracing', 'doc', 'monitoring', 'qa'];

const monitorClient = fileURLToPath(new URL('ceph-nvmeof', import.meta.url));

/** A container image in a tar file, without its configuration: entry point, working folder. */
export interface CephNvmeofImage { tar: string; version: string }

/**
 * The real ceph-nvmeof as a container image, of Debian's packages and source (there is no registry here): its Python programs as they are, with
 * Debian's Python and gRPC instead of those of its lock file; its SPDK (ensureSpdk); and ceph-nvmeof-monitor-client, compiled against Debian's
 * libceph-common. Needs root. Rejects with CEPH_SOURCE where the source cannot be had.
 */
export async function ensureCephNvmeof(progress: (line: string) => void): Promise<CephNvmeofImage> {
  const spdk = await ensureSpdk(progress);
  const folder = await builtFromSource({
    name: 'ceph-nvmeof', madeOf: [spdk.split('/').at(-2), imagePackages, buildScript, readFileSync(join(monitorClient, 'CMakeLists.txt'), 'utf8')], packages: buildPackages, source: { what: 'ceph-nvmeof', without }, progress,
    make: async (part, stages) => {
      const image = stages.path('image');
      await stages.run({ file: 'image', title: 'packages of the image (mmdebstrap)', make: (made) => debianRoot(made, imagePackages) });
      await stages.run({ file: 'programs', title: 'ceph-nvmeof-monitor-client, compiled', make: async (made) => {
        await runTool('unshare', [...apart, 'sh', '-c', buildScript, 'sh', stages.path('root'), stages.path('source'), made, monitorClient], { timeoutMs: stepMaxMs });
      } });
      rmSync(join(image, 'src'), { recursive: true, force: true });
      cpSync(join(stages.path('programs'), 'src'), join(image, 'src'), { recursive: true });
      cpSync(join(stages.path('programs'), 'ceph-nvmeof-monitor-client'), join(image, 'usr/bin/ceph-nvmeof-monitor-client'));
      rmSync(join(image, 'opt/spdk'), { recursive: true, force: true });
      cpSync(spdk, join(image, 'opt/spdk'), { recursive: true });
      rmSync(join(image, 'usr/local/bin/nvmf_tgt'), { force: true });
      symlinkSync('/opt/spdk/bin/nvmf_tgt', join(image, 'usr/local/bin/nvmf_tgt'));
      mkdirSync(part);
      await runTool('tar', ['--numeric-owner', '-C', image, '-cf', join(part, 'image.tar'), '.'], { timeoutMs: stepMaxMs });
      writeFileSync(join(part, 'version'), readFileSync(join(stages.path('programs'), 'version')));
    },
  });
  return { tar: join(folder, 'image.tar'), version: readFileSync(join(folder, 'version'), 'utf8').trim() };
}

/** $1: the root; $2: Ceph's source; $3: the folder that is made; $4: the folder of CMakeLists.txt. The source has to be that of the packages. */
const buildScript = `set -e
mount --make-rprivate /
mkdir -p "$1/src" "$1/out" "$1/cmake" "$3"
mount --bind -o ro "$2" "$1/src"
mount --bind "$3" "$1/out"
mount --bind -o ro "$4" "$1/cmake"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
chroot "$1" sh -ec '
version=$(dpkg-query --show --showformat "\${source:Upstream-Version}" librados2 | sed s/+.*//)
grep -qF "VERSION $version" /src/CMakeLists.txt
cmake -G Ninja -S /cmake -B /build -DCEPH=/src -DCEPH_VERSION=$version
cmake --build /build
strip -o /out/ceph-nvmeof-monitor-client /build/ceph-nvmeof-monitor-client
gateway=/src/src/nvmeof/gateway
mkdir /out/src
cp -r $gateway/control $gateway/spdk/python/spdk /out/src/
cd /out/src
protoc -I . -I /usr/include --python_out . --grpc_python_out . --plugin=protoc-gen-grpc_python=$(command -v grpc_python_plugin) control/proto/gateway.proto control/proto/monitor.proto
sed -n "s/^VERSION=\\"\\(.*\\)\\"/\\1/p" $gateway/.env > /out/version
' >&2
`;
