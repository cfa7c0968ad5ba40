import type { CheckResult, Evidence } from '../../verify/types.js';
import { formatCount, formatMoment } from '../format.js';
import { runSpan } from '../model/page-data.js';
import type { ReportInput } from '../types.js';
import { badge } from './head.js';
import { html, showButton, type Markup } from './markup.js';

/** Evidence lines shown per check, ids shown per line: a checker that finds a million torn blocks must not make a page of a gigabyte. */
const evidenceMax = 200;
const idsMax = 8;
/** Shown before and after the time that a piece of evidence is about, microseconds. */
const marginUs = 500_000;

/** One row per checker: verdict, what it proves, what it found; evidence unfolds, and is open where it was no pass. */
export function checksSection(input: ReportInput): Markup {
  const { t0Us, endUs } = runSpan(input);
  return html`<section id="checks" aria-labelledby="checks-title"><h2 id="checks-title">Verdict</h2>
<div class="scroll"><table class="checks"><thead><tr><th scope="col">Verdict</th><th scope="col">Checker</th><th scope="col">Finding</th><th scope="col">Metrics</th></tr></thead>
<tbody>${input.verdict.checks.map((check) => row(check, input.proves?.[check.checker], t0Us, endUs))}</tbody></table></div></section>`;
}

function row(check: CheckResult, proves: string | undefined, t0Us: number, endUs: number): Markup {
  const shown = check.evidence.slice(0, evidenceMax);
  const rest = check.evidence.length - shown.length;
  const evidence =
    shown.length === 0
      ? null
      : html`<details class="evidence"${check.verdict === 'pass' ? null : html` open`}><summary>Evidence <span class="count">${check.evidence.length}</span></summary>
<ol>${shown.map((item) => evidenceLine(item, t0Us, endUs))}</ol>${rest > 0 ? html`<p class="more">${formatCount(rest)} more in verdict.json</p>` : null}</details>`;
  return html`<tr class="check v-${check.verdict}"><td>${badge(check.verdict)}</td>
<th scope="row">${check.checker}${proves === undefined ? null : html`<span class="proves">${proves}</span>`}</th>
<td><p class="summary">${check.summary}</p>${evidence}</td>
<td>${metrics(check.metrics)}</td></tr>`;
}

function evidenceLine(item: Evidence, t0Us: number, endUs: number): Markup {
  const extras: Markup[] = [];
  if (item.tUs !== undefined) {
    const from = item.tUs - t0Us;
    const to = (item.toUs ?? item.tUs) - t0Us;
    const label = item.toUs === undefined ? `at ${formatMoment(from)}` : `${formatMoment(from)} – ${formatMoment(to)}`;
    extras.push(showButton(label, Math.max(0, from - marginUs), Math.min(endUs - t0Us, to + marginUs)));
  }
  if (item.events !== undefined && item.events.length > 0) {
    extras.push(html`<button type="button" class="link show-events" data-seqs="${item.events.slice(0, idsMax).join(' ')}" title="Show in the event log">events ${ids(item.events)}</button>`);
  }
  if (item.ops !== undefined && item.ops.length > 0) extras.push(html`<span class="ids">ops ${ids(item.ops)}</span>`);
  return html`<li><span>${item.text}</span>${extras.length === 0 ? null : html` <span class="refs">${extras}</span>`}</li>`;
}

function ids(list: readonly number[]): string {
  const more = list.length - idsMax;
  return list.slice(0, idsMax).join(', ') + (more > 0 ? ` and ${formatCount(more)} more` : '');
}

function metrics(values: Record<string, number>): Markup {
  return html`<dl class="metrics">${Object.entries(values).map(([name, value]) => html`<div><dt>${name}</dt><dd>${formatCount(value)}</dd></div>`)}</dl>`;
}
