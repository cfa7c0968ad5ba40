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

/** The longest that one process waited for a processor in the period, as far as the kernel told; a report that lies partly in it counts in part. */
function waitedUs(reports: readonly EventOf<'machine.waits'>[], period: Period): { process: string; us: number } {
  const perProcess = new Map<string, number>();
  for (const { fromUs, toUs, waitsUs } of reports) {
    const overlapUs = Math.min(toUs, period.toUs) - Math.max(fromUs, period.fromUs);
    if (overlapUs <= 0) continue;
    const share = overlapUs / Math.max(1, toUs - fromUs);
    for (const [process, us] of Object.entries(waitsUs)) perProcess.set(process, (perProcess.get(process) ?? 0) + us * share);
  }
  const [worst] = [...perProcess].sort((a, b) => b[1] - a[1]);
  return { process: worst?.[0] ?? '', us: worst?.[1] ?? 0 };
}

/**
 * Whether the machine kept a process of the test from running in a period, or shortly before it (twice the beacon
 * grace: what a late beacon or keep-alive sets off takes that long to show): one that stood still for longer than
 * the self-watch allows, or for a quarter of the time in pieces, and did not use the processor itself; or that was
 * runnable and waited for a processor for a quarter of the time.
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
  const waits = eventsOf(input.events, 'machine.waits');
  return ({ fromUs, toUs }) => {
    const period = { fromUs: fromUs - beforeUs, toUs };
    const longest = starved.filter((watch) => watch.loopDelayMaxUs > limitUs && watch.toUs > period.fromUs && watch.fromUs < period.toUs)
      .sort((a, b) => b.loopDelayMaxUs - a.loopDelayMaxUs)[0];
    if (longest !== undefined) return `the machine did not let ${longest.process} run for ${ms(longest.loopDelayMaxUs)} in that time or shortly before`;
    const waited = waitedUs(waits, period);
    if (waited.us > (period.toUs - period.fromUs) * starvedShare) return `${waited.process} waited for a processor for ${ms(waited.us)} of ${ms(period.toUs - period.fromUs)}`;
    const stillUs = stoodStillUs(starved, { fromUs, toUs });
    if (stillUs > (toUs - fromUs) * starvedShare) return `the machine did not let a process run for ${ms(stillUs)} of ${ms(toUs - fromUs)}`;
    return undefined;
  };
}
