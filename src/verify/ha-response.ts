import { countAnaChanges } from './ana-changes.js';
import { pathUnknown, scanJournal } from './journal-scan.js';
import { countedIo } from './path-io.js';
import { activeBefore, fencingOf, groupSteps, handedBack } from './monitor-order.js';
import type { GroupStep } from './monitor-order.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import { takeoversOf } from './takeovers.js';
import type { SeenTakeover, Takeover } from './takeovers.js';
import { boundOf, eventsOf, judgedPeriod } from './timeline.js';
import { hostOf } from '../plan/hosts.js';
import type { Plan, TopologyNamespace } from '../plan/types.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/**
 * Proves that the HA system answered each fault as the plan expects: in the eyes of every host the ANA group moved to
 * another gateway and the I/O of each host that loads it completed through that while the fault lasted, or it did not
 * move in those of any; and that the monitor got there in
 * legal steps, with the old owner's store clients blocklisted by the time the new one was ACTIVE.
 */
export const haResponse: Checker = {
  name: 'ha-response',
  proves: 'Each ANA group moved, or stayed, as the plan expects, in legal steps of the monitor and with the old owner fenced first.',
  async check(input) {
    const { events } = input;
    const findings = new Findings('ha-response', starvation(input));
    const startUs = runStartUs(events);
    const steps = groupSteps(events);
    if (eventsOf(events, 'mon.map').length === 0) findings.unknown('no mon.map event: the monitor was never observed');
    for (const step of steps) {
      if (step.adjacent && !step.legal) {
        findings.fail(`the monitor took ${step.gateway} from ${step.from} to ${step.to} for ANA group ${step.group} ${at(step.tUs, startUs)}: no such transition`, { tUs: step.tUs, events: [step.event] });
      }
    }
    const moved: string[] = [];
    for (const takeover of takeoversOf(input)) {
      if (takeover.injectUs === undefined) {
        findings.unknown(`fault ${takeover.fault} was never injected: nothing to answer`);
      } else if (takeover.expected) {
        await checkTakeover(input, takeover, findings, moved);
      } else {
        checkStayed(input, takeover, steps, findings, moved);
      }
    }
    checkFencing(input, steps, findings);
    checkChanges(input, steps, findings);
    findings.metrics['monitorSteps'] = steps.length;
    return findings.result(`${moved.length === 0 ? 'no takeover was in question' : moved.join('; ')}; ${count(steps.length, 'state change')} of the monitor, all legal`);
  },
};

async function checkTakeover(input: CheckInput, takeover: Takeover, findings: Findings, moved: string[]): Promise<void> {
  const { plan, events } = input;
  const startUs = runStartUs(events);
  const { fault, group, injectUs, healUs, ownerBefore, seen, unseenBy } = takeover;
  const recordEndUs = events.at(-1)!.tUs;
  const answerUs = injectUs! + answerBoundUs(plan, fault);
  // An interrupted run heals its faults at once: nobody may be blamed for what there was no time for.
  if (unseenBy.length > 0 && healUs < answerUs) {
    findings.unknown(`${fault} was healed ${ms(healUs - injectUs!)} after it began (${at(injectUs!, startUs)}), before ANA group ${group} had to be taken over`, { tUs: injectUs!, toUs: healUs });
    return;
  }
  if (unseenBy.length > 0 && healUs === Infinity && recordEndUs < answerUs) {
    findings.unknown(`the record ends ${ms(recordEndUs - injectUs!)} after ${fault} (${at(injectUs!, startUs)}), before ANA group ${group} had to be taken over`, { tUs: injectUs!, toUs: recordEndUs });
    return;
  }
  if (unseenBy.length > 0) {
    const until = healUs === Infinity ? 'to the end' : `until its heal ${at(healUs, startUs)}`;
    findings.failInTime(`after ${fault} (${at(injectUs!, startUs)}) no other gateway than ${ownerBefore} became optimized for ANA group ${group}${atHosts(plan, unseenBy)} ${until}, but ${takeover.reason}`, { tUs: injectUs!, toUs: Math.min(healUs, recordEndUs) });
    return;
  }
  // It has moved once the last host sees it elsewhere.
  const tookUs = seen.at(-1)!.tookOverUs - injectUs!;
  findings.metrics[`${fault}.group${group}TakeoverMs`] = toMs(tookUs);
  const members = plan.topology.namespaces.filter(({ anaGroup }) => anaGroup === group);
  const changes = Math.max(0, ...members.map(({ uuid }) => countAnaChanges(input, uuid, { fromUs: injectUs!, toUs: healUs })));
  findings.metrics[`${fault}.group${group}AnaChanges`] = changes;
  findings.metrics['anaChangesPerFailoverMax'] = Math.max(findings.metrics['anaChangesPerFailoverMax'] ?? 0, changes);
  const through: string[] = [];
  for (const { name } of plan.topology.hosts) {
    const words = await ioThroughTaker(input, takeover, seen.find(({ host }) => host === name)!, members, findings);
    if (words === undefined) return;
    if (words !== '') through.push(words);
  }
  moved.push(`ANA group ${group} moved from ${ownerBefore} to ${[...new Set(seen.map(({ takenBy }) => takenBy))].join(' and ')} ${ms(tookUs)} after ${fault} (${through.length === 0 ? 'no namespace in it' : through.join('; ')})`);
}

