import type { Accel } from '../accel.js';
import { tapDescriptor, type Tap } from './tap.js';

/** The files and sockets of one VM. */
export interface VmPaths {
  kernel: string;
  initramfs: string;
  rootfs: string;
  /** A qcow2 file into which snapshots of the VM's memory go. */
  state: string;
  serialLog: string;
  qmpSocket: string;
}

/** A card on a fabric: the switch's socket for this node, or a tap on a bridge (vm/tap.ts). */
export type VmNetwork = { name: string; mac: string } & ({ socketPath: string } | { tap: Tap });

export interface VmMachine {
  name: string;
  memoryMb: number;
  cpus: number;
  accel: Accel;
  qemuMajor: number;
  managementMac: string;
  networks: readonly VmNetwork[];
  paths: VmPaths;
  /** The frequency of an emulated processor's time-stamp counter, kHz; undefined: the guest measures it. */
  tscKhz?: number | undefined;
  /** Starts paused, to have a snapshot loaded. */
  paused: boolean;
}

/** Where translated code is kept; QEMU's default (1 GB) would be more than the guest itself. */
const translationCacheMb = 192;

/**
 * The guest's processor. Under emulation Nehalem: has what Ceph looks for (SSE 4.2) and boots a fifth
 * faster than `max`. QEMU before 10 gets cmpxchg16b wrong, which panics recent kernels at random: it is hidden.
 */
export function cpuArgument(accel: Accel, qemuMajor: number): string {
  if (accel === 'kvm') return 'host';
  // rdrand seeds the guest's random numbers at once, or sshd would wait for entropy.
  return `Nehalem,+rdrand${qemuMajor >= 10 ? '' : ',-cx16'}`;
}

/** The node name of the disk that holds the snapshots. */
export const stateNode = 'state';
/** The id of a fabric's card, for set_link. */
export function cardId(network: string): string {
  return `card-${network}`;
}
export const managementNetdev = 'mgmt';

/** Everything for qemu-system-x86_64 (qemu(1)). Only what is named here exists in the machine. */
export function qemuArguments(vm: VmMachine): string[] {
  const kernelArguments = [
    'console=ttyS0,115200', 'loglevel=4', 'panic=0', 'net.ifnames=0', 'mitigations=off',
    // Else Linux schedules sessions against each other before it looks at nice values (sched(7)): in a guest the observers go
    // before the load, and a monitor before the OSD that has the same processor.
    'noautogroup',
    // A guest that did not run for a while because the machine is busy must not look broken to itself. (No
    // tsc=reliable: the kernel then trusts its first, rough measure of the clock; on a busy machine a guest's time ran 15 times too fast.)
    ...(vm.accel === 'tcg' ? ['watchdog_thresh=60', 'no_timer_check'] : []),
    ...(vm.accel === 'tcg' && vm.tscKhz !== undefined ? [`tsc_early_khz=${vm.tscKhz}`] : []),
  ];
  return [
    '-name', `pathproof-${vm.name}`, '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none',
    '-machine', 'pc,hpet=off,vmport=off,usb=off',
    '-accel', vm.accel === 'kvm' ? 'kvm' : `tcg,thread=multi,tb-size=${translationCacheMb}`,
    '-cpu', cpuArgument(vm.accel, vm.qemuMajor), '-smp', String(vm.cpus), '-m', String(vm.memoryMb),
    '-kernel', vm.paths.kernel, '-initrd', vm.paths.initramfs, '-append', kernelArguments.join(' '),
    '-blockdev', `driver=raw,node-name=root,read-only=on,file.driver=file,file.filename=${vm.paths.rootfs},file.locking=off`,
    '-device', 'virtio-blk-pci,drive=root',
    '-blockdev', `driver=qcow2,node-name=${stateNode},file.driver=file,file.filename=${vm.paths.state}`,
    // Closed to the outside; port 0 lets the kernel choose, so that two labs never want the same one.
    '-netdev', `user,id=${managementNetdev},restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22`,
    '-device', `virtio-net-pci,netdev=${managementNetdev},mac=${vm.managementMac},romfile=`,
    ...vm.networks.flatMap((n) => [
      '-netdev', 'tap' in n ? `tap,id=net-${n.name},fd=${tapDescriptor}` : `stream,id=net-${n.name},server=off,addr.type=unix,addr.path=${n.socketPath}`,
      '-device', `virtio-net-pci,netdev=net-${n.name},id=${cardId(n.name)},mac=${n.mac},romfile=`,
    ]),
    '-chardev', `file,id=serial,path=${vm.paths.serialLog},append=on`, '-serial', 'chardev:serial',
    '-qmp', `unix:${vm.paths.qmpSocket},server=on,wait=off`,
    ...(vm.paused ? ['-S'] : []),
  ];
}

/** The port on which 127.0.0.1 leads to the guest's port 22, from the monitor's `info usernet`. */
export function parseForwardedPort(infoUsernet: string): number | undefined {
  const match = /TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\b/.exec(infoUsernet);
  return match === null ? undefined : Number(match[1]);
}
