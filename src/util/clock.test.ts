import { afterEach, describe, expect, it } from 'vitest';
import { harnessTimeOf, nowUs, ownNowUs, shiftClock } from './clock.js';

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
