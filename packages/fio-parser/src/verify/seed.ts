/**
 * fio generates the payload from the seed in the header, so it can be generated again and compared byte by byte:
 * that tells which bytes are wrong, where a checksum only tells that some are.
 *
 * Word i of an I/O is `seed * prime[i mod B] * G^(i div B)` modulo 2^64. B ("seed buckets") is chosen when fio is
 * built: 4 unless configured; 16 is the most. Holds without `verify_pattern`, `buffer_compress_percentage` and
 * `dedupe_percentage`. The last words of an I/O whose length is no multiple of 8*B follow another rule; they are
 * compared only as far as the rule above goes.
 */
const GOLDEN = 0x61c8_8646_80b5_83ebn;
const PRIMES = [1n, 2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n];
const MASK = 0xffff_ffff_ffff_ffffn;
/** Bucket counts tried, the default first. */
export const SEED_BUCKETS = [4, 16, 8, 2, 1] as const;
/** Most intervals of one I/O looked at: the header does not say which one of its I/O it is. */
export const INTERVALS_MAX = 256;
/** Words compared per guess, spread over what is left of the payload; half of them must agree. */
const PROBE_WORDS = 8;
/** Fewer words that follow from one another are chance. */
const CHAINED_MIN = 4;

function power(base: bigint, exponent: number): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = (result * square) & MASK;
    square = (square * square) & MASK;
  }
  return result;
}

/** `words` words of the payload stream of a seed, from word `first` on, as bytes. */
export function seedBytes(seed: bigint, first: number, words: number, buckets: number): Buffer {
  const out = Buffer.allocUnsafe(words * 8);
  const chains: bigint[] = [];
  for (let index = 0; index < Math.min(buckets, words); index += 1) {
    const word = first + index;
    chains.push((((seed * PRIMES[word % buckets]!) & MASK) * power(GOLDEN, Math.floor(word / buckets))) & MASK);
  }
  for (let index = 0; index < words; index += 1) {
    const slot = index % buckets;
    out.writeBigUInt64LE(chains[slot]!, index * 8);
    chains[slot] = (chains[slot]! * GOLDEN) & MASK;
  }
  return out;
}

/** A payload generated again. */
export interface SeedMatch {
  /** Bytes of the interval from its start, as they were meant to be; only from `from` to `to` do they mean anything. */
  readonly expected: Buffer;
  readonly from: number;
  readonly to: number;
  /** Which interval of its I/O this one is, from 0. */
  readonly interval: number;
}

/**
 * Finds how the payload of an interval comes from `seed`. Undefined when too few words do: then the payload was
 * generated in another way, or none of it is left.
 */
export function matchSeed(block: Buffer, seed: bigint, payloadAt: number): SeedMatch | undefined {
  const words = Math.floor(block.length / 8);
  if (seed === 0n) return undefined;
  for (const buckets of SEED_BUCKETS) {
    const chained = chainedWords(block.subarray(Math.ceil(payloadAt / 8) * 8), buckets).map((word) => word + Math.ceil(payloadAt / 8));
    if (chained.length < CHAINED_MIN) continue;
    const probes = Array.from({ length: PROBE_WORDS }, (_, index) => chained[Math.floor((index * chained.length) / PROBE_WORDS)]!);
    // An interval that is no whole number of words cannot be placed behind another one.
    const intervals = block.length % 8 === 0 ? INTERVALS_MAX : 1;
    for (let interval = 0; interval < intervals; interval += 1) {
      const base = interval * words;
      const agreeing = probes.filter((word) => block.readBigUInt64LE(word * 8) === seedWord(seed, base + word, buckets)).length;
      if (agreeing * 2 < PROBE_WORDS) continue;
      const to = words - (words % buckets);
      return { expected: seedBytes(seed, base, to, buckets), from: payloadAt, to: to * 8, interval };
    }
  }
  return undefined;
}

/** Indices of the words that follow from the word `buckets` before them, whatever the seed. */
function chainedWords(bytes: Buffer, buckets: number): number[] {
  const found: number[] = [];
  const words = Math.floor(bytes.length / 8);
  for (let index = buckets; index < words; index += 1) {
    const before = bytes.readBigUInt64LE((index - buckets) * 8);
    if (before !== 0n && bytes.readBigUInt64LE(index * 8) === ((before * GOLDEN) & MASK)) found.push(index);
  }
  return found;
}

/** Whether most words follow from the ones before: payload of some fio write. `bytes` begin at a word. */
export function looksGenerated(bytes: Buffer): boolean {
  const words = Math.floor(bytes.length / 8);
  return SEED_BUCKETS.some((buckets) => words >= buckets + 2 && chainedWords(bytes, buckets).length * 2 > words - buckets);
}

function seedWord(seed: bigint, word: number, buckets: number): bigint {
  return (((seed * PRIMES[word % buckets]!) & MASK) * power(GOLDEN, Math.floor(word / buckets))) & MASK;
}
