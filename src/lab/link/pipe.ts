import type { Socket } from 'node:net';
import { nowUs } from '../../util/clock.js';
import type { Valve } from './valve.js';

/** Bytes that a pipe holds for a delay before it stops reading its source. */
export const delayedBytesMax = 4 * 1024 * 1024;

/**
 * One direction of one proxied connection: what `source` sends comes out of `sink`, as far as the
 * valve lets it. FIN follows the data; RST follows the same way, but need not wait for data that the
 * sink's peer does not take.
 *
 * While cut, the source is not read: its bytes stay in the kernel, its sender runs into a full window,
 * and after the heal they pass, as TCP would retransmit them.
 */
export class Pipe {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #valve: Valve;
  /** Called when the source's RST has come through. */
  readonly #onReset: () => void;
  /** Delayed, or read just before the cut. `chunk` null is FIN. */
  #queue: { chunk: Buffer | null; dueUs: number }[] = [];
  #queuedBytes = 0;
  #lastDueUs = 0;
  #resetDueUs: number | null = null;
  #sinkFull = false;
  #dead = false;
  #timer: NodeJS.Timeout | null = null;

  constructor(source: Socket, sink: Socket, valve: Valve, onReset: () => void) {
    this.#source = source;
    this.#sink = sink;
    this.#valve = valve;
    this.#onReset = onReset;
    source.on('data', (chunk: Buffer) => this.#take(chunk));
    source.on('end', () => this.#take(null));
    sink.on('drain', () => {
      this.#sinkFull = false;
      this.update();
    });
    this.update();
  }

  /** The source was reset by its peer. */
  sourceReset(): void {
    if (this.#dead) return;
    this.#resetDueUs = Math.max(this.#lastDueUs, nowUs() + (this.#valve.delays ? this.#valve.nextDelayUs() : 0));
    this.update();
  }

  /** The sink is gone: nothing can come out any more. The source is left unread until it ends too. */
  sinkGone(): void {
    this.#dead = true;
    this.#source.pause();
    this.#clear();
  }

  /** To be called after each change of the valve. */
  update(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#dead) return;
    if (this.#valve.cut) {
      this.#source.pause();
      return;
    }
    this.#drain();
    if (!this.#dead && !this.#sinkFull && this.#queuedBytes < delayedBytesMax) this.#source.resume();
  }

  #take(chunk: Buffer | null): void {
    if (this.#dead) return;
    if (this.#queue.length === 0 && !this.#valve.cut && !this.#valve.delays && !this.#sinkFull) return this.#pass(chunk);
    // Never before what came earlier, whatever the jitter says.
    this.#lastDueUs = Math.max(this.#lastDueUs, nowUs() + (this.#valve.delays ? this.#valve.nextDelayUs() : 0));
    this.#queue.push({ chunk, dueUs: this.#lastDueUs });
    this.#queuedBytes += chunk?.length ?? 0;
    if (this.#valve.cut || this.#queuedBytes >= delayedBytesMax) this.#source.pause();
    if (!this.#valve.cut) this.#arm();
  }

  #pass(chunk: Buffer | null): void {
    if (chunk === null) {
      this.#sink.end();
      return;
    }
    this.#valve.bytes += chunk.length;
    if (!this.#sink.write(this.#valve.change?.(chunk) ?? chunk)) {
      this.#sinkFull = true;
      this.#source.pause();
    }
  }

  #drain(): void {
    const now = nowUs();
    let taken = 0;
    while (taken < this.#queue.length && !this.#sinkFull && this.#queue[taken]!.dueUs <= now) {
      const { chunk } = this.#queue[taken++]!;
      this.#queuedBytes -= chunk?.length ?? 0;
      this.#pass(chunk);
    }
    this.#queue.splice(0, taken);
    if (this.#resetDueUs !== null && this.#resetDueUs <= now) {
      this.#dead = true;
      this.#clear();
      this.#onReset();
      return;
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#timer !== null) return;
    const dataDueUs = this.#sinkFull ? undefined : this.#queue[0]?.dueUs;
    const dueUs = Math.min(dataDueUs ?? Infinity, this.#resetDueUs ?? Infinity);
    if (dueUs === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.update();
    }, Math.max(0, Math.ceil((dueUs - nowUs()) / 1000)));
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#queue = [];
    this.#queuedBytes = 0;
  }
}
