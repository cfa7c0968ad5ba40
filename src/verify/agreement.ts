import type { EventOf, HistoryEvent } from '../history/events.js';
import { checkAudits } from './audits.js';
import { checkChangeCounts } from './change-counts.js';
import { holesIn } from './coverage.js';
import { HostView } from './host-view.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import { allowanceWindows, boundOf, faultRecords, healedUs, injectUs, inTimeOrder, judgedPeriod } from './timeline.js';
import type { Period } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/** Who is compared: the target is to do what the monitor says, and the host to see what the target does. */
type Pair = 'monitor and target' | 'target and host';

/** A time in which two views said different things about one gateway and group. */
interface Difference { group: number; gateway: string; pair: Pair; said: string }
interface Disagreement extends Difference, Period { event: number }

/**
 * Proves that the monitor's map, the targets' own ANA states and the hosts' paths said the same about each ANA group,
 * apart from moments. For each gateway that runs and each group:
 *
 * - where the monitor has given it the group, the target serves and is optimized, and nowhere else;
 * - what a host was told on a live controller is what the target itself says, and where the target is optimized a
 *   path of each host is.
 *
 * Each difference that lasted longer than the bound `agreement` is named. While a fault is at work (the windows of the
 * plan's allowances, and for the gateway that it is aimed at until the system had time to recover) views differ by
 * nature, and what they may cost is judged by other checkers.
 *
 * Further: a path that is inaccessible has refused every read that was sent on it on purpose, and an ANA log whose
 * states changed has changed its change count.
 *
 * A gateway that does not run, or stands still, says nothing, and nothing is compared with it. `unknown`: one of the
 * views is missing, or the machine kept a process from running for long enough to explain the difference.
 */
export const agreement: Checker = {
  name: 'agreement',
  proves: 'The monitor’s map, the targets’ ANA states and the hosts’ paths agreed on every ANA group, but for moments, and inaccessible paths refused I/O.',
  async check(input: CheckInput) {
    const { plan, events } = input;
    const findings = new Findings('agreement', starvation(input));
    const period = judgedPeriod(events);
    // Neither of these needs the other views.
    const refused = await checkAudits(input, findings);
    checkChangeCounts(input, findings);
    const missing = (['host.path', 'mon.map', 'gw.state'] as const).filter((type) => !events.some((event) => event.type === type));
    for (const type of missing) findings.unknown(`no ${type} event: that view is missing`);
    if (period === undefined) findings.unknown('no host was observed, so there is no period to judge');
    if (period === undefined || missing.length > 0) return findings.result('');
    const startUs = runStartUs(events);
    const bound = boundOf(plan, 'agreement');
    const windows = allowanceWindows(plan, events, [...plan.expect.stalls, ...plan.expect.overlaps]);
    const aimedAt = periodsUnderFault(input);
    let longestUs = 0;
    let brief = 0;
    for (const each of disagreements(input, period)) {
      const excused = [...windows.filter(({ groups }) => groups.includes(each.group)), ...aimedAt.filter(({ gateway }) => gateway === each.gateway)];
      const unexcused = longestOutside(each, excused);
      const unexcusedUs = unexcused.toUs - unexcused.fromUs;
      longestUs = Math.max(longestUs, unexcusedUs);
      if (unexcusedUs <= bound.ms * 1_000) {
        brief += 1;
        continue;
      }
      findings.failInTime(
        `${each.pair} disagreed about ${each.gateway} and ANA group ${each.group} for ${ms(each.toUs - each.fromUs)} from ${at(each.fromUs, startUs)}: ${each.said} (${ms(unexcusedUs)} of it outside of any fault; bound ${bound.name} = ${ms(bound.ms * 1_000)})`,
        { tUs: unexcused.fromUs, toUs: unexcused.toUs, events: [each.event] },
        { excessUs: unexcusedUs - bound.ms * 1_000 },
      );
    }
    findings.metrics['disagreementMaxMs'] = toMs(longestUs);
    findings.metrics['disagreementBoundMs'] = bound.ms;
    findings.metrics['disagreementsBrief'] = brief;
    return findings.result(`monitor, targets and hosts agreed on each ANA group; ${count(brief, 'difference')} lasted ${ms(longestUs)} at most outside of faults (bound ${ms(bound.ms * 1_000)}); ${count(refused, 'read')} on inaccessible paths refused`);
  },
};

/** What each view says now. */
class Views {
  readonly #host = new HostView();
  readonly #targets = new Map<string, EventOf<'gw.state'>>();
  readonly #groups: readonly number[];
  readonly #gateways: readonly string[];
  readonly #hosts: readonly string[];
  #map: EventOf<'mon.map'> | undefined;

