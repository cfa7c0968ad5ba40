import { nowUs } from '../../util/clock.js';
import { Fifo } from './fifo.js';

/** What the list must know of an I/O. */
export interface Requeueable {
  /** Payload or read size: what it holds in memory, bytes. */
  readonly bytes: number;
  /** When it entered the list, 0 while it is not in it. Set by the list. */
  queuedAtUs: number;
}

/** The head's congestion queue: I/O in order of arrival, bounded in number and in bytes. */
export class RequeueList<T extends Requeueable> {
  readonly #maxIos: number;
  readonly #maxBytes: number;
  readonly #items = new Fifo<T>();
  #bytes = 0;

  constructor(maxIos: number, maxBytes: number) {
    this.#maxIos = maxIos;
    this.#maxBytes = maxBytes;
  }

  get depth(): number {
    return this.#items.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Age of the oldest entry, microseconds; 0 if empty. */
  get oldestUs(): number {
    const oldest = this.#items.peek();
    return oldest === undefined ? 0 : nowUs() - oldest.queuedAtUs;
  }

  /** False: full. An I/O larger than the byte bound still fits an empty list, or it could never be queued. */
  push(item: T): boolean {
    if (this.#items.length >= this.#maxIos) return false;
    if (this.#items.length > 0 && this.#bytes + item.bytes > this.#maxBytes) return false;
    item.queuedAtUs = nowUs();
    this.#bytes += item.bytes;
    this.#items.push(item);
    return true;
  }

  shift(): T | undefined {
    const item = this.#items.shift();
    if (item !== undefined) this.#left(item);
    return item;
  }

  remove(item: T): boolean {
    if (item.queuedAtUs === 0 || !this.#items.remove(item)) return false;
    this.#left(item);
    return true;
  }

  [Symbol.iterator](): Generator<T> {
    return this.#items[Symbol.iterator]();
  }

  #left(item: T): void {
    this.#bytes -= item.bytes;
    item.queuedAtUs = 0;
  }
}
