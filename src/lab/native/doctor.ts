import { existsSync, readFileSync } from 'node:fs';
import { cgroupMount } from '../machine-parts.js';
import { cacheFinding, examineQemuLab, judgeProgram, mirrorFinding, summarize, type DoctorReport, type Finding } from '../qemu/doctor.js';
import { findProgram } from '../qemu/tools.js';
import { cachedNativeImages, nativeBuildNeedsBytes } from './images.js';
import { nativeRecipe, type NativeRecipe } from './recipe.js';

/** Of this machine only: cephadm, podman, systemd and Ceph are in the images. */
const programs = [
  { program: 'unshare', package: 'util-linux', why: 'makes the namespaces of the hosts' },
  { program: 'nsenter', package: 'util-linux', why: 'runs programs in them' },
  { program: 'losetup', package: 'mount', why: 'makes the OSD’s block device' },
  { program: 'ip', package: 'iproute2', why: 'makes the lab’s networks' },
  { program: 'tar', package: 'tar', why: 'unpacks the images' },
  { program: 'mmdebstrap', package: 'mmdebstrap', why: 'builds the images from Debian packages' },
] as const;

/** cgroup.kill, by which a lab is ended whole, came with Linux 5.14. */
const kernelMin = [5, 14] as const;

/** Is a kernel release (uname -r) at least `kernelMin`? */
export function kernelSuffices(release: string): boolean {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major > kernelMin[0] || (major === kernelMin[0] && minor >= kernelMin[1]);
}

export async function examineNativeLab(recipe: NativeRecipe = nativeRecipe()): Promise<DoctorReport> {
  const findings: Finding[] = programs.map((each) => judgeProgram(each, findProgram(each.program)));
  const isRoot = process.getuid?.() === 0;
  findings.push({ what: 'root', state: isRoot ? 'found' : 'missing', detail: isRoot ? 'yes' : 'it makes namespaces, mounts and loop devices of the machine' });
  findings.push(...machineFindings());
  const images = cachedNativeImages(recipe);
  if (images !== undefined) {
    const { packages, builtAt } = images.manifest;
    findings.push({ what: 'images', state: 'found', detail: `Debian ${recipe.suite}, Ceph ${packages['ceph-mon'] ?? 'none'}, cephadm ${packages['cephadm'] ?? 'none'}, podman ${packages['podman'] ?? 'none'}, built ${builtAt.slice(0, 10)}` });
  } else {
    findings.push({ what: 'images', state: 'note', detail: `Debian ${recipe.suite}: not built yet (about 2 minutes at the next start)` });
    findings.push(cacheFinding({ bytes: nativeBuildNeedsBytes, to: 'build the images' }), await mirrorFinding());
  }
  return summarize('native', findings, null);
}

function machineFindings(): Finding[] {
  if (process.platform !== 'linux') return [{ what: 'Linux', state: 'missing', detail: process.platform }];
  const release = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  const groups = cgroupMount();
  const filesystems = readFileSync('/proc/filesystems', 'utf8').split(/\s+/);
  return [
    { what: 'kernel', state: kernelSuffices(release) ? 'found' : 'missing', detail: `${release} (${kernelMin.join('.')} or newer is needed)` },
    { what: 'control groups v2', state: groups === undefined ? 'missing' : 'found', detail: groups ?? 'not mounted below /sys/fs/cgroup' },
    { what: 'overlayfs', state: filesystems.includes('overlay') ? 'found' : 'missing', detail: filesystems.includes('overlay') ? 'yes' : 'the kernel has no overlay file system (modprobe overlay)' },
    { what: 'loop devices', state: existsSync('/dev/loop-control') ? 'found' : 'missing', detail: existsSync('/dev/loop-control') ? '/dev/loop-control' : 'no /dev/loop-control (modprobe loop)' },
  ];
}

/** The native lab with Linux initiators: what both labs need, and taps between them. */
export async function examineNativeLinuxLab(): Promise<DoctorReport> {
  const [native, qemu] = await Promise.all([examineNativeLab(), examineQemuLab()]);
  const known = new Set(native.findings.map(({ what }) => what));
  const hasTun = existsSync('/dev/net/tun');
  return summarize('native-linux', [
    ...native.findings, ...qemu.findings.filter(({ what }) => !known.has(what)),
    judgeProgram({ program: 'perl', package: 'perl-base', why: 'opens the taps' }, findProgram('perl')),
    { what: 'taps', state: hasTun ? 'found' : 'missing', detail: hasTun ? '/dev/net/tun' : 'no /dev/net/tun (modprobe tun)' },
  ], qemu.kvm);
}
