import { usageError } from '../util/errors.js';
import type { LabKind, LabPlatform, VirtualMachines } from './types.js';

export const defaultMachines: VirtualMachines = { debianSuite: 'forky', cephMajor: null, auth: 'cephx', mons: 1 };

/** What software emulation costs on common machines; a run measures its own and plans with that. */
const usualEmulationFactor = 15;

/** Whether the initiators are Linux kernels, and not ours. */
export function hasKernelHosts(platform: LabPlatform): boolean {
  return hasRealParts(platform) || platform.kernelHosts === true;
}

/**
 * What a lab's nodes run on as far as it is known without looking at one: `plan` shows it, `run` plans with
 * what it measured.
 */
export function nominalPlatform(lab: LabKind, machines: Partial<VirtualMachines> = {}): LabPlatform {
  switch (lab) {
    case 'loopback':
      return { accel: 'native', emulationFactor: 1, fabrics: 1 };
    case 'native':
      return { accel: 'native', emulationFactor: 1, fabrics: 1 };
    case 'inventory':
      throw usageError('NO_INVENTORY', 'the inventory lab needs to know its hosts', 'Give --inventory FILE; docs/INVENTORY.md describes it.');
    case 'native-linux':
      return { accel: 'tcg', emulationFactor: usualEmulationFactor, fabrics: 1, kernelHosts: true };
    case 'qemu':
      return { accel: 'tcg', emulationFactor: usualEmulationFactor, fabrics: 2, machines: { ...defaultMachines, ...machines } };
    case 'vagrant':
      // The same parts on other machines.
      return { accel: 'tcg', emulationFactor: usualEmulationFactor, fabrics: 2, machines: { ...defaultMachines, ...machines, disks: true } };
  }
}

/** Whether gateways and hosts are real ones of Ceph's and the kernel's, with timers and a block size of their own; otherwise they are this project's. */
export function hasRealParts(platform: LabPlatform): boolean {
  return platform.machines !== undefined || platform.inventory !== undefined;
}
