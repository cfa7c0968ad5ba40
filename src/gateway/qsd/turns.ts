/** Does `work` for each item, for `atOnce` of them at the same time. Rejects with the first error; what has begun goes on. */
export async function aFewAtOnce<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, async () => {
    for (const item of left) await work(item);
  }));
}

/** `count` items in their order, from the one at `at`; after the last one the first. All of them once, where there are not more. */
export function neighbours<T>(items: readonly T[], at: number, count: number): T[] {
  return Array.from({ length: Math.min(count, items.length) }, (_, i) => items[(at + i) % items.length]!);
}
