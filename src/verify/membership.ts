import type { EventOf } from '../history/events.js';
import { removalBy } from '../plan/removals.js';
import { Findings } from './result.js';
import { watchedRoles } from './self-watch.js';
import { starvation } from './standstill.js';
import { boundOf, eventsOf, faultRecords, healedUs, healUs, injectUs, judgedPeriod } from './timeline.js';
import type { Period } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs } from './words.js';

/** Faults under which a gateway's process lives on while the group goes on without it: it has to end itself once it finds out. */
const outlivedFaults: readonly string[] = ['gateway.pause', 'partition.monitor', 'partition.store', 'partition.store-and-monitor', 'host.hold-write', 'store.hold-write'];

/** Hosts and the harness have no part in who is a member: their delays excuse nothing here. */
const membershipRoles: readonly string[] = watchedRoles.filter((role) => role !== 'host' && role !== 'harness');

/**
 * Proves that the group had the members that it should have: the monitor's map names the gateways of the lab and
 * no others, each with the ANA group that is its own for good; a gateway that was removed is DELETING or gone soon
 * after, and is neither at the end; and no gateway process ended but by a fault, or by its own rules where a fault
 * gave it reason to.
 *
 * `unknown`: the monitor was never observed; a removal was undone too soon to judge; or a process stood still, so
 * that a gateway that ended itself may have had reason to.
 */
export const membership: Checker = {
  name: 'membership',
  proves: 'The monitor’s map had the lab’s gateways with their own ANA groups, removals showed in it, and no gateway ended without a reason.',
  check(input) {
    const findings = new Findings('membership', starvation(input, membershipRoles));
    const { plan, events } = input;
    const period = judgedPeriod(events);
    const maps = eventsOf(events, 'mon.map').filter(({ tUs }) => period !== undefined && tUs <= period.toUs);
    if (maps.length === 0) findings.unknown('no mon.map event: the monitor was never observed');
    if (period === undefined || maps.length === 0) return Promise.resolve(findings.result(''));
    checkMaps(input, maps, period, findings);
    checkRemovals(input, maps, period, findings);
    const ends = checkEnds(input, period, findings);
    findings.metrics['monitorMaps'] = maps.length;
    findings.metrics['gatewayEnds'] = ends;
    return Promise.resolve(findings.result(`${count(maps.length, 'monitor map')} with the ${count(plan.topology.gateways.length, 'gateway')} of the lab and their own ANA groups; ${ends === 0 ? 'no gateway ended' : `${count(ends, 'end')} of gateway processes, each with its reason`}`));
  },
};

function checkMaps({ plan, events }: CheckInput, maps: readonly EventOf<'mon.map'>[], period: Period, findings: Findings): void {
  const startUs = runStartUs(events);
  const told = new Set<string>();
  const tell = (key: string, text: string, map: EventOf<'mon.map'>): void => {
    if (told.has(key)) return;
    told.add(key);
    findings.fail(`${text} ${at(map.tUs, startUs)}`, { tUs: map.tUs, events: [map.seq] });
  };
  for (const map of maps.filter(({ tUs }) => tUs >= period.fromUs)) {
    for (const { id, anaGroup } of map.gateways) {
      const wanted = plan.topology.gateways.find(({ name }) => name === id);
      if (wanted === undefined) tell(id, `the monitor’s map has a gateway ${id} that the lab does not have,`, map);
      else if (anaGroup !== wanted.anaGroup) tell(`${id} ${anaGroup}`, `the monitor’s map gives ${id} the ANA group ${anaGroup} instead of its own, ${wanted.anaGroup},`, map);
    }
  }
  const last = maps.at(-1)!;
  for (const { name } of plan.topology.gateways) {
    const entry = last.gateways.find(({ id }) => id === name);
    if (entry === undefined && !isRemoved(plan, events, name)) findings.fail(`the last map of the monitor does not have ${name} (${at(last.tUs, startUs)})`, { tUs: last.tUs, events: [last.seq] });
  }
}

/** Is the gateway's removal, if there was one, still in force at the end? */
function isRemoved(plan: CheckInput['plan'], events: CheckInput['events'], gateway: string): boolean {
  const faults = faultRecords(events);
  return plan.steps.some((step) => step.do === 'inject' && removalBy(step, plan.topology)?.gateways.includes(gateway) === true && injectUs(faults.get(step.id)) !== undefined && healUs(faults.get(step.id)) === undefined);
}

