import { coverageOf, holesIn, isSampled, lookGapLimitUs, observes } from './coverage.js';
import { hostOverlaps, monitorOverlaps, targetOverlaps } from './overlaps.js';
import type { Overlap } from './overlaps.js';
import { TracedReads, withGap } from './look-gaps.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import type { AllowanceWindow, Period } from './timeline.js';
import { allowanceWindows, eventsOf, faultRecords, healedUs, judgedPeriod } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/**
 * What gateways of machines say of themselves is sampled every 100 ms or less: of two samples that contradict each
 * other, one may be a period old, and the other too. Shorter overlaps between targets prove nothing.
 */
export const targetResolutionUs = 200_000;

/** A gateway of the loopback lab tells each change of its ANA states in the turn of its event loop in which it makes it. */
export const targetTellsWithinUs = 10_000;

/**
 * Proves that no two gateways were optimized for one ANA group at the same time, in three independent views:
 * the hosts' paths (exact, or as dense as the host is sampled), the monitor's maps (never, no allowance) and the
 * targets' own word (sampled).
 *
 * An overlap in the hosts' or the targets' view is excused only in an `OverlapAllowance` of its group: it must
 * begin between the fault (or heal) and the end of what that fault may cause, and last no longer than the bound.
 *
 * `unknown`: an overlap not longer than the clock error of its events, no view of the paths or the monitor at
 * all or of one of the hosts, or a host observer that had a gap longer than it may have (`lookGapLimitUs`).
 */
export const singleOptimized: Checker = {
  name: 'single-optimized',
  proves: 'No two gateways were optimized for one ANA group at the same time, beyond what the plan allows.',
  async check(input) {
    const { plan, events } = input;
    const findings = new Findings('single-optimized', starvation(input));
    const startUs = runStartUs(events);
    const paths = eventsOf(events, 'host.path');
    const maps = eventsOf(events, 'mon.map');
    if (paths.length === 0) {
      findings.unknown('no host.path event: the host never saw a path');
      return findings.result('');
    }
    const hosts = plan.topology.hosts.map(({ name }) => name);
    if (maps.length === 0) findings.unknown('no mon.map event: the monitor was never observed');
    const period = { fromUs: paths[0]!.tUs, toUs: judgedPeriod(events)!.toUs };
    for (const name of hosts) {
      const first = paths.find(({ host }) => host === name);
      if (first === undefined) findings.unknown(`no host.path event of ${name}: it never saw a path`);
      else checkCoverage(input, name, { fromUs: first.tUs, toUs: period.toUs }, findings);
    }

    const windows = allowanceWindows(plan, events, plan.expect.overlaps).map((window) => widened(window, input, period));
    let longestUs = 0;
    const judge = (overlap: Overlap, resolutionUs: number, mayBeAllowed: boolean): void => {
      const durationUs = overlap.toUs - overlap.fromUs;
      longestUs = Math.max(longestUs, durationUs);
      const text = `${overlap.seenBy.join(', ')}: ANA group ${overlap.anaGroup}${overlap.nsid === undefined ? '' : `, namespace ${overlap.nsid}`} optimized at ${overlap.owners.join(' and ')} for ${ms(durationUs)} from ${at(overlap.fromUs, startUs)}`;
      const more = { tUs: overlap.fromUs, toUs: overlap.toUs, events: overlap.events };
      const window = mayBeAllowed ? windows.find((each) => excuses(each, overlap)) : undefined;
      if (window !== undefined) {
        findings.note(`${text}: allowed by ${window.fault} (${window.reason}), bound ${window.bound.name} = ${ms(window.boundUs)}`, more);
      } else if (durationUs <= resolutionUs) {
        if (resolutionUs > overlap.errUs) findings.note(`${text}: no longer than can be told apart there (${ms(resolutionUs)})`, more);
        else findings.unknown(`${text}, no longer than the error of the two clocks (${ms(overlap.errUs)})`, more);
      } else {
        findings.failInTime(text, more, { excessUs: durationUs });
      }
    };
    const host = hostOverlaps(events, period.toUs, hosts);
    const monitor = monitorOverlaps(events, period.toUs);
    const target = targetOverlaps(events, period.toUs);
    for (const overlap of host) judge(overlap, Math.max(overlap.errUs, lookGapUs(input, overlap)), true);
    for (const overlap of monitor) judge(overlap, overlap.errUs, false);
    for (const overlap of target) judge(overlap, Math.max(targetResolution(input, overlap), overlap.errUs), true);

    Object.assign(findings.metrics, { hostOverlaps: host.length, monitorOverlaps: monitor.length, targetOverlaps: target.length, overlapMaxMs: toMs(longestUs) });
    const changes = events.filter((event) => event.type === 'host.path' || event.type === 'host.path-gone').length;
    const excused = host.length + target.length;
    return findings.result(
      `never two optimized owners of an ANA group${excused > 0 ? ` (but for ${count(excused, 'allowed or unresolvable overlap')}, at most ${ms(longestUs)})` : ''} in ${count(changes, 'path change')}, ${count(maps.length, 'monitor map')} and ${count(eventsOf(events, 'gw.state').length, 'target sample')}`,
    );
  },
};

