import type { EventBody } from '../history/events.js';

/** The target's own word about itself, as the history has it. */
export type GatewayState = Extract<EventBody, { type: 'gw.state' }>;

/** Longest time between two reports of the state, milliseconds. */
export const statePeriodMs = 100;