function checkRemovals(input: CheckInput, maps: readonly EventOf<'mon.map'>[], period: Period, findings: Findings): void {
  const { plan, events } = input;
  const startUs = runStartUs(events);
  const faults = faultRecords(events);
  for (const step of plan.steps) {
    const removal = removalBy(step, plan.topology);
    if (step.do !== 'inject' || removal === undefined) continue;
    const record = faults.get(step.id);
    const removedUs = record?.injected?.tUs;
    if (removedUs === undefined) continue;
    const bound = boundOf(plan, removal.notice);
    for (const gateway of removal.gateways) {
      const undoneUs = Math.min(healUs(record) ?? Infinity, period.toUs);
      const deadlineUs = removedUs + bound.ms * 1000;
      const gone = (map: EventOf<'mon.map'>): boolean => (map.gateways.find(({ id }) => id === gateway)?.availability ?? 'DELETING') === 'DELETING';
      const first = maps.find((map) => map.tUs >= injectUs(record)! && map.tUs < undoneUs && gone(map));
      const says = maps.findLast(({ tUs }) => tUs < undoneUs)?.gateways.find(({ id }) => id === gateway)?.availability ?? 'nothing';
      const text = `${gateway} was removed ${at(removedUs, startUs)} (${step.id})`;
      if (first === undefined && undoneUs < deadlineUs) findings.unknown(`${text} and created again ${ms(undoneUs - removedUs)} later, before the map had to show it (${bound.name} = ${ms(bound.ms * 1000)})`);
      else if (first === undefined) findings.fail(`${text}, but the monitor’s map never had it DELETING: it says ${says}`, { tUs: removedUs, toUs: undoneUs });
      else if (first.tUs > deadlineUs) findings.failInTime(`${text}, but the monitor’s map had it DELETING only ${ms(first.tUs - removedUs)} later, bound ${bound.name} = ${ms(bound.ms * 1000)}`, { tUs: removedUs, toUs: first.tUs, events: [first.seq] }, { excessUs: first.tUs - deadlineUs });
      else findings.note(`${text}: the map had it DELETING ${ms(Math.max(0, first.tUs - removedUs))} later`, { tUs: first.tUs, events: [first.seq] });
      const last = maps.at(-1)!;
      const createdUs = healedUs(record);
      if (createdUs !== undefined && last.gateways.find(({ id }) => id === gateway)?.availability === 'DELETING') {
        findings.fail(`${gateway} was created again ${at(createdUs, startUs)}, but is DELETING in the last map of the monitor (${at(last.tUs, startUs)})`, { tUs: createdUs, events: [last.seq] });
      }
    }
  }
}

/** Returns how many gateway processes ended in the judged period. */
function checkEnds(input: CheckInput, period: Period, findings: Findings): number {
  const { plan, events } = input;
  const startUs = runStartUs(events);
  const faults = faultRecords(events);
  const names = new Set(plan.topology.gateways.map(({ name }) => name));
  const recoveryUs = boundOf(plan, plan.expect.convergence).ms * 1000;
  const ends = eventsOf(events, 'node').filter(({ name, state, tUs }) => names.has(name) && (state === 'exited' || state === 'killed') && tUs >= period.fromUs && tUs <= period.toUs);
  for (const { name, tUs, seq, expected, detail, exitCode, signal } of ends) {
    if (expected === true) continue;
    const byRule = detail?.startsWith('ended itself') === true;
    const explained = byRule && plan.steps.some((step) => {
      if (step.do !== 'inject' || step.target !== name || !outlivedFaults.includes(step.fault)) return false;
      const record = faults.get(step.id);
      const fromUs = injectUs(record);
      return fromUs !== undefined && tUs >= fromUs && tUs <= (healedUs(record) ?? Infinity) + recoveryUs;
    });
    if (explained) continue;
    const how = detail ?? signal ?? `exit code ${exitCode ?? '?'}`;
    const text = `${name} ${byRule ? how : `ended (${how}, ${signal ?? `exit code ${exitCode ?? '?'}`})`} ${at(tUs, startUs)}, and no fault gave it reason to`;
    const more = { tUs, events: [seq] };
    if (byRule) findings.failInTime(text, more);
    else findings.fail(text, more);
  }
  return ends.length;
}