/**
 * The I/O of one host that completed through the gateway that took over, from when the host saw it until the heal, in
 * words; empty: none of the group's namespaces is the host's to load. Undefined: there was none, or that cannot be told.
 */
async function ioThroughTaker(input: CheckInput, { fault, group, injectUs, healUs }: Takeover, { host, tookOverUs, takenBy, event }: SeenTakeover, members: readonly TopologyNamespace[], findings: Findings): Promise<string | undefined> {
  const { plan } = input;
  const own = members.filter((namespace) => hostOf(plan.topology, namespace) === host);
  if (own.length === 0) return '';
  const scan = await scanJournal(input);
  const needsWrite = plan.workload.readPercent < 100 && own.some(({ idle }) => !idle);
  const operationsBy = (gateway: string): number => own.reduce((sum, { uuid }) => {
    const { reads, writes, probes } = scan.tally({ nsUuid: uuid, gateway, fromUs: tookOverUs, toUs: healUs });
    return sum + (needsWrite ? writes : reads + writes + probes);
  }, 0);
  const ofHost = plan.topology.hosts.length > 1 ? ` of ${host}` : '';
  const counted = (n: number): string => `${count(n, needsWrite ? 'write' : 'operation')}${ofHost}`;
  const operations = operationsBy(takenBy);
  if (operations > 0) return `${counted(operations)} through it`;
  const what = `${needsWrite ? 'write' : 'I/O'}${ofHost}`;
  const more = { tUs: tookOverUs, events: [event] };
  const became = `${takenBy} became optimized for ANA group ${group}${atHosts(plan, [host])} ${ms(tookOverUs - injectUs!)} after ${fault}, but`;
  if (scan.hostsWithout.includes(host)) {
    findings.unknown(`${became} it cannot be told whether any ${what} completed through it: ${host} has no I/O journal`, more);
    return undefined;
  }
  // A kernel host cannot tell the path of an operation; its paths' counters can tell whether they carried any.
  const pathless = operationsBy(pathUnknown);
  const io = pathless === 0 ? undefined : countedIo(input, {
    host, gateway: takenBy, nsUuids: own.map(({ uuid }) => uuid), writesOnly: needsWrite, failedOps: scan.failedOps, fromUs: tookOverUs, toUs: healUs,
  });
  if (io === undefined || io.kind === 'none') {
    findings.failInTime(`${became} no ${what} completed through it before the heal`, more);
    return undefined;
  }
  if (io.kind === 'unknown') {
    findings.unknown(`${became} it cannot be told whether any ${what} completed through it: ${io.why}`, more);
    return undefined;
  }
  return `${counted(pathless)} meanwhile, ${io.bytes} bytes through it by its paths' counters`;
}

/** ` at host2`, where the lab has several hosts. */
function atHosts({ topology }: Plan, hosts: readonly string[]): string {
  return topology.hosts.length > 1 ? ` at ${hosts.join(' and ')}` : '';
}

/** How long the system may take to answer the fault: the stall that the plan allows after its injection. */
function answerBoundUs(plan: Plan, fault: string): number {
  const allowance = plan.expect.stalls.find((stall) => stall.fault === fault && stall.when === 'inject');
  return allowance === undefined ? 0 : boundOf(plan, allowance.bound).ms * 1_000;
}

function checkStayed({ plan, events }: CheckInput, takeover: Takeover, steps: readonly GroupStep[], findings: Findings, moved: string[]): void {
  const startUs = runStartUs(events);
  const { fault, group, injectUs, watchUntilUs, ownerBefore, seen: [first] } = takeover;
  const active = steps.find((step) => step.group === group && step.gateway !== ownerBefore && ['ACTIVE', 'WAIT_BLOCKLIST_CMPL'].includes(step.to) && step.tUs >= injectUs! && step.tUs < watchUntilUs);
  if (first !== undefined) {
    findings.failInTime(`${first.takenBy} became optimized for ANA group ${group}${atHosts(plan, [first.host])} ${ms(first.tookOverUs - injectUs!)} after ${fault}, but ${takeover.reason}`, { tUs: first.tookOverUs, events: [first.event] });
  } else if (active !== undefined) {
    findings.failInTime(`the monitor made ${active.gateway} ${active.to} for ANA group ${group} ${at(active.tUs, startUs)}, after ${fault}, but ${takeover.reason}`, { tUs: active.tUs, events: [active.event] });
  } else {
    moved.push(`ANA group ${group} stayed at ${ownerBefore} during ${fault}`);
  }
}

