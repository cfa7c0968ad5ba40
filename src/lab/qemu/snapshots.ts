import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../util/atomic-file.js';
import { infraError } from '../../util/errors.js';
import { isSameProcess, processStartTime } from '../process-identity.js';
import { cacheDir } from './cache.js';

/** What is needed to use a lab again that was made by another process, beside its nodes' state files. */
const manifestSchema = z.object({
  format: z.literal(1),
  key: z.string(),
  savedAt: z.string(),
  cluster: z.object({
    fsid: z.string(), auth: z.enum(['cephx', 'none']), monHosts: z.array(z.string()),
    entities: z.array(z.object({ name: z.string(), secret: z.string(), caps: z.record(z.string(), z.string()) })),
  }),
  /** Hash of the programs that ran in the guests when each snapshot was saved; `base` has none. */
  tags: z.record(z.string(), z.object({ programs: z.string(), savedAt: z.string(), seconds: z.number() })),
});
export type SnapshotManifest = z.output<typeof manifestSchema>;

/** Folders of snapshots that are kept; each has 1–2 GB. The longest unused go first. */
const keptMax = 4;
const lockName = 'lock.json';

/**
 * The folder of one lab design's snapshots: the nodes' state files, the SSH keys that the guests know, and the manifest.
 * It belongs to one lab at a time, since QEMU writes to the files that it loads from.
 */
export class SnapshotStore {
  readonly dir: string;
  readonly #key: string;

  private constructor(dir: string, key: string) {
    this.dir = dir;
    this.#key = key;
  }

  /**
   * Takes the folder of this design; refuses (LAB_BUSY) while another lab has it. `from`: the processes of a lab that
   * was left up and is taken over with it.
   */
  static take(key: string, from: readonly { pid: number }[] = []): SnapshotStore {
    const root = join(cacheDir(), 'snapshots');
    const dir = join(root, key);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const holder = liveHolder(dir, from);
    if (holder !== undefined) {
      throw infraError('LAB_BUSY', `a lab of the same design is up already (held by ${holder.name}, pid ${holder.pid})`, { hint: 'wait for that run, end it, or take a kept lab down by `pathproof lab down`; a lab of another shape (--gateways, --namespaces…) can be up beside it' });
    }
    const store = new SnapshotStore(dir, key);
    store.hold([]);
    removeOldest(root, key);
    return store;
  }

  /** From now on the folder is taken for as long as this process or one of these runs. */
  hold(machines: readonly Holder[]): void {
    const own = { name: 'a pathproof command', pid: process.pid, startTime: processStartTime(process.pid) ?? '' };
    writeFileSync(join(this.dir, lockName), JSON.stringify([own, ...machines]));
  }

  release(): void {
    rmSync(join(this.dir, lockName), { force: true });
  }

  /** Undefined: nothing was saved yet, or by an older version. */
  manifest(): SnapshotManifest | undefined {
    try {
      const manifest = manifestSchema.parse(JSON.parse(readFileSync(join(this.dir, 'manifest.json'), 'utf8')));
      return manifest.key === this.#key ? manifest : undefined;
    } catch {
      return undefined;
    }
  }

  /** Written aside and renamed: a manifest that is there speaks of state files that are complete. Holds secrets of the lab's cluster. */
  writeManifest(manifest: Omit<SnapshotManifest, 'format' | 'key'>): void {
    writeFileAtomic(join(this.dir, 'manifest.json'), `${JSON.stringify({ format: 1, key: this.#key, ...manifest }, null, 2)}\n`, 0o600);
  }

  /** Forgets everything that was saved: the next lab of this design starts cold. The keys stay. */
  discard(): void {
    for (const name of readdirSync(this.dir)) if (name === 'manifest.json' || name.endsWith('.qcow2')) rmSync(join(this.dir, name), { force: true });
  }
}

interface Holder { name: string; pid: number; startTime: string }

function liveHolder(dir: string, except: readonly { pid: number }[] = []): Holder | undefined {
  try {
    const holders = JSON.parse(readFileSync(join(dir, lockName), 'utf8')) as Holder[];
    return holders.find((holder) => holder.pid !== process.pid && !except.some(({ pid }) => pid === holder.pid) && isSameProcess(holder));
  } catch {
    return undefined;
  }
}

function removeOldest(root: string, current: string): void {
  const folders = readdirSync(root).filter((name) => name !== current).map((name) => join(root, name)).filter((dir) => liveHolder(dir) === undefined);
  const used = (dir: string): number => {
    try {
      return statSync(join(dir, 'manifest.json')).mtimeMs;
    } catch {
      return 0;
    }
  };
  for (const dir of folders.sort((a, b) => used(b) - used(a)).slice(keptMax - 1)) rmSync(dir, { recursive: true, force: true });
}
