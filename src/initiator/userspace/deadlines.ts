import { nowUs } from '../../util/clock.js';
import type { Slot } from './slots.js';

/**
 * One timer for all commands of a queue, armed for the earliest deadline.
 *
 * A stalled event loop runs its timers before it reads its sockets, so an answer may already be waiting
 * in the kernel when a deadline seems to have passed. Expired slots are therefore judged only after one
 * turn of the poll phase (nvme-tcp.md §6.20).
 */
export class Deadlines {
  readonly #slots: readonly Slot[];
  readonly #onExpired: (slot: Slot) => void;
  readonly #onForgiven: (count: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #judge: NodeJS.Immediate | undefined;
  #armedUs = Infinity;

  constructor(slots: readonly Slot[], onExpired: (slot: Slot) => void, onForgiven: (count: number) => void) {
    this.#slots = slots;
    this.#onExpired = onExpired;
    this.#onForgiven = onForgiven;
  }

  /** Sets the deadline of a slot that was just sent. `timeoutMs` 0: none. */
  start(slot: Slot, timeoutMs: number): void {
    if (timeoutMs === 0) return;
    slot.deadlineUs = nowUs() + timeoutMs * 1_000;
    if (slot.deadlineUs < this.#armedUs) this.#arm(slot.deadlineUs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#judge);
    this.#timer = undefined;
    this.#judge = undefined;
    this.#armedUs = Infinity;
  }

  #arm(deadlineUs: number): void {
    clearTimeout(this.#timer);
    this.#armedUs = deadlineUs;
    const ms = Math.max(1, Math.ceil((deadlineUs - nowUs()) / 1_000));
    this.#timer = setTimeout(() => this.#onTimer(), Math.min(ms, 2 ** 31 - 1));
  }

  #onTimer(): void {
    const now = nowUs();
    const expired = this.#slots.filter((slot) => slot.busy && slot.deadlineUs <= now).map((slot) => ({ slot, cid: slot.cid }));
    if (expired.length === 0) return this.#rearm();
    this.#judge = setImmediate(() => {
      this.#judge = undefined;
      const guilty = expired.filter(({ slot, cid }) => slot.busy && slot.cid === cid);
      if (guilty.length < expired.length) this.#onForgiven(expired.length - guilty.length);
      const first = guilty[0];
      // Reports one: the whole connection is given up for it, which stops this object.
      if (first !== undefined) this.#onExpired(first.slot);
      else this.#rearm();
    });
  }

  #rearm(): void {
    let earliest = Infinity;
    for (const slot of this.#slots) if (slot.busy && slot.deadlineUs < earliest) earliest = slot.deadlineUs;
    if (earliest === Infinity) this.#armedUs = Infinity;
    else this.#arm(earliest);
  }
}
