import type { JournalHeader } from '../history/journal-types.js';
import { hostOf } from '../plan/hosts.js';
import { scanJournal } from './journal-scan.js';
import { Findings } from './result.js';
import { eventsOf } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { count } from './words.js';

/**
 * Proves that what the other checkers read is whole: no unreadable line, no hole in the sequence numbers, exactly
 * one `run.start` at the beginning and one `run.end` with reason `completed` at the end, the defects that the plan
 * names and no others, and a journal of each host, of its own namespaces and without damage, whose operations all ended.
 *
 * `infra`: the run itself says that the lab broke. Everything else that is wrong is `unknown`.
 */
export const history: Checker = {
  name: 'history',
  proves: 'The stored history and journals are whole, and the run came to its end.',
  async check(input: CheckInput) {
    const { plan, events, historyProblems } = input;
    const findings = new Findings('history');
    for (const problem of historyProblems) findings.unknown(`history: ${problem}`);
    checkSequence(input, findings);

    const starts = eventsOf(events, 'run.start');
    if (starts.length !== 1) findings.unknown(`${starts.length} run.start events instead of one`);
    const start = starts[0];
    if (start !== undefined) {
      if (events[0] !== start) findings.unknown('run.start is not the first event', { events: [start.seq] });
      if (start.suite !== plan.suite || start.scenario !== plan.scenario || start.seed !== plan.seed) {
        findings.unknown(`the history is of ${start.suite}/${start.scenario} seed ${start.seed}, the plan of ${plan.suite}/${plan.scenario} seed ${plan.seed}`, { events: [start.seq] });
      }
      if ([...start.defects].sort().join() !== [...plan.defects].sort().join()) {
        findings.unknown(`the run had the defects [${start.defects.join(', ')}], the plan has [${plan.defects.join(', ')}]`, { events: [start.seq] });
      }
    }
    const ends = eventsOf(events, 'run.end');
    if (ends.length !== 1) findings.unknown(ends.length === 0 ? 'no run.end event: the run was cut off' : `${ends.length} run.end events instead of one`);
    for (const end of ends) {
      if (end.reason === 'infra') findings.infra(`the lab broke: ${end.message ?? 'no message'}`, { tUs: end.tUs, events: [end.seq] });
      if (end.reason === 'interrupted') findings.unknown(`the run was interrupted${end.message === undefined ? '' : `: ${end.message}`}`, { tUs: end.tUs, events: [end.seq] });
    }

    const scan = await scanJournal(input);
    if (scan.headers.length === 0) findings.unknown('the run has no I/O journal');
    else for (const host of scan.hostsWithout) findings.unknown(`${host} has no I/O journal`);
    checkOwners(input, scan.headers, findings);
    for (const problem of scan.problems) findings.unknown(`journal: ${problem}`);
    if (scan.unfinished > 0) findings.unknown(`${count(scan.unfinished, 'operation')} of the journal never ended`);
    Object.assign(findings.metrics, { events: events.length, operations: scan.operations, unfinishedOperations: scan.unfinished });
    return findings.result(`${count(events.length, 'event')} without a hole, ${count(scan.operations, 'operation')} in ${count(scan.headers.length, 'journal')}, the run completed`);
  },
};

/** Each namespace is one host's to load: I/O of another would be neither in its history nor in one clock with it. */
function checkOwners({ plan: { topology } }: CheckInput, headers: readonly JournalHeader[], findings: Findings): void {
  for (const { host, namespaces } of headers) {
    if (!topology.hosts.some(({ name }) => name === host)) findings.unknown(`there is a journal of ${host}, which the plan does not have`);
    for (const { uuid, nsid } of namespaces) {
      const owner = topology.namespaces.find((namespace) => namespace.uuid === uuid);
      if (owner !== undefined && hostOf(topology, owner) !== host) findings.unknown(`the journal of ${host} has namespace ${nsid}, which belongs to ${hostOf(topology, owner)}`);
    }
  }
}

function checkSequence({ events }: CheckInput, findings: Findings): void {
  let expected = 1;
  for (const { seq } of events) {
    if (seq !== expected) {
      findings.unknown(seq > expected ? `events ${expected}–${seq - 1} are missing` : `event ${seq} comes after event ${expected - 1}`, { events: [seq] });
    }
    expected = seq + 1;
  }
  if (events.length === 0) findings.unknown('the history is empty');
}
