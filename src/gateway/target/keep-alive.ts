import { effectiveKatoMs } from '../../nvme/index.js';
import { nowUs } from '../../util/clock.js';

/** KAS: granularity of the keep alive timeout, units of 100 ms (nvmet: 10, SPDK: 100). The finest there is, for scaled labs. */
export const keepAliveGranularity = 1;

/**
 * The keep alive timer of one controller. Only Keep Alive commands count (no TBKAS).
 *
 * When the time is over, what the socket has already received is looked at once more: the controller of
 * a target whose event loop was late must not pay for it. A host that really was silent has nothing there.
 */
export class KeepAlive {
  readonly #onExpired: () => void;
  #katoMs = 0;
  #touchedUs = nowUs();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(onExpired: () => void) {
    this.#onExpired = onExpired;
  }

  /** The timeout in force, milliseconds; 0: none. */
  get katoMs(): number {
    return this.#katoMs;
  }

  /** Sets the timeout, rounded up to the granularity, and starts anew; 0 switches it off. */
  setKato(katoMs: number): void {
    this.#katoMs = effectiveKatoMs(katoMs, keepAliveGranularity);
    this.touch();
    clearTimeout(this.#timer);
    if (this.#katoMs > 0 && !this.#stopped) this.#arm(this.#katoMs);
  }

  /** A Keep Alive command came. */
  touch(): void {
    this.#touchedUs = nowUs();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #leftMs(): number {
    return this.#katoMs - (nowUs() - this.#touchedUs) / 1_000;
  }

  #arm(delayMs: number): void {
    // Node clamps longer timers to 1 ms: 2^31 - 1 ms is 24 days.
    this.#timer = setTimeout(() => this.#check(), Math.min(Math.ceil(delayMs), 0x7fff_ffff));
  }

  #check(): void {
    const leftMs = this.#leftMs();
    if (leftMs > 0) return this.#arm(leftMs);
    setImmediate(() => {
      if (this.#stopped || this.#katoMs === 0) return;
      const nowLeftMs = this.#leftMs();
      if (nowLeftMs > 0) this.#arm(nowLeftMs);
      else this.#onExpired();
    });
  }
}
