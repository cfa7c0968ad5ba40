import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { infraError, messageOf } from '../../../util/errors.js';
import { runTool } from '../tools.js';
import { cpioArchive, type CpioEntry } from './cpio.js';
import { initramfsInit, initramfsModules } from './init-script.js';
import { resolveModules } from './modules.js';

/** What an initramfs is for: the modules that the kernel needs before it has its root file system, and /init. */
export interface InitramfsSpec { modules: readonly string[]; init: string }

/**
 * The lab's own initramfs from the tar of the image: a static busybox, the few modules that the root file
 * system needs, unpacked (the kernel then need not do it under emulation), and /init.
 */
export async function buildInitramfs(rootTar: string, spec: InitramfsSpec = { modules: initramfsModules, init: initramfsInit }): Promise<{ archive: Buffer; kernelVersion: string; builtin: string[] }> {
  const dir = mkdtempSync(join(tmpdir(), 'pathproof-initramfs-'));
  try {
    await runTool('tar', ['-C', dir, '--wildcards', '-xf', rootTar, './usr/lib/modules/*/modules.dep', './usr/lib/modules/*/modules.builtin', './usr/bin/busybox']);
    const modulesRoot = join(dir, 'usr/lib/modules');
    const versions = readdirSync(modulesRoot);
    const kernelVersion = versions[0];
    if (kernelVersion === undefined || versions.length > 1) throw infraError('IMAGE_KERNEL', `the image has ${versions.length} kernels (${versions.join(', ')}), not one`);
    const modulesDir = join(modulesRoot, kernelVersion);
    const { files, builtin } = resolveWanted(modulesDir, spec.modules);
    if (files.length > 0) await runTool('tar', ['-C', dir, '-xf', rootTar, ...files.map((f) => `./usr/lib/modules/${kernelVersion}/${f}`)]);
    const modules: CpioEntry[] = [];
    const order: string[] = [];
    for (const file of files) {
      const name = file.slice(file.lastIndexOf('/') + 1).replace(/\.(xz|zst|gz)$/, '');
      order.push(name);
      modules.push({ kind: 'file', path: `modules/${name}`, data: await unpackModule(join(modulesDir, file)) });
    }
    const archive = cpioArchive([
      { kind: 'directory', path: 'dev' },
      // Where the kernel sends what /init says before devtmpfs is there.
      { kind: 'device', path: 'dev/console', major: 5, minor: 1 },
      { kind: 'file', path: 'bin/busybox', data: readFileSync(join(dir, 'usr/bin/busybox')), mode: 0o755 },
      { kind: 'file', path: 'init', data: Buffer.from(spec.init, 'utf8'), mode: 0o755 },
      { kind: 'file', path: 'modules/order', data: Buffer.from(order.map((n) => `${n}\n`).join(''), 'utf8') },
      ...modules,
    ]);
    return { archive, kernelVersion, builtin };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function resolveWanted(modulesDir: string, wanted: readonly string[]): ReturnType<typeof resolveModules> {
  try {
    return resolveModules(wanted, readFileSync(join(modulesDir, 'modules.dep'), 'utf8'), readFileSync(join(modulesDir, 'modules.builtin'), 'utf8'));
  } catch (error) {
    throw infraError('IMAGE_MODULES', messageOf(error), { hint: 'another suite may have a kernel package with another selection of modules', cause: error });
  }
}

async function unpackModule(file: string): Promise<Buffer> {
  if (file.endsWith('.xz')) return runTool('xz', ['-dc', file]);
  if (file.endsWith('.zst')) return runTool('zstd', ['-dcq', file]);
  if (file.endsWith('.gz')) return runTool('gzip', ['-dc', file]);
  return readFileSync(file);
}
