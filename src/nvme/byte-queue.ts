const empty = Buffer.alloc(0);

/**
 * Received chunks, consumed from the front. Nothing is copied until a span that crosses chunks is taken,
 * and then once; so a payload in many chunks costs one copy and never more memory than what has arrived.
 */
export class ByteQueue {
  #chunks: Buffer[] = [];
  /** First chunk that is not consumed, and the offset in it. */
  #head = 0;
  #at = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The chunk that holds the first byte, which is at `frontAt` in it. Only while `length` is not 0. */
  get front(): Buffer {
    return this.#chunks[this.#head]!;
  }

  get frontAt(): number {
    return this.#at;
  }

  /** A copy of the first `bytes` bytes, which stay in the queue; the caller has checked that they are there. */
  peek(bytes: number): Buffer {
    const out = Buffer.allocUnsafe(bytes);
    let done = 0;
    let at = this.#at;
    for (let i = this.#head; done < bytes; i += 1) {
      done += this.#chunks[i]!.copy(out, done, at, at + bytes - done);
      at = 0;
    }
    return out;
  }

  /** Removes and returns the first `bytes` bytes; the caller has checked that they are there. */
  take(bytes: number): Buffer {
    if (bytes === 0) return empty;
    const first = this.#chunks[this.#head]!;
    const end = this.#at + bytes;
    if (end <= first.length) {
      const slice = first.subarray(this.#at, end);
      this.#length -= bytes;
      if (end === first.length) this.#nextChunk();
      else this.#at = end;
      return slice;
    }
    return this.#gather(bytes);
  }

  #gather(bytes: number): Buffer {
    const out = Buffer.allocUnsafe(bytes);
    let done = 0;
    while (done < bytes) {
      const chunk = this.#chunks[this.#head]!;
      const count = Math.min(bytes - done, chunk.length - this.#at);
      chunk.copy(out, done, this.#at, this.#at + count);
      done += count;
      this.#at += count;
      if (this.#at === chunk.length) this.#nextChunk();
    }
    this.#length -= bytes;
    return out;
  }

  #nextChunk(): void {
    // Let the consumed chunk go now; the slot itself goes when the queue is empty or long.
    this.#chunks[this.#head] = empty;
    this.#head += 1;
    this.#at = 0;
    if (this.#head === this.#chunks.length) {
      this.#chunks = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#head = 0;
    this.#at = 0;
    this.#length = 0;
  }
}
