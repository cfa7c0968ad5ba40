import fs from 'node:fs';

/**
 * Replaces a small file in one step: a reader, or the next start after a SIGKILL, finds the old text
 * or the new one. No fsync, as for image data: the store promises to survive the death of processes,
 * which leaves the page cache alone; it does not promise to survive a power cut of the machine.
 */
export function writeFileAtomic(file: string, text: string): void {
  const temporary = `${file}.new`;
  fs.writeFileSync(temporary, text);
  fs.renameSync(temporary, file);
}
