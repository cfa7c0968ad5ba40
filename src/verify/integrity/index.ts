import type { JournalHeader } from '../../history/journal-types.js';
import { hostOf } from '../../plan/hosts.js';
import { Findings } from '../result.js';
import type { Checker, CheckInput, Evidence } from '../types.js';
import { count, runStartUs } from '../words.js';
import { Explainer } from './explain.js';
import { describeOp, findingKinds, lbaRanges } from './findings.js';
import type { Finding, FindingKind } from './findings.js';
import { visitInTimeOrder } from './merge.js';
import { IntegrityScan, namespaceTable } from './scan.js';
import type { NamespaceTable } from './scan.js';

/**
 * Proves that every block behaved as one register: each read returned a value that some order of the
 * operations, compatible with their times, explains (linearizability), and at the end every block that was
 * ever written was read again, at once and once more later.
 *
 * - The initial value (zeroes, version 0) counts as written before everything.
 * - A write that failed or ended unanswered after it was sent may take effect at any time from its invocation
 *   on, or never; once a read has returned it, that is settled. One that was never sent did not happen.
 * - Reads that did not end ok say nothing.
 *
 * `fail`: a violation is proven. `unknown`: no violation, but the journal is damaged, empty, does not cover the
 * plan's namespaces, or the re-reads have missed a block. A finding that only missing records could explain
 * (a value whose write isn't in the journal) proves nothing if the journal is damaged.
 */
export const integrity: Checker = {
  name: 'integrity',
  proves: 'Every read returned what a linearizable register per block allows, and all written blocks were re-read at the end.',
  async check(input) {
    const findings = new Findings('integrity');
    const headers = await input.journal.headers();
    if (headers.length === 0) {
      findings.unknown('the run has no I/O journal');
      return findings.result('');
    }
    checkHeaders(input, headers, findings);
    const table = namespaceTable(headers);
    const scan = new IntegrityScan(headers, table);
    const problems = await visitInTimeOrder(input.journal, headers, scan);
    scan.finish();
    problems.push(...scan.problems, ...input.journal.problems());
    for (const problem of problems) findings.unknown(`journal: ${problem}`);

    let broken: string | undefined;
    if (scan.findings.length > 0) {
      const explainer = new Explainer(headers, table, scan.findings);
      await visitInTimeOrder(input.journal, headers, explainer);
      const explained = explainer.findings();
      broken = report(explained, { findings, headers, table, damaged: problems.length > 0, wrongReads: scan.counts.wrongReads, startUs: runStartUs(input.events) });
      // The first pass decides, the second only tells. Should they ever differ, no violation may get lost.
      const unexplained = scan.findings.length - explained.reduce((sum, { lbas }) => sum + lbas.length, 0);
      if (unexplained > 0) findings.add(problems.length > 0 ? 'unknown' : 'fail', { text: `${count(unexplained, 'wrong block read')} found, but not explained by the second pass` });
    }

    const blocks = checkCoverage(scan, findings);
    Object.assign(findings.metrics, scan.counts, { blocksWritten: blocks, liveValuesPeak: scan.space.liveValuesPeak });
    const { operations, blocksRead, writesOk, writesOfUnknownOutcome } = scan.counts;
    return findings.result(
      `${count(operations, 'operation')} (${blocksRead} block reads, ${writesOk} acknowledged writes, ${writesOfUnknownOutcome} of unknown outcome) are linearizable on each of ${count(blocks, 'written block')}, all re-read at once and later`,
      broken,
    );
  },
};

function checkHeaders(input: CheckInput, headers: readonly JournalHeader[], findings: Findings): void {
  const start = input.events.find((event) => event.type === 'run.start');
  const known = new Set<string>();
  const writers = new Set<number>();
  for (const header of headers) {
    for (const { uuid } of header.namespaces) known.add(uuid);
    if (start !== undefined && header.runId !== start.runId) findings.unknown(`the journal of ${header.host} belongs to run ${header.runId}, the history to ${start.runId}`);
    if (writers.has(header.writer)) findings.unknown(`two journals have the writer number ${header.writer}: versions are not unique`);
    writers.add(header.writer);
  }
  const { topology } = input.plan;
  for (const namespace of topology.namespaces) {
    const { nsid, uuid } = namespace;
    const host = hostOf(topology, namespace);
    if (!known.has(uuid)) findings.unknown(`no journal has namespace ${nsid} (${uuid}) of the plan`);
    else if (!headers.some((header) => header.host === host && header.namespaces.some((each) => each.uuid === uuid))) findings.unknown(`namespace ${nsid} (${uuid}) belongs to ${host}, whose journal does not have it`);
  }
}

interface ReportContext {
  findings: Findings;
  headers: readonly JournalHeader[];
  table: NamespaceTable;
  damaged: boolean;
  wrongReads: number;
  startUs: number;
}

/** Adds the evidence and returns the summary line. */
function report(all: readonly Finding[], { findings, headers, table, damaged, wrongReads, startUs }: ReportContext): string {
  const perKind = new Map<FindingKind, number>();
  for (const finding of all) {
    const { nsid, uuid } = table.namespaces[finding.namespace]!;
    const steps = finding.proof.map(({ op, says }, i) => `(${i + 1}) ${describeOp(op, headers, startUs)}: ${says}`);
    const repeats = finding.repeats > 0 ? `; seen ${count(finding.repeats, 'more time')}` : '';
    const times = finding.proof.flatMap(({ op }) => [op.invoke.tUs, op.complete?.tUs ?? op.invoke.tUs]);
    const evidence: Evidence = {
      text: `${findingKinds[finding.kind]}, namespace ${nsid} (${uuid}) LBA ${lbaRanges(finding.lbas)}: ${steps.join('; ')}. So ${finding.conclusion}${repeats}`,
      tUs: Math.min(...times),
      toUs: Math.max(...times),
      ops: finding.proof.map(({ op }) => op.invoke.op),
    };
    if (damaged && !finding.provenByPartOfHistory) {
      findings.add('unknown', { ...evidence, text: `${evidence.text} (records that the damaged journal lost may explain it)` });
      continue;
    }
    findings.add('fail', evidence);
    perKind.set(finding.kind, (perKind.get(finding.kind) ?? 0) + 1);
  }
  const kinds = [...perKind].map(([kind, n]) => `${n} × ${findingKinds[kind]}`);
  for (const [kind, n] of perKind) findings.metrics[`${kind}Findings`] = n;
  return `${kinds.length > 0 ? kinds.join(', ') : 'nothing proven'} in ${count(wrongReads, 'wrong block read')}`;
}

/** The re-reads must have seen every block that may hold data of this run. Returns how many those are. */
function checkCoverage(scan: IntegrityScan, findings: Findings): number {
  let blocks = 0;
  for (const { nsid, written, missedAtOnce, missedDelayed, firstMissedLba } of scan.coverage()) {
    blocks += written;
    if (missedAtOnce === 0 && missedDelayed === 0) continue;
    findings.unknown(
      `namespace ${nsid}: of ${count(written, 'written block')}, ${missedAtOnce} were not re-read at once and ${missedDelayed} not re-read later (first: LBA ${firstMissedLba})`,
    );
  }
  if (scan.counts.writesOk === 0) findings.unknown('no write was acknowledged: nothing could have been lost');
  if (scan.counts.readsOk === 0) findings.unknown('no read ended ok: nothing could have been seen');
  return blocks;
}
