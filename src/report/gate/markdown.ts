import { formatMoment } from '../format.js';
import type { GateReport } from './types.js';
import { allRuns, decision, evidenceText, kindText, meanings, productText, runsText, runVerdictText, whereText } from './words.js';

const signs = { pass: '✅', fail: '❌', unknown: '❓', infra: '⚠️' } as const;

/** Text inside a table or a line: nothing in it may become markup, a new cell or a new line. */
function cell(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[\\`*_{}[\]<>|#~]/g, '\\$&');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows.map((row) => `| ${row.join(' | ')} |`), ''];
}

/** The gate's page for a release manager, as Markdown: decision first, then what stands in the way, then the evidence. */
export function gateMarkdown(report: GateReport): string {
  const runs = allRuns(report);
  const lines = [
    `# ${signs[report.verdict]} ${decision(report.verdict)}: ${cell(report.policy.name)}`, '',
    meanings[report.verdict], '',
    `Judged ${report.judgedAt} by pathproof ${report.version} from ${runs.length} stored runs, by the policy ${cell(report.policy.file)} (SHA-256 ${report.policy.sha256.slice(0, 16)}…). Exit code ${report.exitCode}.`, '',
  ];
  if (report.findings.length > 0) {
    lines.push('## What stands in the way', '');
    for (const finding of report.findings) lines.push(`- ${signs[finding.verdict]} **${kindText(finding.kind)}** ${cell(whereText(finding))}: ${cell(finding.text)}`);
    lines.push('');
  }
  lines.push('## What the policy asks for', '', ...table(['', 'Scenario', 'Runs that count', 'Lab', 'Under test'], report.scenarios.map((scenario) => [
    `${signs[scenario.verdict]} ${scenario.verdict}`, `${cell(scenario.scenario)}${scenario.title === '' ? '' : `: ${cell(scenario.title)}`}`, runsText(scenario), cell(scenario.labs.join(', ') || 'any'), cell(scenario.product === null ? 'any' : productText(scenario.product)),
  ])));
  const thresholds = report.scenarios.flatMap(({ scenario, thresholds: own }) => own.map((each) => ({ scenario, ...each })));
  if (thresholds.length > 0) {
    lines.push('## Limits', '', ...table(['', 'Scenario', 'Metric', 'Limit', 'Found'], thresholds.map(({ scenario, metric, limit, verdict, text, run }) => [
      `${signs[verdict]} ${verdict}`, cell(scenario), cell(metric), cell(limit), `${cell(text)} (${cell(run)})`,
    ])));
  }
  if (report.skips.length > 0) {
    lines.push('## Skips', '', ...table(['', 'Scenario', 'Lab', 'Reason', 'Expected'], report.skips.map(({ scenario, lab, reason, expected, because }) => [
      expected ? '✅' : '❌', cell(scenario), cell(lab), cell(reason), expected ? cell(because ?? 'yes') : 'no',
    ])));
  }
  if (report.baseline.length > 0) {
    lines.push('## Baseline', '', ...table(['Scenario', 'Run', 'Lab', 'Under test', 'Usable'], report.baseline.map(({ scenario, dir, lab, product, problems }) => [
      cell(scenario), cell(dir), cell(lab), cell(productText(product)), problems.length === 0 ? 'yes' : `no: ${cell(problems[0]!)}`,
    ])));
  }
  lines.push('## Runs', '', ...table(['Counts', 'Run', 'Scenario', 'Verdict', 'Lab', 'Under test', 'Started', 'Took', 'Evidence'], runs.map((run) => [
    run.counted ? 'yes' : `no: ${cell(run.notCounted.join('; '))}`, cell(run.dir), cell(`${run.suite}/${run.scenario}`), runVerdictText(run), cell(run.lab), cell(productText(run.product)), run.startedAt, formatMoment(run.durationMs * 1_000), cell(evidenceText(run)),
  ])));
  lines.push('A run counts when its files are those of its end (SHA-256 manifest), it ran on the lab and against the product that the policy names, and every checker proved its statement anew from the raw evidence. Nothing is taken on trust from a stored verdict.', '');
  return lines.join('\n');
}
