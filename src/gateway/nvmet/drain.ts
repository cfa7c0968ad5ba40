import type { NamespaceDevice } from './device.js';

/** The first look comes after this time, each next one after twice as long, up to the second; milliseconds. */
const firstLookMs = 2;
const lookMaxMs = 50;

/**
 * Resolves when none of the devices has a command under way, or `stop` is aborted. The kernel has no call
 * that waits for it without blocking, so it is looked at again and again.
 *
 * A write whose data the host has not sent yet (R2T) is not at the device; it comes later. The host has no
 * answer to it either, so this is what it must expect of any path that it still has open.
 */
export function whenDrained(devices: readonly NamespaceDevice[], stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const look = (nextMs: number): void => {
      if (stop.aborted || devices.every((device) => device.inflight() === 0)) return resolve();
      // Must not keep a gateway's process alive that has ended and whose store answers nothing any more.
      setTimeout(look, nextMs, Math.min(lookMaxMs, 2 * nextMs)).unref();
    };
    look(firstLookMs);
  });
}
