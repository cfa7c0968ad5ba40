import type { EventOf } from '../history/events.js';
import { absencesOf, watchedRoles } from './self-watch.js';
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
/** A process that waits for a processor for this share of a time is so slow that everything in it is. */
const starvedShare = 1 / 3;

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

/** What a machine did to a test that something was too late in. `excessUs`: by how much it was; default: no matter how much. */
export type Starvation = (period: Period, excessUs?: number) => string | undefined;

/**
 * Whether the machine can have made something late in a period. Its processes stood still, not by their own work,
 *
 * - for as long, within one beacon grace in or shortly before the period, as the shortest timeout of the system: a
 *   keep-alive or a beacon may have been missed, and then anything may follow;
 * - for as long in the period, all of them together, as the thing was too late by;
 * - or one of them waited for a processor for a third of the time.
 *
 * What such a machine makes late is no proof against the system under test, whose processes are among those that
 * were not let run. Returns the words for it; undefined: the machine is no excuse.
 *
 * `roles`: of the processes on which the thing depends; default: of all.
 */
export function starvation(input: CheckInput, roles: readonly string[] = watchedRoles): Starvation {
  const { beaconGraceMs, katoMs } = input.plan.shape.timers;
  const graceUs = beaconGraceMs * 1000;
  const shortestUs = Math.min(beaconGraceMs, katoMs) * 1000;
  // What a missed beacon or keep-alive sets off takes as long again to show.
  const beforeUs = 2 * graceUs;
  const everUs = { fromUs: -Infinity, toUs: Infinity };
  const away = new Map<string, Period[]>();
  const isAway = ({ process, fromUs, toUs }: Watch): boolean => {
    if (!away.has(process)) away.set(process, absencesOf(input.events, process, everUs));
    return away.get(process)!.some((absent) => absent.fromUs < toUs && fromUs < absent.toUs);
  };
  // One that a fault paused stood still on purpose.
  const stops = standstills(input, roles).filter((watch) => watch.cpuPercent < ownWorkPercent && !isAway(watch));
  const known = rolesOf(input.plan, input.events);
  // What has no role is a machine's own: everything on it depends on it.
  const counts = (process: string): boolean => roles.includes(known.get(process) ?? roles[0]!);
  const waits = eventsOf(input.events, 'machine.waits').map((report) => ({ ...report, waitsUs: Object.fromEntries(Object.entries(report.waitsUs).filter(([process]) => counts(process))) }));
  return (period, excessUs = Infinity) => {
    const near = stops.filter(({ fromUs, toUs }) => toUs > period.fromUs - beforeUs && fromUs < period.toUs);
    for (const { fromUs } of near) {
      const together = near.filter((stop) => stop.fromUs >= fromUs && stop.fromUs < fromUs + graceUs);
      const stillUs = together.reduce((sum, { loopDelayMaxUs }) => sum + loopDelayMaxUs, 0);
      if (stillUs >= shortestUs) return `the machine did not let ${namesOf(together)} run for ${ms(stillUs)} within ${ms(graceUs)}, enough to miss a keep-alive or a beacon`;
    }
    const within = near.filter(({ fromUs, toUs }) => toUs > period.fromUs && fromUs < period.toUs);
    const stillUs = within.reduce((sum, { loopDelayMaxUs }) => sum + loopDelayMaxUs, 0);
    if (within.length > 0 && stillUs >= excessUs) return `the machine did not let ${namesOf(within)} run for ${ms(stillUs)} of that time`;
    const waited = waitedUs(waits, { fromUs: period.fromUs - beforeUs, toUs: period.toUs });
    const lengthUs = period.toUs - period.fromUs + beforeUs;
    if (waited.us > lengthUs * starvedShare) return `${waited.process} waited for a processor for ${ms(waited.us)} of ${ms(lengthUs)}`;
    return undefined;
  };
}

function namesOf(watches: readonly Watch[]): string {
  return [...new Set(watches.map(({ process }) => process))].join(', ');
}
