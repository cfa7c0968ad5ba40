import { CephError } from './errors.js';

interface Waiter {
  epoch: number;
  done: (error?: CephError) => void;
}

/** The newest osdmap epoch that was heard of, and those who wait for a newer one. */
export class OsdEpochWatch {
  readonly #pollMs: number;
  readonly #ask: () => Promise<unknown>;
  readonly #waiters = new Set<Waiter>();
  #newest = 0;
  #pollTimer: NodeJS.Timeout | undefined;
  #asking = false;

  /** @param ask makes the monitors say (through `saw`) what they have; may reject, e.g. without a connection. */
  constructor(pollMs: number, ask: () => Promise<unknown>) {
    this.#pollMs = pollMs;
    this.#ask = ask;
  }

  /** 0: nothing was heard yet. */
  get newest(): number {
    return this.#newest;
  }

  saw(epoch: number): void {
    if (epoch <= this.#newest) return;
    this.#newest = epoch;
    for (const waiter of [...this.#waiters]) if (waiter.epoch <= epoch) waiter.done();
  }

  /** Asks at once and then every `pollMs` until the epoch is there. Rejects with MON_TIMEOUT, or with what `fail` is given. */
  wait(epoch: number, timeoutMs: number): Promise<void> {
    if (epoch <= this.#newest) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiter.done(new CephError('MON_TIMEOUT', `osdmap ${epoch} did not come within ${timeoutMs} ms; the newest is ${this.#newest}`));
      }, timeoutMs);
      const waiter: Waiter = {
        epoch,
        done: (error) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          if (this.#waiters.size === 0) {
            clearInterval(this.#pollTimer);
            this.#pollTimer = undefined;
          }
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.#waiters.add(waiter);
      this.#pollTimer ??= setInterval(() => this.#poll(), this.#pollMs);
      this.#poll();
    });
  }

  fail(error: CephError): void {
    for (const waiter of [...this.#waiters]) waiter.done(error);
  }

  #poll(): void {
    // A monitor that takes longer than the pause to answer is not asked twice.
    if (this.#asking) return;
    this.#asking = true;
    const asked = (): void => {
      this.#asking = false;
    };
    this.#ask().then(asked, asked);
  }
}
