import type { HistoryEvent } from '../history/events.js';
import type { Plan } from '../plan/types.js';
import { coverageOf, holesIn, lookGapLimitUs, observes } from './coverage.js';
import { NumberedMaps, TracedReads, withGap } from './look-gaps.js';
import { Findings } from './result.js';
import type { Period } from './timeline.js';
import { boundOf, eventsOf, judgedPeriod, rolesOf } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/**
 * A process whose event loop stands still for a quarter of the beacon grace or of the keep-alive timeout delays
 * beacons and keep-alives by as much: with the other delays of a busy machine it begins to look like a dead
 * gateway or a lost path. Three quarters are left for what is to be measured.
 */
export const loopDelayShareOfTimers = 1 / 4;
/** Roles of the processes whose delays the verdicts depend on (`fabric`: the links of the loopback lab). Each has to be watched. */
export const watchedRoles: readonly string[] = ['harness', 'host', 'monitor', 'gateway', 'store', 'fabric'];

/**
 * The longest event-loop delay with which the verdicts still mean something, microseconds. Besides the timers: a delay as
 * long as the quiet bound hides any stall. (What a shorter one may have hidden or added is judged with each stall, stalls.ts.)
 * A gateway on the kernel's target (labs of machines) moves no I/O through its process, and the kernel answers the
 * keep-alives: only its beacons and what it hears can be late there.
 */
export function loopDelayLimitUs(plan: Plan, role = 'host'): number {
  const { beaconGraceMs, katoMs } = plan.shape.timers;
  if (role === 'gateway' && plan.platform?.machines !== undefined) return 1000 * beaconGraceMs * loopDelayShareOfTimers;
  return 1000 * Math.min(Math.min(beaconGraceMs, katoMs) * loopDelayShareOfTimers, boundOf(plan, plan.expect.quietStall).ms);
}

/**
 * Proves that the harness, the host and the lab's members were running all the time, and the observers looking:
 * no event loop stood still for longer than the limit, and no stretch of a process's life is without a report.
 *
 * Never `fails`: a machine that stood still is no fault of the system under test, but nothing that was measured
 * meanwhile is a proof. A process that a fault has paused or killed is not watched while it is.
 */
export const selfWatch: Checker = {
  name: 'self-watch',
  proves: 'No process of the test stood still, and no observer looked away, for longer than what had to be resolved.',
  async check(input: CheckInput) {
    const { plan, events } = input;
    const findings = new Findings('self-watch');
    const period = judgedPeriod(events);
    if (period === undefined) {
      findings.unknown('no host was observed, so there is no period to judge');
      return findings.result('');
    }
    const limitUs = loopDelayLimitUs(plan);
    const roles = rolesOf(plan, events);
    const expected = [...roles].filter(([, role]) => watchedRoles.includes(role)).map(([name]) => name);
    let longestUs = 0;
    for (const process of expected) longestUs = Math.max(longestUs, checkProcess(input, process, period, loopDelayLimitUs(plan, roles.get(process)), findings));
    const gapUs = checkObservers(input, period, findings);
    findings.metrics['loopDelayMaxMs'] = toMs(longestUs);
    findings.metrics['loopDelayLimitMs'] = toMs(limitUs);
    findings.metrics['lookGapMaxMs'] = toMs(gapUs);
    return findings.result(`longest event-loop delay ${ms(longestUs)} in ${count(expected.length, 'process', 'processes')} (limit ${ms(limitUs)}), longest gap of a host or monitor observer ${ms(gapUs)}`);
  },
};

