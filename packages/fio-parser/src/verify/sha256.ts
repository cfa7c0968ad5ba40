/** The round constants: first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4). */
const { K, START } = ((): { K: Uint32Array; START: Uint32Array } => {
  const primes: number[] = [];
  for (let candidate = 2; primes.length < 64; candidate += 1) if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return {
    K: Uint32Array.from(primes, (prime) => fraction(prime, 3n)),
    START: Uint32Array.from(primes.slice(0, 8), (prime) => fraction(prime, 2n)),
  };
})();

/** First 32 bits of the fractional part of the root: the integer root of `prime * 2^(32*degree)`, modulo 2^32. */
function fraction(prime: number, degree: bigint): number {
  const target = BigInt(prime) << (32n * degree);
  let low = 0n;
  let high = 1n << 40n;
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** degree <= target) low = middle;
    else high = middle - 1n;
  }
  return Number(low & 0xffff_ffffn);
}

/**
 * What `verify=sha256` stores: 64 bytes, and not the SHA-256 of the data. fio (3.33 and 3.41 alike) pads with the bit
 * count in little-endian order where the standard has big-endian, and then stores the last padded block with its
 * first 8 bytes replaced by the low byte of each of the 8 state words. So 64 bits depend on all of the data.
 */
export function fioSha256(data: Uint8Array): Buffer {
  const tail = data.length % 64;
  const padded = Buffer.alloc(tail < 56 ? 64 : 128);
  padded.set(data.subarray(data.length - tail));
  padded[tail] = 0x80;
  padded.writeBigUInt64LE(BigInt(data.length) * 8n, padded.length - 8);
  const state = Uint32Array.from(START);
  const words = new Uint32Array(64);
  for (let at = 0; at + 64 <= data.length; at += 64) transform(state, words, data, at);
  for (let at = 0; at < padded.length; at += 64) transform(state, words, padded, at);
  const stored = Buffer.from(padded.subarray(padded.length - 64));
  for (let index = 0; index < 8; index += 1) stored[index] = state[index]! & 0xff;
  return stored;
}

/** One block of SHA-256 (FIPS 180-4, section 6.2.2). */
function transform(state: Uint32Array, w: Uint32Array, data: Uint8Array, at: number): void {
  for (let t = 0; t < 16; t += 1) {
    const i = at + t * 4;
    w[t] = ((data[i]! << 24) | (data[i + 1]! << 16) | (data[i + 2]! << 8) | data[i + 3]!) >>> 0;
  }
  for (let t = 16; t < 64; t += 1) {
    const x = w[t - 15]!;
    const y = w[t - 2]!;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[t] = (w[t - 16]! + s0 + w[t - 7]! + s1) >>> 0;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t += 1) {
    const t1 = (h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + K[t]! + w[t]!) | 0;
    const t2 = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  for (const [index, value] of [a, b, c, d, e, f, g, h].entries()) state[index] = (state[index]! + value) >>> 0;
}

function rotate(value: number, bits: number): number {
  return (value >>> bits) | (value << (32 - bits));
}
