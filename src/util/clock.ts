/**
 * The monotonic clock of this process, in integer microseconds.
 *
 * `process.hrtime` reads CLOCK_MONOTONIC, which all processes of one machine share, so times of the
 * loopback lab's members are comparable without an offset. Microseconds since boot stay exact in a
 * double for 285 years; nanoseconds would not last 104 days.
 */
export function nowUs(): number {
  const ownUs = ownNowUs();
  return shiftUs === 0 ? ownUs : shifted(ownUs);
}

/** This machine's own CLOCK_MONOTONIC, whatever `shiftClock` has set: the clock that the kernel's own times are in. */
export function ownNowUs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1_000_000 + Math.floor(nanos / 1_000);
}

/** A time of this machine's own clock as a time of the harness, by the present estimate. */
export function harnessTimeOf(ownUs: number): number {
  return ownUs + shiftUs;
}

let shiftUs = 0;
/** Estimates of one and the same clock differ by less than this. */
const correctionMaxUs = 1_000_000;
let lastUs = 0;

/** Never back, also while the shift is corrected: a later event has no earlier time. */
function shifted(us: number): number {
  lastUs = Math.max(lastUs, us + shiftUs);
  return lastUs;
}

/**
 * On a machine of its own (a guest) a process's monotonic clock is another one than the harness's. From
 * now on `nowUs` gives the harness's time, by this estimate of (harness clock − own clock), microseconds.
 */
export function shiftClock(harnessMinusOwnUs: number): void {
  // The first shift, and one to another harness's clock (after a snapshot, another boot), moves the clock by the
  // age of a boot; what was read before it is no measure for later.
  if (shiftUs === 0 || Math.abs(harnessMinusOwnUs - shiftUs) > correctionMaxUs) lastUs = 0;
  shiftUs = Math.round(harnessMinusOwnUs);
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

/**
 * True if the promise resolves within `ms` milliseconds, and before `signal` aborts. Rejects as it does until then; a
 * rejection that comes later is nobody's.
 */
export async function settlesWithin(promise: Promise<unknown>, ms: number, signal?: AbortSignal): Promise<boolean> {
  promise.catch(() => undefined);
  const over = new AbortController();
  const late = sleep(ms, signal === undefined ? over.signal : AbortSignal.any([over.signal, signal])).then(() => false);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    over.abort();
  }
}
