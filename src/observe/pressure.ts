import { readFileSync } from 'node:fs';
import type { EventBody } from '../history/events.js';
import { nowUs } from '../util/clock.js';

/** Between two looks, milliseconds. */
export const pressurePeriodMs = 500;

/** The `some` line of /proc/pressure/cpu: microseconds in which a runnable process had to wait for a processor. Undefined where the kernel does not tell (Linux Documentation/accounting/psi.rst). */
export function readCpuPressureUs(file = '/proc/pressure/cpu'): number | undefined {
  try {
    const total = /^some .*total=(\d+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
    return total === undefined ? undefined : Number(total);
  } catch {
    return undefined;
  }
}

/**
 * Watches how much of the time something on this machine waited for a processor, the lab's own processes and
 * everybody else's alike: what a busy neighbour does to a lab shows here even if no single process of it stood
 * still for long. Returns the way to stop; does nothing where the kernel does not tell.
 */
export function watchPressure(emit: (event: Extract<EventBody, { type: 'machine.pressure' }>) => void, read: () => number | undefined = readCpuPressureUs): () => void {
  let before = read();
  if (before === undefined) return () => undefined;
  let fromUs = nowUs();
  const timer = setInterval(() => {
    const now = read();
    const toUs = nowUs();
    if (now === undefined || before === undefined) return;
    emit({ type: 'machine.pressure', fromUs, toUs, cpuWaitPercent: Math.min(100, Math.round(((now - before) / Math.max(1, toUs - fromUs)) * 1_000) / 10) });
    before = now;
    fromUs = toUs;
  }, pressurePeriodMs);
  timer.unref();
  return () => clearInterval(timer);
}
