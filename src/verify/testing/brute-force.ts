/** One operation on one register. */
export interface RegisterOp {
  what: 'read' | 'write';
  /** What is written, or what the read returned. */
  value: number;
  fromUs: number;
  /** Infinity for a write whose effect may come at any time, or never. */
  toUs: number;
}

/**
 * Linearizability of one register with initial value 0 by exhaustive search: is there an order of the operations,
 * in which none comes before one that had ended before it began, such that each read returns the last value
 * written? A write without an end may be left out. Written for obviousness, as the oracle of the zone-based
 * decision; exponential, so for a dozen operations at most.
 */
export function isLinearizable(ops: readonly RegisterOp[]): boolean {
  const dead = new Set<string>();
  const everything = 2 ** ops.length - 1;
  const search = (done: number, value: number): boolean => {
    if (ops.every((op, i) => (done & (1 << i)) !== 0 || op.toUs === Infinity)) return true;
    if (done === everything) return true;
    const key = `${done}:${value}`;
    if (dead.has(key)) return false;
    const pending = ops.flatMap((op, i) => ((done & (1 << i)) === 0 ? [{ op, i }] : []));
    for (const { op, i } of pending) {
      if (pending.some((other) => other.i !== i && other.op.toUs < op.fromUs)) continue;
      if (op.what === 'read' && op.value !== value) continue;
      if (search(done | (1 << i), op.what === 'write' ? op.value : value)) return true;
    }
    dead.add(key);
    return false;
  };
  return search(0, 0);
}
