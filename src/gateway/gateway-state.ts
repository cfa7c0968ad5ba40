import type { EventBody } from '../history/events.js';

/** The target's own word about itself, as the history has it. */
export type GatewayState = Extract<EventBody, { type: 'gw.state' }>;

/** Longest time between two reports of the state, milliseconds. */
export const statePeriodMs = 100;

/**
 * Equal for two states that say the same. When it was, how long the monitor has been silent, and what is on its way right now, are always
 * other numbers: no change by themselves.
 */
export function stateText(state: GatewayState): string {
  return JSON.stringify({ ...state, tUs: 0, monSilentMs: 0, awaitingData: 0 });
}

/** Hands a gateway's state on: whenever it has changed, and every `statePeriodMs` while it runs. */
export class StatePublisher {
  readonly #state: () => GatewayState;
  readonly #onState: ((state: GatewayState) => void) | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #published = '';

  constructor(state: () => GatewayState, onState: ((state: GatewayState) => void) | undefined) {
    this.#state = state;
    this.#onState = onState;
  }

  start(): void {
    this.#timer = setInterval(() => this.publish(true), statePeriodMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** `unchanged`: also if it is what was handed on last. */
  publish(unchanged = false): void {
    if (this.#onState === undefined) return;
    const state = this.#state();
    const text = stateText(state);
    if (!unchanged && text === this.#published) return;
    this.#published = text;
    this.#onState(state);
  }
}
