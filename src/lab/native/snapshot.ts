import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { cacheDir } from '../qemu/cache.js';
import { runTool } from '../qemu/tools.js';
import { hostsFolder } from './native-machines.js';

const accessSchema = z.object({ fsid: z.string(), monHosts: z.array(z.string()), adminKey: z.string().optional() });
const copyMaxMs = 300_000;

/** The folders of a stopped cluster, from which it comes back in seconds: in the cache, since it can be made again. */
export class ClusterSnapshot {
  readonly dir: string;

  constructor(key: string) {
    this.dir = join(cacheDir(), 'native', 'snapshots', key);
  }

  /** What a client needs to know of the cluster in it; undefined: there is no snapshot. */
  access(): { fsid: string; monHosts: string[]; adminKey: string | undefined } | undefined {
    try {
      const { adminKey, ...rest } = accessSchema.parse(JSON.parse(readFileSync(join(this.dir, 'cluster.json'), 'utf8')));
      return { ...rest, adminKey };
    } catch {
      return undefined;
    }
  }

  /** Keeps the folders of a lab whose hosts are off. */
  async save(labDir: string, access: { fsid: string; monHosts: readonly string[]; adminKey: string | undefined }): Promise<void> {
    const part = `${this.dir}.${process.pid}.part`;
    mkdirSync(part, { recursive: true });
    await copyFolder(join(labDir, hostsFolder), part);
    // It holds the administrator's key.
    writeFileSync(join(part, 'cluster.json'), JSON.stringify(access), { mode: 0o600 });
    rmSync(this.dir, { recursive: true, force: true });
    mkdirSync(dirname(this.dir), { recursive: true });
    renameSync(part, this.dir);
  }

  async restore(labDir: string): Promise<void> {
    mkdirSync(labDir, { recursive: true });
    await copyFolder(join(this.dir, hostsFolder), labDir);
  }

  discard(): void {
    if (existsSync(this.dir)) rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Owners, extended attributes and holes stay as they are: overlays mark what is deleted by them. */
async function copyFolder(from: string, into: string): Promise<void> {
  await runTool('cp', ['--archive', '--sparse=always', '--reflink=auto', from, into], { timeoutMs: copyMaxMs });
}
