/** A buffer whose memory begins at a page boundary, to be given back with `release`. */
export interface AlignedSlot {
  buffer: Buffer;
  release(): void;
}

/** WebAssembly's unit of memory. */
const wasmPageBytes = 65_536;

/** What this file needs of WebAssembly, for which @types/node has no types. */
declare const WebAssembly: { Memory: new (limits: { initial: number; maximum: number }) => { buffer: ArrayBuffer } };

/**
 * Buffers for O_DIRECT, whose memory the kernel wants aligned (open(2)). Node's own buffers are not; the
 * memory of a WebAssembly instance is mapped as a whole and so begins at a page. It is never grown, so it
 * never moves. Whoever finds no free buffer waits for one, first come, first served.
 */
export class AlignedPool {
  readonly slotBytes: number;
  readonly #free: Buffer[] = [];
  readonly #waiters = new Set<(slot: AlignedSlot) => void>();

  /** `slotBytes` is rounded up to whole pages of 4 KiB. */
  constructor(slots: number, slotBytes: number) {
    this.slotBytes = Math.ceil(slotBytes / 4096) * 4096;
    const pages = Math.ceil((slots * this.slotBytes) / wasmPageBytes);
    const { buffer } = new WebAssembly.Memory({ initial: pages, maximum: pages });
    for (let i = 0; i < slots; i++) this.#free.push(Buffer.from(buffer, i * this.slotBytes, this.slotBytes));
  }

  get free(): number {
    return this.#free.length;
  }

  /** A buffer if one is free at once. */
  tryTake(): AlignedSlot | undefined {
    const buffer = this.#free.pop();
    return buffer === undefined ? undefined : this.#slot(buffer);
  }

  /** Waits for one; undefined once the signal aborts. */
  take(signal?: AbortSignal): Promise<AlignedSlot | undefined> {
    if (signal?.aborted === true) return Promise.resolve(undefined);
    const slot = this.tryTake();
    if (slot !== undefined) return Promise.resolve(slot);
    return new Promise((resolve) => {
      const abort = (): void => {
        this.#waiters.delete(give);
        resolve(undefined);
      };
      const give = (given: AlignedSlot): void => {
        signal?.removeEventListener('abort', abort);
        resolve(given);
      };
      this.#waiters.add(give);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  #slot(buffer: Buffer): AlignedSlot {
    let released = false;
    return {
      buffer,
      release: () => {
        if (released) return;
        released = true;
        const [waiter] = this.#waiters;
        if (waiter === undefined) return void this.#free.push(buffer);
        this.#waiters.delete(waiter);
        waiter(this.#slot(buffer));
      },
    };
  }
}
