import { afterEach, describe, expect, it } from 'vitest';
import { harnessTimeOf, nowUs, ownNowUs, settlesWithin, shiftClock, sleep } from './clock.js';

const near = (us: number, wantedUs: number): void => expect(Math.abs(us - wantedUs)).toBeLessThan(500_000);

describe('the clock of a guest', () => {
  afterEach(() => shiftClock(0));

  it('gives the harness’s time by the estimate, and its own all the same', () => {
    const ownUs = ownNowUs();
    shiftClock(5_000_000);
    near(nowUs(), ownUs + 5_000_000);
    near(ownNowUs(), ownUs);
    expect(harnessTimeOf(1_000)).toBe(5_001_000);
  });

  it('does not go back when the estimate is corrected, but does for another harness', () => {
    shiftClock(60_000_000);
    const first = nowUs();
    shiftClock(59_500_000);
    expect(nowUs()).toBeGreaterThanOrEqual(first);
    shiftClock(-30_000_000);
    near(nowUs(), ownNowUs() - 30_000_000);
  });
});

describe('settlesWithin', () => {
  const never = new Promise<void>(() => undefined);

  it('is true for what resolves in time, and false for what does not', async () => {
    expect(await settlesWithin(Promise.resolve(), 0)).toBe(true);
    expect(await settlesWithin(sleep(5), 20_000)).toBe(true);
    expect(await settlesWithin(never, 5)).toBe(false);
  });

  it('waits no longer than for the signal', async () => {
    const stop = new AbortController();
    const waited = settlesWithin(never, 60_000, stop.signal);
    stop.abort();
    expect(await waited).toBe(false);
    expect(await settlesWithin(never, 60_000, stop.signal)).toBe(false);
  });

  it('rejects with what fails in time; what fails later is nobody’s', async () => {
    await expect(settlesWithin(Promise.reject(new Error('broken')), 1_000)).rejects.toThrow('broken');
    expect(await settlesWithin(sleep(20).then(() => Promise.reject(new Error('late'))), 1)).toBe(false);
    await sleep(40);
  });
});
