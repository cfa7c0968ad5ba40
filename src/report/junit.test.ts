import { describe, expect, it } from 'vitest';
import type { CheckResult, RunVerdict, Verdict } from '../verify/types.js';
import { renderJunit } from './junit.js';
import { summarize } from './json.js';
import type { RanScenario, ScenarioResult } from './results.js';
import { parseXml, type XmlNode } from './testing/parse-xml.js';

const hostile = `</failure>]]><b a='1' c="2">&\u0000\u001b[31m`;
const check = (verdict: Verdict, checker = 'availability', text = 'ns 1 stood still'): CheckResult => ({ checker, verdict, summary: `${text}${hostile}`, evidence: [{ text: `evidence${hostile}` }], metrics: { stallMaxMs: 1_969 } });
const ran = (scenario: string, verdict: Verdict, more: Partial<RunVerdict> = {}, suite = 'suites/smoke.suite.ts'): RanScenario => ({
  kind: 'ran',
  plan: { suite, scenario, title: `Title${hostile}`, seed: '0x1', lab: 'loopback', defects: verdict === 'fail' ? ['late-writes'] : [] },
  verdict: { format: 1, runId: `run-${scenario}`, verdict, interrupted: false, checks: [check('pass', 'inventory', 'all back'), ...(verdict === 'pass' ? [] : [check(verdict)])], ...more },
  git: 'abc', startedMs: Date.UTC(2025, 2, 4, 5, 6, 7), durationMs: 17_600, runDir: 'results/smoke/x', repro: 'pathproof run --seed 0x1',
});
const results: ScenarioResult[] = [
  ran('passes', 'pass'), ran('fails', 'fail'), ran('cannot-tell', 'unknown'), ran('lab-broke', 'infra'), ran('stopped', 'pass', { interrupted: true }),
  { kind: 'skipped', suite: 'suites/failover.suite.ts', scenario: 'power-cut', title: 'Power cut', lab: 'loopback', reason: `no power control${hostile}` },
];

const find = (node: XmlNode, name: string): XmlNode[] => [...(node.name === name ? [node] : []), ...node.children.flatMap((child) => find(child, name))];

describe('JUnit', () => {
  const root = parseXml(renderJunit(results));
  const cases = new Map(find(root, 'testcase').map((node) => [node.attributes['name']!, node]));
  const kinds = (name: string): string[] => cases.get(name)!.children.map((child) => child.name).filter((child) => child !== 'properties' && child !== 'system-out');

  it('is well formed whatever the strings are, and has a suite per file and a case per scenario', () => {
    expect(root.name).toBe('testsuites');
    expect(root.attributes).toMatchObject({ tests: '6', failures: '1', errors: '3', skipped: '1', time: '88.000' });
    expect(find(root, 'testsuite').map((node) => [node.attributes['name'], node.attributes['tests']])).toEqual([['suites/smoke.suite.ts', '5'], ['suites/failover.suite.ts', '1']]);
    expect(find(root, 'testsuite')[0]!.attributes['timestamp']).toBe('2025-03-04T05:06:07');
    expect(cases.get('passes')!.attributes).toMatchObject({ classname: 'smoke', time: '17.600' });
  });

  it('tells a broken system from a broken or blind harness, and never calls an interrupted run a pass', () => {
    expect(kinds('passes')).toEqual([]);
    expect(kinds('fails')).toEqual(['failure']);
    expect(kinds('cannot-tell')).toEqual(['error']);
    expect(kinds('lab-broke')).toEqual(['error']);
    expect(kinds('stopped')).toEqual(['error']);
    expect(kinds('power-cut')).toEqual(['skipped']);
    expect(find(cases.get('stopped')!, 'error')[0]!.attributes['message']).toBe('interrupted');
    expect(find(cases.get('power-cut')!, 'skipped')[0]!.attributes['message']).toMatch(/^no power control<\/failure>/);
  });

  it('carries the finding, the evidence, the seed and the command that repeats it', () => {
    const failure = find(cases.get('fails')!, 'failure')[0]!;
    expect(failure.attributes['message']).toMatch(/^availability: ns 1 stood still<\/failure>/);
    expect(failure.text).toContain(`- evidence</failure>]]><b a='1' c="2">&\ufffd\ufffd[31m`);
    const properties = find(cases.get('fails')!, 'property').map((node) => [node.attributes['name'], node.attributes['value']]);
    expect(properties).toContainEqual(['seed', '0x1']);
    expect(properties).toContainEqual(['defect', 'late-writes']);
    expect(find(cases.get('passes')!, 'system-out')[0]!.text).toContain('repeat with: pathproof run --seed 0x1');
  });

  it('is a valid document for no scenario at all', () => {
    expect(parseXml(renderJunit([])).attributes['tests']).toBe('0');
  });
});

describe('the JSON summary', () => {
  it('is versioned, keeps order and gives an interrupted pass as unknown', () => {
    const summary = summarize(results, '0.1.0');
    expect(summary).toMatchObject({ format: 1, tool: 'pathproof', version: '0.1.0', verdict: 'fail', totals: { pass: 1, fail: 1, unknown: 2, infra: 1, skip: 1 } });
    expect(summary.scenarios.map(({ scenario, verdict }) => [scenario, verdict])).toEqual([
      ['passes', 'pass'], ['fails', 'fail'], ['cannot-tell', 'unknown'], ['lab-broke', 'infra'], ['stopped', 'unknown'], ['power-cut', 'skip'],
    ]);
    expect(summary.scenarios[1]).toMatchObject({ startedAt: '2025-03-04T05:06:07.000Z', durationMs: 17_600, defects: ['late-writes'] });
    expect(JSON.parse(JSON.stringify(summary))).toEqual(summary);
  });

  it('is no pass when nothing ran', () => {
    expect(summarize([], '0').verdict).toBe('unknown');
    expect(summarize([results[5]!], '0').verdict).toBe('unknown');
    expect(summarize([results[0]!, results[5]!], '0').verdict).toBe('pass');
    expect(summarize([results[0]!, results[2]!, results[3]!], '0').verdict).toBe('infra');
  });
});
