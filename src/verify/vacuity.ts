import { holesIn } from './coverage.js';
import { checkHeldWrites } from './held-writes.js';
import { scanJournal } from './journal-scan.js';
import type { JournalScan } from './journal-scan.js';
import { hostOf } from '../plan/hosts.js';
import type { TopologyNamespace } from '../plan/types.js';
import { Findings } from './result.js';
import { takeoversOf } from './takeovers.js';
import { allowanceWindows, eventsOf, faultRecords, healUs, healedUs, injectUs } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, runStartUs } from './words.js';

/** Any load that is worth the name has reads and writes in so much time. */
const stretchMinUs = 500_000;

interface Stretch {
  name: string;
  fromUs: number;
  toUs: number;
}

/**
 * Proves that the other verdicts are about something: every loaded namespace completed reads and writes before,
 * during (once its group was taken over) and after each fault, every idle one completed probes, the final
 * re-reads read blocks, and all phases of the plan were reached.
 *
 * "During" is not demanded where the plan says that I/O cannot go on until the heal. A fault that is there to keep
 * writes half-way must have done so, and newer data must have overtaken some of them (held-writes.ts).
 */
export const vacuity: Checker = {
  name: 'vacuity',
  proves: 'There was I/O in every window that the other checkers judge, and every step of the plan was reached.',
  async check(input) {
    const { plan, events } = input;
    const findings = new Findings('vacuity');
    const startUs = runStartUs(events);
    const scan = await scanJournal(input);
    const { namespaces } = plan.topology;
    if (namespaces.length === 0) findings.unknown('the plan has no namespace');
    if (!namespaces.some(({ idle }) => !idle)) findings.unknown('the plan loads no namespace');
    let windows = 0;
    let leastOps = Infinity;
    for (const namespace of namespaces) {
      for (const stretch of stretchesOf(input, namespace)) {
        windows += 1;
        leastOps = Math.min(leastOps, checkStretch(input, namespace, stretch, scan, findings));
      }
    }
    await checkHeldWrites(input, findings);
    const blocks = checkRereads(input, scan, findings);
    const reached = new Set(eventsOf(events, 'run.phase').map(({ phase }) => phase));
    for (const step of plan.steps) {
      if (step.do === 'phase' && !reached.has(step.name)) findings.unknown(`phase '${step.name}' of the plan was never reached`);
    }
    const last = eventsOf(events, 'run.phase').at(-1);
    if (last !== undefined) findings.note(`last phase reached: '${last.phase}' ${at(last.tUs, startUs)}`);
    findings.metrics['windows'] = windows;
    findings.metrics['blocksReread'] = blocks;
    return findings.result(`I/O in all of ${count(windows, 'window')} (at least ${leastOps === Infinity ? 0 : leastOps} operations each), ${blocks} blocks re-read, all phases reached`);
  },
};

