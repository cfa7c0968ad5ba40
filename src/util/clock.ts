/**
 * The monotonic clock of this process, in integer microseconds.
 *
 * `process.hrtime` reads CLOCK_MONOTONIC, which all processes of one machine share, so times of the
 * loopback lab's members are comparable without an offset. Microseconds since boot stay exact in a
 * double for 285 years; nanoseconds would not last 104 days.
 */
export function nowUs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1_000_000 + Math.floor(nanos / 1_000);
}

/** Resolves after `ms` milliseconds; `signal` ends the wait early (it then resolves, it never rejects). */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}
