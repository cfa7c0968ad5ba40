import { statfsSync, mkdirSync } from 'node:fs';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { messageOf } from '../../util/errors.js';
import { decideKvm, qemuProgram, type KvmDecision } from './accel.js';
import { cacheDir } from './cache.js';
import { bootstrapMode } from './image/bootstrap.js';
import { buildNeedsBytes, cachedImage, type LabImage } from './image/image.js';
import { findMirror } from './image/mirror.js';
import { defaultRecipe, type ImageRecipe } from './image/recipe.js';
import { findProgram } from './tools.js';

/** `missing` keeps the lab from working; `note` is worth knowing. */
export interface Finding {
  what: string;
  state: 'found' | 'missing' | 'note';
  detail: string;
  /** The Debian package that brings it, if one does. */
  package?: string;
}

export interface DoctorReport {
  lab: string;
  ready: boolean;
  findings: Finding[];
  /** Packages that are missing, and the command that installs them; null when none is. */
  packages: string[];
  installCommand: string | null;
  kvm: KvmDecision | null;
}

interface NeededProgram { program: string; package: string; why: string }

const qemuPrograms: readonly NeededProgram[] = [
  { program: qemuProgram, package: 'qemu-system-x86', why: 'runs the virtual machines' },
  { program: 'qemu-img', package: 'qemu-utils', why: 'makes the files for snapshots' },
  { program: 'ssh', package: 'openssh-client', why: 'manages the nodes' },
  { program: 'ssh-keygen', package: 'openssh-client', why: 'makes the lab’s own keys' },
  { program: 'tar', package: 'tar', why: 'unpacks the image' },
  { program: 'mmdebstrap', package: 'mmdebstrap', why: 'builds the image from Debian packages' },
  { program: 'sqfstar', package: 'squashfs-tools', why: 'packs the image' },
  { program: 'xz', package: 'xz-utils', why: 'unpacks kernel modules' },
  { program: 'zstd', package: 'zstd', why: 'unpacks the kernel' },
];
/** Only for users other than root. */
const userNamespacePrograms: readonly NeededProgram[] = [{ program: 'newuidmap', package: 'uidmap', why: 'builds the image without root' }];

/** Four VMs of the smallest lab. */
const memoryMinBytes = 4 * 1024 ** 3;
const nodeMajorMin = 20;

export async function examineQemuLab(recipe: ImageRecipe = defaultRecipe()): Promise<DoctorReport> {
  const programs = [...qemuPrograms, ...(process.getuid?.() === 0 ? [] : userNamespacePrograms)];
  const findings: Finding[] = programs.map((p) => judgeProgram(p, findProgram(p.program)));
  const image = cachedImage(recipe);
  findings.push(...machineFindings(image));
  findings.push(...(await imageFindings(recipe, image)));
  const kvm = process.platform === 'linux' ? await decideKvm(image) : null;
  findings.push({ what: 'KVM', state: 'note', detail: kvmSentence(kvm) });
  return summarize('qemu', findings, kvm);
}

export function examineLoopbackLab(): DoctorReport {
  const major = Number(process.versions.node.split('.')[0]);
  return summarize('loopback', [{ what: 'Node.js', state: major >= nodeMajorMin ? 'found' : 'missing', detail: `${process.versions.node} (${nodeMajorMin} or newer is needed)` }], null);
}

export function judgeProgram(needed: NeededProgram, path: string | undefined): Finding {
  return { what: needed.program, state: path === undefined ? 'missing' : 'found', detail: path === undefined ? needed.why : path, package: needed.package };
}

export function summarize(lab: string, findings: Finding[], kvm: KvmDecision | null): DoctorReport {
  const packages = [...new Set(findings.filter((f) => f.state === 'missing' && f.package !== undefined).map((f) => f.package!))].sort();
  return {
    lab, findings, kvm, packages,
    ready: findings.every((f) => f.state !== 'missing'),
    installCommand: packages.length === 0 ? null : `apt-get install -y --no-install-recommends ${packages.join(' ')}`,
  };
}

function machineFindings(image: LabImage | undefined): Finding[] {
  return [
    { what: 'processors', state: 'note', detail: `${availableParallelism()}` },
    { what: 'memory', state: totalmem() >= memoryMinBytes ? 'found' : 'missing', detail: `${gigabytes(freemem())} free of ${gigabytes(totalmem())} (${gigabytes(memoryMinBytes)} needed)` },
    cacheFinding(image === undefined ? { bytes: buildNeedsBytes, to: 'build the image' } : undefined),
  ];
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}

/** Is there a cache folder, with the room that is still needed? */
export function cacheFinding(needed: { bytes: number; to: string } | undefined): Finding {
  try {
    mkdirSync(cacheDir(), { recursive: true });
    const { bavail, bsize } = statfsSync(cacheDir());
    const enough = needed === undefined || bavail * bsize >= needed.bytes;
    return { what: 'cache folder', state: enough ? 'found' : 'missing', detail: `${cacheDir()}: ${gigabytes(bavail * bsize)} free${needed === undefined ? '' : ` (${gigabytes(needed.bytes)} needed to ${needed.to})`}` };
  } catch (error) {
    return { what: 'cache folder', state: 'missing', detail: messageOf(error) };
  }
}

/** Can the packages of an image be had? */
export async function mirrorFinding(): Promise<Finding> {
  try {
    return { what: 'Debian mirror', state: 'found', detail: withoutCredentials(await findMirror()) };
  } catch (error) {
    return { what: 'Debian mirror', state: 'missing', detail: messageOf(error) };
  }
}

async function imageFindings(recipe: ImageRecipe, image: LabImage | undefined): Promise<Finding[]> {
  if (image !== undefined) {
    const { kernelVersion, packages, builtAt } = image.manifest;
    return [{ what: 'image', state: 'found', detail: `Debian ${recipe.suite}, kernel ${kernelVersion}, Ceph ${packages['ceph-mon'] ?? 'none'}, built ${builtAt.slice(0, 10)}` }];
  }
  const as = bootstrapMode();
  return [
    { what: 'image', state: 'note', detail: `Debian ${recipe.suite}: not built yet (about 3 minutes at the next start)` },
    { what: 'right to build it', state: as.mode === undefined ? 'missing' : 'found', detail: as.why },
    await mirrorFinding(),
  ];
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

export function kvmSentence(kvm: KvmDecision | null): string {
  if (kvm === null) return 'software emulation: not a Linux machine';
  if (kvm.kvm === 'usable') return `used: ${kvm.why}`;
  if (kvm.kvm === 'unusable') return `not used, software emulation instead: ${kvm.why}`;
  return `not decided yet: ${kvm.why}`;
}
