import type { MemberMessage } from './protocol.js';

/** How long a request may take unless its caller knows better. */
export const requestTimeoutMs = 60_000;

interface Pending { resolve: (value: unknown) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }

/** The requests to one member that wait for their replies, on whatever channel. */
export class MemberRequests {
  readonly #name: string;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;

  constructor(name: string) {
    this.#name = name;
  }

  /** Sends by `send(id)`; rejects when that throws, when the member says no, ends, or does not answer in time. */
  open<T>(method: string, send: (id: number) => void, timeoutMs = requestTimeoutMs): Promise<T> {
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => this.fail(id, new Error(`${this.#name} did not answer ${method} within ${timeoutMs / 1_000} s`)), timeoutMs);
      this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject, timer });
      try {
        send(id);
      } catch (error) {
        this.fail(id, error instanceof Error ? error : new Error(String(error)));
      }
    });
  }

  settle(message: Extract<MemberMessage, { kind: 'reply' }>): void {
    const pending = this.#take(message.id);
    if (message.error === undefined) pending?.resolve(message.result);
    else pending?.reject(new Error(`${this.#name}: ${message.error}`));
  }

  fail(id: number, error: Error): void {
    this.#take(id)?.reject(error);
  }

  failAll(error: Error): void {
    for (const id of [...this.#pending.keys()]) this.fail(id, error);
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(pending?.timer);
    return pending;
  }
}
