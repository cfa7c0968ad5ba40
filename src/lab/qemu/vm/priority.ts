import { writeFileSync } from 'node:fs';
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
  for (const prefer of [() => writeFileSync(`/proc/${pid}/autogroup`, String(observerNice)), () => os.setPriority(pid, observerNice)]) {
    try {
      prefer();
    } catch {
      // Not root, or a kernel without it.
    }
  }
}
