import pidusage from 'pidusage';
import type { EventBody, NodeEvent } from '../history/events.js';
import { nowUs } from '../util/clock.js';

/** How often the processes are looked at, milliseconds. Each look reads one small file per process on Linux, and runs `ps` elsewhere. */
export const resourcePeriodMs = 1_000;
/** Stands for the event-loop delay, which nobody can see from outside a process. */
export const notMeasured = -1;

export interface WatchedProcess {
  name: string;
  pid: number;
}

export interface ResourceWatchOptions {
  /** The processes to look at now; asked before each look, since members come and go. Our own pid is skipped: it watches itself. */
  processes: () => readonly WatchedProcess[];
  emit: (event: NodeEvent) => void;
  periodMs?: number;
  /** A look that failed as a whole (no `ps`, say). Told once for as long as it lasts; looking goes on. */
  onError?: (error: Error) => void;
}

/** What is remembered of a process between two looks. */
interface LastLook {
  pid: number;
  atUs: number;
  cpuMs: number;
}

/**
 * Looks at the members' processes from outside: CPU and memory also of those that cannot say so
 * themselves, because they are stopped, starved, or not Node. Reports `self.watch` events whose
 * `process` is `ps:<name>`, apart from what a member says of itself: an outside look at a stopped
 * process must not pass for a sign of life. Their event-loop delays are `notMeasured`.
 */
export class ResourceWatch {
  readonly #options: ResourceWatchOptions;
  readonly #last = new Map<string, LastLook>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  #failing = false;
  #stopped = false;

  constructor(options: ResourceWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), options.periodMs ?? resourcePeriodMs);
    this.#timer.unref();
    void this.look();
  }

  /** Looks now; while a look is under way, waits for that one. Never rejects. */
  look(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Ends the watch; nothing is emitted after it has resolved. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    // pidusage's own cache expires within a minute and closes its files then; its clear() would leave them open.
    await this.#looking;
  }

  async #look(): Promise<void> {
    const watched = this.#options.processes().filter(({ pid }) => pid !== process.pid);
    for (const name of this.#last.keys()) if (!watched.some((each) => each.name === name)) this.#last.delete(name);
    if (watched.length === 0) return;
    let seen: Record<string, pidusage.Status | undefined>;
    try {
      // A process that has gone is missing in the answer; all gone is an error.
      seen = await pidusage(watched.map(({ pid }) => pid));
    } catch (error) {
      if (isGone(error)) return;
      if (!this.#failing) this.#options.onError?.(error instanceof Error ? error : new Error(String(error)));
      this.#failing = true;
      return;
    }
    this.#failing = false;
    if (this.#stopped) return;
    const atUs = nowUs();
    for (const { name, pid } of watched) {
      const status = seen[pid];
      if (status === undefined) {
        this.#last.delete(name);
        continue;
      }
      const before = this.#last.get(name);
      const look: LastLook = { pid, atUs, cpuMs: status.ctime };
      this.#last.set(name, look);
      // CPU is a difference: the first look at a process has nothing to compare with.
      if (before?.pid === pid) this.#emit(name, before, look, status.memory);
    }
  }

  #emit(name: string, before: LastLook, now: LastLook, rssBytes: number): void {
    const body: EventBody = {
      type: 'self.watch', process: `ps:${name}`, pid: now.pid, fromUs: before.atUs, toUs: now.atUs,
      loopDelayMaxUs: notMeasured, loopDelayP99Us: notMeasured,
      cpuPercent: Math.round(Math.max(0, ((now.cpuMs - before.cpuMs) * 1_000) / Math.max(1, now.atUs - before.atUs)) * 1_000) / 10,
      rssBytes,
    };
    this.#options.emit({ ...body, tUs: now.atUs });
  }
}

/** pidusage's word for "none of them is there any more", by platform. */
function isGone(error: unknown): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ESRCH' || /no matching pid/i.test(String(message));
}
