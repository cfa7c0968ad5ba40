import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { PathproofError } from '../../util/errors.js';
import type { NamespaceDevice } from '../nvmet/device.js';
import type { MappedImage } from './krbd.js';

const mapperFolder = '/dev/mapper';

/**
 * The table of a dm-multipath device with one path that queues what its path refuses
 * (Documentation/admin-guide/device-mapper). Bio-based: it hands each command on as it is.
 *
 * Why: rbd reports a refused operation as an I/O error. The kernel target makes "internal error, do not
 * retry" of it, and a Linux host hands that to the application at once, although another gateway serves the
 * namespace. A command that is held instead is ended by the host's own rules, when its connection is shut.
 */
export function queueingTable({ device, sectors }: Pick<MappedImage, 'device' | 'sectors'>): string {
  return `0 ${sectors} multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 1 ${device} 1`;
}

/** One command line for several devices: dmsetup(8), "CONCISE FORMAT". */
export function conciseDevices(devices: readonly { name: string; table: string }[]): string {
  return devices.map(({ name, table }) => `${name},,,rw,${table}`).join(';');
}

/** Makes the devices /dev/mapper/NAME. Rejects with DM. */
export function createDevices(devices: readonly { name: string; table: string }[]): Promise<void> {
  return new Promise((resolve, reject) => {
    // There is no udev in the guest that would make the nodes, or answer dmsetup when it has.
    execFile('/usr/sbin/dmsetup', ['create', '--concise', conciseDevices(devices)], { env: { ...process.env, DM_DISABLE_UDEV: '1' } }, (error, _out, said) => {
      if (error === null) resolve();
      else reject(new PathproofError('DM', `dmsetup create: ${said.trim() || error.message}`, { hint: 'are dm-multipath and dm-round-robin loaded?' }));
    });
  });
}

/** Opens what `createDevices` has made. */
export function queueingDevice(name: string): NamespaceDevice {
  const path = `${mapperFolder}/${name}`;
  const { rdev } = statSync(path);
  // Linux's 64-bit dev_t (glibc's gnu_dev_major, gnu_dev_minor), as far as the kernel uses it.
  const number = `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
  return { path, inflight: () => inflightOf(`/sys/dev/block/${number}/inflight`) };
}

/** Reads and writes under way, from the file that the block layer keeps for each device; 0 if the device is gone. */
export function inflightOf(file: string): number {
  try {
    return readFileSync(file, 'utf8').trim().split(/\s+/).reduce((sum, count) => sum + Number(count), 0);
  } catch {
    return 0;
  }
}
