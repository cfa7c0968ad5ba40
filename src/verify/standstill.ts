import type { EventOf } from '../history/events.js';
import { absencesOf, loopDelayLimitUs, watchedRoles } from './self-watch.js';
import { eventsOf, rolesOf } from './timeline.js';
import type { Period } from './timeline.js';
import type { CheckInput } from './types.js';
import { ms } from './words.js';

/**
 * Event-loop delays up to this are every process's daily life (garbage collection, a busy core) and part of each
 * bound's machine noise. Only longer ones can excuse anything; else a long stall would collect hundreds of them.
 */
export const loopDelayNoiseUs = 50_000;

/** A report of how long a process's event loop stood still. */
export interface Watch extends Period {
  process: string;
  loopDelayMaxUs: number;
  /** Processor time that the process itself used meanwhile, percent of one processor. */
  cpuPercent: number;
}

/** Standstills above the noise of the processes with one of these roles, or of all. */
export function standstills({ plan, events }: CheckInput, roles?: readonly string[]): Watch[] {
  const known = rolesOf(plan, events);
  return eventsOf(events, 'self.watch').filter(({ process, loopDelayMaxUs }) => loopDelayMaxUs > loopDelayNoiseUs && (roles === undefined || roles.includes(known.get(process) ?? '')));
}

/**
 * The most that one process stood still during the period: per watch event the longest delay it reports, no more
 * than the part of it that lies in the period. Only the maximum of each event is known, so this counts one stop
 * per event and errs towards blaming the system under test.
 */
export function stoodStillUs(watches: readonly Watch[], period: Period): number {
  const perProcess = new Map<string, number>();
  for (const { process, fromUs, toUs, loopDelayMaxUs } of watches) {
    const overlapUs = Math.min(toUs, period.toUs) - Math.max(fromUs, period.fromUs);
    if (overlapUs <= 0) continue;
    perProcess.set(process, (perProcess.get(process) ?? 0) + Math.min(loopDelayMaxUs, overlapUs));
  }
  return Math.max(0, ...perProcess.values());
}

/** A process that uses this much of a processor stands still by its own work; one that uses less was not let run. */
const ownWorkPercent = 80;
/** Standing still for this share of a time is as bad as one long stop, however short each stop is. */
const starvedShare = 1 / 4;

/** A lab of the default size alone on two processors stays well below this (measured: see docs/DETECTION.md). */
const pressedPercent = 70;

/** Mean of the reports that touch the period, weighted by their part of it; 0 without any. */
function pressureIn(reports: readonly EventOf<'machine.pressure'>[], period: Period): number {
  let waitedUs = 0;
  let seenUs = 0;
  for (const { fromUs, toUs, cpuWaitPercent } of reports) {
    const overlapUs = Math.min(toUs, period.toUs) - Math.max(fromUs, period.fromUs);
    if (overlapUs <= 0) continue;
    waitedUs += overlapUs * cpuWaitPercent;
    seenUs += overlapUs;
  }
  return seenUs === 0 ? 0 : waitedUs / seenUs;
}

/**
 * Whether the machine kept a process of the test from running in a period, or shortly before it (twice the beacon
 * grace: what a late beacon or keep-alive sets off takes that long to show): one that stood still for longer than
 * the self-watch allows, or for a quarter of the time in pieces, and did not use the processor itself; or there was
 * nearly always some process on the machine that waited for a processor.
 *
 * What such a machine makes late is no proof against the system under test, whose processes are among those that
 * were not let run. Returns the words for it; undefined: the machine is no excuse.
 */
export function starvation(input: CheckInput): (period: Period) => string | undefined {
  const limitUs = loopDelayLimitUs(input.plan);
  const beforeUs = 2 * input.plan.shape.timers.beaconGraceMs * 1000;
  const everUs = { fromUs: -Infinity, toUs: Infinity };
  const away = new Map<string, Period[]>();
  const isAway = ({ process, fromUs, toUs }: Watch): boolean => {
    if (!away.has(process)) away.set(process, absencesOf(input.events, process, everUs));
    return away.get(process)!.some((absent) => absent.fromUs < toUs && fromUs < absent.toUs);
  };
  // One that a fault paused stood still on purpose.
  const starved = standstills(input, watchedRoles).filter((watch) => watch.cpuPercent < ownWorkPercent && !isAway(watch));
  const pressure = eventsOf(input.events, 'machine.pressure');
  return ({ fromUs, toUs }) => {
    const period = { fromUs: fromUs - beforeUs, toUs };
    const longest = starved.filter((watch) => watch.loopDelayMaxUs > limitUs && watch.toUs > period.fromUs && watch.fromUs < period.toUs)
      .sort((a, b) => b.loopDelayMaxUs - a.loopDelayMaxUs)[0];
    if (longest !== undefined) return `the machine did not let ${longest.process} run for ${ms(longest.loopDelayMaxUs)} in that time or shortly before`;
    const waited = pressureIn(pressure, period);
    if (waited > pressedPercent) return `processes of the machine waited for a processor in ${waited.toFixed(0)} % of that time`;
    const stillUs = stoodStillUs(starved, { fromUs, toUs });
    if (stillUs > (toUs - fromUs) * starvedShare) return `the machine did not let a process run for ${ms(stillUs)} of ${ms(toUs - fromUs)}`;
    return undefined;
  };
}
