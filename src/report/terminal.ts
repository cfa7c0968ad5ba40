import type { CheckResult, Evidence, RunVerdict, Verdict } from '../verify/types.js';
import { plainText } from './escape.js';
import { formatCount, formatMoment } from './format.js';
import { plainPainter, type Painter } from './paint.js';

export interface TerminalOptions {
  /** Width of the terminal; longer summaries wrap. 0 or undefined: no limit (a pipe). */
  columns?: number | undefined;
  painter?: Painter;
}

export interface EvidenceOptions extends TerminalOptions {
  /** Start of the run in the harness's clock, microseconds: times are shown relative to it. */
  t0Us?: number;
  /** Evidence lines per check; the rest is counted. */
  linesMax?: number;
}

/** Below this a summary column is not worth wrapping into. */
const summaryMin = 24;
const signs: Record<Verdict, string> = { pass: '✓', fail: '✕', unknown: '?', infra: '!' };
const gap = '  ';

/** A line per check: sign and verdict, name, summary; columns aligned, summaries wrapped under themselves. */
export function verdictTable(verdict: RunVerdict, options: TerminalOptions = {}): string[] {
  const painter = options.painter ?? plainPainter;
  const nameWidth = Math.max(7, ...verdict.checks.map((check) => width(plainText(check.checker))));
  const verdictWidth = 'x unknown'.length;
  const summaryAt = verdictWidth + nameWidth + 2 * gap.length;
  const room = options.columns === undefined || options.columns === 0 ? Infinity : Math.max(summaryMin, options.columns - summaryAt);
  const lines = [painter.dim(`${'verdict'.padEnd(verdictWidth)}${gap}${'checker'.padEnd(nameWidth)}${gap}finding`)];
  for (const check of verdict.checks) {
    const word = `${signs[check.verdict]} ${check.verdict}`;
    const [first = '', ...more] = wrap(plainText(check.summary), room);
    lines.push(`${painter.verdict[check.verdict](pad(word, verdictWidth))}${gap}${painter.bold(pad(plainText(check.checker), nameWidth))}${gap}${first}`);
    for (const line of more) lines.push(' '.repeat(summaryAt) + line);
  }
  if (verdict.checks.length === 0) lines.push('no checker has judged this run');
  return lines;
}

/** Why each check that is not a pass is not one. Empty if all passed. */
export function evidenceLines(verdict: RunVerdict, options: EvidenceOptions = {}): string[] {
  const painter = options.painter ?? plainPainter;
  const linesMax = options.linesMax ?? 10;
  const room = options.columns === undefined || options.columns === 0 ? Infinity : Math.max(summaryMin, options.columns - 4);
  const lines: string[] = [];
  for (const check of verdict.checks.filter((each) => each.verdict !== 'pass')) {
    if (lines.length > 0) lines.push('');
    lines.push(painter.verdict[check.verdict](`${signs[check.verdict]} ${plainText(check.checker)}`) + painter.dim(metricsOf(check)));
    if (check.evidence.length === 0) lines.push('  (no evidence given)');
    for (const item of check.evidence.slice(0, linesMax)) {
      wrap(plainText(item.text) + references(item, options.t0Us), room).forEach((line, index) => lines.push((index === 0 ? '  - ' : '    ') + line));
    }
    const rest = check.evidence.length - linesMax;
    if (rest > 0) lines.push(painter.dim(`    and ${formatCount(rest)} more in verdict.json`));
  }
  return lines;
}

/** The verdict in one line, for the end of the output. */
export function verdictLine(verdict: RunVerdict, options: TerminalOptions = {}): string {
  const painter = options.painter ?? plainPainter;
  const counts = (['pass', 'fail', 'unknown', 'infra'] as const)
    .map((kind) => ({ kind, count: verdict.checks.filter((check) => check.verdict === kind).length }))
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${count} ${kind}`);
  const word = painter.bold(painter.verdict[verdict.verdict](`${signs[verdict.verdict]} ${verdict.verdict.toUpperCase()}`));
  return `${word}${gap}${counts.join(', ') || 'nothing was checked'}${verdict.interrupted ? painter.notice(`${gap}(interrupted)`) : ''}`;
}

function metricsOf(check: CheckResult): string {
  const entries = Object.entries(check.metrics);
  return entries.length === 0 ? '' : gap + entries.map(([name, value]) => `${plainText(name)} ${formatCount(value)}`).join(', ');
}

function references(item: Evidence, t0Us: number | undefined): string {
  const parts: string[] = [];
  if (item.tUs !== undefined && t0Us !== undefined) {
    parts.push(item.toUs === undefined ? formatMoment(item.tUs - t0Us) : `${formatMoment(item.tUs - t0Us)} – ${formatMoment(item.toUs - t0Us)}`);
  }
  const few = (name: string, ids: readonly number[] | undefined): void => {
    if (ids !== undefined && ids.length > 0) parts.push(`${name} ${ids.slice(0, 4).join(' ')}${ids.length > 4 ? ' …' : ''}`);
  };
  few('events', item.events);
  few('ops', item.ops);
  return parts.length === 0 ? '' : ` [${parts.join('; ')}]`;
}

/** Columns that a text takes; characters beyond the basic plane count as one. */
export function width(text: string): number {
  return [...text].length;
}

function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - width(text)));
}

/** Breaks at spaces; a word longer than a line is cut. */
export function wrap(text: string, columns: number): string[] {
  if (width(text) <= columns) return [text];
  const lines: string[] = [];
  let line = '';
  for (let word of text.split(' ')) {
    if (line !== '' && width(line) + 1 + width(word) <= columns) {
      line += ` ${word}`;
      continue;
    }
    if (line !== '') lines.push(line);
    while (width(word) > columns) {
      lines.push([...word].slice(0, columns).join(''));
      word = [...word].slice(columns).join('');
    }
    line = word;
  }
  if (line !== '') lines.push(line);
  return lines;
}
