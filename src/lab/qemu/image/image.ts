import { createReadStream, existsSync, readFileSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { infraError } from '../../../util/errors.js';
import { cacheDir } from '../cache.js';
import { findProgram, runTool } from '../tools.js';
import { bootstrapArguments, bootstrapMode } from './bootstrap.js';
import { buildInitramfs } from './initramfs.js';
import { directKernel } from './kernel.js';
import { withLock } from './lock.js';
import { findMirror } from './mirror.js';
import { recipeHash, type ImageRecipe } from './recipe.js';
import { StagedBuild } from './stages.js';

const manifestSchema = z.object({
  recipe: z.string(), suite: z.string(), builtAt: z.string(), kernelVersion: z.string(),
  /** Version of each package that a run's report names. */
  packages: z.record(z.string(), z.string()),
  bytes: z.record(z.string(), z.number()),
  seconds: z.record(z.string(), z.number()),
  how: z.string(),
});
export type ImageManifest = z.output<typeof manifestSchema>;

/** One image serves every node; what makes a node a gateway or a host is its role (vm/role.ts). */
export interface LabImage { dir: string; kernel: string; initramfs: string; rootfs: string; manifest: ImageManifest }

export interface BuildOptions {
  /** Overrides the mirror of the machine's apt configuration. */
  mirror?: string;
  progress: (line: string) => void;
  /** Keeps the tar of the root file system (750 MB), from which the other stages can be repeated without a download. */
  keepTar?: boolean;
}

/** Tar, squashfs and what mmdebstrap unpacks, with room to spare. */
export const buildNeedsBytes = 5 * 1024 ** 3;
const lockWaitMaxMs = 20 * 60_000;
const bootstrapMaxMs = 30 * 60_000;

export function imageDir(recipe: ImageRecipe): string {
  return join(cacheDir(), 'images', `${recipe.suite}-${recipeHash(recipe)}`);
}

/** The image of a recipe if it is in the cache, complete. */
export function cachedImage(recipe: ImageRecipe): LabImage | undefined {
  const dir = imageDir(recipe);
  let manifest: ImageManifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')));
  } catch {
    return undefined;
  }
  const image = { dir, kernel: join(dir, 'kernel'), initramfs: join(dir, 'initramfs.cpio'), rootfs: join(dir, 'root.squashfs'), manifest };
  return [image.kernel, image.initramfs, image.rootfs].every((file) => existsSync(file)) ? image : undefined;
}

/** The image of a recipe, built first if the cache has none; a build that was stopped is gone on with. */
export async function ensureImage(recipe: ImageRecipe, options: BuildOptions): Promise<LabImage> {
  const dir = imageDir(recipe);
  return cachedImage(recipe) ?? withLock(`${dir}.lock`, lockWaitMaxMs,
    (pid) => options.progress(`waiting for pid ${pid}, which builds this image`),
    async () => cachedImage(recipe) ?? build(recipe, dir, options));
}

/**
 * ```
 *   mirror ─mmdebstrap─▶ root.tar ─┬─▶ vmlinuz
 *                                  ├─▶ initramfs.cpio   (busybox, modules, /init)
 *                                  └─▶ root.squashfs    (lz4, without /boot)  ─▶ manifest.json, last
 * ```
 */
