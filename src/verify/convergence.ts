import type { EventOf, HistoryEvent } from '../history/events.js';
import { HostView, isOptimized } from './host-view.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import { boundOf, faultRecords, healUs, inTimeOrder, injectUs, judgedPeriod } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/**
 * Proves that within the convergence bound after the last heal every ANA group was optimized exactly once, at
 * its own gateway, in the view of each host, of the monitor (ACTIVE there, STANDBY elsewhere) and of the targets,
 * and that it stayed so until the end.
 *
 * Measured from the begin of the last heal, or of the last injection that no heal follows; without any fault from
 * the begin of the judged period. Groups without namespaces are judged in the monitor's and targets' views only.
 */
export const convergence: Checker = {
  name: 'convergence',
  proves: 'Every ANA group ended up optimized exactly once, at its own gateway, within the bound, and stayed there.',
  async check(input) {
    const { plan, events } = input;
    const findings = new Findings('convergence', starvation(input));
    const startUs = runStartUs(events);
    const period = judgedPeriod(events);
    for (const type of ['host.path', 'mon.map', 'gw.state'] as const) {
      if (!events.some((event) => event.type === type)) findings.unknown(`no ${type} event: that view is missing`);
    }
    for (const { name } of plan.topology.hosts) {
      if (plan.topology.hosts.length > 1 && !events.some((event) => event.type === 'host.path' && event.host === name)) findings.unknown(`no host.path event of ${name}: that view is missing`);
    }
    if (period === undefined || findings.count('unknown') > 0) return findings.result('');

    const fromUs = Math.max(period.fromUs, ...[...faultRecords(events).values()].map((record) => healUs(record) ?? injectUs(record) ?? -Infinity));
    const bound = boundOf(plan, plan.expect.convergence);
    const deadlineUs = fromUs + bound.ms * 1000;
    const state = new ConvergenceState(input);
    let sinceUs: number | undefined;
    let lastBroken: { tUs: number; why: string; event: number } | undefined;
    for (const event of inTimeOrder(events)) {
      if (event.tUs > period.toUs) break;
      if (!state.apply(event)) continue;
      const why = state.missing()[0];
      if (why === undefined) {
        sinceUs ??= event.tUs;
      } else {
        sinceUs = undefined;
        lastBroken = { tUs: event.tUs, why, event: event.seq };
      }
    }
    if (sinceUs === undefined) {
      for (const why of state.missing()) findings.failInTime(`at the end (${at(period.toUs, startUs)}): ${why}`, { tUs: fromUs, toUs: period.toUs });
      if (period.toUs < deadlineUs) {
        const early = new Findings('convergence');
        early.unknown(`the run ended ${ms(deadlineUs - period.toUs)} before the bound ${bound.name} = ${ms(bound.ms * 1000)} had passed, not yet converged: ${state.missing().join('; ')}`, { tUs: period.toUs });
        return early.result('');
      }
    } else if (sinceUs > deadlineUs) {
      findings.failInTime(
        `converged ${ms(sinceUs - fromUs)} after ${at(fromUs, startUs)}, bound ${bound.name} = ${ms(bound.ms * 1000)}; last missing: ${lastBroken?.why ?? 'nothing observed yet'}`,
        { tUs: fromUs, toUs: sinceUs, events: lastBroken === undefined ? [] : [lastBroken.event] },
        { excessUs: sinceUs - deadlineUs },
      );
    }
    const tookUs = sinceUs === undefined ? Infinity : Math.max(0, sinceUs - fromUs);
    if (tookUs < Infinity) findings.metrics['convergenceMs'] = toMs(tookUs);
    findings.metrics['convergenceBoundMs'] = bound.ms;
    const groups = plan.topology.gateways.length;
    return findings.result(
      `${count(groups, 'ANA group')} optimized exactly once, each at its own gateway, ${ms(tookUs)} after ${at(fromUs, startUs)} (bound ${ms(bound.ms * 1000)}), and until the end`,
    );
  },
};

/** The three views of who is optimized, and what each of them lacks. */
class ConvergenceState {
  readonly #input: CheckInput;
  readonly #view = new HostView();
  readonly #targets = new Map<string, EventOf<'gw.state'>>();
  #map: EventOf<'mon.map'> | undefined;

  constructor(input: CheckInput) {
    this.#input = input;
  }

  /** False: the event changes none of the views. */
  apply(event: HistoryEvent): boolean {
    if (event.type === 'mon.map') this.#map = event;
    else if (event.type === 'gw.state') this.#targets.set(event.gateway, event);
    else if (event.type === 'node' && (event.state === 'exited' || event.state === 'killed')) return this.#targets.delete(event.name);
    else return this.#view.apply(event) !== undefined;
    return true;
  }

  missing(): string[] {
    const { gateways, namespaces, hosts } = this.#input.plan.topology;
    const missing: string[] = [];
    // A gateway may have several paths to a namespace: it is one owner.
    const ownersOf = new Map<string, Set<string>>();
    for (const path of this.#view.paths()) {
      if (!isOptimized(path)) continue;
      const key = `${path.host}\n${path.nsUuid}`;
      ownersOf.set(key, (ownersOf.get(key) ?? new Set()).add(path.gateway));
    }
    for (const { name: host } of hosts) {
      for (const { uuid, nsid, anaGroup } of namespaces) {
        const own = gateways.find((gateway) => gateway.anaGroup === anaGroup)?.name;
        const owners = [...(ownersOf.get(`${host}\n${uuid}`) ?? [])];
        if (owners.length !== 1 || owners[0] !== own) {
          missing.push(`${host} sees namespace ${nsid} (ANA group ${anaGroup}) optimized at ${owners.length === 0 ? 'no gateway' : owners.join(' and ')} instead of ${own ?? 'nowhere'}`);
        }
      }
    }
    for (const { name, anaGroup } of gateways) {
      for (const each of gateways) {
        const state = this.#map?.gateways.find(({ id }) => id === each.name)?.states[String(anaGroup)];
        const wanted = each.name === name ? 'ACTIVE' : 'STANDBY';
        if (state !== wanted) missing.push(`the monitor has ${each.name} ${state ?? 'unknown'} instead of ${wanted} for ANA group ${anaGroup}`);
        const target = this.#targets.get(each.name);
        const ana = target?.serving === true ? target.ana[String(anaGroup)] : undefined;
        if ((ana === 'optimized') !== (each.name === name)) {
          missing.push(`target ${each.name} says ${ana ?? 'nothing'} for ANA group ${anaGroup}${each.name === name ? ' instead of optimized' : ', which is not its own'}`);
        }
      }
    }
    return missing;
  }
}
