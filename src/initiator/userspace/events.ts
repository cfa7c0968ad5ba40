import type { EventBody } from '../../history/events.js';
import { nowUs } from '../../util/clock.js';
import type { HostCounters } from './counters.js';

type HostEventBody = Extract<EventBody, { type: `host.${string}` }>;

/** What a host tells: the `host.*` events of the history, with the monotonic time of this process. */
export type HostEvent = HostEventBody & { tUs: number };

/** `Omit` that keeps the members of a union apart. */
type WithoutHost<T> = T extends unknown ? Omit<T, 'host'> : never;
export type HostEventDraft = WithoutHost<HostEventBody>;

export type HostEventListener = (event: HostEvent) => void;

/** Delivers events in the order in which they happen. A listener that throws is counted and harms nobody else. */
export class HostEmitter {
  readonly #host: string;
  readonly #counters: HostCounters;
  readonly #listeners = new Set<HostEventListener>();

  constructor(host: string, counters: HostCounters) {
    this.#host = host;
    this.#counters = counters;
  }

  on(listener: HostEventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(draft: HostEventDraft): void {
    if (this.#listeners.size === 0) return;
    const event = { ...draft, host: this.#host, tUs: nowUs() };
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch {
        this.#counters.listenerErrors += 1;
      }
    }
  }
}