async function build(recipe: ImageRecipe, dir: string, options: BuildOptions): Promise<LabImage> {
  const as = bootstrapMode();
  if (as.mode === undefined) throw infraError('IMAGE_RIGHTS', `cannot build an image: ${as.why}`, { hint: 'run as root once, or `pathproof doctor --lab qemu --fix`' });
  const { mode } = as;
  const stages = new StagedBuild(dir, options.progress);
  const free = statfsSync(dir);
  if (!existsSync(stages.path('root.tar')) && free.bavail * free.bsize < buildNeedsBytes) {
    throw infraError('NO_SPACE', `${dir} has ${(free.bavail * free.bsize / 1024 ** 3).toFixed(1)} GB left; building an image takes ${buildNeedsBytes / 1024 ** 3} GB`, { hint: 'XDG_CACHE_HOME names the folder of caches' });
  }
  stages.say(`image of Debian ${recipe.suite}, built ${as.why}`);
  const tar = stages.path('root.tar');
  await stages.run({
    file: 'root.tar', title: 'Debian packages (mmdebstrap)',
    make: async (part, say) => bootstrap(bootstrapArguments(recipe, mode, await findMirror(options.mirror), part), say),
  });
  await stages.run({
    file: 'kernel', title: 'kernel',
    make: async (part) => writeFileSync(part, await directKernel(await runTool('tar', ['--wildcards', '-xOf', tar, './boot/vmlinuz-*']))),
  });
  await stages.run({
    file: 'initramfs.cpio', title: 'initramfs',
    make: async (part) => {
      const { archive } = await buildInitramfs(tar);
      writeFileSync(part, archive);
    },
  });
  await stages.run({ file: 'root.squashfs', title: 'squashfs', make: (part) => squash(tar, part) });
  const packages = parsePackageVersions((await runTool('tar', ['-xOf', tar, './var/lib/dpkg/status'])).toString('utf8'), recipe.packages);
  const kernelVersion = (await runTool('tar', ['--wildcards', '-tf', tar, './boot/vmlinuz-*'])).toString('utf8').trim().replace('./boot/vmlinuz-', '');
  const files = ['kernel', 'initramfs.cpio', 'root.squashfs'];
  const manifest: ImageManifest = {
    recipe: recipeHash(recipe), suite: recipe.suite, builtAt: new Date().toISOString(), kernelVersion, packages, how: as.why,
    bytes: Object.fromEntries(files.map((f) => [f, statSync(stages.path(f)).size])), seconds: stages.seconds(),
  };
  await stages.run({ file: 'manifest.json', title: 'manifest', make: async (part) => writeFileSync(part, `${JSON.stringify(manifest, null, 2)}\n`) });
  if (options.keepTar !== true) rmSync(tar, { force: true });
  stages.say(`ready: ${dir} (${(manifest.bytes['root.squashfs']! / 1024 ** 2).toFixed(0)} MB, kernel ${kernelVersion}, Ceph ${packages['ceph-mon'] ?? 'none'})`);
  return cachedImage(recipe)!;
}

/** The versions of these packages in a dpkg status file; metapackages have one, too. */
export function parsePackageVersions(status: string, wanted: readonly string[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const paragraph of status.split('\n\n')) {
    const name = /^Package: (.+)$/m.exec(paragraph)?.[1];
    const version = /^Version: (.+)$/m.exec(paragraph)?.[1];
    if (name !== undefined && version !== undefined && wanted.includes(name)) versions[name] = version;
  }
  return versions;
}

/** Runs mmdebstrap; rejects with what it said last. */
export async function bootstrap(args: string[], say: (line: string) => void): Promise<void> {
  const path = findProgram('mmdebstrap');
  if (path === undefined) throw infraError('TOOL_MISSING', 'mmdebstrap is not installed', { hint: 'see `pathproof doctor --lab qemu`' });
  // In our process group: an interrupt in the terminal reaches mmdebstrap, too, which cleans up. INITRD=No: the lab has an initramfs of its own.
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, INITRD: 'No', LC_ALL: 'C.UTF-8' } });
  const said: string[] = [];
  let rest = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      said.push(line);
      if (said.length > 40) said.shift();
      if (line.startsWith('I: ')) say(line.slice(3));
    }
  });
  const kill = (): void => void child.kill('SIGTERM');
  const timer = setTimeout(kill, bootstrapMaxMs);
  process.once('exit', kill);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw infraError('BOOTSTRAP', `mmdebstrap ended with exit code ${code ?? 'none (killed)'}`, { details: said.slice(-15), hint: 'is the mirror reachable, and does it have the suite? See --mirror and --suite' });
  } finally {
    clearTimeout(timer);
    process.off('exit', kill);
  }
}

/** lz4 because software emulation reads at the speed of its decompressor. */
async function squash(tar: string, part: string): Promise<void> {
  const path = findProgram('sqfstar');
  if (path === undefined) throw infraError('TOOL_MISSING', 'sqfstar is not installed', { hint: 'see `pathproof doctor --lab qemu`' });
  const child = spawn(path, ['-comp', 'lz4', '-no-progress', '-quiet', part, 'boot'], { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // A child that ends early breaks the pipe; its exit code says more.
  const fed = pipeline(createReadStream(tar), child.stdin).catch(() => undefined);
  const code = await exit;
  await fed;
  if (code !== 0) throw infraError('SQUASHFS', `sqfstar ended with exit code ${code ?? 'none (killed)'}`, { details: said.trimEnd().split('\n').slice(-10) });
}
