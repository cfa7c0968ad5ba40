import type { EventOf, HistoryEvent } from '../history/events.js';
import { checkChangeCounts } from './change-counts.js';
import { HostView } from './host-view.js';
import { gatewayOf } from './integrity/findings.js';
import { scanJournal } from './journal-scan.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import { boundOf, faultRecords, healedUs, injectUs, inTimeOrder, judgedPeriod } from './timeline.js';
import type { Period } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/**
 * Proves that the three who speak of an ANA group agree. For each gateway and group:
 *
 * - what a host was told on a live controller is what the target itself says;
 * - where the monitor's map says ACTIVE the target serves and is optimized; where it says STANDBY it is not
 *   (in between, during takeovers and failbacks, it may be either).
 *
 * Changes take time to get about, so a difference counts only beyond the bound `agreement`. A gateway that a
 * fault is aimed at is not judged until the system had time to recover from it. Further: a path that is
 * inaccessible has refused every read that was sent on it on purpose, and an ANA log whose states changed has
 * changed its change count.
 *
 * `unknown`: one of the views is missing, or a process stood still for long enough to explain the difference.
 */
export const agreement: Checker = {
  name: 'agreement',
  proves: 'Host, monitor and targets agreed on the ANA state of every group, and inaccessible paths refused I/O.',
  async check(input) {
    const { plan, events } = input;
    const findings = new Findings('agreement', starvation(input));
    const startUs = runStartUs(events);
    const period = judgedPeriod(events);
    for (const type of ['host.path', 'mon.map', 'gw.state'] as const) {
      if (!events.some((event) => event.type === type)) findings.unknown(`no ${type} event: that view is missing`);
    }
    if (period === undefined || findings.count('unknown') > 0) return findings.result('');

    const bound = boundOf(plan, 'agreement');
    const boundUs = bound.ms * 1000;
    const excused = excusedPeriods(input);
    let longestUs = 0;
    const judge = ({ gateway, text, fromUs, event }: Difference, toUs: number): void => {
      // A difference that began while its gateway was under a fault counts from the end of that.
      const counted = Math.max(fromUs, ...excused.filter((each) => each.gateway === gateway && fromUs >= each.fromUs && fromUs < each.toUs).map((each) => each.toUs));
      const durationUs = toUs - counted;
      longestUs = Math.max(longestUs, durationUs);
      if (durationUs <= boundUs) return;
      const words = `${text} for ${ms(durationUs)} from ${at(counted, startUs)}, bound ${bound.name} = ${ms(boundUs)}`;
      const more = { tUs: counted, toUs, events: [event] };
      findings.failInTime(words, more, { excessUs: durationUs - boundUs });
    };
    const changes = follow(input, period, judge);
    await checkAudits(input, findings);
    checkChangeCounts(input, findings);
    findings.metrics['disagreementMaxMs'] = toMs(longestUs);
    const { audits } = await scanJournal(input);
    findings.metrics['auditReadsRefused'] = audits.refused;
    return findings.result(`host, monitor and ${count(plan.topology.gateways.length, 'target')} agreed through ${count(changes, 'change')}, never apart for longer than ${ms(longestUs)} (bound ${ms(boundUs)}); ${count(audits.refused, 'read')} on inaccessible paths refused`);
  },
};

interface Difference { gateway: string; text: string; fromUs: number; event: number }

/** Calls `judge` for each difference when it ends, or at the end of the period. Returns how many events changed a view. */
function follow(input: CheckInput, period: Period, judge: (difference: Difference, toUs: number) => void): number {
  const views = new Views(input);
  const open = new Map<string, Difference>();
  let changes = 0;
  for (const event of inTimeOrder(input.events)) {
    if (event.tUs > period.toUs) break;
    if (!views.apply(event)) continue;
    changes += 1;
    if (event.tUs < period.fromUs) continue;
    const differences = views.differences();
    for (const [key, difference] of open) {
      if (differences.has(key)) continue;
      open.delete(key);
      judge(difference, event.tUs);
    }
    for (const [key, { gateway, text }] of differences) if (!open.has(key)) open.set(key, { gateway, text, fromUs: event.tUs, event: event.seq });
  }
  for (const difference of open.values()) judge(difference, period.toUs);
  return changes;
}

