import type { CheckResult } from '../verify/types.js';
import { escapeXml } from './escape.js';
import { effectiveVerdict, scenarioOf, suiteOf, type RanScenario, type ScenarioResult } from './results.js';

/** Evidence lines per check; a CI server shows the first few and stores them all. */
const evidenceMax = 20;

/**
 * JUnit XML as CI servers read it: a test suite per suite file, a test case per scenario.
 *
 * `fail` is a failure (the system under test broke its promise); `unknown`, `infra` and an interrupted run
 * are errors (nobody knows whether it did), so that a broken lab is never mistaken for a broken gateway nor
 * for a pass. A skip carries its reason. Checks, seed and repro command are in the case's properties and
 * output.
 */
export function renderJunit(results: readonly ScenarioResult[]): string {
  const suites = new Map<string, ScenarioResult[]>();
  for (const result of results) {
    const suite = suites.get(suiteOf(result));
    if (suite === undefined) suites.set(suiteOf(result), [result]);
    else suite.push(result);
  }
  const parts = [...suites].map(([name, own]) => element('testsuite', { name, ...counts(own), ...startOf(own) }, own.map(testCase)));
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', { name: 'pathproof', ...counts(results) }, parts)}\n`;
}

function testCase(result: ScenarioResult): string {
  const classname = suiteOf(result).replace(/^suites\//, '').replace(/\.suite\.[jt]s$/, '');
  const name = scenarioOf(result);
  if (result.kind === 'skipped') {
    return element('testcase', { classname, name, time: '0' }, [element('skipped', { message: result.reason }, [])]);
  }
  const { plan, verdict } = result;
  const property = (key: string, value: string): string => element('property', { name: key, value }, []);
  const properties = element('properties', {}, [
    property('verdict', verdict.verdict), property('seed', plan.seed), property('lab', plan.lab), property('git', result.git), property('run', verdict.runId),
    ...plan.defects.map((defect) => property('defect', defect)),
  ]);
  const outcome = outcomeOf(result);
  const output = [
    plan.title, ...verdict.checks.map((check) => `${check.verdict.padEnd(7)} ${check.checker}: ${check.summary}`),
    `stored in ${result.runDir}`, ...(result.reportPath === undefined ? [] : [`report ${result.reportPath}`]), `repeat with: ${result.repro}`,
  ].join('\n');
  return element('testcase', { classname, name, time: seconds(result.durationMs) }, [
    properties, ...(outcome === null ? [] : [outcome]), element('system-out', {}, [escapeXml(output)]),
  ]);
}

function outcomeOf(result: RanScenario): string | null {
  const { verdict } = result;
  const effective = effectiveVerdict(result);
  if (effective === 'pass') return null;
  const guilty = verdict.checks.filter((check) => check.verdict === effective);
  const why = guilty.map((check) => `${check.checker}: ${check.summary}`).join('; ');
  const message = (verdict.interrupted ? ['interrupted', why] : [why || `verdict ${effective}`]).filter((part) => part !== '').join('; ');
  const others = verdict.checks.filter((check) => check.verdict !== 'pass' && check.verdict !== effective);
  const text = [...guilty, ...others].map(paragraph).join('\n\n');
  return element(effective === 'fail' ? 'failure' : 'error', { type: effective, message }, [escapeXml(text)]);
}

function paragraph(check: CheckResult): string {
  const lines = check.evidence.slice(0, evidenceMax).map((item) => `  - ${item.text}`);
  const rest = check.evidence.length - lines.length;
  return [`${check.checker} (${check.verdict}): ${check.summary}`, ...lines, ...(rest > 0 ? [`  … and ${rest} more in verdict.json`] : [])].join('\n');
}

function counts(results: readonly ScenarioResult[]): Record<string, string> {
  let failures = 0;
  let errors = 0;
  let skipped = 0;
  let durationMs = 0;
  for (const result of results) {
    if (result.kind === 'skipped') {
      skipped++;
      continue;
    }
    durationMs += result.durationMs;
    const verdict = effectiveVerdict(result);
    if (verdict === 'fail') failures++;
    else if (verdict !== 'pass') errors++;
  }
  return { tests: String(results.length), failures: String(failures), errors: String(errors), skipped: String(skipped), time: seconds(durationMs) };
}

function startOf(results: readonly ScenarioResult[]): Record<string, string> {
  const starts = results.flatMap((result) => (result.kind === 'ran' ? [result.startedMs] : []));
  return starts.length === 0 ? {} : { timestamp: new Date(Math.min(...starts)).toISOString().replace(/\.\d+Z$/, '') };
}

const seconds = (ms: number): string => (ms / 1_000).toFixed(3);

/** `children` are XML already. */
export function element(name: string, attributes: Record<string, string>, children: readonly string[]): string {
  const head = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`).join('');
  return children.length === 0 ? `<${name}${head}/>` : `<${name}${head}>${children.join('')}</${name}>`;
}
