import { existsSync, chmodSync, mkdirSync, readFileSync, rmSync, statfsSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { infraError } from '../../util/errors.js';
import { cacheDir } from '../qemu/cache.js';
import { bootstrapArguments } from '../qemu/image/bootstrap.js';
import { bootstrap, parsePackageVersions } from '../qemu/image/image.js';
import { withLock } from '../qemu/image/lock.js';
import { findMirror } from '../qemu/image/mirror.js';
import { StagedBuild } from '../qemu/image/stages.js';
import { runTool } from '../qemu/tools.js';
import { containerfile, daemonImage, daemonSiteCustomize, gatewayImage, hostFiles, hostUnits } from './host-files.js';
import { nativeRecipeHash, type NativeRecipe } from './recipe.js';

const manifestSchema = z.object({
  recipe: z.string(), suite: z.string(), builtAt: z.string(),
  /** Version of each package that a run's report names. */
  packages: z.record(z.string(), z.string()),
  seconds: z.record(z.string(), z.number()),
});
export type NativeManifest = z.output<typeof manifestSchema>;

/** `root`: the root file system under every native host. `store`: podman's storage with both container images, which all of them share. */
export interface NativeImages { dir: string; root: string; store: string; manifest: NativeManifest }

export interface NativeBuildOptions {
  mirror?: string;
  progress: (line: string) => void;
}

/** Two tar files, and both unpacked. */
export const nativeBuildNeedsBytes = 6 * 1024 ** 3;
const lockWaitMaxMs = 20 * 60_000;
const unpackMaxMs = 10 * 60_000;

export function nativeImagesDir(recipe: NativeRecipe): string {
  return join(cacheDir(), 'native', `${recipe.suite}-${nativeRecipeHash(recipe)}`);
}

/** What a recipe makes, if it is in the cache, complete. */
export function cachedNativeImages(recipe: NativeRecipe): NativeImages | undefined {
  const dir = nativeImagesDir(recipe);
  try {
    const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')));
    return { dir, root: join(dir, 'host'), store: join(dir, 'store'), manifest };
  } catch {
    return undefined;
  }
}

/**
 * What a recipe makes, built first if the cache has none; a build that was stopped is gone on with. Needs root. Rejects
 * with an infra error: IMAGE_RIGHTS, NO_SPACE, BOOTSTRAP, TOOL_MISSING, TOOL_FAILED, BUILD_LOCKED.
 */
export async function ensureNativeImages(recipe: NativeRecipe, options: NativeBuildOptions): Promise<NativeImages> {
  const dir = nativeImagesDir(recipe);
  return cachedNativeImages(recipe) ?? withLock(`${dir}.lock`, lockWaitMaxMs,
    (pid) => options.progress(`waiting for pid ${pid}, which builds these images`),
    async () => cachedNativeImages(recipe) ?? build(recipe, dir, options));
}

/**
 * ```
 *   mirror ─mmdebstrap─┬─▶ daemon.tar ──────────podman import, build──▶ store/   (podman of host/, in namespaces)
 *                      └─▶ host.tar ──▶ host/ (with the lab's files)  ─▶ manifest.json, last
 * ```
 */
async function build(recipe: NativeRecipe, dir: string, options: NativeBuildOptions): Promise<NativeImages> {
  if (process.getuid?.() !== 0) throw infraError('IMAGE_RIGHTS', 'the native lab’s images can be built by root only', { hint: 'the lab itself needs root, too' });
  const stages = new StagedBuild(dir, options.progress);
  const free = statfsSync(dir);
  if (free.bavail * free.bsize < nativeBuildNeedsBytes && !existsSync(stages.path('host'))) {
    throw infraError('NO_SPACE', `${dir} has ${(free.bavail * free.bsize / 1024 ** 3).toFixed(1)} GB left; building the images takes ${nativeBuildNeedsBytes / 1024 ** 3} GB`, { hint: 'XDG_CACHE_HOME names the folder of caches' });
  }
  const debian = async (part: string, packages: readonly string[], say: (line: string) => void, hooks: readonly string[] = []): Promise<void> => bootstrap(
    [...hooks.map((hook) => `--customize-hook=${hook}`), ...bootstrapArguments({ suite: recipe.suite, architecture: recipe.architecture, packages, extraSources: [] }, 'root', await findMirror(options.mirror), part)], say,
  );
  stages.say(`native hosts and container images of Debian ${recipe.suite}`);
  const daemonTar = stages.path('daemon.tar');
  const hostTar = stages.path('host.tar');
  const made = (file: string): boolean => existsSync(stages.path(file));
  if (!made('store')) await stages.run({ file: 'daemon.tar', title: 'packages of the Ceph daemons (mmdebstrap)', make: (part, say) => debian(part, recipe.daemonPackages, say, [siteCustomizeHook]) });
  if (!made('host')) await stages.run({ file: 'host.tar', title: 'packages of the hosts (mmdebstrap)', make: (part, say) => debian(part, recipe.hostPackages, say) });
  await stages.run({ file: 'host', title: 'root of the hosts', make: (part) => unpackHost(hostTar, part) });
  await stages.run({ file: 'store', title: 'container images', make: (part) => fillStore(stages.path('host'), daemonTar, part) });
  const manifest: NativeManifest = { recipe: nativeRecipeHash(recipe), suite: recipe.suite, builtAt: new Date().toISOString(), packages: packageVersions(stages.path('host'), stages.path('daemon.status'), recipe), seconds: stages.seconds() };
  await stages.run({ file: 'manifest.json', title: 'manifest', make: (part) => Promise.resolve(writeFileSync(part, `${JSON.stringify(manifest, null, 2)}\n`)) });
  for (const tar of [daemonTar, hostTar]) rmSync(tar, { force: true });
  stages.say(`ready: ${dir} (Ceph ${manifest.packages['ceph-mon'] ?? 'none'}, podman ${manifest.packages['podman'] ?? 'none'})`);
  return cachedNativeImages(recipe)!;
}

const siteCustomizeHook = `for folder in "$1"/etc/python3.*/; do printf '%s' '${daemonSiteCustomize}' > "$folder/sitecustomize.py"; done`;

async function unpackHost(tar: string, part: string): Promise<void> {
  mkdirSync(part, { recursive: true });
  await runTool('tar', ['--numeric-owner', '-xpf', tar, '-C', part], { timeoutMs: unpackMaxMs });
  for (const { path, mode, text } of hostFiles) {
    mkdirSync(dirname(join(part, path)), { recursive: true });
    writeFileSync(join(part, path), text);
    chmodSync(join(part, path), mode);
  }
  const systemd = join(part, 'etc/systemd/system');
  const link = (name: string, target: string): void => {
    mkdirSync(dirname(join(systemd, name)), { recursive: true });
    rmSync(join(systemd, name), { force: true });
    symlinkSync(target, join(systemd, name));
  };
  for (const unit of hostUnits.masked) link(unit, '/dev/null');
  for (const [wants, unit, target] of hostUnits.enabled) link(`${wants}/${unit}`, target);
  // Mount points that a package of a real host would have made.
  for (const folder of ['var/lib/containers', 'var/lib/ceph', 'var/lib/imagestore', 'var/log/ceph', 'opt/pathproof', 'etc/pathproof', 'etc/ceph', 'root/.ssh', 'mnt', 'lib/modules']) mkdirSync(join(part, folder), { recursive: true });
  // Each host gets one of its own before it boots.
  rmSync(join(part, 'etc/machine-id'), { force: true });
}

/** Imports the daemons' tar and builds the gateway's image on it, with the podman of the hosts, in namespaces that end with it. */
async function fillStore(root: string, daemonTar: string, part: string): Promise<void> {
  mkdirSync(part, { recursive: true });
  const script = `set -e
mount --make-rprivate /
cd "$1"
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
for folder in run tmp var/tmp; do mount -t tmpfs tmpfs $folder; done
mount --bind "$3" var/lib/containers
mount -t tmpfs tmpfs mnt
touch mnt/daemon.tar && mount --bind -o ro "$2" mnt/daemon.tar
mkdir mnt/empty
printf '%s' "$4" > mnt/Containerfile
printf '[storage]\\ndriver = "overlay"\\nrunroot = "/run/containers/storage"\\ngraphroot = "/var/lib/containers"\\n' > run/storage.conf
inside() { CONTAINERS_STORAGE_CONF=/run/storage.conf PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root chroot . "$@"; }
inside podman import --quiet --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'ENV LANG=C.UTF-8' --change 'LABEL ceph=True' /mnt/daemon.tar ${daemonImage}
inside podman build --quiet --pull=never --isolation=chroot -t ${gatewayImage} -f /mnt/Containerfile /mnt/empty
inside podman images --format '{{.Repository}}:{{.Tag}}'
`;
  const said = await runTool('unshare', ['--mount', '--pid', '--fork', '--kill-child', '--', 'sh', '-c', script, 'sh', root, daemonTar, part, containerfile], { timeoutMs: unpackMaxMs, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8' } });
  for (const image of [daemonImage, gatewayImage]) if (!said.toString('utf8').includes(image)) throw infraError('IMAGE_STORE', `podman made no ${image}`);
  const status = await runTool('tar', ['-xOf', daemonTar, './var/lib/dpkg/status']);
  writeFileSync(join(dirname(part), 'daemon.status'), status);
}

function packageVersions(root: string, daemonStatus: string, recipe: NativeRecipe): Record<string, string> {
  return {
    ...parsePackageVersions(readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8'), recipe.hostPackages),
    ...parsePackageVersions(readFileSync(daemonStatus, 'utf8'), recipe.daemonPackages),
  };
}
