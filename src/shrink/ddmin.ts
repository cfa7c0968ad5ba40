/**
 * Delta debugging (Zeller and Hildebrandt 2002, ddmin): the smallest part of `items`, as far as removing chunks and
 * then single items can tell, for which `fails` still holds. `items` itself is taken to fail and is not tried.
 */
export async function ddmin<T>(items: readonly T[], fails: (some: readonly T[]) => Promise<boolean>): Promise<T[]> {
  let current = [...items];
  let chunks = 2;
  while (current.length > 0) {
    const size = Math.ceil(current.length / Math.min(chunks, current.length));
    let reduced = false;
    for (let at = 0; at < current.length; at += size) {
      const rest = [...current.slice(0, at), ...current.slice(at + size)];
      if (!(await fails(rest))) continue;
      current = rest;
      chunks = Math.max(2, chunks - 1);
      reduced = true;
      break;
    }
    if (reduced) continue;
    if (size === 1) return current;
    chunks = Math.min(current.length, chunks * 2);
  }
  return current;
}

/** The smallest whole number from `min` on for which `fails` still holds, as far as halving the way there can tell; `from` is taken to fail. */
export async function shrinkNumber(from: number, min: number, fails: (value: number) => Promise<boolean>): Promise<number> {
  let known = from;
  let low = min;
  while (low < known) {
    // The least first: it nearly always does.
    const next = low === min ? min : Math.floor((low + known) / 2);
    if (await fails(next)) known = next;
    else low = next + 1;
  }
  return known;
}
