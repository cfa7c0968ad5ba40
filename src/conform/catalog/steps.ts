import type { Condition, ScheduleStep } from '../schedule.js';

/** The words that the schedules are written in. Times in seconds, at the defaults of all timers that a schedule depends on. */

export const two = ['gw1', 'gw2'] as const;
export const three = ['gw1', 'gw2', 'gw3'] as const;
export const four = ['gw1', 'gw2', 'gw3', 'gw4'] as const;

export function pause(seconds: number): ScheduleStep {
  return { do: 'run', ms: seconds * 1_000 };
}

/** A gateway that comes back sooner than 16 s after it was lost suppresses failovers of its group: nothing here depends on that by accident. */
export const pastRedeploy = pause(17);

export type StartOptions = Omit<Extract<ScheduleStep, { do: 'start' }>, 'do' | 'gateway'>;

export function start(gateway: string, how: StartOptions = {}): ScheduleStep {
  return { do: 'start', gateway, ...how };
}

export function kill(gateway: string): ScheduleStep {
  return { do: 'kill', gateway };
}

/** The monitor shows it within `seconds`; the default is longer than a grace, two ticks and everything else together. */
export function until(is: Condition, seconds = 25): ScheduleStep {
  return { do: 'until', is, withinMs: seconds * 1_000 };
}

export function becomes(gateway: string, availability: Extract<Condition, { availability: unknown }>['availability'], seconds?: number): ScheduleStep {
  return until({ gateway, availability }, seconds);
}

/** The gateway is ACTIVE for the group. */
export function holds(gateway: string, group: number, seconds?: number): ScheduleStep {
  return until({ gateway, group, state: 'ACTIVE' }, seconds);
}

/**
 * All of them started, one shortly after the other so that their beacons keep that order, each serving its own group.
 * A tick that falls in between gives the first one all groups for a moment; so the comparison begins afterwards.
 */
export function settled(gateways: readonly string[], how: StartOptions = {}): ScheduleStep[] {
  return [...gateways.flatMap((gateway) => [start(gateway, how), pause(0.15)]), ...home(gateways)];
}

/** Each serves its own group; from here on it counts. */
export function home(gateways: readonly string[]): ScheduleStep[] {
  return [...gateways.map((gateway, i) => holds(gateway, i + 1)), pause(3), { do: 'begin' }];
}

/** The gateway is started anew before it was missed: the monitor sees its CREATED beacon, and refuses its next one. */
export function reboot(gateway: string): ScheduleStep[] {
  return [start(gateway), becomes(gateway, 'CREATED'), becomes(gateway, 'AVAILABLE')];
}

/** gw1 is killed and `taker` holds its group, long enough ago that its return is no redeploy. */
export function lostFirst(taker: string): ScheduleStep[] {
  return [kill('gw1'), holds(taker, 1), pastRedeploy];
}
