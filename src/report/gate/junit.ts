import { element } from '../junit.js';
import { escapeXml } from '../escape.js';
import type { GateFinding, GateReport } from './types.js';
import { kindText, whereText } from './words.js';

/**
 * A gate as JUnit XML: a test case for each scenario and each skip, and one for what is about none. A demand that is
 * not met is a failure; what could not be told, and a lab that broke, are errors.
 */
export function gateJunit(report: GateReport): string {
  const cases: string[] = [];
  const counts = { tests: 0, failures: 0, errors: 0, skipped: 0 };
  const add = (name: string, findings: readonly GateFinding[], more: { skipped?: string; output: string }): void => {
    counts.tests += 1;
    const children: string[] = [];
    if (more.skipped !== undefined && findings.length === 0) {
      counts.skipped += 1;
      children.push(element('skipped', { message: more.skipped }, []));
    }
    if (findings.length > 0) {
      const failed = findings.some(({ verdict }) => verdict === 'fail');
      if (failed) counts.failures += 1;
      else counts.errors += 1;
      const text = findings.map((finding) => `${kindText(finding.kind)} (${finding.verdict}) ${whereText(finding)}: ${finding.text}`).join('\n');
      children.push(element(failed ? 'failure' : 'error', { type: findings[0]!.kind, message: findings.map(({ text: each }) => each).join('; ') }, [escapeXml(text)]));
    }
    children.push(element('system-out', {}, [escapeXml(more.output)]));
    cases.push(element('testcase', { classname: `gate.${report.policy.name}`, name, time: '0' }, children));
  };
  for (const scenario of report.scenarios) {
    const own = report.findings.filter((finding) => finding.scenario === scenario.scenario && finding.kind !== 'unexpected-skip' && finding.kind !== 'baseline');
    const runs = scenario.runs.map((run) => `${run.counted ? 'counts' : 'left out'} ${run.dir}: ${run.verdict ?? 'not judged'}${run.notCounted.length === 0 ? '' : ` (${run.notCounted.join('; ')})`}`);
    add(scenario.scenario, own, { output: [`${scenario.runsCounted} of ${scenario.runsWanted} runs`, ...runs, ...scenario.thresholds.map(({ verdict, text }) => `${verdict} ${text}`)].join('\n') });
  }
  for (const skip of report.skips) {
    const own = report.findings.filter((finding) => finding.kind === 'unexpected-skip' && finding.run === skip.dir);
    add(`${skip.scenario} skipped on ${skip.lab}`, own, { skipped: skip.reason, output: skip.because ?? 'not expected by the policy' });
  }
  const baseline = report.findings.filter(({ kind }) => kind === 'baseline');
  if (report.baseline.length > 0) add('baseline', baseline, { output: report.baseline.map(({ dir, problems }) => `${dir}: ${problems[0] ?? 'usable'}`).join('\n') });
  const attributes = Object.fromEntries(Object.entries(counts).map(([name, value]) => [name, String(value)]));
  const suite = element('testsuite', { name: `gate: ${report.policy.name}`, ...attributes, time: '0', timestamp: report.judgedAt.replace(/\.\d+Z$/, '') }, cases);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', { name: 'pathproof', ...attributes, time: '0' }, [suite])}\n`;
}