/** The last word of each of the three. */
class Views {
  readonly #input: CheckInput;
  readonly #host = new HostView();
  readonly #targets = new Map<string, EventOf<'gw.state'>>();
  #map: EventOf<'mon.map'> | undefined;

  constructor(input: CheckInput) {
    this.#input = input;
  }

  apply(event: HistoryEvent): boolean {
    if (event.type === 'mon.map') this.#map = event;
    else if (event.type === 'gw.state') this.#targets.set(event.gateway, event);
    // One that runs no more, or stands still, says nothing.
    else if (event.type === 'node' && ['exited', 'killed', 'paused'].includes(event.state)) return this.#targets.delete(event.name);
    else return this.#host.apply(event) !== undefined;
    return true;
  }

  differences(): Map<string, { gateway: string; text: string }> {
    const found = new Map<string, { gateway: string; text: string }>();
    for (const { host, gateway, anaGroup, nsid, ana, controllerState } of this.#host.paths()) {
      const target = this.#targets.get(gateway);
      if (controllerState !== 'live' || target?.serving !== true) continue;
      const says = target.ana[String(anaGroup)] ?? 'nothing';
      const key = `${host} ${gateway} ${anaGroup}`;
      if (says !== ana && !found.has(key)) found.set(key, { gateway, text: `${host} took ANA group ${anaGroup} (namespace ${nsid}) to be ${ana} at ${gateway}, while the target said ${says}` });
    }
    for (const { name: gateway } of this.#input.plan.topology.gateways) {
      const entry = this.#map?.gateways.find(({ id }) => id === gateway);
      if (entry?.availability !== 'AVAILABLE') continue;
      const target = this.#targets.get(gateway);
      for (const { anaGroup } of this.#input.plan.topology.gateways) {
        const state = entry.states[String(anaGroup)];
        if (state !== 'ACTIVE' && state !== 'STANDBY') continue;
        const says = target?.serving === true ? (target.ana[String(anaGroup)] ?? 'nothing') : 'nothing, since it did not serve';
        if ((state === 'ACTIVE') !== (says === 'optimized') && (state === 'ACTIVE' || target?.serving === true)) {
          found.set(`monitor ${gateway} ${anaGroup}`, { gateway, text: `the monitor had ${gateway} ${state} for ANA group ${anaGroup}, while the target said ${says}` });
        }
      }
    }
    return found;
  }
}

/** From each injection until the system must have recovered from it. */
function excusedPeriods({ plan, events }: CheckInput): (Period & { gateway: string })[] {
  const recoveryUs = boundOf(plan, plan.expect.convergence).ms * 1000;
  const faults = faultRecords(events);
  return plan.steps.flatMap((step) => {
    const record = step.do === 'inject' ? faults.get(step.id) : undefined;
    const fromUs = injectUs(record);
    if (step.do !== 'inject' || fromUs === undefined) return [];
    return [{ gateway: step.target, fromUs, toUs: (healedUs(record) ?? Infinity) + recoveryUs }];
  });
}

/** A read that was answered although its path was inaccessible in the host's eyes before it was sent and after it came back. */
async function checkAudits(input: CheckInput, findings: Findings): Promise<void> {
  const { audits } = await scanJournal(input);
  const startUs = runStartUs(input.events);
  let told = 0;
  for (const { host, op, fromUs, toUs, nsUuid, path } of audits.answered) {
    const gateway = path === null ? '' : gatewayOf(path);
    const stateAt = (tUs: number): string | undefined => {
      const view = new HostView();
      for (const event of inTimeOrder(input.events)) {
        if (event.tUs > tUs) break;
        view.apply(event);
      }
      return [...view.paths()].find((each) => each.host === host && each.gateway === gateway && each.nsUuid === nsUuid)?.ana;
    };
    if (stateAt(fromUs) !== 'inaccessible' || stateAt(toUs) !== 'inaccessible') continue;
    if ((told += 1) > 3) continue;
    findings.fail(`op ${op} of ${host}, a read of namespace ${nsUuid} that was sent to ${gateway} on purpose ${at(fromUs, startUs)}, was answered although its path was inaccessible`, { tUs: fromUs, toUs, ops: [op] });
  }
  if (told > 3) findings.fail(`${count(told - 3, 'further read')} on inaccessible paths answered`);
}
