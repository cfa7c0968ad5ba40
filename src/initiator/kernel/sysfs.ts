import fs from 'node:fs';
import { join } from 'node:path';

/** Where Linux shows its devices; tests give folders of their own. */
export interface KernelRoots {
  sys: string;
  dev: string;
  /** Where tracefs is mounted. */
  tracing: string;
}
export const linuxRoots: KernelRoots = { sys: '/sys', dev: '/dev', tracing: '/sys/kernel/tracing' };

/** The system calls that observers use; tests stand in for them to let files vanish under an open descriptor. */
export interface SysfsCalls {
  openSync(path: string): number;
  /** Reads from offset 0. */
  readSync(fd: number, into: Buffer): number;
  closeSync(fd: number): void;
  readdirSync(path: string): string[];
  readFileSync(path: string): string;
  readlinkSync(path: string): string;
}

export const sysfsCalls: SysfsCalls = {
  openSync: (path) => fs.openSync(path, 'r'),
  readSync: (fd, into) => fs.readSync(fd, into, 0, into.length, 0),
  closeSync: (fd) => fs.closeSync(fd),
  readdirSync: (path) => fs.readdirSync(path),
  readFileSync: (path) => fs.readFileSync(path, 'latin1'),
  readlinkSync: (path) => fs.readlinkSync(path),
};

/**
 * What the kernel answers while an object goes away, or for an attribute that it has not got (yet): ENODEV
 * from an open file of a removed object (fs/kernfs), EINVAL, EAGAIN and EIO from an attribute that has
 * nothing to say at the moment.
 */
const absences: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ENXIO', 'ENOTDIR', 'EINVAL', 'EAGAIN', 'EIO', 'EOPNOTSUPP']);

export function isAbsence(error: unknown): boolean {
  return absences.has((error as NodeJS.ErrnoException).code ?? '');
}

/** Runs a read; undefined if what was asked for is not there. Anything else (no permission, no memory) is thrown. */
export function ifPresent<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** An attribute's text without its line end; undefined: there is none (any more). */
export function readAttribute(calls: SysfsCalls, ...path: string[]): string | undefined {
  return ifPresent(() => calls.readFileSync(join(...path)).trim());
}

/** An attribute that is a whole number; undefined: there is none, or it is something else (`off`). */
export function readNumber(calls: SysfsCalls, ...path: string[]): number | undefined {
  const text = readAttribute(calls, ...path);
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/** The names in a folder, sorted; none if it is not there. */
export function listFolder(calls: SysfsCalls, ...path: string[]): string[] {
  return ifPresent(() => calls.readdirSync(join(...path)))?.sort() ?? [];
}
