import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '../../../util/clock.js';
import { bootstrapArguments } from './bootstrap.js';
import { parsePackageVersions } from './image.js';
import { findPayload, hasPvhEntry } from './kernel.js';
import { withLock } from './lock.js';
import { chooseMirror, parseIndexTargets } from './mirror.js';
import { resolveModules } from './modules.js';
import { defaultRecipe, recipeHash } from './recipe.js';
import { StagedBuild } from './stages.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pp-image-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('recipe', () => {
  it('has a hash of its own for every difference, and none for the order of packages', () => {
    const recipe = defaultRecipe();
    const hashes = [recipe, defaultRecipe('trixie'), defaultRecipe('forky', ['deb https://example.org x main']), { ...recipe, packages: [...recipe.packages, 'gdb'] }].map(recipeHash);
    expect(new Set(hashes).size).toBe(4);
    expect(recipeHash({ ...recipe, packages: [...recipe.packages].reverse() })).toBe(hashes[0]);
    expect(hashes[0]).toMatch(/^[0-9a-f]{16}$/);
  });

  it('tells mmdebstrap suite, mirror and further sources', () => {
    const args = bootstrapArguments(defaultRecipe('sid', ['deb URL x main']), 'unshare', 'MIRROR', '/out.tar');
    expect(args.slice(-4)).toEqual(['sid', '/out.tar', 'MIRROR', 'deb URL x main']);
    expect(args).toContain('--mode=unshare');
    expect(args).toContain('--aptopt=Acquire::Check-Valid-Until "false"');
  });
});

describe('mirror', () => {
  const line = (uri: string, origin: string, label: string, component = 'main'): string => [uri, origin, label, component].join('|');
  it('is the archive, not its security updates or another vendor’s', () => {
    const text = [line('u0', 'Ubuntu', 'Ubuntu'), line('u1', 'Debian', 'Debian-Security'), line('u2', 'Debian', 'Debian', 'contrib'), line('u3', 'Debian', 'Debian'), ''].join('\n');
    expect(chooseMirror(parseIndexTargets(text))).toBe('u3');
  });
  it('is told by its path before the first update', () => {
    expect(chooseMirror(parseIndexTargets([line('http://m/debian-security/', '', ''), line('http://m/debian/', '', '')].join('\n')))).toBe('http://m/debian/');
  });
  it('is none where there is none', () => {
    expect(chooseMirror(parseIndexTargets(line('http://m/ubuntu/', 'Ubuntu', 'Ubuntu')))).toBeUndefined();
  });
});

describe('resolveModules', () => {
  const dep = ['kernel/net/virtio_net.ko.xz: kernel/net/net_failover.ko.xz kernel/core/failover.ko.xz', 'kernel/net/net_failover.ko.xz: kernel/core/failover.ko.xz', 'kernel/core/failover.ko.xz:', 'kernel/nvme/nvme-tcp.ko.xz:'].join('\n');
  it('orders them by need and knows what is built in, whichever dash is used', () => {
    expect(resolveModules(['virtio_net', 'nvme_tcp', 'virtio-pci'], dep, 'kernel/virtio/virtio_pci.ko\n')).toEqual({
      files: ['kernel/core/failover.ko.xz', 'kernel/net/net_failover.ko.xz', 'kernel/net/virtio_net.ko.xz', 'kernel/nvme/nvme-tcp.ko.xz'], builtin: ['virtio-pci'],
    });
  });
  it('names what is missing', () => {
    expect(() => resolveModules(['squashfs', 'overlay', 'virtio_net'], dep, '')).toThrow('no module squashfs, overlay');
  });
});