function checkProcess({ events }: CheckInput, process: string, period: Period, limitUs: number, findings: Findings): number {
  const startUs = runStartUs(events);
  const watches = eventsOf(events, 'self.watch').filter((event) => event.process === process && event.toUs > period.fromUs && event.fromUs < period.toUs);
  if (watches.length === 0) {
    findings.unknown(`${process} has no self.watch event`);
    return 0;
  }
  const absent = absencesOf(events, process, period);
  const overlaps = ({ fromUs, toUs }: Period): boolean => absent.some((away) => away.fromUs < toUs && fromUs < away.toUs);
  let longestUs = 0;
  for (const watch of watches) {
    if (overlaps(watch)) continue;
    longestUs = Math.max(longestUs, watch.loopDelayMaxUs);
    if (watch.loopDelayMaxUs > limitUs) {
      findings.unknown(
        `${process}: its event loop stood still for ${ms(watch.loopDelayMaxUs)} between ${at(watch.fromUs, startUs)} and ${at(watch.toUs, startUs)} (limit ${ms(limitUs)})`,
        { tUs: watch.fromUs, toUs: watch.toUs, events: [watch.seq] },
      );
    }
  }
  // A process that dies takes the report of its last stretch with it, one that starts has none before its first, and
  // the stretch in which the history is closed is not reported either. None of that can be longer than its period.
  const unreportedUs = Math.max(...watches.map(({ fromUs, toUs }) => toUs - fromUs)) + limitUs;
  for (const hole of holesIn(period, [...watches, ...absent], limitUs)) {
    const atAnEdge = hole.toUs === period.toUs || absent.some((away) => away.fromUs === hole.toUs || away.toUs === hole.fromUs);
    if (atAnEdge && hole.toUs - hole.fromUs <= unreportedUs) continue;
    findings.unknown(`${process}: no self.watch for ${ms(hole.toUs - hole.fromUs)} from ${at(hole.fromUs, startUs)} (${hole.why})`, { tUs: hole.fromUs, toUs: hole.toUs });
  }
  findings.metrics[`${process}.loopDelayMaxMs`] = toMs(longestUs);
  return longestUs;
}

/** When a node did not run: ending by its own word, killed or exited until it was ready again, paused until it was resumed. */
export function absencesOf(events: readonly HistoryEvent[], process: string, period: Period): Period[] {
  const states = eventsOf(events, 'node').filter(({ name }) => name === process);
  const absent: Period[] = [];
  let awaySinceUs: number | undefined;
  for (const { state, tUs } of states) {
    if (state === 'killed' || state === 'exited' || state === 'paused' || state === 'stopping') awaySinceUs ??= tUs;
    else if (state === 'ready' || state === 'resumed') {
      if (awaySinceUs !== undefined) absent.push({ fromUs: awaySinceUs, toUs: tUs });
      awaySinceUs = undefined;
    }
  }
  if (awaySinceUs !== undefined) absent.push({ fromUs: awaySinceUs, toUs: period.toUs });
  return absent;
}

/** Observers of gateways look in vain while a fault lasts; those of the monitor and of each host must not. */
function checkObservers({ plan, events }: CheckInput, period: Period, findings: Findings): number {
  const startUs = runStartUs(events);
  const blinded = ['gateway', 'store', ...plan.topology.gateways.map(({ name }) => name)];
  const coverage = coverageOf(events, period, (observer) => !blinded.some((name) => observes(observer, name)));
  const { hosts } = plan.topology;
  if (coverage.length === 0) findings.unknown('no observe.coverage event of a host or monitor observer');
  else if (hosts.length > 1) {
    for (const { name } of hosts) if (!coverage.some(({ observer }) => observes(observer, name))) findings.unknown(`no observe.coverage event of an observer of ${name}`);
  }
  let longestUs = 0;
  for (const observer of new Set(coverage.map((event) => event.observer))) {
    const spans = coverage.filter((event) => event.observer === observer);
    const limitUs = lookGapLimitUs(plan, observer);
    const resolving = [
      ...plan.topology.hosts.filter(({ name }) => observes(observer, name)).map(({ name }) => new TracedReads(events, name)),
      ...(observes(observer, 'monitor') ? [new NumberedMaps(events, observer)] : []),
    ];
    for (const span of spans) {
      const { maxGapUs, fromUs, toUs, seq } = span;
      longestUs = Math.max(longestUs, maxGapUs);
      if (maxGapUs > limitUs && !resolving.some((each) => each.resolves(withGap(span)))) findings.unknown(`${observer}: it did not look for ${ms(maxGapUs)} between ${at(fromUs, startUs)} and ${at(toUs, startUs)} (limit ${ms(limitUs)})`, { tUs: fromUs, toUs, events: [seq] });
    }
    for (const hole of holesIn(period, spans, limitUs)) {
      findings.unknown(`${observer}: no coverage for ${ms(hole.toUs - hole.fromUs)} from ${at(hole.fromUs, startUs)} (${hole.why})`, { tUs: hole.fromUs, toUs: hole.toUs });
    }
  }
  return longestUs;
}
