import { closeSync, openSync, readSync } from 'node:fs';
import { printable } from '../log-tail.js';
import { milestoneMark } from '../image/init-script.js';

/** What a console line says about the guest's health. */
export type ConsoleFinding =
  /** `panic`: the kernel is gone or not to be trusted any more; `fatal`: the initramfs gave up; `oom`: the kernel ended a process for memory; `hang`: the kernel's own watchdogs. */
  { kind: 'panic' | 'fatal' | 'oom' | 'hang'; line: string };

const findings: readonly [RegExp, ConsoleFinding['kind']][] = [
  [/Kernel panic - not syncing|BUG: unable to handle|BUG: kernel NULL pointer|kernel BUG at|Oops: |general protection fault.*(SMP|PREEMPT|\[#)|double fault/, 'panic'],
  [/^pathproof-fatal /, 'fatal'],
  [/Out of memory: Killed process|oom-kill:/, 'oom'],
  [/watchdog: BUG: soft lockup|blocked for more than \d+ seconds|rcu.*detected stalls|hard LOCKUP/i, 'hang'],
];

/** A finding in words, after the name of the machine. */
export function findingText({ kind, line }: ConsoleFinding): string {
  const words = { panic: 'its kernel panicked', fatal: 'its initramfs gave up', oom: 'it ran out of memory (fewer or smaller namespaces, or fewer of what runs on it, need less)', hang: 'it hangs' };
  return `${words[kind]}: ${line}`;
}

/** Pure; undefined for a line that tells nothing. */
export function judgeConsoleLine(line: string): ConsoleFinding | undefined {
  for (const [pattern, kind] of findings) if (pattern.test(line)) return { kind, line };
  return undefined;
}

/** A boot step and the guest's uptime in seconds. */
export interface GuestMilestone { step: string; uptimeSeconds: number }

export function parseMilestone(line: string): GuestMilestone | undefined {
  const match = new RegExp(`${milestoneMark} (\\S+) ([\\d.]+)`).exec(line);
  return match === null ? undefined : { step: match[1]!, uptimeSeconds: Number(match[2]) };
}

const pollMs = 50;
const readBytes = 64 * 1024;

/**
 * Follows a serial log as QEMU writes it. A file, not a pipe: the log goes on when the harness dies, and
 * a harness that is slow never stops the guest.
 */
export class ConsoleFollower {
  readonly #file: string;
  readonly #onLine: (line: string) => void;
  readonly #timer: NodeJS.Timeout;
  #fd: number | undefined;
  #offset: number;
  #rest = '';
  /** `performance.now()` of the last output. */
  lastOutputMs = performance.now();

  /** `offset`: bytes of the file that were seen already, by an earlier boot. */
  constructor(file: string, offset: number, onLine: (line: string) => void) {
    this.#file = file;
    this.#offset = offset;
    this.#onLine = onLine;
    this.#timer = setInterval(() => this.poll(), pollMs);
    this.#timer.unref();
  }

  poll(): void {
    try {
      this.#fd ??= openSync(this.#file, 'r');
    } catch {
      return;
    }
    const buffer = Buffer.allocUnsafe(readBytes);
    for (;;) {
      const got = readSync(this.#fd, buffer, 0, buffer.length, this.#offset);
      if (got === 0) return;
      this.#offset += got;
      this.lastOutputMs = performance.now();
      const lines = `${this.#rest}${buffer.toString('utf8', 0, got)}`.split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#onLine(printable(line).trimEnd());
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.poll();
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
