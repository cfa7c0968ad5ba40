import type { EventOf, HistoryEvent } from '../history/events.js';
import { deriveBounds } from '../plan/bounds.js';
import { nominalPlatform } from '../plan/platform.js';
import type { Bound, Plan } from '../plan/types.js';
import { HostView } from './host-view.js';
import { Findings } from './result.js';
import { allowanceWindows, boundOf, inTimeOrder, judgedPeriod } from './timeline.js';
import type { AllowanceWindow } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/** The three that say who serves an ANA group. */
type View = 'monitor' | 'target' | 'host';
/** Who is compared: the target is to do what the monitor says, and the host to see what the target does. */
const pairs: readonly (readonly [View, View])[] = [['monitor', 'target'], ['target', 'host']];

/** A time in which two views said different things about one gateway and group. */
interface Disagreement { group: number; gateway: string; pair: readonly [View, View]; said: string; fromUs: number; toUs: number; event: number }

/**
 * Proves that the monitor's map, the targets' own ANA states and the hosts' paths said the same about who serves each
 * ANA group, apart from moments: each difference that lasted longer than the bound is named. While a fault is at work
 * (the windows of the plan's allowances) views differ by nature, and what they may cost is judged by other checkers.
 *
 * A gateway that does not run says nothing, and nothing is compared with it. `unknown`: one of the views is missing.
 */
export const agreement: Checker = {
  name: 'agreement',
  proves: 'The monitor’s map, the targets’ ANA states and the hosts’ paths agreed on who serves each ANA group, but for moments.',
  async check(input: CheckInput) {
    const { plan, events } = input;
    const findings = new Findings('agreement');
    const period = judgedPeriod(events);
    for (const type of ['host.path', 'mon.map', 'gw.state'] as const) {
      if (!events.some((event) => event.type === type)) findings.unknown(`no ${type} event: that view is missing`);
    }
    if (period === undefined || findings.count('unknown') > 0) {
      if (period === undefined) findings.unknown('no host was observed, so there is no period to judge');
      return findings.result('');
    }
    const startUs = runStartUs(events);
    const bound = agreementBound(plan);
    const windows = allowanceWindows(plan, events, [...plan.expect.stalls, ...plan.expect.overlaps]);
    let longestUs = 0;
    let brief = 0;
    for (const each of disagreements(input, period)) {
      const unexcusedUs = longestOutside(each, windows.filter(({ groups }) => groups.includes(each.group)));
      longestUs = Math.max(longestUs, unexcusedUs);
      if (unexcusedUs <= bound.ms * 1_000) {
        brief += 1;
        continue;
      }
      findings.fail(
        `${each.pair[0]} and ${each.pair[1]} disagreed about ${each.gateway} and ANA group ${each.group} for ${ms(each.toUs - each.fromUs)} from ${at(each.fromUs, startUs)}: ${each.said} (${ms(unexcusedUs)} of it outside of any fault; bound ${bound.name} = ${ms(bound.ms * 1_000)})`,
        { tUs: each.fromUs, toUs: each.toUs, events: [each.event] },
      );
    }
    findings.metrics['disagreementMaxMs'] = toMs(longestUs);
    findings.metrics['disagreementBoundMs'] = bound.ms;
    findings.metrics['disagreementsBrief'] = brief;
    return findings.result(`monitor, targets and hosts agreed on the owner of each ANA group; ${count(brief, 'difference')} lasted ${ms(longestUs)} at most outside of faults (bound ${ms(bound.ms * 1_000)})`);
  },
};

/** A run that was planned before this bound existed is judged by what it would be now. */
function agreementBound(plan: Plan): Bound {
  const known = plan.bounds.find(({ name }) => name === 'agreement');
  return known ?? boundOf({ ...plan, bounds: deriveBounds(plan.shape, plan.platform ?? nominalPlatform('loopback')) }, 'agreement');
}

/** What each view says now about each gateway and group; undefined: it says nothing. */
class Views {
  readonly #host = new HostView();
  readonly #targets = new Map<string, EventOf<'gw.state'>>();
  #map: EventOf<'mon.map'> | undefined;

  /** False: the event changes no view. */
  apply(event: HistoryEvent): boolean {
    if (event.type === 'mon.map') this.#map = event;
    else if (event.type === 'gw.state') this.#targets.set(event.gateway, event);
    else if (event.type === 'node' && (event.state === 'exited' || event.state === 'killed')) return this.#targets.delete(event.name);
    else return this.#host.apply(event) !== undefined;
    return true;
  }

  serves(view: View, gateway: string, group: number): boolean | undefined {
    const target = this.#targets.get(gateway);
    // Without a running target there is nothing that could do, or be seen to do, what the monitor says.
    if (target === undefined || !target.serving) return undefined;
    switch (view) {
      case 'monitor': {
        const state = this.#map?.gateways.find(({ id }) => id === gateway)?.states[String(group)];
        return state === undefined ? undefined : state === 'ACTIVE' || state === 'WAIT_BLOCKLIST_CMPL';
      }
      case 'target':
        return target.ana[String(group)] === 'optimized';
      case 'host':
        return this.#host.owners(group).has(gateway);
    }
  }
}

function* disagreements({ plan, events }: CheckInput, period: { fromUs: number; toUs: number }): Generator<Disagreement> {
  const views = new Views();
  const open = new Map<string, Disagreement>();
  const groups = [...new Set(plan.topology.namespaces.map(({ anaGroup }) => anaGroup))];
  const gateways = plan.topology.gateways.map(({ name }) => name);
  let reachedUs = period.fromUs;
  for (const event of inTimeOrder(events)) {
    if (event.tUs > period.toUs) break;
    if (!views.apply(event)) continue;
    reachedUs = Math.max(reachedUs, event.tUs);
    for (const group of groups) {
      for (const gateway of gateways) {
        for (const pair of pairs) {
          const key = `${group} ${gateway} ${pair[0]}`;
          const [a, b] = [views.serves(pair[0], gateway, group), views.serves(pair[1], gateway, group)];
          const before = open.get(key);
          if (a !== undefined && b !== undefined && a !== b) {
            if (before === undefined) {
              open.set(key, { group, gateway, pair, said: `${pair[0]} says ${words(a)}, ${pair[1]} says ${words(b)}`, fromUs: reachedUs, toUs: reachedUs, event: event.seq });
            }
          } else if (before !== undefined) {
            open.delete(key);
            yield { ...before, toUs: reachedUs };
          }
        }
      }
    }
  }
  for (const each of open.values()) yield { ...each, toUs: period.toUs };
}

function words(serves: boolean): string {
  return serves ? 'it serves the group' : 'it does not';
}

/** The longest stretch of the disagreement that lies in no window. */
function longestOutside(each: Disagreement, windows: readonly AllowanceWindow[]): number {
  let longestUs = 0;
  let reachedUs = each.fromUs;
  for (const window of [...windows].sort((a, b) => a.fromUs - b.fromUs)) {
    if (window.toUs <= reachedUs) continue;
    if (window.fromUs >= each.toUs) break;
    longestUs = Math.max(longestUs, window.fromUs - reachedUs);
    reachedUs = Math.max(reachedUs, window.toUs);
  }
  return Math.max(longestUs, each.toUs - reachedUs);
}
