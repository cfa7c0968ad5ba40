import { createHash } from 'node:crypto';
import { createReadStream, existsSync, openSync, closeSync, ftruncateSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { cacheDir } from '../../src/lab/qemu/cache.js';
import { bootstrapArguments, bootstrapMode, type BootstrapMode } from '../../src/lab/qemu/image/bootstrap.js';
import { bootstrap, parsePackageVersions } from '../../src/lab/qemu/image/image.js';
import { buildInitramfs } from '../../src/lab/qemu/image/initramfs.js';
import { withLock } from '../../src/lab/qemu/image/lock.js';
import { findMirror } from '../../src/lab/qemu/image/mirror.js';
import { StagedBuild } from '../../src/lab/qemu/image/stages.js';
import { findProgram, runTool } from '../../src/lab/qemu/tools.js';
import { infraError } from '../../src/util/errors.js';
import { ensureNativeImages } from '../../src/lab/native/images.js';
import { nativeRecipe } from '../../src/lab/native/recipe.js';
import { diskScript, grubModules, grubOptions } from './content.js';
import { bootArea, diskLayout } from './disk.js';
import { boxInit, boxModules } from './init.js';
import { boxHash, boxName, boxRecipe, boxVersion, filesOf, scriptOf, type BoxFlavour, type BoxRecipe } from './recipe.js';

/** A box that is built: what Vagrant is told. */
export interface Box { name: string; version: string; /** `file://…`, the catalogue from which Vagrant takes the box. */ url: string; dir: string; packages: Record<string, string> }

export interface BoxOptions {
  suite?: string;
  flavour?: BoxFlavour;
  /** Overrides the mirror of the machine's apt configuration. */
  mirror?: string;
  progress: (line: string) => void;
  /** Keeps the tar of the packages (1 GB), from which the other stages can be repeated without a download. */
  keepTar?: boolean;
}

/** Tar, unpacked root, disk and box, with room to spare. */
const buildNeedsBytes = 6 * 1024 ** 3;
const lockWaitMaxMs = 30 * 60_000;
const diskMaxMs = 15 * 60_000;
const catalogue = 'box.json';

/** Programs of the builder beyond mmdebstrap, with the Debian packages that have them. */
const tools: Readonly<Record<string, string>> = { 'mmdebstrap': 'mmdebstrap', 'grub-mkimage': 'grub-common', 'mke2fs': 'e2fsprogs', 'qemu-img': 'qemu-utils', 'xz': 'xz-utils' };
const grubDir = '/usr/lib/grub/i386-pc';

export function boxDir(recipe: BoxRecipe): string {
  return join(cacheDir(), 'boxes', `${recipe.suite}-${boxHash(recipe)}`);
}

/** The box of a recipe if it is in the cache, complete. */
export function cachedBox(recipe: BoxRecipe): Box | undefined {
  const dir = boxDir(recipe);
  const file = join(dir, catalogue);
  if (!existsSync(file) || !existsSync(join(dir, 'lab.box'))) return undefined;
  const { packages } = JSON.parse(readFileSync(join(dir, 'packages.json'), 'utf8')) as { packages: Record<string, string> };
  return { name: boxName(recipe.flavour), version: boxVersion(boxHash(recipe)), url: `file://${file}`, dir, packages };
}

/**
 * The box of a suite and a flavour, built first if the cache has none; a build that was stopped is gone on with. The flavour cephadm
 * needs root, since podman fills its storage.
 */
export async function ensureBox(options: BoxOptions): Promise<Box> {
  const recipe = boxRecipe(options.suite, options.flavour);
  return cachedBox(recipe) ?? withLock(`${boxDir(recipe)}.lock`, lockWaitMaxMs,
    (pid) => options.progress(`waiting for pid ${pid}, which builds this box`),
    async () => cachedBox(recipe) ?? build(recipe, options));
}

/**
 * ```
 *   mirror ─mmdebstrap─▶ root.tar ─┬─▶ vmlinuz, initramfs ─╮
 *                                  ├───────────────────────┴─mke2fs─▶ disk.raw ─▶ lab.box ─▶ box.json, last
 *   container images (cephadm) ────╯
 * ```
 */
async function build(recipe: BoxRecipe, options: BoxOptions): Promise<Box> {
  const hash = boxHash(recipe);
  const as = bootstrapMode();
  if (as.mode === undefined) throw infraError('IMAGE_RIGHTS', `cannot build a box: ${as.why}`, { hint: 'run as root once, or install uidmap and give this user subordinate ids' });
  const { mode } = as;
  const missing = Object.entries(tools).filter(([program]) => findProgram(program) === undefined).map(([, name]) => name);
  if (!existsSync(join(grubDir, 'boot.img'))) missing.push('grub-pc-bin');
  if (missing.length > 0) throw infraError('TOOL_MISSING', `cannot build a box without ${missing.join(', ')}`, { hint: `apt-get install --no-install-recommends ${missing.join(' ')}` });
  const stages = new StagedBuild(boxDir(recipe), options.progress);
  const free = statfsSync(stages.dir);
  if (!existsSync(stages.path('root.tar')) && free.bavail * free.bsize < buildNeedsBytes) {
    throw infraError('NO_SPACE', `${stages.dir} has ${(free.bavail * free.bsize / 1024 ** 3).toFixed(1)} GB left; building a box takes ${buildNeedsBytes / 1024 ** 3} GB`, { hint: 'XDG_CACHE_HOME names the folder of caches' });
  }
  stages.say(`box of Debian ${recipe.suite}, built ${as.why}`);
  const tar = stages.path('root.tar');
  await stages.run({
    file: 'root.tar', title: 'Debian packages (mmdebstrap)',
    make: async (part, say) => bootstrap(bootstrapArguments(recipe, mode, await findMirror(options.mirror), part, await hooks(stages.dir, recipe)), say),
  });
  await stages.run({ file: 'packages.json', title: 'list of packages', make: async (part) => {
    const status = (await runTool('tar', ['-xOf', tar, './var/lib/dpkg/status'])).toString('utf8');
    writeFileSync(part, JSON.stringify({ packages: parsePackageVersions(status, recipe.packages) }));
  } });
  await stages.run({ file: 'vmlinuz', title: 'kernel', make: async (part) => writeFileSync(part, await runTool('tar', ['--wildcards', '-xOf', tar, './boot/vmlinuz-*'])) });
  await stages.run({ file: 'initramfs', title: 'initramfs', make: async (part) => writeFileSync(part, (await buildInitramfs(tar, { modules: boxModules, init: boxInit })).archive) });
  const store = recipe.flavour === 'cephadm' ? (await ensureNativeImages(nativeRecipe(recipe.suite), { progress: options.progress, ...(options.mirror === undefined ? {} : { mirror: options.mirror }) })).store : '';
  await stages.run({ file: 'disk.qcow2', title: 'disk', make: (part) => makeDisk(stages, mode, store, part) });
  await stages.run({ file: 'lab.box', title: 'box', make: (part) => makeBox(stages, part) });
  await stages.run({ file: catalogue, title: 'catalogue', make: async (part) => {
    const checksum = await sha256(stages.path('lab.box'));
    const provider = { name: 'libvirt', url: `file://${stages.path('lab.box')}`, checksum_type: 'sha256', checksum };
    writeFileSync(part, `${JSON.stringify({ name: boxName(recipe.flavour), description: 'Debian for the lab of pathproof', versions: [{ version: boxVersion(hash), providers: [provider] }] }, null, 2)}\n`);
  } });
  for (const file of ['disk.qcow2', 'vmlinuz', 'initramfs', ...(options.keepTar === true ? [] : ['root.tar'])]) rmSync(stages.path(file), { force: true });
  stages.say(`ready: ${stages.dir}`);
  return cachedBox(recipe)!;
}

/** The files of the box, as a tar that mmdebstrap can read in whatever namespace it works; then its script. */
async function hooks(dir: string, recipe: BoxRecipe): Promise<string[]> {
  const files = filesOf(recipe);
  const overlay = join(dir, 'overlay');
  const tar = join(dir, 'overlay.tar');
  rmSync(overlay, { recursive: true, force: true });
  for (const [path, text] of Object.entries({ ...files, 'root/box.sh': scriptOf(recipe) })) {
    const file = join(overlay, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  // Only files: the folders of the packages keep their modes.
  await runTool('tar', ['-C', overlay, '--owner=0', '--group=0', '--mode=u=rwX,go=rX', '-cf', tar, ...Object.keys(files), 'root/box.sh']);
  rmSync(overlay, { recursive: true });
  return [`--customize-hook=tar-in "${tar}" /`, '--customize-hook=chroot "$1" sh /root/box.sh', '--customize-hook=rm "$1/root/box.sh"'];
}

async function makeDisk(stages: StagedBuild, mode: BootstrapMode, store: string, part: string): Promise<void> {
  const raw = stages.path('disk.raw');
  rmSync(raw, { force: true });
  const core = stages.path('core.img');
  await runTool('grub-mkimage', [...grubOptions, '-o', core, ...grubModules]);
  const disk = openSync(raw, 'w');
  writeSync(disk, bootArea(readFileSync(join(grubDir, 'boot.img')), readFileSync(core)));
  ftruncateSync(disk, diskLayout.totalBytes);
  closeSync(disk);
  const script = ['sh', '-c', diskScript, 'disk', stages.path('root.tar'), stages.path('vmlinuz'), stages.path('initramfs'), stages.path('unpacked'), raw, store];
  // Only a process that may give files to anybody can unpack the root; mmdebstrap has the same namespace for others to use.
  const [program, ...args] = mode === 'root' ? script : ['mmdebstrap', '--unshare-helper', ...script];
  await runTool(program!, args, { timeoutMs: diskMaxMs });
  // Compressed, as each machine's own disk is a difference to it and few of its blocks are ever read.
  await runTool('qemu-img', ['convert', '-c', '-O', 'qcow2', '-o', 'compression_type=zstd', raw, part], { timeoutMs: diskMaxMs });
  rmSync(raw);
  rmSync(core);
}

const boxVagrantfile = 'Vagrant.configure("2") do |config|\n  config.vm.synced_folder ".", "/vagrant", disabled: true\nend\n';

async function makeBox(stages: StagedBuild, part: string): Promise<void> {
  const dir = stages.path('content');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(join(dir, 'metadata.json'), JSON.stringify({ provider: 'libvirt', format: 'qcow2', virtual_size: diskLayout.totalGb }));
  writeFileSync(join(dir, 'Vagrantfile'), boxVagrantfile);
  // The disk is compressed already.
  await runTool('tar', ['-cf', part, '-C', dir, 'metadata.json', 'Vagrantfile', '-C', stages.dir, '--transform=s/disk.qcow2/box.img/', 'disk.qcow2'], { timeoutMs: diskMaxMs });
  rmSync(dir, { recursive: true });
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
