/** One question for a guest's clock: when it was asked and answered in our time, and what it said; microseconds. */
export interface ClockSample { askedUs: number; answeredUs: number; ownUs: number }

/** Our clock minus the guest's, and how wrong that can be, microseconds. */
export interface ClockEstimate { shiftUs: number; errUs: number }

/**
 * The estimate of one sample: the answer was given at some moment between question and answer, so the
 * middle is at most half of the round trip off (Cristian 1989).
 */
export function estimateOf({ askedUs, answeredUs, ownUs }: ClockSample): ClockEstimate {
  return { shiftUs: Math.round((askedUs + answeredUs) / 2 - ownUs), errUs: Math.ceil((answeredUs - askedUs) / 2) };
}

/** The best of several: that with the shortest round trip. */
export function bestOf(samples: readonly ClockSample[]): ClockEstimate {
  if (samples.length === 0) throw new RangeError('no sample of the clock');
  return samples.map(estimateOf).reduce((best, each) => (each.errUs < best.errUs ? each : best));
}

/** Two estimates of one clock contradict each other when their intervals do not meet. */
export function contradict(a: ClockEstimate, b: ClockEstimate): boolean {
  return Math.abs(a.shiftUs - b.shiftUs) > a.errUs + b.errUs;
}

/**
 * How much two monotonic clocks may drift apart, parts per million. Crystals do 50; a guest's idea of its processor's
 * frequency is measured at boot and can be off by a few times that.
 */
export const driftPpm = 300;

/** What an estimate is worth later: its error has grown by the drift. */
export function aged({ shiftUs, errUs }: ClockEstimate, ageUs: number): ClockEstimate {
  return { shiftUs, errUs: errUs + Math.ceil((ageUs * driftPpm) / 1e6) };
}

/**
 * The better of an estimate and a new one. A new one with a larger error than the old one has by now tells nothing,
 * unless the two contradict each other: then the clock has moved, and nobody knows when since the old one.
 */
export function refine(old: ClockEstimate, ageUs: number, next: ClockEstimate): ClockEstimate {
  const now = aged(old, ageUs);
  if (contradict(now, next)) return { shiftUs: next.shiftUs, errUs: next.errUs + Math.abs(next.shiftUs - now.shiftUs) };
  return next.errUs <= now.errUs ? next : now;
}
