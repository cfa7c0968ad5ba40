import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { infraError, messageOf, PathproofError } from '../../../util/errors.js';
import { cacheDir } from '../../qemu/cache.js';
import { withLock } from '../../qemu/image/lock.js';
import { findMirror } from '../../qemu/image/mirror.js';
import { defaultSuite } from '../../qemu/image/recipe.js';
import { StagedBuild } from '../../qemu/image/stages.js';
import { runTool } from '../../qemu/tools.js';

/** unshare(1): in namespaces that end with the command, and with them all its processes and mounts. */
export const apart = ['--mount', '--pid', '--fork', '--kill-child', '--'];
export const stepMaxMs = 30 * 60_000;
const lockWaitMaxMs = 40 * 60_000;

export interface SourceBuild {
  /** Of the folder that is made. */
  name: string;
  /** When it changes, what is in the cache is not that any more. */
  madeOf: unknown;
  /** In the root of stage `root`, to build with. */
  packages: readonly string[];
  /** What of Ceph's source is in stage `source`: one folder of it, or all but some. */
  source: { what: string; only?: string; without?: readonly string[] };
  progress: (line: string) => void;
  /** Fills the folder. */
  make: (part: string, stages: StagedBuild) => Promise<void>;
}

/**
 * Something of Debian's source package `ceph`, which contains ceph-nvmeof and its SPDK as git submodules (src/nvmeof/gateway), built in a root
 * of that Debian. Needs root. Resolves to the folder, which is in the cache. Rejects with CEPH_SOURCE where the source cannot be had.
 */
export async function builtFromSource({ name, madeOf, packages, source, progress, make }: SourceBuild): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([1, defaultSuite, packages, source, fetchScript, madeOf])).digest('hex').slice(0, 16);
  const dir = join(cacheDir(), name, `${defaultSuite}-${hash}`);
  const made = join(dir, name);
  if (existsSync(made)) return made;
  return withLock(`${dir}.lock`, lockWaitMaxMs, (pid) => progress(`waiting for pid ${pid}, which builds ${source.what}`), async () => {
    const stages = new StagedBuild(dir, progress);
    const root = stages.path('root');
    await stages.run({ file: 'root', title: 'compilers and libraries (mmdebstrap)', make: (part) => debianRoot(part, packages) });
    await stages.run({ file: 'source', title: `Debian’s source of Ceph, ${source.what} in it`, make: async (part) => {
      const { only, without = [] } = source;
      const wanted = only === undefined ? ['--strip-components=1', ...without.map((each) => `--exclude=*/${each}`)] : [`--strip-components=${only.split('/').length + 1}`, '--wildcards', `*/${only}`];
      try {
        await runTool('sh', ['-c', fetchScript, 'sh', root, part, ...wanted], { timeoutMs: stepMaxMs });
      } catch (error) {
        throw infraError('CEPH_SOURCE', `the archive does not give its source of Ceph, which ${source.what} is in`, { cause: error, details: error instanceof PathproofError ? error.details : [messageOf(error)] });
      }
    } });
    await stages.run({ file: name, title: source.what, make: (part) => make(part, stages) });
    for (const each of readdirSync(dir)) if (each !== name && each !== 'stages.json') rmSync(join(dir, each), { recursive: true, force: true });
    return made;
  });
}

/** A root file system with these packages of the suite, as a folder. */
export async function debianRoot(part: string, packages: readonly string[]): Promise<void> {
  const mirror = await findMirror();
  // What it mounts there goes when it is killed.
  await runTool('unshare', [
    ...apart, 'mmdebstrap', '--mode=root', '--variant=minbase', '--format=directory', '--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Retries "3"',
    ...['man', 'doc', 'locale'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`), `--include=${packages.join(',')}`, defaultSuite, part, `deb ${mirror} ${defaultSuite} main`, `deb-src ${mirror} ${defaultSuite} main`,
  ], { timeoutMs: stepMaxMs });
}

/** $1: the root; $2: the folder that gets the source; the rest is tar's. */
const fetchScript = `set -e
root=$1 to=$2
shift 2
mkdir -p "$root/src"
chroot "$root" sh -c 'apt-get -o Acquire::Check-Valid-Until=false update && cd /src && apt-get source --tar-only --download-only ceph' >&2
mkdir -p "$to"
tar -xf "$root"/src/ceph_*.orig.tar.* -C "$to" "$@"
rm -rf "$root/src"
`;
