import { join } from 'node:path';
import { ifPresent } from './sysfs.js';
import type { KernelRoots, SysfsCalls } from './sysfs.js';
import type { SampledPath } from './path-sampler.js';

/** The I/O of one path between two readings of its counters. */
export interface PathTraffic {
  path: SampledPath;
  reads: number;
  writes: number;
  bytesRead: number;
  bytesWritten: number;
  inflightBefore: number;
  errors: number | null;
}
/** Between `fromUs` (before the first reading) and `toUs` (after the second), on the clock that the reader was given. */
export interface TrafficWindow {
  fromUs: number;
  toUs: number;
  paths: PathTraffic[];
}

interface Counts {
  reads: number;
  sectorsRead: number;
  writes: number;
  sectorsWritten: number;
  inflight: number;
  errors: number | null;
}
interface KeptCounters {
  path: SampledPath;
  statFd: number;
  errorsFd: number;
  last: Counts;
}

/** The unit of /sys/block/NAME/stat, whatever the block size (Documentation/block/stat.rst). */
const sectorBytes = 512;
/** 17 numbers of up to 20 digits. */
const statBytesMax = 512;

/**
 * Which path carried how much, from /sys/block/NAME/stat of each path. The kernel does not say which path
 * an operation took, but it counts what ended on each.
 *
 * A request that the kernel takes off a path and gives to another (nvme_failover_req) counts as ended on the
 * first one, without bytes: its data is gone from it by then. So requests say what was tried, and bytes what went
 * through. A request that ended with an error counts its bytes; `errors` (newer kernels: diag/command_error_count)
 * tells whether there was one.
 */
export class PathCounters {
  readonly #roots: KernelRoots;
  readonly #calls: SysfsCalls;
  readonly #now: () => number;
  readonly #buffer = Buffer.alloc(statBytesMax);
  readonly #kept = new Map<string, KeptCounters>();
  #fromUs = 0;

  constructor(roots: KernelRoots, calls: SysfsCalls, now: () => number) {
    this.#roots = roots;
    this.#calls = calls;
    this.#now = now;
  }

  /** Reads all counters. Paths that were not there at the last reading, or went and came back since, are not in the window yet. */
  read(paths: readonly SampledPath[]): TrafficWindow {
    const beganUs = this.#now();
    const window: TrafficWindow = { fromUs: this.#fromUs, toUs: 0, paths: [] };
    const present = new Set(paths.map(({ name }) => name));
    for (const [name, kept] of this.#kept) if (!present.has(name)) this.#forget(name, kept);
    for (const path of paths) {
      const kept = this.#kept.get(path.name);
      if (kept === undefined) {
        this.#add(path);
        continue;
      }
      const counts = this.#counts(kept);
      if (counts === undefined) {
        this.#forget(path.name, kept);
        this.#add(path);
        continue;
      }
      window.paths.push(traffic(path, kept.last, counts));
      kept.last = counts;
    }
    this.#fromUs = beganUs;
    window.toUs = this.#now();
    return window;
  }

  close(): void {
    for (const [name, kept] of this.#kept) this.#forget(name, kept);
  }

  #add(path: SampledPath): void {
    const folder = join(this.#roots.sys, 'block', path.name);
    const statFd = ifPresent(() => this.#calls.openSync(join(folder, 'stat')));
    if (statFd === undefined) return;
    const errorsFd = ifPresent(() => this.#calls.openSync(join(folder, 'diag/command_error_count'))) ?? -1;
    const kept: KeptCounters = { path, statFd, errorsFd, last: { reads: 0, sectorsRead: 0, writes: 0, sectorsWritten: 0, inflight: 0, errors: null } };
    const counts = this.#counts(kept);
    this.#kept.set(path.name, kept);
    if (counts === undefined) this.#forget(path.name, kept);
    else kept.last = counts;
  }

  #forget(name: string, { statFd, errorsFd }: KeptCounters): void {
    this.#calls.closeSync(statFd);
    if (errorsFd >= 0) this.#calls.closeSync(errorsFd);
    this.#kept.delete(name);
  }

  #counts({ statFd, errorsFd }: KeptCounters): Counts | undefined {
    const stat = this.#text(statFd);
    if (stat === undefined) return undefined;
    const errors = errorsFd < 0 ? undefined : this.#text(errorsFd);
    return { ...parseStat(stat), errors: errors === undefined ? null : Number(errors) };
  }

  #text(fd: number): string | undefined {
    return ifPresent(() => this.#buffer.toString('latin1', 0, this.#calls.readSync(fd, this.#buffer)).trim());
  }
}

/** The fields of /sys/block/NAME/stat that matter here (Documentation/block/stat.rst: 1, 3, 5, 7 and 9). */
export function parseStat(text: string): Omit<Counts, 'errors'> {
  const fields = text.trim().split(/\s+/).map(Number);
  return { reads: fields[0] ?? 0, sectorsRead: fields[2] ?? 0, writes: fields[4] ?? 0, sectorsWritten: fields[6] ?? 0, inflight: fields[8] ?? 0 };
}

function traffic(path: SampledPath, before: Counts, after: Counts): PathTraffic {
  return {
    path,
    reads: after.reads - before.reads, writes: after.writes - before.writes,
    bytesRead: (after.sectorsRead - before.sectorsRead) * sectorBytes, bytesWritten: (after.sectorsWritten - before.sectorsWritten) * sectorBytes,
    inflightBefore: before.inflight,
    errors: after.errors === null || before.errors === null ? null : after.errors - before.errors,
  };
}
