import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { EventBody } from '../history/events.js';
import { nowUs } from '../util/clock.js';

const selfWatchPeriodMs = 250;
/** How often the event loop is asked for a sign of life. Asking takes 1 % of a processor, and ten times as much of an emulated one. */
const loopResolutionMs = 5;
export const guestLoopResolutionMs = 20;

/**
 * Reports event-loop delay, CPU and memory of this process every 250 ms: a stalled process must not pass
 * for a stalled path. Returns how to stop it.
 */
export function watchSelf(name: string, emit: (event: Extract<EventBody, { type: 'self.watch' }>) => void, resolutionMs = loopResolutionMs): () => void {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  delay.enable();
  let fromUs = nowUs();
  let cpu = process.cpuUsage();
  const timer = setInterval(() => {
    const toUs = nowUs();
    const used = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    emit({
      type: 'self.watch', process: name, pid: process.pid, fromUs, toUs,
      loopDelayMaxUs: Math.round(delay.max / 1_000),
      loopDelayP99Us: Math.round(delay.percentile(99) / 1_000),
      cpuPercent: Math.round(((used.user + used.system) / Math.max(1, toUs - fromUs)) * 1_000) / 10,
      rssBytes: process.memoryUsage.rss(),
    });
    delay.reset();
    fromUs = toUs;
  }, selfWatchPeriodMs);
  timer.unref();
  return () => {
    clearInterval(timer);
    delay.disable();
  };
}
