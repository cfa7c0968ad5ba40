import { nowUs } from '../util/clock.js';
import { badRequest, StoreError } from './errors.js';
import { StoreLimit } from './limits.js';

/**
 * Ways in which the store can be made dishonest, for the detection matrix: a harness that does not
 * notice them proves nothing. Off unless a plan names them.
 *
 * - `ignore-blocklist`: the blocklist is kept and its epoch grows, but nobody is refused.
 * - `fence-on-arrival-only`: an operation that arrived before the blocklisting still lands after it
 *   (an OSD that judges by an old osdmap: ceph-nvmeof #193, #508).
 * - `ack-before-write`: a write is acknowledged at once and applied 50 ms later.
 * - `lose-writes`: every 97th write is acknowledged and never applied.
 */
export const storeDefects = ['ignore-blocklist', 'fence-on-arrival-only', 'ack-before-write', 'lose-writes'] as const;
export type StoreDefect = (typeof storeDefects)[number];

export const ackBeforeWriteDelayMs = 50;
export const loseWritesEvery = 97;

/** What the gate must know of an operation. */
export interface Gated { readonly address: string; readonly clientName: string; readonly mutation: boolean }

/**
 * What an operation passes between its arrival and its execution: held writes, then a fixed latency.
 * Latency keeps the order of arrival, so a change of it never lets a later operation overtake.
 */
export class InjectionGate<T extends Gated> {
  readonly #pass: (operation: T) => void;
  readonly #holds = new Map<string, T[]>();
  #delayed: { operation: T; dueUs: number }[] = [];
  #timer: NodeJS.Timeout | null = null;
  #latencyUs = 0;

  constructor(pass: (operation: T) => void) {
    this.#pass = pass;
  }

  enter(operation: T): void {
    if (operation.mutation && this.#holds.size > 0) {
      const held = this.#holds.get(operation.address) ?? this.#holds.get(operation.clientName) ?? this.#holds.get('*');
      if (held !== undefined) {
        held.push(operation);
        return;
      }
    }
    if (this.#latencyUs === 0 && this.#delayed.length === 0) return this.#pass(operation);
    this.#delayed.push({ operation, dueUs: nowUs() + this.#latencyUs });
    this.#arm();
  }

  /** Every operation that arrives from now on takes at least this long. */
  setLatency(ms: number): void {
    if (!Number.isFinite(ms) || ms < 0 || ms > StoreLimit.latencyMaxMs) {
      throw badRequest(`latency must be from 0 to ${StoreLimit.latencyMaxMs} ms, got ${ms}`);
    }
    this.#latencyUs = Math.round(ms * 1000);
  }

  /** Holds the mutations of a client (its address, its name, or `*` for all) that arrive from now on. */
  hold(client: string): void {
    if (this.#holds.has(client)) return;
    if (this.#holds.size >= StoreLimit.holdsMax) throw new StoreError('STORE_LIMIT', 'io', `at most ${StoreLimit.holdsMax} holds`);
    this.#holds.set(client, []);
  }

  /** Ends a hold (all of them without an argument); what it held goes on in order. Returns how many that were. */
  release(client?: string): number {
    const names = client === undefined ? [...this.#holds.keys()] : [client];
    let released = 0;
    for (const name of names) {
      const held = this.#holds.get(name) ?? [];
      this.#holds.delete(name);
      released += held.length;
      for (const operation of held) this.#pass(operation);
    }
    return released;
  }

  /** Operations held, by the name under which they are. */
  held(): Record<string, number> {
    return Object.fromEntries([...this.#holds].map(([name, list]) => [name, list.length]));
  }

  get latencyMs(): number {
    return this.#latencyUs / 1000;
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#delayed = [];
    this.#holds.clear();
  }

  #arm(): void {
    const head = this.#delayed[0];
    if (head === undefined || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      const now = nowUs();
      let due = 0;
      while (due < this.#delayed.length && this.#delayed[due]!.dueUs <= now) due++;
      const ready = this.#delayed.splice(0, due);
      for (const { operation } of ready) this.#pass(operation);
      this.#arm();
    }, Math.max(0, Math.ceil((head.dueUs - nowUs()) / 1000)));
  }
}
