import type { GateReport } from './gate/types.js';
import { decision, kindText, meanings, whereText } from './gate/words.js';
import { effectiveVerdict, scenarioOf, suiteOf, type ScenarioResult } from './results.js';

/**
 * Workflow commands of GitHub Actions: lines that become annotations of the run there
 * (docs.github.com, "Workflow commands for GitHub Actions"). At most ten of a kind are shown per step.
 */

/** True where a runner of GitHub reads our output. */
export function onGithub(env: Record<string, string | undefined> = process.env): boolean {
  return env['GITHUB_ACTIONS'] === 'true';
}

type Level = 'error' | 'warning' | 'notice';

/** One annotation; in its text line breaks and percent signs are encoded, in its title also colons and commas. */
export function annotation(level: Level, title: string, text: string): string {
  const data = (raw: string): string => raw.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  return `::${level} title=${data(title).replaceAll(':', '%3A').replaceAll(',', '%2C')}::${data(text)}`;
}

/** An annotation for each scenario that is no pass; a skip is a notice. */
export function runAnnotations(results: readonly ScenarioResult[]): string[] {
  return results.flatMap((result) => {
    const name = `${suiteOf(result)}/${scenarioOf(result)}`;
    if (result.kind === 'skipped') return [annotation('notice', `${name} skipped`, `on ${result.lab}: ${result.reason}`)];
    const verdict = effectiveVerdict(result);
    if (verdict === 'pass') return [];
    const guilty = result.verdict.checks.filter((check) => check.verdict === verdict).map(({ checker, summary }) => `${checker}: ${summary}`);
    return [annotation(verdict === 'fail' ? 'error' : 'warning', `${name}: ${verdict}`, [...guilty, `repeat: ${result.repro}`].join('\n'))];
  });
}

/** An annotation for each finding of a gate, and one for its decision. */
export function gateAnnotations(report: GateReport): string[] {
  return [
    ...report.findings.map((finding) => annotation(finding.verdict === 'fail' ? 'error' : 'warning', `${kindText(finding.kind)}: ${whereText(finding)}`, finding.text)),
    annotation(report.verdict === 'pass' ? 'notice' : 'error', `${decision(report.verdict)}: ${report.policy.name}`, meanings[report.verdict]),
  ];
}
