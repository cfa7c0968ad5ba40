import { existsSync, readdirSync } from 'node:fs';
import { messageOf } from '../../util/errors.js';
import { decideKvm } from '../qemu/accel.js';
import { cacheFinding, judgeProgram, kvmSentence, mirrorFinding, summarize, type DoctorReport, type Finding } from '../qemu/doctor.js';
import { findProgram } from '../qemu/tools.js';
import { roomTools } from './room.js';
import { checkoutDir } from './vagrant-machines.js';

/** Of the box's builder, beyond what runs the machines. */
const builderTools: Readonly<Record<string, string>> = { mmdebstrap: 'mmdebstrap', 'grub-mkimage': 'grub-common', mke2fs: 'e2fsprogs', xz: 'xz-utils' };
const grubBootFile = '/usr/lib/grub/i386-pc/boot.img';
/** Vagrant's home is the room's own, so that only a plugin of the system is seen. */
const gemsFolder = '/usr/share/rubygems-integration/all/gems';
/** Tar, unpacked root, disk and box, and the machines' own disks. */
const cacheNeedsBytes = 8 * 1024 ** 3;

export async function examineVagrantLab(): Promise<DoctorReport> {
  const findings: Finding[] = [
    ...Object.entries(roomTools).map(([program, name]) => judgeProgram({ program, package: name, why: 'runs the machines' }, findProgram(program))),
    ...Object.entries(builderTools).map(([program, name]) => judgeProgram({ program, package: name, why: 'builds the box' }, findProgram(program))),
    judgeProgram({ program: 'GRUB for BIOS', package: 'grub-pc-bin', why: 'builds the box' }, existsSync(grubBootFile) ? grubBootFile : undefined),
    judgeProgram({ program: 'vagrant-libvirt', package: 'vagrant-libvirt', why: 'Vagrant’s provider' }, libvirtPlugin()),
  ];
  const isRoot = process.getuid?.() === 0;
  findings.push({ what: 'root', state: isRoot ? 'found' : 'missing', detail: isRoot ? 'yes' : 'libvirt runs in namespaces of its own; `vagrant up` with the machine’s own libvirt needs no root' });
  findings.push(checkoutFinding(), cacheFinding({ bytes: cacheNeedsBytes, to: 'build the box' }), await mirrorFinding());
  const kvm = process.platform === 'linux' ? await decideKvm() : null;
  findings.push({ what: 'KVM', state: 'note', detail: kvmSentence(kvm) });
  return summarize('vagrant', findings, kvm);
}

function libvirtPlugin(): string | undefined {
  try {
    return readdirSync(gemsFolder).find((name) => name.startsWith('vagrant-libvirt-'));
  } catch {
    return undefined;
  }
}

function checkoutFinding(): Finding {
  try {
    return { what: 'Vagrantfile', state: 'found', detail: checkoutDir() };
  } catch (error) {
    return { what: 'Vagrantfile', state: 'missing', detail: messageOf(error) };
  }
}
