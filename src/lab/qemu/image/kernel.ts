import { runTool } from '../tools.js';

/**
 * The kernel unpacked on this machine, once, instead of by every guest at every boot: a third of the
 * processor time of an emulated boot. QEMU starts an unpacked kernel at its PVH entry (a note in the ELF
 * file, Xen's PHYS32_ENTRY). A kernel that does not allow it is used as it is.
 */
export async function directKernel(bzImage: Buffer): Promise<Buffer> {
  const payload = findPayload(bzImage);
  if (payload === undefined) return bzImage;
  const tool = { zstd: 'zstd', xz: 'xz', gzip: 'gzip' }[payload.format];
  const elf = await runTool(tool, ['-dc'], { input: payload.data });
  return hasPvhEntry(elf) ? elf : bzImage;
}

type Compression = 'zstd' | 'xz' | 'gzip';

/** The compressed kernel in a bzImage (Linux Documentation/arch/x86/boot.rst: payload_offset, protocol 2.08 and later), undefined for another format. */
export function findPayload(bzImage: Buffer): { format: Compression; data: Buffer } | undefined {
  if (bzImage.length < 0x250 || bzImage.toString('latin1', 0x202, 0x206) !== 'HdrS' || bzImage.readUInt16LE(0x206) < 0x208) return undefined;
  const setupSectors = bzImage[0x1f1] === 0 ? 4 : bzImage[0x1f1]!;
  const start = (setupSectors + 1) * 512 + bzImage.readUInt32LE(0x248);
  const end = start + bzImage.readUInt32LE(0x24c);
  if (end > bzImage.length || end - start < 16) return undefined;
  const magic = bzImage.toString('hex', start, start + 6);
  if (magic.startsWith('1f8b')) return { format: 'gzip', data: bzImage.subarray(start, end) };
  // All others are followed by the 4 bytes of the unpacked size, which gzip has in its own format.
  if (magic.startsWith('28b52ffd')) return { format: 'zstd', data: bzImage.subarray(start, end - 4) };
  if (magic === 'fd377a585a00') return { format: 'xz', data: bzImage.subarray(start, end - 4) };
  return undefined;
}

const programHeaderNote = 4;
/** XEN_ELFNOTE_PHYS32_ENTRY (Linux include/xen/interface/elfnote.h). */
const physicalEntryNote = 18;

/** Has this x86-64 ELF file the note by which QEMU finds the PVH entry? */
export function hasPvhEntry(elf: Buffer): boolean {
  if (elf.length < 64 || elf.toString('hex', 0, 6) !== '7f454c460201') return false;
  const tableOffset = Number(elf.readBigUInt64LE(32));
  const entryBytes = elf.readUInt16LE(54);
  const entries = elf.readUInt16LE(56);
  for (let i = 0; i < entries; i++) {
    const at = tableOffset + i * entryBytes;
    if (at + 56 > elf.length) return false;
    if (elf.readUInt32LE(at) !== programHeaderNote) continue;
    let note = Number(elf.readBigUInt64LE(at + 8));
    const end = Math.min(elf.length, note + Number(elf.readBigUInt64LE(at + 32)));
    while (note + 12 <= end) {
      const nameBytes = elf.readUInt32LE(note);
      const dataBytes = elf.readUInt32LE(note + 4);
      if (elf.readUInt32LE(note + 8) === physicalEntryNote && elf.toString('latin1', note + 12, note + 15) === 'Xen') return true;
      note += 12 + ((nameBytes + 3) & ~3) + ((dataBytes + 3) & ~3);
    }
  }
  return false;
}
