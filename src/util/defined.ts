export type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Optional fields that were given as undefined count as not given. */
export function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Defined<T>;
}
