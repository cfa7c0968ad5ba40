import type { AvailabilityName, GroupStateName } from '../history/events.js';
import type { Safeguard } from '../monitor/index.js';

/** What a step waits for: the monitor shows it, of a gateway or of its state for an ANA group (1-based). */
export type Condition =
  | { gateway: string; availability: AvailabilityName }
  | { gateway: string; group: number; state: GroupStateName };

/**
 * One step of a schedule. Faults go through the gateway agent where it has the ability; what it would never do
 * (nothing of its own nonces, a list that it did not serve) is done to its beacons on their way.
 */
export type ScheduleStep =
  /** Time passes. */
  | { do: 'run'; ms: number }
  /** Waits until the monitor shows it; a monitor that never does differs from one that did. */
  | { do: 'until'; is: Condition; withinMs: number }
  /** What came before was preparation: the comparison begins with the states of this moment. */
  | { do: 'begin' }
  /** A new incarnation of the gateway: a new session address, new nonces, CREATED beacons first. */
  | { do: 'start'; gateway: string; nonces?: 'none' | 'unparsable'; listeners?: boolean; subsystems?: number }
  /** SIGKILL: no more beacons, the session is closed. */
  | { do: 'kill'; gateway: string }
  /** Nothing passes between the gateway and the monitor, whose session stays. */
  | { do: 'cut' | 'heal'; gateway: string }
  /** Beacons are lost, maps arrive. */
  | { do: 'mute'; gateway: string }
  /** Closes or opens the listeners of all subsystems, or of one (1-based). */
  | { do: 'close-listeners' | 'open-listeners'; gateway: string; subsystem?: number }
  /** The data plane does not answer: UNAVAILABLE beacons, with the list as served, emptied, or with the last subsystem left out. */
  | { do: 'sick'; gateway: string; list: 'kept' | 'emptied' | 'changed' }
  | { do: 'well'; gateway: string }
  /** The gateway's store client gets no newer map, so that it cannot report the epoch of a blocklist. */
  | { do: 'stall-store' | 'resume-store'; gateway: string }
  /** The ANA groups of the namespaces that this gateway lists, as after a rebalancing. */
  | { do: 'namespaces'; gateway: string; groups: readonly number[] }
  /** Monitor commands. The code that each returns is compared, too. */
  | { do: 'create' | 'delete' | 'disable' | 'enable'; gateway: string }
  | { do: 'locate'; gateway: string; location: string }
  /** The monitor is killed and comes back after so long. */
  | { do: 'restart-monitor'; downMs: number };

/** A difference that the model has on purpose. It counts only if the model without its safeguards agrees with the monitor. */
export interface KnownDifference { safeguard: Safeguard; reason: string }

export interface Schedule {
  name: string;
  /** Completes "In this schedule …". */
  title: string;
  /** Created in this order before the first step, so that the i-th owns ANA group i + 1. */
  gateways: readonly string[];
  steps: readonly ScheduleStep[];
  known?: KnownDifference;
  /** It depends on nothing else going on at the monitor. */
  alone?: true;
}

export function restartsMonitor(schedule: Schedule): boolean {
  return schedule.steps.some((step) => step.do === 'restart-monitor');
}

/** A restart would hit every other schedule, too. */
export function needsMonitorAlone(schedule: Schedule): boolean {
  return schedule.alone === true || restartsMonitor(schedule);
}

export function conditionText(condition: Condition): string {
  return 'availability' in condition
    ? `${condition.gateway} ${condition.availability}`
    : `${condition.gateway} ${condition.state} for group ${condition.group}`;
}

export function stepText(step: ScheduleStep): string {
  switch (step.do) {
    case 'run': return `run ${step.ms / 1_000} s`;
    case 'until': return `until ${conditionText(step.is)}`;
    case 'begin': return 'the comparison begins';
    case 'restart-monitor': return `the monitor is down for ${step.downMs / 1_000} s`;
    default: {
      const { do: what, gateway, ...rest } = step;
      return [what, gateway, ...Object.entries(rest).map(([key, value]) => `${key} ${JSON.stringify(value)}`)].join(' ');
    }
  }
}