/** Before, during and after each fault for one namespace; the whole run if there is no fault. */
function stretchesOf(input: CheckInput, namespace: TopologyNamespace): Stretch[] {
  const { plan, events } = input;
  const { anaGroup } = namespace;
  const owner = hostOf(plan.topology, namespace);
  const faults = [...faultRecords(events)]
    .map(([id, record]) => ({ id, fromUs: injectUs(record), healUs: healUs(record) ?? Infinity, goneUs: healedUs(record) ?? Infinity }))
    .filter((fault): fault is typeof fault & { fromUs: number } => fault.fromUs !== undefined)
    .sort((a, b) => a.fromUs - b.fromUs);
  if (faults.length === 0) return [{ name: 'the whole run', fromUs: -Infinity, toUs: Infinity }];
  const takeovers = takeoversOf(input);
  const waits = allowanceWindows(plan, events, plan.expect.stalls).filter(({ groups }) => groups.includes(anaGroup));
  // I/O may wait until something else happens: whether there was any meanwhile says nothing.
  const hanging = waits.filter(({ untilUs }) => untilUs !== undefined);
  // Where faults overlap it is not known who serves a group in between: I/O has to be there before and after all of it.
  const overlapping = new Set(plan.expect.stalls.filter(({ bound }) => bound.startsWith('overlap')).map(({ fault }) => fault));
  // A random schedule leaves what time it leaves: where I/O may wait for all of it, there is nothing to demand.
  const random = new Set(plan.steps.flatMap((step) => (step.do === 'inject' && step.random === true ? [step.id] : [])));
  const stretches: Stretch[] = [];
  for (const [i, fault] of faults.entries()) {
    const earlierGoneUs = Math.max(-Infinity, ...faults.slice(0, i).map(({ goneUs }) => goneUs));
    const nextUs = faults[i + 1]?.fromUs ?? Infinity;
    // Faults that overlap another have no time of their own before or after.
    const inside = overlapping.has(fault.id);
    if (earlierGoneUs < fault.fromUs && !(inside && i > 0)) stretches.push({ name: `before ${fault.id}`, fromUs: earlierGoneUs, toUs: fault.fromUs });
    const hangs = hanging.some(({ fromUs, toUs }) => fromUs < fault.healUs && fault.fromUs < toUs);
    if (!hangs && fault.healUs > fault.fromUs) {
      const takeover = takeovers.find((each) => each.fault === fault.id && each.group === anaGroup && each.expected);
      const tookOverUs = takeover?.seen.find(({ host }) => host === owner)?.tookOverUs;
      if (tookOverUs !== undefined || !inside) stretches.push({ name: tookOverUs === undefined ? `during ${fault.id}` : `after the takeover during ${fault.id}`, fromUs: tookOverUs ?? fault.fromUs, toUs: fault.healUs });
    }
    if (fault.goneUs < nextUs && fault.goneUs < Infinity && !(inside && nextUs < Infinity)) stretches.push({ name: `after ${fault.id}`, fromUs: fault.goneUs, toUs: nextUs });
  }
  if (random.size === 0) return stretches;
  return stretches.filter((stretch) => holesIn(stretch, waits, 0).reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0) >= stretchMinUs);
}

/** Returns the number of operations in the stretch. */
function checkStretch({ plan, events }: CheckInput, { nsid, uuid, idle }: TopologyNamespace, { name, fromUs, toUs }: Stretch, scan: JournalScan, findings: Findings): number {
  const { reads, writes, probes } = scan.tally({ nsUuid: uuid, fromUs, toUs });
  const startUs = runStartUs(events);
  const period = `${fromUs === -Infinity ? 'start' : at(fromUs, startUs)} to ${toUs === Infinity ? 'end' : at(toUs, startUs)}`;
  const missing: string[] = [];
  if (idle) {
    if (probes === 0) missing.push('probes');
  } else {
    if (reads === 0 && plan.workload.readPercent > 0) missing.push('reads');
    if (writes === 0 && plan.workload.readPercent < 100) missing.push('writes');
  }
  const text = `namespace ${nsid} ${name} (${period}): ${idle ? `${probes} probes` : `${reads} reads, ${writes} writes`}`;
  if (missing.length > 0) findings.unknown(`${text}: no completed ${missing.join(' and no ')}, so nothing was tested there`);
  else findings.note(text);
  return idle ? probes : reads + writes;
}

function checkRereads({ plan, events }: CheckInput, scan: JournalScan, findings: Findings): number {
  let blocks = 0;
  const rereads = eventsOf(events, 'reread').filter(({ state }) => state === 'end');
  for (const { nsid, uuid, idle } of plan.topology.namespaces) {
    if (idle) continue;
    for (const pass of ['at-once', 'delayed']) {
      const announced = rereads.filter((event) => event.pass === pass && event.nsUuid === uuid).reduce((sum, event) => sum + event.blocks, 0);
      const read = scan.rereadBlocks.get(`reread-${pass}:${uuid}`) ?? 0;
      blocks += read;
      if (announced === 0) findings.unknown(`namespace ${nsid}: no '${pass}' re-read ended, or it had no blocks`);
      if (read === 0) findings.unknown(`namespace ${nsid}: the journal has no '${pass}' re-read that ended ok`);
    }
  }
  return blocks;
}
