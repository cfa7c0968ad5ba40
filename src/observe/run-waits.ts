import { readFileSync } from 'node:fs';
import type { EventBody } from '../history/events.js';
import { nowUs } from '../util/clock.js';

/** Between two looks, milliseconds. */
export const waitPeriodMs = 500;

/**
 * How long the main thread of a process has been runnable and had to wait for a processor so far, microseconds:
 * `run_delay` of /proc/PID/schedstat (Linux Documentation/scheduler/sched-stats.rst), which counts nanoseconds.
 * Undefined: the process is gone, or the kernel does not tell.
 */
export function readRunDelayUs(pid: number): number | undefined {
  try {
    const delay = Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1]);
    return Number.isFinite(delay) ? Math.round(delay / 1_000) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Watches how long the test's processes waited for a processor. A busy neighbour shows here, and nowhere else as
 * plainly: each single wait may be short. Returns the way to stop; emits nothing where the kernel does not tell.
 */
export function watchRunWaits(
  processes: () => readonly { name: string; pid: number }[],
  emit: (event: Extract<EventBody, { type: 'machine.waits' }>) => void,
  read: (pid: number) => number | undefined = readRunDelayUs,
): () => void {
  const before = new Map<string, { pid: number; delayUs: number }>();
  let fromUs = nowUs();
  const look = (): void => {
    const toUs = nowUs();
    const waitsUs: Record<string, number> = {};
    for (const { name, pid } of processes()) {
      const delayUs = read(pid);
      const last = before.get(name);
      if (delayUs === undefined) before.delete(name);
      else before.set(name, { pid, delayUs });
      if (delayUs !== undefined && last?.pid === pid) waitsUs[name] = delayUs - last.delayUs;
    }
    if (Object.keys(waitsUs).length > 0) emit({ type: 'machine.waits', fromUs, toUs, waitsUs });
    fromUs = toUs;
  };
  look();
  const timer = setInterval(look, waitPeriodMs);
  timer.unref();
  return () => clearInterval(timer);
}