/**
 * No group became optimized more often than the faults explain, by the monitor's maps and by the targets' own word.
 * A machine that stood still can make a gateway look dead, so that then nothing is proved.
 */
function checkChanges(input: CheckInput, steps: readonly GroupStep[], findings: Findings): void {
  const { plan, events } = input;
  const period = judgedPeriod(events);
  if (plan.expect.anaChanges === undefined || period === undefined) return;
  for (const { group, max } of plan.expect.anaChanges) {
    const inMaps = steps.filter(({ to, tUs, group: its }) => its === group && to === 'ACTIVE' && tUs >= period.fromUs && tUs <= period.toUs);
    const atTargets = promotionsOf(input, group).filter((tUs) => tUs >= period.fromUs && tUs <= period.toUs);
    const worst = Math.max(inMaps.length, atTargets.length);
    findings.metrics[`group${group}.anaChanges`] = worst;
    if (worst <= max) continue;
    const text = `ANA group ${group} became optimized ${count(worst, 'time')} (${inMaps.length} by the monitor’s maps, ${atTargets.length} by the targets’ word), the faults explain ${max}`;
    const tooMany = worst === inMaps.length ? inMaps[max]!.tUs : atTargets[max]!;
    findings.failInTime(text, { tUs: period.fromUs, toUs: tooMany });
  }
}

/** When targets began to say optimized for the group; the first word of a process is no change. */
function promotionsOf({ events }: CheckInput, group: number): number[] {
  const was = new Map<string, boolean>();
  const promotions: number[] = [];
  for (const { gateway, ana, tUs } of eventsOf(events, 'gw.state')) {
    const is = ana[String(group)] === 'optimized';
    if (is && was.get(gateway) === false) promotions.push(tUs);
    was.set(gateway, is);
  }
  return promotions;
}

/** Wherever the monitor used WAIT_BLOCKLIST_CMPL, the old owner's clients must be fenced by the time of ACTIVE. */
function checkFencing({ events }: CheckInput, steps: readonly GroupStep[], findings: Findings): void {
  const startUs = runStartUs(events);
  for (const waiting of steps.filter(({ to }) => to === 'WAIT_BLOCKLIST_CMPL')) {
    const active = steps.find((step) => step.gateway === waiting.gateway && step.group === waiting.group && step.from === 'WAIT_BLOCKLIST_CMPL' && step.tUs >= waiting.tUs);
    if (active?.to !== 'ACTIVE') continue;
    const owner = activeBefore(events, waiting.group, waiting.tUs);
    const what = `takeover of ANA group ${waiting.group} by ${waiting.gateway} ${at(waiting.tUs, startUs)}`;
    const more = { tUs: waiting.tUs, toUs: active.tUs, events: [waiting.event, active.event] };
    if (owner === undefined) {
      findings.unknown(`${what}: no map shows who was ACTIVE before`, more);
      continue;
    }
    // A failback that broke off: the group never was anybody else's.
    if (owner.gateway === waiting.gateway) {
      findings.note(`${what}: it was its owner before, and nobody else was since`, more);
      continue;
    }
    const gaveUp = handedBack(events, steps, { ...owner, group: waiting.group }, waiting.tUs);
    if (gaveUp !== undefined) {
      findings.note(`${what}: ${owner.gateway} had given it up for a failback, and said that it was not optimized any more ${at(gaveUp.tUs, startUs)}`, { ...more, events: [...more.events, gaveUp.seq] });
      continue;
    }
    const fencing = fencingOf(events, { ...owner, group: waiting.group }, waiting.tUs, active.tUs);
    const { gateway } = owner;
    if (fencing.addresses.length === 0) findings.unknown(`${what}: the store never showed a client of ${gateway}, so its fencing cannot be judged`, more);
    else if (fencing.sampleUs === undefined) findings.unknown(`${what}: the store was not sampled after ${waiting.gateway} was ACTIVE`, more);
    else if (fencing.unfenced.length > 0) {
      findings.fail(`${what}: ${waiting.gateway} was ACTIVE ${at(active.tUs, startUs)}, but the store had not fenced ${gateway}'s ${fencing.unfenced.join(', ')} ${at(fencing.sampleUs, startUs)}`, { ...more, events: [...more.events, fencing.event!] });
    } else {
      findings.note(`${what}: ${gateway}'s ${fencing.addresses.join(', ')} fenced by ${at(fencing.sampleUs, startUs)}`, more);
    }
  }
}
