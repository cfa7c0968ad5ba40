import type { Verdict } from '../../verify/types.js';
import { plainText } from '../escape.js';
import { plainPainter, type Painter } from '../paint.js';
import type { GateReport } from './types.js';
import { decision, evidenceText, kindText, meanings, productText, runsText, runVerdictText, whereText } from './words.js';

const signs: Record<Verdict, string> = { pass: '✓', fail: '✕', unknown: '?', infra: '!' };

/** The gate for a terminal: each scenario with its runs, what stands in the way, and the decision last. */
export function gateLines(report: GateReport, painter: Painter = plainPainter): string[] {
  const word = (verdict: Verdict): string => painter.verdict[verdict](`${signs[verdict]} ${verdict.padEnd(7)}`);
  const lines: string[] = [];
  for (const scenario of report.scenarios) {
    lines.push(`${word(scenario.verdict)} ${painter.bold(scenario.scenario)}  runs ${runsText(scenario)}${scenario.labs.length === 0 ? '' : `  on ${scenario.labs.join(', ')}`}${scenario.product === null ? '' : `  of ${productText(scenario.product)}`}`);
    for (const run of scenario.runs) {
      lines.push(`            ${run.counted ? 'counts  ' : 'left out'}  ${plainText(run.dir)}  ${runVerdictText(run)}, ${run.lab}, ${plainText(productText(run.product))}; evidence ${plainText(evidenceText(run))}`);
      for (const reason of run.notCounted) lines.push(painter.dim(`                      ${plainText(reason)}`));
    }
    for (const { metric, limit, verdict, text, run } of scenario.thresholds) {
      lines.push(`            ${signs[verdict]} ${metric} ${limit}: ${plainText(verdict === 'pass' ? text.slice(0, text.indexOf(', must be')) || text : text)}${scenario.runsCounted > 1 ? painter.dim(`  ${plainText(run)}`) : ''}`);
    }
  }
  for (const { scenario, lab, reason, expected, because } of report.skips) lines.push(`${expected ? 'skip     ' : painter.alarm('SKIP     ')} ${scenario} on ${lab}: ${plainText(reason)}${because === undefined ? '' : painter.dim(`  (expected: ${plainText(because)})`)}`);
  for (const { dir, scenario, problems } of report.baseline) lines.push(`baseline  ${scenario}  ${plainText(dir)}${problems.length === 0 ? '' : painter.notice(`  not used: ${plainText(problems[0]!)}`)}`);
  if (report.findings.length > 0) lines.push('', 'in the way:');
  for (const finding of report.findings) lines.push(`  ${painter.verdict[finding.verdict](`${signs[finding.verdict]} ${kindText(finding.kind)}`)}  ${plainText(whereText(finding))}`, `      ${plainText(finding.text)}`);
  lines.push('', `${painter.bold(painter.verdict[report.verdict](`${signs[report.verdict]} ${decision(report.verdict)}`))}  ${report.policy.name}: ${meanings[report.verdict]}`);
  return lines;
}
