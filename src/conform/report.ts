import type { Difference } from './compare.js';
import type { Attempt, ConformVerdict, ScheduleResult } from './conform.js';
import { sequencesOf, type Stay } from './sequence.js';
import type { Trace } from './trace.js';

const marks: Record<ConformVerdict, string> = { same: '✓', known: '≈', differs: '✗', unknown: '?', skipped: '-' };

/** The table's line of one schedule, and below it why it is not `same`. `all`: every sequence, whatever the verdict. */
export function resultLines(result: ScheduleResult, all = false): string[] {
  const { schedule, verdict, why, attempts } = result;
  const lines = [`${marks[verdict]} ${verdict.padEnd(8)} ${schedule.name.padEnd(28)} ${schedule.title}`];
  if (why !== undefined) lines.push(...indented([why]));
  for (const [i, attempt] of attempts.entries()) {
    const last = i === attempts.length - 1;
    if (!last) lines.push(...indented([`beside others it was ${attempt.verdict}${attempt.why === undefined ? '' : ` (${attempt.why})`}: ${firstOf(attempt)}; so it was repeated alone`]));
    else if (verdict !== 'same' || all) lines.push(...indented(attemptLines(attempt, all)));
  }
  return lines;
}

/** `55 same, 4 known, 0 differ, 0 unknown`. */
export function summaryLine(results: readonly ScheduleResult[]): string {
  const count = (verdict: ConformVerdict): number => results.filter((result) => result.verdict === verdict).length;
  return `${count('same')} same, ${count('known')} known difference${count('known') === 1 ? '' : 's'}, ${count('differs')} differ, ${count('unknown')} unknown${count('skipped') > 0 ? `, ${count('skipped')} skipped` : ''}`;
}

function firstOf({ comparison }: Attempt): string {
  return comparison.differences.length === 0 ? 'no difference seen' : differenceText(comparison.differences[0]!);
}

/** The components that differ side by side, then the differences in words, each with its time. */
function attemptLines({ comparison, bareComparison, model, bare, monitor, verdict }: Attempt, all: boolean): string[] {
  const { differences, merges } = comparison;
  const [ours, plain, theirs] = [sequencesOf(model), sequencesOf(bare), sequencesOf(monitor)];
  const concerned = new Set(differences.flatMap((difference) => ('component' in difference ? [difference.component] : [])));
  const shown = [...new Set([...ours.keys(), ...theirs.keys()])].sort().filter((component) => all || concerned.has(component));
  const steps = monitor.steps.map(({ text, atMs, code }) => `${seconds(atMs)} ${text}${code === undefined || code === 0 ? '' : ` (code ${code})`}`);
  return [
    ...(shown.length > 0 || all ? [`steps    ${steps.join(' · ')}`] : []),
    ...shown.flatMap((component) => [
      component,
      `  monitor  ${sequenceText(theirs.get(component))}`,
      `  model    ${sequenceText(ours.get(component))}`,
      ...(verdict === 'same' ? [] : [`  without safeguards  ${sequenceText(plain.get(component))}`]),
    ]),
    ...differences.map((difference) => `difference: ${differenceText(difference)}`),
    ...(verdict === 'differs' ? bareComparison.differences.map((difference) => `without safeguards: ${differenceText(difference)}`) : []),
    ...merges.map(({ component, value, ms, side, why }) => `${why === 'commit' ? 'too short to be seen' : 'a tick in the same moment'}: ${component} ${value} for ${ms} ms, ${side} only`),
    ...(all ? [`times within: looks ${monitor.sampleGapMaxMs} ms, event loop ${Math.max(model.stallMaxMs, monitor.stallMaxMs)} ms; ${monitor.missedCommits} commits of the group came between two looks`] : []),
  ];
}

/** One sentence, with the time of the first deviation. */
export function differenceText(difference: Difference): string {
  switch (difference.kind) {
    case 'sequence': return `${difference.component}: the monitor ${stayText(difference.monitor)}, the model ${stayText(difference.model)}`;
    case 'time': return `${difference.component} ${difference.value}, since ${difference.since}: monitor ${seconds(difference.monitorMs)}, model ${seconds(difference.modelMs)}; at most ${seconds(difference.boundMs)} apart follow from the periods`;
    case 'promotion': return `${difference.gateway} was told to serve group ${difference.group} (time ${difference.nth}): by the monitor ${waitText(difference.monitor)}, by the model ${waitText(difference.model)}`;
    case 'code': return `${difference.step}: the monitor returned ${difference.monitor ?? 'nothing'}, the model ${difference.model ?? 'nothing'}`;
    case 'stuck': return `the ${difference.side} never came to: ${difference.step}`;
  }
}

function waitText(waits: boolean | undefined): string {
  if (waits === undefined) return 'not at all';
  return waits ? 'after an epoch of the store' : 'at once';
}

function stayText(stay: Stay | undefined): string {
  return stay === undefined ? 'stays as it is' : `${stay.value} at ${seconds(stay.fromMs)}`;
}

function sequenceText(stays: readonly Stay[] | undefined): string {
  return stays === undefined || stays.length === 0 ? '(never there)' : stays.map(({ value, fromMs }) => `${value} ${seconds(fromMs)}`).join(' → ');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `    ${line}`);
}

/** What `--json` prints of one schedule: all that was observed, so that it can be judged again. */
export function resultJson({ schedule, verdict, why, attempts }: ScheduleResult): unknown {
  const trace = ({ side, steps, snapshots, promotions, ...rest }: Trace): unknown => ({ side, ...rest, steps, promotions, snapshots });
  return {
    name: schedule.name, title: schedule.title, verdict, ...(why === undefined ? {} : { why }), gateways: schedule.gateways, steps: schedule.steps,
    attempts: attempts.map((attempt) => ({
      verdict: attempt.verdict, ...(attempt.why === undefined ? {} : { why: attempt.why }),
      differences: attempt.comparison.differences.map((difference) => ({ ...difference, text: differenceText(difference) })),
      withoutSafeguards: attempt.bareComparison.differences.map((difference) => ({ ...difference, text: differenceText(difference) })),
      merges: attempt.comparison.merges,
      sequences: Object.fromEntries((['monitor', 'model', 'bare'] as const).map((side) => [side, Object.fromEntries(sequencesOf(attempt[side]))])),
      traces: { monitor: trace(attempt.monitor), model: trace(attempt.model), bare: trace(attempt.bare) },
    })),
  };
}
