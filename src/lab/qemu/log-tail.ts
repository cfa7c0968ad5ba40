import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const tailBytes = 16 * 1024;

/** The last lines of a log, for an error message; none when there is no log. Control sequences of a console are left out. */
export function logTail(file: string, lines = 20): string[] {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return [];
  }
  try {
    const size = fstatSync(fd).size;
    const buffer = Buffer.alloc(Math.min(size, tailBytes));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return printable(buffer.toString('utf8')).split('\n').map((l) => l.trimEnd()).filter((l) => l !== '').slice(-lines);
  } finally {
    closeSync(fd);
  }
}

/** Without terminal control sequences (ECMA-48 CSI) and carriage returns. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\[[0-9;?]*[A-Za-z]|\r|[\u0000-\u0008\u000b-\u001f]/g, '');
}
