import { scanJournal } from './journal-scan.js';
import type { JournalScan } from './journal-scan.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import { listStalls } from './stalls.js';
import type { Stall } from './stalls.js';
import { boundOf, eventsOf, faultRecords, injectUs } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { at, count, ms, runStartUs, toMs } from './words.js';

/** Stalls that are shown although they were allowed. */
const shownMax = 10;

/**
 * Proves that no namespace was without I/O for longer than the plan allows: measured per host and namespace as
 * maximal intervals in which something was outstanding and nothing completed ok, and each measured against the
 * bound of the fault window that it overlaps, or the quiet bound outside of all windows.
 *
 * `unknown`: a stall is too long but the measuring process itself stood still for at least the excess, or
 * nothing was measured.
 */
export const availability: Checker = {
  name: 'availability',
  proves: 'No namespace went without completed I/O for longer than the bound of the moment, and no more I/O failed than allowed.',
  async check(input) {
    const { plan, events } = input;
    const findings = new Findings('availability', starvation(input));
    const startUs = runStartUs(events);
    const scan = await scanJournal(input);
    const stalls = await listStalls(input);
    if (scan.completedOk === 0) findings.unknown('no I/O completed: nothing was available, or nothing was tried');
    else for (const { name } of plan.topology.hosts) if (!scan.completedOkBy.has(name)) findings.unknown(`no I/O of ${name} completed: nothing was available there, or nothing was tried`);
    const smallestUs = Math.min(boundOf(plan, plan.expect.quietStall).ms, ...plan.expect.stalls.map(({ bound }) => boundOf(plan, bound).ms)) * 1000;
    if (scan.stallFloorUs > smallestUs) findings.unknown(`too many stalls to list: only those above ${ms(scan.stallFloorUs)} were kept, more than the smallest bound of ${ms(smallestUs)}`);
    for (const problem of scan.problems) findings.unknown(`journal: ${problem}`);

    const describe = (stall: Stall): string => {
      const end = stall.endedBy === undefined ? 'lasting to the end of the journal' : `ended by op ${stall.endedBy.op}${stall.endedBy.path === null ? '' : ` via ${stall.endedBy.path}`}`;
      const cause = stall.fault === undefined ? 'outside all fault windows' : `in the window of ${stall.fault} (${stall.reason})`;
      return `namespace ${stall.nsid} (ANA group ${stall.anaGroup}) at ${stall.host}: ${ms(stall.durationUs)} without a completion from ${at(stall.fromUs, startUs)}, ${end}; ${cause}, bound ${stall.boundName} = ${ms(stall.boundUs)}`;
    };
    let shown = 0;
    for (const stall of stalls) {
      const times = { tUs: stall.fromUs, toUs: stall.toUs, ...(stall.endedBy === undefined ? {} : { ops: [stall.endedBy.op] }) };
      if (stall.judgement === 'over') {
        findings.failInTime(`${describe(stall)}: ${ms(stall.excessUs)} too long`, times, { excessUs: stall.excessUs });
      } else if (stall.judgement === 'doubtful') {
        findings.unknown(`${describe(stall)}: ${ms(stall.excessUs)} too long, but the measuring process itself stood still for ${ms(stall.loopDelayUs)} of it`, times);
      } else if (stall.judgement === 'hidden') {
        findings.unknown(`${describe(stall)}; but ${stall.host} stood still for ${ms(stall.loopDelayUs)} when it began, so that it may have been too long`, times);
      } else if ((shown += 1) <= shownMax) {
        findings.note(`${describe(stall)}: within`, times);
      }
    }
    if (scan.failedOps > plan.expect.failedIoMax) {
      const first = scan.failedFirst!;
      findings.fail(
        `${count(scan.failedOps, 'operation')} did not end ok, ${plan.expect.failedIoMax} may; first: op ${first.op} of ${first.host} ${at(first.tUs, startUs)}, ${first.outcome} ${first.code} (status 0x${first.status.toString(16)})`,
        { tUs: first.tUs, ops: [first.op] },
      );
    }
    measure(input, scan, stalls, findings);
    await measureResume(input, findings);
    const longest = stalls[0];
    const text = longest === undefined ? `below ${ms(scan.stallFloorUs)}` : `${ms(longest.durationUs)} (namespace ${longest.nsid}, bound ${longest.boundName} = ${ms(longest.boundUs)})`;
    return findings.result(`longest stall ${text}; ${count(scan.completedOk, 'operation')} ended ok, ${scan.failedOps} did not${scan.abortedOps === 0 ? '' : `, ${scan.abortedOps} were given up by the workload`}`);
  },
};

function measure({ plan }: CheckInput, { completedOk, failedOps, abortedOps, latency, latencyMaxUs }: JournalScan, stalls: readonly Stall[], findings: Findings): void {
  const { metrics } = findings;
  metrics['operationsOk'] = completedOk;
  metrics['operationsFailed'] = failedOps;
  metrics['operationsAborted'] = abortedOps;
  metrics['stallMaxMs'] = toMs(stalls[0]?.durationUs ?? 0);
  for (const [name, percent] of [['latencyP50Ms', 50], ['latencyP99Ms', 99], ['latencyP999Ms', 99.9]] as const) {
    const ns = latency.percentileNs(percent);
    // A bin is valued at its middle, which may lie above the largest value in it.
    if (ns !== undefined) metrics[name] = toMs(Math.min(ns / 1_000, latencyMaxUs));
  }
  if (latency.total > 0) metrics['latencyMaxMs'] = toMs(latencyMaxUs);
  for (const { nsid, uuid } of plan.topology.namespaces) {
    metrics[`ns${nsid}.stallMaxMs`] = toMs(Math.max(0, ...stalls.filter((stall) => stall.nsUuid === uuid).map((stall) => stall.durationUs)));
  }
  for (const { fault } of plan.expect.stalls) {
    metrics[`${fault}.stallMaxMs`] = toMs(Math.max(0, ...stalls.filter((stall) => stall.fault === fault).map((stall) => stall.durationUs)));
  }
}

/**
 * Begin of the injection → the first completion of I/O that was invoked once it was done, per fault the slowest
 * of the namespaces that it may stall.
 */
async function measureResume(input: CheckInput, findings: Findings): Promise<void> {
  const { plan, events } = input;
  const scan = await scanJournal(input);
  const faults = faultRecords(events);
  for (const id of new Set(eventsOf(events, 'fault').map((event) => event.id))) {
    const beganUs = injectUs(faults.get(id));
    if (beganUs === undefined) continue;
    const fromUs = faults.get(id)?.injected?.tUs ?? beganUs;
    const groups = new Set(plan.expect.stalls.filter(({ fault, when }) => fault === id && when === 'inject').flatMap((allowance) => allowance.groups));
    let slowestUs = 0;
    for (const { uuid, anaGroup } of plan.topology.namespaces) {
      if (!groups.has(anaGroup)) continue;
      slowestUs = Math.max(slowestUs, scan.tally({ nsUuid: uuid, fromUs, toUs: Infinity }).firstUs - beganUs);
    }
    if (slowestUs > 0 && slowestUs < Infinity) findings.metrics[`${id}.firstCompletionMs`] = toMs(slowestUs);
  }
}
