/** The disk's one partition. The room before it holds GRUB. */
const offsetBytes = 1_048_576;
const sectorBytes = 512;
const totalGb = 8;

export const diskLayout = {
  totalGb, offsetBytes,
  totalBytes: totalGb * 1024 ** 3,
  fileSystemKb: (totalGb * 1024 ** 3 - offsetBytes) / 1_024,
} as const;

/** Of a boot sector, what GRUB's boot.img may fill; behind it come the disk's identifier and the partition table. */
const bootCodeBytes = 440;
const tableOffset = 446;
/** Linux. */
const partitionType = 0x83;
/** Cylinder, head and sector that say "beyond what these can address": the sectors count. */
const chsMax = [0xfe, 0xff, 0xff] as const;

/**
 * The disk up to its partition: GRUB's boot sector with a partition table of one active entry, and GRUB's core image behind it,
 * where boot.img looks for it (its pointers are to sector 1 as they are built). Throws a RangeError if the core is too large.
 */
export function bootArea(bootImage: Buffer, core: Buffer): Buffer {
  const area = Buffer.alloc(offsetBytes);
  if (bootImage.length !== sectorBytes) throw new RangeError(`boot.img has ${bootImage.length} bytes, not ${sectorBytes}`);
  if (sectorBytes + core.length > offsetBytes) throw new RangeError(`GRUB's core has ${core.length} bytes; ${offsetBytes - sectorBytes} fit`);
  bootImage.copy(area, 0, 0, bootCodeBytes);
  area[tableOffset] = 0x80;
  area.set(chsMax, tableOffset + 1);
  area[tableOffset + 4] = partitionType;
  area.set(chsMax, tableOffset + 5);
  area.writeUInt32LE(offsetBytes / sectorBytes, tableOffset + 8);
  area.writeUInt32LE((diskLayout.totalBytes - offsetBytes) / sectorBytes, tableOffset + 12);
  area.writeUInt16LE(0xaa55, sectorBytes - 2);
  core.copy(area, sectorBytes);
  return area;
}
