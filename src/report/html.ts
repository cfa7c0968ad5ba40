import { jsonForScript } from './escape.js';
import { formatCount } from './format.js';
import { checksSection } from './html/checks.js';
import { badge, head } from './html/head.js';
import { html, Markup } from './html/markup.js';
import { loadPlotLibrary, pageScript, scriptHash } from './html/script.js';
import { pageStyle } from './html/style.js';
import { boundsSection, faultsSection, planSection, selfWatchTable, stallsSection } from './html/tables.js';
import { logSection, patternDefinitions, timelineSection } from './html/timeline.js';
import { pageData } from './model/page-data.js';
import { eventsOf } from './model/select.js';
import type { ReportInput } from './types.js';

/**
 * The report of one run as one HTML file that needs nothing else: no network, no fonts, no second file.
 * A content security policy in the page forbids every request and every script but its own two, so that
 * even text that escaped our escaping could not act.
 *
 * Verdict, faults, stalls, bounds and plan are plain HTML and readable without scripts; charts, lanes and
 * the event log are drawn from the JSON in `#report-data` (model/page-data.ts).
 */
export async function renderHtml(input: ReportInput): Promise<string> {
  const library = await loadPlotLibrary();
  const script = pageScript();
  const data = pageData(input);
  const policy = `default-src 'none'; script-src ${scriptHash(library.script)} ${scriptHash(script)}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'`;
  const links = [['checks', 'Verdict'], ['faults', 'Faults'], ['timeline', 'Timeline'], ['stalls', 'Stalls'], ['self-watch', 'Self-watch'], ['bounds', 'Bounds'], ['plan', 'Plan'], ['log', 'Events']] as const;
  const raw = (text: string): Markup => new Markup(text);

  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="pathproof">
<title>${input.verdict.verdict.toUpperCase()} · ${input.plan.scenario} · ${input.verdict.runId}</title>
<style>
${raw(library.style)}
${raw(pageStyle)}
</style>
</head>
<body>
<nav class="nav" aria-label="Sections"><div class="nav-inner"><a class="brand" href="#top">pathproof</a>${badge(input.verdict.verdict)}<span class="nav-title">${input.plan.scenario}</span><span class="nav-links">${links.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</span></div></nav>
<main>
${head(input)}
${checksSection(input)}
${faultsSection(input)}
${timelineSection(data.states, latencyNote(input))}
${selfWatchTable(input)}
${stallsSection(input)}
${boundsSection(input)}
${planSection(input)}
${logSection()}
</main>
<footer>Run ${input.verdict.runId}, stored in <code>${input.runDir}</code>. Judge it again with <code>pathproof recheck ${input.runDir}</code>.</footer>
${patternDefinitions}
<script type="application/json" id="report-data">${raw(jsonForScript(data))}</script>
<!-- The charts are drawn with uPlot.
${raw(library.licence)}
-->
<script>${raw(library.script)}</script>
<script>${raw(script)}</script>
</body>
</html>
`.text;
}

/** A chart that leaves operations out says so. */
function latencyNote(input: ReportInput): string {
  const drawn = input.samples.length;
  const counted = eventsOf(input.events, 'io.stats').reduce((sum, event) => sum + event.reads + event.writes, 0);
  if (drawn === 0 || counted <= drawn) return `${formatCount(drawn)} operations, all drawn.`;
  return `${formatCount(drawn)} of at least ${formatCount(counted)} operations drawn: the slowest of the run, and of each moment, namespace and kind the fastest, the median, the slowest and a few at random.`;
}
