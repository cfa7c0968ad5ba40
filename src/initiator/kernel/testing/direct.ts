import fs, { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether the folder for temporary files is on a file system that has O_DIRECT; not every one has. */
export function hasDirectIo(): boolean {
  const dir = mkdtempSync(join(tmpdir(), 'pp-direct-'));
  try {
    fs.closeSync(fs.openSync(join(dir, 'probe'), fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_DIRECT));
    return true;
  } catch {
    return false;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
