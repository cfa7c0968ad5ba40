/** Bytes in chunks of the given sizes, repeated; for readers that must not care where chunks end. */
export async function* inChunks(bytes: Uint8Array, ...sizes: readonly number[]): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = Math.max(1, sizes[turn % sizes.length] ?? bytes.length);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** All values of a generator, and what it returns. */
export async function drain<T, R>(generator: AsyncGenerator<T, R, void>): Promise<{ values: T[]; result: R }> {
  const values: T[] = [];
  for (;;) {
    const next = await generator.next();
    if (next.done === true) return { values, result: next.value };
    values.push(next.value);
  }
}
