import { readdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';

/** Of a machine on which is observed. */
export const observerNice = -10;

/**
 * Lets a virtual machine that observes go before the others: what it does is bounded, and a look that comes late proves
 * nothing. Linux schedules sessions against each other first (sched(7), "The autogroup feature"), and QEMU's processes
 * are sessions of their own, so that the nice value of the session counts, too. Only root may do that; for others the
 * machine is like any other.
 */
export function preferSession(pid: number): void {
  attempt(() => writeFileSync(`/proc/${pid}/autogroup`, String(observerNice)));
  // Threads that run already have their own values; those to come have that of the thread which starts them.
  for (const thread of threadsOf(pid)) attempt(() => os.setPriority(thread, observerNice));
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return [];
  }
}

function attempt(prefer: () => void): void {
  try {
    prefer();
  } catch {
    // Not root, a kernel without it, or a thread that has ended.
  }
}
