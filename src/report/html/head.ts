import type { EventOf } from '../../history/events.js';
import type { Verdict } from '../../verify/types.js';
import { formatBytes, formatCount, formatSpan } from '../format.js';
import { runSpan } from '../model/page-data.js';
import { eventsOf } from '../model/select.js';
import { stallVerdict } from '../stalls.js';
import type { ReportInput } from '../types.js';
import { facts, html, type Markup } from './markup.js';

/** Sign and word of each verdict; the sign so that colour is never the only cue. */
export const verdictSigns: Record<Verdict, { sign: string; word: string }> = {
  pass: { sign: '✓', word: 'PASS' },
  fail: { sign: '✕', word: 'FAIL' },
  unknown: { sign: '?', word: 'UNKNOWN' },
  infra: { sign: '!', word: 'INFRA' },
};

export function badge(verdict: Verdict): Markup {
  const { sign, word } = verdictSigns[verdict];
  return html`<span class="badge v-${verdict}"><span aria-hidden="true">${sign}</span> ${word}</span>`;
}

/** The verdict in big words, what was run, the numbers that everyone asks for first, and how to run it again. */
export function head(input: ReportInput): Markup {
  const { plan, verdict } = input;
  const start = eventsOf(input.events, 'run.start')[0];
  const { t0Us, endUs } = runSpan(input);
  const { sign, word } = verdictSigns[verdict.verdict];
  return html`
${defectsBanner([...new Set([...plan.defects, ...(start?.defects ?? [])])])}
${verdict.interrupted ? html`<p class="banner warn" role="alert"><strong>Interrupted.</strong> The run did not reach its end; what is judged here is what was observed until then.</p>` : null}
<header class="hero" id="top">
  <div class="big v-${verdict.verdict}" role="img" aria-label="Verdict: ${word}"><span class="sign" aria-hidden="true">${sign}</span><span class="word">${word}</span></div>
  <div class="what">
    <h1>${plan.title}</h1>
    <p class="lead">${sentence(input)}</p>
    ${facts([
      ['Suite', plan.suite], ['Scenario', plan.scenario], ['Seed', html`<code>${plan.seed}</code>`], ['Lab', plan.lab],
      ['Git', html`<code>${start?.git ?? 'unknown'}</code>`], ['pathproof', start?.version ?? ''],
      ['Started', start === undefined ? 'unknown' : new Date(start.wallMs).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
      ['Duration', formatSpan(endUs - t0Us)],
      ['Stored in', html`<code>${input.runDir}</code>`],
    ])}
    <div class="repro"><span class="repro-label" id="repro-label">Repeat it</span><code id="repro" tabindex="0" aria-labelledby="repro-label">${input.repro}</code><button type="button" id="copy-repro" data-copy="repro">Copy</button></div>
  </div>
</header>
${numbers(input)}`;
}

function defectsBanner(defects: readonly string[]): Markup | null {
  if (defects.length === 0) return null;
  return html`<div class="banner defects" role="alert"><strong>Defects are switched on: ${defects.length}.</strong> The system under test was broken on purpose, to see whether the checkers notice. This run says nothing about an honest system.
<ul>${defects.map((defect) => html`<li><code>${defect}</code></li>`)}</ul></div>`;
}

function sentence(input: ReportInput): string {
  const { checks, verdict } = input.verdict;
  const named = (kind: Verdict): string[] => checks.filter((check) => check.verdict === kind).map((check) => check.checker);
  const list = (names: readonly string[]): string => names.join(', ');
  if (checks.length === 0) return 'No checker has judged this run.';
  const rest = (['fail', 'infra', 'unknown'] as const).filter((kind) => kind !== verdict && named(kind).length > 0).map((kind) => `${kind}: ${list(named(kind))}`);
  const tail = rest.length === 0 ? '' : `; ${rest.join('; ')}`;
  switch (verdict) {
    case 'pass': return `All ${checks.length} checks proved what they claim${tail}.`;
    case 'fail': return `${named('fail').length} of ${checks.length} checks failed: ${list(named('fail'))}${tail}.`;
    case 'unknown': return `Cannot tell: ${list(named('unknown')) || 'the run is incomplete'}${tail}. Nothing was proved wrong, but not everything was proved.`;
    case 'infra': return `The lab broke, so the system under test was not judged: ${list(named('infra')) || 'see the event log'}${tail}.`;
  }
}

function numbers(input: ReportInput): Markup {
  const stats = eventsOf(input.events, 'io.stats');
  const total = (of: (event: EventOf<'io.stats'>) => number): number => stats.reduce((sum, event) => sum + of(event), 0);
  const operations = total((event) => event.reads + event.writes);
  const bytes = total((event) => event.bytesRead + event.bytesWritten);
  const spanUs = stats.length === 0 ? 0 : stats.reduce((last, event) => Math.max(last, event.toUs), -Infinity) - stats.reduce((first, event) => Math.min(first, event.fromUs), Infinity);
  const perSecond = (amount: number): number => (spanUs === 0 ? 0 : (amount * 1e6) / spanUs);
  const slowest = input.samples.reduce((max, sample) => Math.max(max, sample.latencyUs), 0);
  const stall = input.stalls.reduce((max, each) => Math.max(max, each.toUs - each.fromUs), 0);
  const over = input.stalls.filter((each) => stallVerdict(each) === 'over').length;
  const faults = new Set(input.events.flatMap((event) => (event.type === 'fault' ? [event.id] : []))).size;
  const moves = input.events.filter((event) => event.type === 'host.failover' && event.to !== null).length;
  const { shape, workload } = input.plan;
  const tiles: [string, string, string, boolean?][] = [
    ['Operations', formatCount(operations), `${formatCount(Math.round(perSecond(operations)))} per second, mean`],
    ['Data moved', formatBytes(bytes), `${formatBytes(Math.round(perSecond(bytes)))}/s, mean`],
    ['Failed I/O', formatCount(total((event) => event.failed)), `${input.plan.expect.failedIoMax} allowed`, total((event) => event.failed) > input.plan.expect.failedIoMax],
    ['Unknown outcome', formatCount(total((event) => event.info)), 'ended without an answer'],
    ['Slowest I/O', slowest === 0 ? '–' : formatSpan(slowest), 'issue to completion'],
    ['Longest stall', stall === 0 ? 'none' : formatSpan(stall), over === 0 ? `${input.stalls.length} stalls, none over its bound` : `${over} of ${input.stalls.length} stalls over their bound`, over > 0],
    ['Faults', formatCount(faults), `${formatCount(moves)} namespace moves`],
    ['Shape', `${shape.gateways} × ${shape.namespaces}`, `gateways × namespaces, ${shape.anaGroups} ANA groups, QD ${workload.queueDepth}`],
  ];
  return html`<section class="tiles" aria-label="Key numbers">${tiles.map(([name, value, note, bad]) => html`<div class="tile${bad === true ? ' bad' : ''}"><span class="name">${name}</span><span class="value">${value}</span><span class="note">${note}</span></div>`)}</section>`;
}
