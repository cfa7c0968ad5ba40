import { basename, join, relative } from 'node:path';
import { openJournalSource, readHistory, type HistoryEvent } from '../history/index.js';
import { openFioSource } from '../history/fio/index.js';
import { renderHtml, reportStalls, samplesFromJournal, type RanScenario } from '../report/index.js';
import type { Plan } from '../plan/types.js';
import { allCheckers, expectationsProve, judge, listStalls, type CheckInput, type RunVerdict } from '../verify/index.js';
import { checkEvidence, recordDerived, type Evidence } from './manifest.js';
import { readPlan, readRunInfo, runFiles, writeRunFile, type RunInfo } from './store.js';

/** Judges a stored run without writing anything: its verdict as today's checkers see it, from the raw evidence alone. */
export async function verdictOf(dir: string): Promise<{ plan: Plan; info: RunInfo | undefined; input: CheckInput; verdict: RunVerdict }> {
  const plan = readPlan(dir);
  const info = readRunInfo(dir);
  const { events, problems } = await readHistory(join(dir, runFiles.history));
  const input: CheckInput = { plan, events, journal: openJournalSource(dir), historyProblems: problems, fio: openFioSource(dir) };
  const interrupted = events.some((e) => e.type === 'run.end' && e.reason === 'interrupted');
  return { plan, info, input, verdict: await judge(input, info?.runId ?? basename(dir), interrupted) };
}

/**
 * Judges a stored run: reads plan, history and journals, writes verdict.json and report.html, and needs no
 * lab. Works for a run that was killed, too: what is missing makes the verdict `unknown`. The judging is noted in
 * derived.ndjson, with what the evidence was like.
 *
 * Throws a usage error when the folder is no run, and an infra error when the results cannot be written.
 */
export async function judgeRun(dir: string, made: { by: 'run' | 'recheck'; version: string }): Promise<RanScenario & { evidence: Evidence }> {
  const { plan, info, input, verdict } = await verdictOf(dir);
  const evidence = await checkEvidence(dir);
  const { events } = input;
  writeRunFile(dir, runFiles.verdict, verdict);

  const shownDir = relative(process.cwd(), dir) || '.';
  const repro = info?.repro ?? '';
  const html = await renderHtml({
    plan, events, verdict, repro, runDir: shownDir,
    // A source of its own: each keeps what is wrong with the journal to itself.
    samples: await samplesFromJournal(openJournalSource(dir)),
    stalls: reportStalls(await listStalls({ ...input, journal: openJournalSource(dir) })),
    proves: { ...Object.fromEntries(allCheckers.map((checker) => [checker.name, checker.proves])), expectations: expectationsProve },
  });
  writeRunFile(dir, runFiles.report, html);
  await recordDerived(dir, made.by, made.version, evidence);
  return {
    kind: 'ran', plan, verdict, git: info?.git ?? 'unknown', startedMs: events[0]?.wallMs ?? 0, durationMs: durationMs(events),
    runDir: shownDir, reportPath: join(shownDir, runFiles.report), repro, evidence,
  };
}

function durationMs(events: readonly HistoryEvent[]): number {
  const first = events[0];
  const last = events.at(-1);
  return first === undefined || last === undefined ? 0 : Math.round((last.tUs - first.tUs) / 1_000);
}
