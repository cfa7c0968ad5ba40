import { createGunzip, createInflate, type Gunzip, type Inflate } from 'node:zlib';

/** The kinds of packing a log may have, told by its first bytes. */
export type Packing = 'none' | 'gzip' | 'fio';

/** gzip (RFC 1952) begins with 1f 8b; fio's own `log_store_compressed` files are zlib (RFC 1950), fio uses level 6: 78 9c. */
export function packingOf(first: Uint8Array): Packing {
  if (first[0] === 0x1f && first[1] === 0x8b) return 'gzip';
  if (first[0] === 0x78 && first.length >= 2 && ((first[0] << 8) | first[1]!) % 31 === 0) return 'fio';
  return 'none';
}

/** A broken or cut compressed stream. */
export class InflateError extends Error {}

/**
 * Unpacks one or more streams set one behind the other, as gzip members are, and as fio writes its chunks.
 * Holds one input chunk and what it unpacks to.
 *
 * @throws InflateError after everything that could be unpacked was yielded.
 */
export async function* inflateAll(chunks: AsyncIterable<Uint8Array>, packing: 'gzip' | 'fio'): AsyncGenerator<Uint8Array, void, void> {
  let stream: Stream | undefined;
  try {
    for await (const chunk of chunks) {
      let rest: Uint8Array = chunk;
      while (rest.length > 0) {
        stream ??= new Stream(packing);
        const used = await stream.write(rest);
        yield* stream.take();
        if (stream.failure !== undefined) throw new InflateError(stream.failure.message);
        if (!stream.ended) break;
        // What it unpacked last may still be on its way.
        await stream.finish();
        yield* stream.take();
        stream.destroy();
        stream = undefined;
        rest = rest.subarray(used);
      }
    }
    if (stream === undefined) return;
    await stream.finish();
    yield* stream.take();
    if (stream.failure !== undefined) throw new InflateError(stream.failure.message);
  } finally {
    stream?.destroy();
  }
}

/** One compressed stream: write, then take what came out. */
class Stream {
  readonly #zlib: Gunzip | Inflate;
  #out: Uint8Array[] = [];
  #written = 0;
  /** Set when input was left over: the stream ended before it. */
  ended = false;
  failure: Error | undefined;

  constructor(packing: 'gzip' | 'fio') {
    this.#zlib = packing === 'gzip' ? createGunzip() : createInflate();
    this.#zlib.on('data', (chunk: Uint8Array) => this.#out.push(chunk));
    this.#zlib.on('error', (error) => (this.failure = error));
  }

  /** Returns how many bytes of `chunk` belong to this stream. */
  async write(chunk: Uint8Array): Promise<number> {
    this.#written += chunk.length;
    await this.#settled((done) => this.#zlib.write(chunk, done));
    const unused = this.failure === undefined ? this.#written - this.#zlib.bytesWritten : 0;
    this.ended = unused > 0;
    return chunk.length - unused;
  }

  /** Ends the input; a failure then means that the stream is not whole. */
  async finish(): Promise<void> {
    if (this.#zlib.readableEnded) return;
    await this.#settled((done) => {
      this.#zlib.once('end', done);
      this.#zlib.end();
    });
  }

  #settled(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#zlib.off('error', done);
        resolve();
      };
      this.#zlib.once('error', done);
      start(done);
    });
  }

  take(): Uint8Array[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  destroy(): void {
    this.#zlib.destroy();
  }
}
