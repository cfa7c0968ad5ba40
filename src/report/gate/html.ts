import type { Verdict } from '../../verify/types.js';
import { formatMoment } from '../format.js';
import { html, Markup } from '../html/markup.js';
import type { GateReport } from './types.js';
import { allRuns, decision, evidenceText, kindText, meanings, productText, runsText, runVerdictText, whereText } from './words.js';

const style = `
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#16191d;--muted:#5a626d;--line:#d9dde3;--pass:#00704f;--fail:#b3261e;--unknown:#8a5a00;--infra:#6d3aa0}
@media (prefers-color-scheme:dark){:root{--bg:#101317;--card:#181c22;--ink:#e6e9ee;--muted:#98a2b0;--line:#2d343e;--pass:#3ecf9a;--fail:#ff7b70;--unknown:#f2b844;--infra:#c79af0}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
main{max-width:1280px;margin:0 auto;padding:20px 20px 48px}
h1{font-size:26px;margin:0 0 6px}h2{font-size:17px;margin:26px 0 8px}
.decision{border-radius:10px;padding:18px 24px;color:#fff;margin:0 0 14px}
.decision h1{color:#fff}.decision p{margin:0;font-size:15px}
.decision.v-pass{background:#00704f}.decision.v-fail{background:#b3261e}.decision.v-unknown{background:#8a5a00}.decision.v-infra{background:#6d3aa0}
.facts{color:var(--muted);margin:0}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:7px 12px;border-bottom:1px solid var(--line)}
tr:last-child td{border-bottom:0}
th{color:var(--muted);font-weight:600;font-size:12.5px;white-space:nowrap}
td{overflow-wrap:anywhere}
ul.findings{margin:0;padding:0;list-style:none}
ul.findings li{background:var(--card);border:1px solid var(--line);border-left:5px solid;border-radius:6px;padding:8px 14px;margin:0 0 8px}
.kind{font-weight:700}.where{color:var(--muted);overflow-wrap:anywhere}
.v{font-weight:700;white-space:nowrap}
${(['pass', 'fail', 'unknown', 'infra'] as const).map((verdict) => `.t-${verdict}{color:var(--${verdict})}ul.findings li.f-${verdict}{border-left-color:var(--${verdict})}`).join('')}
code{font:12.5px/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.small{color:var(--muted);font-size:12.5px}
@media print{body{background:#fff}}
`;

const word = (verdict: Verdict): Markup => html`<span class="v t-${verdict}">${verdict}</span>`;

/** The gate's page for a release manager: one self-contained file without scripts. */
export function gateHtml(report: GateReport): string {
  const runs = allRuns(report);
  const thresholds = report.scenarios.flatMap(({ scenario, thresholds: own }) => own.map((each) => ({ scenario, ...each })));
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${decision(report.verdict)}: ${report.policy.name}</title><style>${trusted(style)}</style></head>
<body><main>
<div class="decision v-${report.verdict}"><h1>${decision(report.verdict)}: ${report.policy.name}</h1><p>${meanings[report.verdict]}</p></div>
<p class="facts">Judged ${report.judgedAt} by pathproof ${report.version} from ${runs.length} stored runs, by the policy <code>${report.policy.file}</code> (SHA-256 <code>${report.policy.sha256}</code>). Exit code ${report.exitCode}.</p>
${report.findings.length > 0 && html`<h2>What stands in the way</h2><ul class="findings">${report.findings.map((finding) => html`<li class="f-${finding.verdict}"><span class="kind t-${finding.verdict}">${kindText(finding.kind)}</span> <span class="where">${whereText(finding)}</span><br>${finding.text}</li>`)}</ul>`}
<h2>What the policy asks for</h2>
${tableOf(['', 'Scenario', 'Runs that count', 'Lab', 'Under test'], report.scenarios.map((scenario) => [
    word(scenario.verdict), html`<code>${scenario.scenario}</code>${scenario.title !== '' && html`<br><span class="small">${scenario.title}</span>`}`, runsText(scenario), scenario.labs.join(', ') || 'any', scenario.product === null ? 'any' : productText(scenario.product),
  ]))}
${thresholds.length > 0 && html`<h2>Limits</h2>${tableOf(['', 'Scenario', 'Metric', 'Limit', 'Found', 'Run'], thresholds.map(({ scenario, metric, limit, verdict, text, run }) => [word(verdict), html`<code>${scenario}</code>`, html`<code>${metric}</code>`, limit, text, html`<code>${run}</code>`]))}`}
${report.skips.length > 0 && html`<h2>Skips</h2>${tableOf(['', 'Scenario', 'Lab', 'Reason', 'Expected, because'], report.skips.map(({ scenario, lab, reason, expected, because }) => [word(expected ? 'pass' : 'fail'), html`<code>${scenario}</code>`, lab, reason, because ?? 'not expected']))}`}
${report.baseline.length > 0 && html`<h2>Baseline</h2>${tableOf(['Scenario', 'Run', 'Lab', 'Under test', 'Usable'], report.baseline.map(({ scenario, dir, lab, product, problems }) => [html`<code>${scenario}</code>`, html`<code>${dir}</code>`, lab, productText(product), problems.length === 0 ? 'yes' : `no: ${problems[0]}`]))}`}
<h2>Runs</h2>
${tableOf(['Counts', 'Run', 'Verdict', 'Lab', 'Under test', 'Started, took', 'Evidence'], runs.map((run) => [
    run.counted ? 'yes' : `no: ${run.notCounted.join('; ')}`, html`<code>${run.dir}</code><br><span class="small">${run.suite}/${run.scenario}, seed ${run.seed}, git ${run.git}</span>`,
    run.verdict === null ? runVerdictText(run) : html`<span class="v t-${run.verdict}">${runVerdictText(run)}</span>`, run.lab, productText(run.product), `${run.startedAt}, ${formatMoment(run.durationMs * 1_000)}`, evidenceText(run),
  ]))}
<p class="small">A run counts when its files are those of its end (SHA-256 manifest), it ran on the lab and against the product that the policy names, and every checker proved its statement anew from the raw evidence. Nothing is taken on trust from a stored verdict.</p>
</main></body></html>
`;
  return page.text;
}

function tableOf(head: readonly string[], rows: readonly (readonly (Markup | string)[])[]): Markup {
  return html`<div class="scroll"><table><thead><tr>${head.map((name) => html`<th>${name}</th>`)}</tr></thead><tbody>${rows.map((row) => html`<tr>${row.map((part) => html`<td>${part}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** The page's own style sheet needs no escaping, and must not get any. */
function trusted(text: string): Markup {
  return new Markup(text);
}