  constructor({ plan }: CheckInput) {
    this.#groups = [...new Set(plan.topology.namespaces.map(({ anaGroup }) => anaGroup))];
    this.#gateways = plan.topology.gateways.map(({ name }) => name);
    this.#hosts = plan.topology.hosts.map(({ name }) => name);
  }

  /** False: the event changes no view. */
  apply(event: HistoryEvent): boolean {
    if (event.type === 'mon.map') this.#map = event;
    else if (event.type === 'gw.state') this.#targets.set(event.gateway, event);
    else if (event.type === 'node' && ['exited', 'killed', 'paused'].includes(event.state)) return this.#targets.delete(event.name);
    else return this.#host.apply(event) !== undefined;
    return true;
  }

  /** The differences of this moment, by who differs about what. */
  differences(): Map<string, Difference> {
    const found = new Map<string, Difference>();
    for (const gateway of this.#gateways) {
      const target = this.#targets.get(gateway);
      if (target === undefined) continue;
      for (const group of this.#groups) {
        const add = (pair: Pair, who: string, said: string): unknown => found.set(`${pair} ${who} ${gateway} ${group}`, { group, gateway, pair, said });
        this.#compareMonitor(target, group, (said) => add('monitor and target', 'monitor', said));
        if (target.serving) this.#compareHosts(target, group, (who, said) => add('target and host', who, said));
      }
    }
    return found;
  }

  #compareMonitor(target: EventOf<'gw.state'>, group: number, differ: (said: string) => void): void {
    const entry = this.#map?.gateways.find(({ id }) => id === target.gateway);
    const state = entry?.states[String(group)];
    if (entry === undefined || state === undefined) return;
    const given = state === 'ACTIVE' || state === 'WAIT_BLOCKLIST_CMPL';
    if (!target.serving) {
      // One that starts, or has ended itself, is not available either; nothing else excuses that a group's owner serves nothing.
      if (given && entry.availability === 'AVAILABLE') differ(`monitor says ${state}, target says that it does not serve`);
    } else if (given !== (target.ana[String(group)] === 'optimized')) {
      differ(`monitor says ${state}, target says ${stateOf(target, group)}`);
    }
  }

  #compareHosts(target: EventOf<'gw.state'>, group: number, differ: (who: string, said: string) => void): void {
    const says = stateOf(target, group);
    const reached = new Set<string>();
    for (const path of this.#host.paths()) {
      if (path.gateway !== target.gateway || path.anaGroup !== group || path.controllerState !== 'live') continue;
      reached.add(path.host);
      if (says !== path.ana) differ(path.host, `target says ${says}, ${path.host} says ${path.ana} (namespace ${path.nsid})`);
    }
    if (says !== 'optimized') return;
    for (const host of this.#hosts) if (!reached.has(host)) differ(`${host} without`, `target says optimized, and ${host} has no live path to it`);
  }
}

function stateOf(target: EventOf<'gw.state'>, group: number): string {
  return target.ana[String(group)] ?? 'nothing';
}

function* disagreements(input: CheckInput, period: Period): Generator<Disagreement> {
  const views = new Views(input);
  const open = new Map<string, Disagreement>();
  let reachedUs = period.fromUs;
  for (const event of inTimeOrder(input.events)) {
    if (event.tUs > period.toUs) break;
    if (!views.apply(event)) continue;
    reachedUs = Math.max(reachedUs, event.tUs);
    const differences = views.differences();
    for (const [key, each] of open) {
      if (differences.has(key)) continue;
      open.delete(key);
      yield { ...each, toUs: reachedUs };
    }
    for (const [key, each] of differences) {
      if (!open.has(key)) open.set(key, { ...each, fromUs: reachedUs, toUs: reachedUs, event: event.seq });
    }
  }
  for (const each of open.values()) yield { ...each, toUs: period.toUs };
}

/** From each injection until the system must have recovered from it. */
function periodsUnderFault({ plan, events }: CheckInput): (Period & { gateway: string })[] {
  const recoveryUs = boundOf(plan, plan.expect.convergence).ms * 1_000;
  const faults = faultRecords(events);
  return plan.steps.flatMap((step) => {
    const record = step.do === 'inject' ? faults.get(step.id) : undefined;
    const fromUs = injectUs(record);
    if (step.do !== 'inject' || fromUs === undefined) return [];
    return [{ gateway: step.target, fromUs, toUs: (healedUs(record) ?? Infinity) + recoveryUs }];
  });
}

/** The longest stretch of the disagreement that lies in none of the periods. */
function longestOutside(each: Period, excused: readonly Period[]): Period {
  return holesIn(each, excused, 0).reduce<Period>((longest, hole) => (hole.toUs - hole.fromUs > longest.toUs - longest.fromUs ? hole : longest), { fromUs: each.fromUs, toUs: each.fromUs });
}
