import fs from 'node:fs';

/**
 * Replaces a small file in one step: a reader, or the next start after a SIGKILL, finds the old text
 * or the new one. No fsync: what has to survive is the death of processes, which leaves the page cache
 * alone, and not a power cut of the machine. `mode`: permissions of a new file. Throws what node:fs throws.
 */
export function writeFileAtomic(file: string, text: string, mode?: number): void {
  const temporary = `${file}.new`;
  fs.writeFileSync(temporary, text, mode === undefined ? {} : { mode });
  fs.renameSync(temporary, file);
}
