import { createHash } from 'node:crypto';
import { ownNowUs } from './clock.js';

const rounds = 400_000;
const hashedBytes = 1 << 20;
const documents = 300;
const repeats = 3;

/**
 * The time of a fixed piece of work on one processor, microseconds: the best of a few repeats, since whatever else runs
 * can only slow it down. A third each, about, of what protocol code does: integer arithmetic on a table, a checksum in
 * vector instructions, and text into objects and back. Native processors of today need some 10 ms. The ratio between two
 * machines says how much slower a guest without hardware virtualization is.
 */
export function cpuWorkUs(): number {
  // Once before it counts: the compiler has to have seen it.
  work();
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const fromUs = ownNowUs();
    work();
    best = Math.min(best, ownNowUs() - fromUs);
  }
  return best;
}

/** The result depends on everything, so that nothing can be left out. */
function work(): number {
  const seed = arithmetic(rounds);
  const hash = createHash('sha256').update(Buffer.alloc(hashedBytes, seed & 255)).digest();
  let length = 0;
  for (let i = 0; i < documents; i++) {
    const text = JSON.stringify({ kind: 'event', id: i + seed, list: [hash[i & 31], 'optimized', 'inaccessible', null], at: { us: 1e12 + i } });
    length += Object.keys(JSON.parse(text) as object).length;
  }
  return length;
}

/** Xorshift (Marsaglia 2003) with a table look-up. */
function arithmetic(count: number): number {
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
