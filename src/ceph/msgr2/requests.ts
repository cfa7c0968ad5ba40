import { CephError } from './errors.js';
import { Limit } from './limits.js';

interface Open<T> {
  resolve: (reply: T) => void;
  reject: (error: CephError) => void;
  timer: NodeJS.Timeout;
}

/** Questions that wait for an answer with the same number, each with a timeout. */
export class OpenRequests<T> {
  readonly #open = new Map<bigint, Open<T>>();

  get size(): number {
    return this.#open.size;
  }

  /** Rejects with MON_TOO_MANY_COMMANDS, with MON_TIMEOUT, or with what `send` throws or `fail` is given. */
  ask(id: bigint, what: string, timeoutMs: number, send: () => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#open.size >= Limit.openRequestsMax) {
        reject(new CephError('MON_TOO_MANY_COMMANDS', `${this.#open.size} requests without an answer`));
        return;
      }
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new CephError('MON_TIMEOUT', `no answer to ${what} within ${timeoutMs} ms; it may have been executed`));
      }, timeoutMs);
      this.#open.set(id, { resolve, reject, timer });
      try {
        send();
      } catch (error) {
        this.#take(id);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  answer(id: bigint, reply: T): void {
    this.#take(id)?.resolve(reply);
  }

  /** Rejects all. */
  fail(error: CephError): void {
    for (const id of [...this.#open.keys()]) this.#take(id)?.reject(error);
  }

  #take(id: bigint): Open<T> | undefined {
    const open = this.#open.get(id);
    this.#open.delete(id);
    clearTimeout(open?.timer);
    return open;
  }
}
