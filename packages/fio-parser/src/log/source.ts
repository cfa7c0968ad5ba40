import { createReadStream } from 'node:fs';

import { packingOf, type Packing } from './inflate.js';

/** Where a log comes from: a path, or anything that yields bytes (a file, a socket, stdout of a process). */
export type LogSource = string | URL | AsyncIterable<Uint8Array>;

/** Opens a source and tells its packing by its first two bytes. An iterable is consumed once. */
export async function openLog(source: LogSource): Promise<{ packing: Packing; chunks: AsyncIterable<Uint8Array>; close: () => Promise<void> }> {
  const input: AsyncIterable<Uint8Array> = typeof source === 'string' || source instanceof URL ? createReadStream(source) : source;
  const iterator = input[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  let done = false;
  while (head.length < 2 && !done) {
    const next = await iterator.next();
    if (next.done === true) done = true;
    else head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const close = async (): Promise<void> => {
    await iterator.return?.();
  };
  return { packing: packingOf(head), chunks: prepend(head, iterator, done), close };
}

async function* prepend(head: Uint8Array, iterator: AsyncIterator<Uint8Array>, done: boolean): AsyncGenerator<Uint8Array, void, void> {
  if (head.length > 0) yield head;
  if (done) return;
  for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
}