/**
 * Of a host that is sampled, the end of an overlap is seen up to one gap late, and its paths are read one after the
 * other: an overlap no longer than the longest gap of that time may have been none. 0: every change is an event.
 */
function lookGapUs({ plan, events }: CheckInput, overlap: Overlap): number {
  if (!isSampled(plan)) return 0;
  return Math.max(0, ...coverageOf(events, overlap, (observer) => overlap.seenBy.some((host) => observes(observer, host))).map(({ maxGapUs }) => maxGapUs));
}

/** The shortest overlap between targets that means something: where changes are told at once, one longer than a turn of these gateways' event loops. */
function targetResolution({ plan, events }: CheckInput, { owners, fromUs, toUs }: Overlap): number {
  if (isSampled(plan)) return targetResolutionUs;
  const turns = eventsOf(events, 'self.watch').filter((watch) => owners.includes(watch.process) && watch.fromUs <= toUs && watch.toUs >= fromUs);
  const told = owners.every((owner) => turns.some(({ process }) => process === owner));
  return told ? targetTellsWithinUs + Math.max(...turns.map(({ loopDelayMaxUs }) => loopDelayMaxUs)) : targetResolutionUs;
}

/** An overlap may begin late in a fault (the takeover comes after the grace), so the window lasts until the fault is gone. */
function widened(window: AllowanceWindow, { plan, events }: CheckInput, period: Period): AllowanceWindow {
  const isInject = plan.expect.overlaps.some(({ fault, when, bound }) => fault === window.fault && when === 'inject' && bound === window.bound.name);
  if (!isInject) return window;
  const goneUs = healedUs(faultRecords(events).get(window.fault)) ?? period.toUs;
  return { ...window, toUs: Math.max(window.toUs, goneUs) };
}

function excuses(window: AllowanceWindow, overlap: Overlap): boolean {
  return window.groups.includes(overlap.anaGroup) && overlap.fromUs >= window.fromUs && overlap.fromUs <= window.toUs && overlap.toUs - overlap.fromUs <= window.boundUs;
}

function checkCoverage({ plan, events }: CheckInput, host: string, period: Period, findings: Findings): void {
  const limitUs = lookGapLimitUs(plan, 'host');
  const startUs = runStartUs(events);
  const traced = new TracedReads(events, host);
  const coverage = coverageOf(events, period, (observer) => observes(observer, host) || (plan.topology.hosts.length === 1 && observes(observer, 'host')));
  for (const event of coverage) {
    if (event.samples === 0) findings.unknown(`${event.observer} took no sample from ${at(event.fromUs, startUs)} to ${at(event.toUs, startUs)}`, { tUs: event.fromUs, toUs: event.toUs, events: [event.seq] });
    else if (event.maxGapUs > limitUs && !traced.resolves(withGap(event))) {
      findings.unknown(`${event.observer} did not look for ${ms(event.maxGapUs)} between ${at(event.fromUs, startUs)} and ${at(event.toUs, startUs)}; ${ms(limitUs)} is the most that resolves two owners`, { tUs: event.fromUs, toUs: event.toUs, events: [event.seq] });
    }
  }
  for (const hole of holesIn(period, coverage, limitUs)) {
    findings.unknown(`the paths of ${host} were not observed for ${ms(hole.toUs - hole.fromUs)} from ${at(hole.fromUs, startUs)} (${hole.why})`, { tUs: hole.fromUs, toUs: hole.toUs });
  }
  findings.metrics[`${host}.lookGapMaxMs`] = toMs(Math.max(0, ...coverage.map(({ maxGapUs }) => maxGapUs)));
}
