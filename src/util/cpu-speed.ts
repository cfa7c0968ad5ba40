import { ownNowUs } from './clock.js';

const rounds = 4_000_000;
const repeats = 3;

/**
 * The time of a fixed piece of integer work on one processor, microseconds: the best of a few repeats, since
 * whatever else runs can only slow it down. The ratio between two machines says how much slower a guest
 * without hardware virtualization is. Native processors of today need some 10 ms.
 */
export function cpuWorkUs(): number {
  // Once before it counts: the compiler has to have seen it.
  work(rounds);
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const fromUs = ownNowUs();
    work(rounds);
    best = Math.min(best, ownNowUs() - fromUs);
  }
  return best;
}

/** Xorshift (Marsaglia 2003) with a table look-up: arithmetic, memory and a branch, as protocol code has them. */
function work(count: number): number {
  let x = 2_463_534_242;
  const table = new Int32Array(1_024);
  for (let i = 0; i < count; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const at = x & 1_023;
    if ((table[at]! & 1) === 0) table[at] = x;
    else table[at]! ^= i;
  }
  return table[x & 1_023]!;
}
