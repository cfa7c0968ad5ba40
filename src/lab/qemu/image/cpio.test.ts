import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findProgram } from '../tools.js';
import { cpioArchive } from './cpio.js';

/** A second reader of the format, by its description: field offsets, names, padding. */
function readArchive(archive: Buffer): { name: string; mode: number; data: string }[] {
  const entries = [];
  for (let at = 0; ;) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const field = (i: number): number => Number.parseInt(archive.toString('latin1', at + 6 + i * 8, at + 14 + i * 8), 16);
    const nameEnd = at + 110 + field(11);
    const name = archive.toString('utf8', at + 110, nameEnd - 1);
    const dataAt = (nameEnd + 3) & ~3;
    const dataEnd = dataAt + field(6);
    if (name === 'TRAILER!!!') return entries;
    entries.push({ name, mode: field(1), data: archive.toString('utf8', dataAt, dataEnd) });
    at = (dataEnd + 3) & ~3;
  }
}

const entries = [
  { kind: 'directory', path: 'dev' }, { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
  { kind: 'file', path: 'a/b/file', data: Buffer.from('12345') }, { kind: 'file', path: 'a/b/run', data: Buffer.from('x'), mode: 0o755 },
  { kind: 'link', path: 'a/link', target: 'b/file' },
] as const;

describe('cpioArchive', () => {
  it('writes every kind of entry, and the folders above', () => {
    expect(readArchive(cpioArchive(entries))).toEqual([
      { name: 'dev', mode: 0o040755, data: '' }, { name: 'dev/console', mode: 0o020600, data: '' },
      { name: 'a', mode: 0o040755, data: '' }, { name: 'a/b', mode: 0o040755, data: '' },
      { name: 'a/b/file', mode: 0o100644, data: '12345' }, { name: 'a/b/run', mode: 0o100755, data: 'x' },
      { name: 'a/link', mode: 0o120777, data: 'b/file' },
    ]);
  });

  it('is the same for the same entries and aligned for concatenation', () => {
    expect(cpioArchive(entries).equals(cpioArchive(entries))).toBe(true);
    expect(cpioArchive(entries).length % 4).toBe(0);
  });

  it('refuses absolute paths', () => {
    expect(() => cpioArchive([{ kind: 'file', path: '/etc/x', data: Buffer.alloc(0) }])).toThrow(RangeError);
  });

  it.skipIf(findProgram('cpio') === undefined)('is read by cpio(1)', () => {
    const dir = mkdtempSync(join(tmpdir(), 'pp-cpio-'));
    try {
      execFileSync('cpio', ['-id', '--quiet'], { cwd: dir, input: cpioArchive(entries.filter((e) => e.kind !== 'device')) });
      expect(readFileSync(join(dir, 'a/b/file'), 'utf8')).toBe('12345');
      expect(statSync(join(dir, 'a/b/run')).mode & 0o777).toBe(0o755);
      expect(readlinkSync(join(dir, 'a/link'))).toBe('b/file');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