describe('kernel', () => {
  const bzImage = (payload: Buffer): Buffer => {
    const image = Buffer.alloc(3 * 512 + 8);
    image[0x1f1] = 2;
    image.write('HdrS', 0x202);
    image.writeUInt16LE(0x20f, 0x206);
    image.writeUInt32LE(8, 0x248);
    image.writeUInt32LE(payload.length, 0x24c);
    return Buffer.concat([image, payload]);
  };
  it('finds the payload and leaves out the size behind it', () => {
    const zstd = Buffer.concat([Buffer.from('28b52ffd', 'hex'), Buffer.alloc(20, 1), Buffer.from('size')]);
    expect(findPayload(bzImage(zstd))).toEqual({ format: 'zstd', data: zstd.subarray(0, -4) });
    expect(findPayload(bzImage(Buffer.concat([Buffer.from('fd377a585a00', 'hex'), Buffer.alloc(20)])))?.format).toBe('xz');
  });
  it('leaves other kernels alone', () => {
    expect(findPayload(bzImage(Buffer.alloc(30)))).toBeUndefined();
    expect(findPayload(bzImage(Buffer.from('28b52ffd'.repeat(8), 'hex')).subarray(0, 1_540))).toBeUndefined();
    expect(findPayload(Buffer.alloc(2_000))).toBeUndefined();
  });
  it('sees the PVH note only where it is', () => {
    const note = (type: number): Buffer => {
      const n = Buffer.alloc(20);
      n.writeUInt32LE(4, 0);
      n.writeUInt32LE(4, 4);
      n.writeUInt32LE(type, 8);
      n.write('Xen\0', 12);
      return n;
    };
    const elf = (notes: Buffer): Buffer => {
      const head = Buffer.alloc(64 + 56);
      Buffer.from('7f454c460201', 'hex').copy(head);
      head.writeBigUInt64LE(64n, 32);
      head.writeUInt16LE(56, 54);
      head.writeUInt16LE(1, 56);
      head.writeUInt32LE(4, 64);
      head.writeBigUInt64LE(120n, 72);
      head.writeBigUInt64LE(BigInt(notes.length), 96);
      return Buffer.concat([head, notes]);
    };
    expect(hasPvhEntry(elf(Buffer.concat([note(6), note(18)])))).toBe(true);
    expect(hasPvhEntry(elf(note(6)))).toBe(false);
    expect(hasPvhEntry(Buffer.alloc(200))).toBe(false);
  });
});

describe('stages', () => {
  it('makes each file once and goes on where it was stopped', async () => {
    const made: string[] = [];
    const stage = (file: string, fail = false) => ({
      file, title: file,
      make: async (part: string) => {
        made.push(file);
        writeFileSync(part, fail ? 'half' : 'whole');
        if (fail) throw new Error('stopped');
      },
    });
    const lines: string[] = [];
    const first = new StagedBuild(join(dir, 'build'), (l) => lines.push(l));
    await first.run(stage('one'));
    await expect(first.run(stage('two', true))).rejects.toThrow('stopped');
    expect(existsSync(first.path('two'))).toBe(false);
    const second = new StagedBuild(join(dir, 'build'), (l) => lines.push(l));
    expect(await second.run(stage('one'))).toBe(false);
    expect(await second.run(stage('two'))).toBe(true);
    expect(made).toEqual(['one', 'two', 'two']);
    expect(readFileSync(second.path('two'), 'utf8')).toBe('whole');
    expect(Object.keys(second.seconds())).toEqual(['one', 'two']);
    expect(lines[0]).toMatch(/^\[ +0\.\d s\] one …$/);
  });
});

describe('withLock', () => {
  it('lets one in after the other', async () => {
    const order: string[] = [];
    const work = (name: string) => async () => {
      order.push(`${name} in`);
      await sleep(50);
      order.push(`${name} out`);
    };
    await Promise.all([withLock(join(dir, 'lock'), 10_000, () => undefined, work('1')), withLock(join(dir, 'lock'), 10_000, () => undefined, work('2'))]);
    expect([order[0]!.slice(0, 1), order[1]!.slice(0, 1)]).toEqual([order[1]!.slice(0, 1), order[0]!.slice(0, 1)]);
    expect(order).toHaveLength(4);
  });
  it('takes over from a process that is gone', async () => {
    writeFileSync(join(dir, 'lock'), JSON.stringify({ pid: process.pid, startTime: 'another' }));
    expect(await withLock(join(dir, 'lock'), 5_000, () => undefined, () => Promise.resolve('done'))).toBe('done');
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });
  it('gives up waiting with the name of who has it, and frees it after a failure', async () => {
    await withLock(join(dir, 'lock'), 0, () => undefined, async () => {
      await expect(withLock(join(dir, 'lock'), 0, () => undefined, () => Promise.resolve())).rejects.toMatchObject({ code: 'BUILD_LOCKED', message: expect.stringContaining(String(process.pid)) as string });
    });
    await expect(withLock(join(dir, 'lock'), 0, () => undefined, () => Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(existsSync(join(dir, 'lock'))).toBe(false);
  });
});

it('parsePackageVersions reads a dpkg status file', () => {
  const status = 'Package: fio\nStatus: install ok installed\nVersion: 3.41-2\n\nPackage: other\nVersion: 1\n\nPackage: nvme-cli\nVersion: 2.16-1\n';
  expect(parsePackageVersions(status, ['fio', 'nvme-cli', 'absent'])).toEqual({ fio: '3.41-2', 'nvme-cli': '2.16-1' });
});
