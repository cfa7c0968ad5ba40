import { isAddress } from './address.js';
import { badRequest, StoreError } from './errors.js';
import { StoreLimit } from './limits.js';
import { loadState, saveState } from './state-file.js';

/**
 * The blocklist, its epoch, and the gate through which every operation passes right before it touches
 * an image. What makes fencing true is the order in `add`:
 *
 * 1. the new state is on disk (a restart cannot forget it),
 * 2. no operation of these clients can begin,
 * 3. operations that had already begun have ended,
 * 4. only now does the epoch become visible, and the caller gets it.
 *
 * So whoever has seen the epoch knows that nothing of a fenced client lands any more.
 */
export class Fence {
  readonly #file: string;
  readonly #blocked: Set<string>;
  /** Operations between `enter` and `leave`, per client address. */
  readonly #active = new Map<string, number>();
  #idleWaiters: { addresses: ReadonlySet<string>; resolve: () => void }[] = [];
  #epochWaiters: { epoch: number; resolve: (epoch: number) => void }[] = [];
  #epoch: number;
  /** Changes happen one after the other, each to its end. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Throws STORE_STATE_CORRUPT rather than start with a blocklist that it is not sure of. */
  constructor(file: string) {
    this.#file = file;
    const state = loadState(file);
    this.#epoch = state.epoch;
    this.#blocked = new Set(state.blocklist);
  }

  /** The newest epoch whose changes are complete. */
  get epoch(): number {
    return this.#epoch;
  }
  list(): string[] {
    return [...this.#blocked];
  }
  isFenced(address: string): boolean {
    return this.#blocked.has(address);
  }

  /** False: the client is fenced and its operation must be dropped. True: `leave` is due when it has ended. */
  enter(address: string): boolean {
    if (this.#blocked.has(address)) return false;
    this.#active.set(address, (this.#active.get(address) ?? 0) + 1);
    return true;
  }

  leave(address: string): void {
    const left = (this.#active.get(address) ?? 1) - 1;
    if (left > 0) {
      this.#active.set(address, left);
      return;
    }
    this.#active.delete(address);
    if (this.#idleWaiters.length > 0) this.#wakeIdleWaiters();
  }

  /** Blocklists clients and resolves to the epoch from which on it holds. Adding nothing new keeps the epoch. */
  add(addresses: readonly string[]): Promise<number> {
    return this.#inTurn(async () => {
      const added = this.#validated(addresses).filter((address) => !this.#blocked.has(address));
      if (added.length === 0) return this.#epoch;
      const blocklist = [...this.#blocked, ...added];
      if (blocklist.length > StoreLimit.blocklistMax) {
        throw new StoreError('STORE_LIMIT', 'io', `at most ${StoreLimit.blocklistMax} addresses can be blocklisted`);
      }
      const epoch = this.#epoch + 1;
      saveState(this.#file, { epoch, blocklist });
      for (const address of added) this.#blocked.add(address);
      await this.#idle(new Set(added));
      this.#publish(epoch);
      return epoch;
    });
  }

  /** Takes clients off the blocklist; resolves to the epoch. */
  remove(addresses: readonly string[]): Promise<number> {
    return this.#inTurn(() => {
      const removed = new Set(this.#validated(addresses).filter((address) => this.#blocked.has(address)));
      if (removed.size === 0) return this.#epoch;
      const epoch = this.#epoch + 1;
      saveState(this.#file, { epoch, blocklist: this.list().filter((address) => !removed.has(address)) });
      for (const address of removed) this.#blocked.delete(address);
      this.#publish(epoch);
      return epoch;
    });
  }

  /** Resolves to the current epoch once it is at least `epoch`. */
  waitForEpoch(epoch: number): Promise<number> {
    if (epoch <= this.#epoch) return Promise.resolve(this.#epoch);
    if (this.#epochWaiters.length >= StoreLimit.epochWaitersMax) {
      return Promise.reject(new StoreError('STORE_LIMIT', 'io', `at most ${StoreLimit.epochWaitersMax} can wait for an epoch`));
    }
    return new Promise((resolve) => this.#epochWaiters.push({ epoch, resolve }));
  }

  #publish(epoch: number): void {
    this.#epoch = epoch;
    const due = this.#epochWaiters.filter((waiter) => waiter.epoch <= epoch);
    this.#epochWaiters = this.#epochWaiters.filter((waiter) => waiter.epoch > epoch);
    for (const waiter of due) waiter.resolve(epoch);
  }

  #validated(addresses: readonly string[]): string[] {
    const wrong = addresses.find((address) => !isAddress(address));
    if (wrong !== undefined) throw badRequest(`not an address ip:port/nonce: ${JSON.stringify(wrong)}`);
    return [...new Set(addresses)];
  }

  #inTurn<T>(change: () => T | Promise<T>): Promise<T> {
    const done = this.#turn.then(change);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  #idle(addresses: ReadonlySet<string>): Promise<void> {
    if (![...addresses].some((address) => this.#active.has(address))) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push({ addresses, resolve }));
  }

  #wakeIdleWaiters(): void {
    this.#idleWaiters = this.#idleWaiters.filter((waiter) => {
      for (const address of waiter.addresses) if (this.#active.has(address)) return true;
      waiter.resolve();
      return false;
    });
  }
}
