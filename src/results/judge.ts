import { basename, join, relative } from 'node:path';
import { openJournalSource, readHistory, type HistoryEvent } from '../history/index.js';
import { openFioSource } from '../history/fio/index.js';
import { renderHtml, reportStalls, samplesFromJournal, type RanScenario } from '../report/index.js';
import { allCheckers, expectationsProve, judge, listStalls, type CheckInput } from '../verify/index.js';
import { readPlan, readRunInfo, runFiles, writeRunFile } from './store.js';

/**
 * Judges a stored run: reads plan, history and journals, writes verdict.json and report.html, and needs no
 * lab. Works for a run that was killed, too: what is missing makes the verdict `unknown`.
 *
 * Throws a usage error when the folder is no run, and an infra error when the results cannot be written.
 */
export async function judgeRun(dir: string): Promise<RanScenario> {
  const plan = readPlan(dir);
  const info = readRunInfo(dir);
  const { events, problems } = await readHistory(join(dir, runFiles.history));
  const input: CheckInput = { plan, events, journal: openJournalSource(dir), historyProblems: problems, fio: openFioSource(dir) };
  const interrupted = events.some((e) => e.type === 'run.end' && e.reason === 'interrupted');
  const runId = info?.runId ?? basename(dir);
  const verdict = await judge(input, runId, interrupted);
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
  return {
    kind: 'ran', plan, verdict, git: info?.git ?? 'unknown', startedMs: events[0]?.wallMs ?? 0, durationMs: durationMs(events),
    runDir: shownDir, reportPath: join(shownDir, runFiles.report), repro,
  };
}

function durationMs(events: readonly HistoryEvent[]): number {
  const first = events[0];
  const last = events.at(-1);
  return first === undefined || last === undefined ? 0 : Math.round((last.tUs - first.tUs) / 1_000);
}
