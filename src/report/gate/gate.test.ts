import { describe, expect, it } from 'vitest';
import { annotation, gateAnnotations, onGithub, runAnnotations } from '../github.js';
import type { ScenarioResult } from '../results.js';
import { parseXml } from '../testing/parse-xml.js';
import { gateHtml } from './html.js';
import { gateJunit } from './junit.js';
import { gateMarkdown } from './markdown.js';
import { gateLines } from './terminal.js';
import type { GateReport, GateRun } from './types.js';

const run = (more: Partial<GateRun> = {}): GateRun => ({
  dir: 'results/smoke/r1', runId: 'r1', suite: 'smoke', scenario: 'gateway-dies', title: 'A gateway dies', lab: 'loopback', product: { name: 'model', version: '1.0', components: { node: 'v20' } }, seed: 's', git: 'abc',
  startedAt: '2026-11-25T12:00:00.000Z', durationMs: 12_345, verdict: 'pass', storedVerdict: 'pass', interrupted: false, defects: [],
  evidence: { manifestSha256: 'ab'.repeat(32), files: 9, bytes: 1_000, judgings: 1, problems: [] }, counted: true, notCounted: [], checks: [], ...more,
});
const report = (more: Partial<GateReport> = {}): GateReport => ({
  format: 1, tool: 'pathproof', kind: 'gate', version: '0.1.0', judgedAt: '2026-11-25T12:00:00.000Z', policy: { name: 'A release', file: 'p.yaml', sha256: 'cd'.repeat(32) }, verdict: 'pass', exitCode: 0,
  scenarios: [{
    scenario: 'smoke/gateway-dies', title: 'A gateway dies', required: true, labs: ['loopback'], product: { name: 'model', version: '1.*', components: {} }, runsWanted: 1, runsCounted: 1, verdict: 'pass', runs: [run()],
    thresholds: [{ metric: 'availability.stallMaxMs', limit: '≤ 4000', run: 'results/smoke/r1', verdict: 'pass', text: 'availability.stallMaxMs = 1200, must be at most 4000' }],
  }],
  skips: [], baseline: [], findings: [], ...more,
});
const nasty = '<script>alert("x")</script> | `a` *b* & "c"\n# d';
const noGo = report({
  verdict: 'fail', exitCode: 1,
  scenarios: [{ ...report().scenarios[0]!, verdict: 'fail', runsCounted: 0, thresholds: [], runs: [run({ counted: false, notCounted: [nasty], verdict: null, evidence: { manifestSha256: null, files: 0, bytes: 0, judgings: 0, problems: [nasty] } })] }],
  skips: [{ dir: 'results/smoke/s', scenario: 'smoke/other', lab: 'loopback', reason: nasty, expected: false, standsForRuns: false }, { dir: 'results/smoke/t', scenario: 'smoke/third', lab: 'loopback', reason: 'no fio', expected: true, because: 'agreed', standsForRuns: true }],
  baseline: [{ dir: 'old/smoke/r', runId: 'r', scenario: 'smoke/gateway-dies', lab: 'loopback', product: null, problems: ['the run is fail'] }],
  findings: [
    { kind: 'altered-evidence', verdict: 'fail', scenario: 'smoke/gateway-dies', run: 'results/smoke/r1', text: nasty },
    { kind: 'unexpected-skip', verdict: 'fail', scenario: 'smoke/other', run: 'results/smoke/s', text: 'skipped on loopback' },
    { kind: 'baseline', verdict: 'unknown', scenario: 'smoke/gateway-dies', run: 'old/smoke/r', text: 'cannot be compared with: the run is fail' },
  ],
});

describe('the pages of a gate', () => {
  it('say the decision first, and what each run counted for', () => {
    const markdown = gateMarkdown(report());
    expect(markdown.split('\n')[0]).toBe('# ✅ GO: A release');
    expect(markdown).toContain('| ✅ pass | smoke/gateway-dies: A gateway dies | 1 of 1 | loopback | model 1.\\* |');
    expect(markdown).toContain('intact, 9 files');
    expect(markdown).not.toContain('What stands in the way');
    const html = gateHtml(report());
    expect(html).toMatch(/<h1>GO: A release<\/h1>/);
    expect(html).not.toMatch(/<script|(?:src|href)=/);
    const lines = gateLines(report());
    expect(lines[0]).toMatch(/^✓ pass {4}smoke\/gateway-dies {2}runs 1 of 1/);
    expect(lines.at(-1)).toMatch(/^✓ GO {2}A release: Every demand of the policy is met/);
  });

  it('say what stands in the way, and nothing from a run becomes markup', () => {
    const markdown = gateMarkdown(noGo);
    expect(markdown).toMatch(/^# ❌ NO GO: A release/);
    expect(markdown).toContain('- ❌ **altered evidence** smoke/gateway-dies · results/smoke/r1: \\<script\\>alert("x")\\</script\\> \\| \\`a\\` \\*b\\* & "c" \\# d');
    expect(markdown.split('\n').filter((line) => line.startsWith('# '))).toHaveLength(1);
    const html = gateHtml(noGo);
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;');
    expect(html).not.toContain('<script');
    const text = gateLines(noGo).join('\n');
    expect(text).toMatch(/✕ altered evidence {2}smoke\/gateway-dies · results\/smoke\/r1\n {6}<script>alert\("x"\)<\/script> \| `a` \*b\* & "c" # d\n/);
    expect(text).toMatch(/SKIP {6}smoke\/other on loopback/);
    expect(text).toMatch(/skip {6}smoke\/third on loopback: no fio {2}\(expected: agreed\)/);
    expect(text).toMatch(/✕ NO GO/);
  });
});

describe('the JUnit file of a gate', () => {
  it('has a case for each scenario, each skip and the baseline', () => {
    const suites = parseXml(gateJunit(noGo));
    expect(suites.attributes).toMatchObject({ name: 'pathproof', tests: '4', failures: '2', errors: '1', skipped: '1' });
    const cases = suites.children[0]!.children;
    expect(cases.map(({ attributes }) => attributes['name'])).toEqual(['smoke/gateway-dies', 'smoke/other skipped on loopback', 'smoke/third skipped on loopback', 'baseline']);
    expect(cases.map(({ children }) => children[0]!.name)).toEqual(['failure', 'failure', 'skipped', 'error']);
    // A skip record that was changed belongs to its own case.
    const changed = { ...noGo, findings: [{ kind: 'altered-evidence' as const, verdict: 'fail' as const, scenario: 'smoke/third', run: 'results/smoke/t', text: 'skip.json was changed' }] };
    expect(parseXml(gateJunit(changed)).children[0]!.children.filter(({ children }) => children[0]!.name === 'failure').map(({ attributes }) => attributes['name'])).toEqual(['smoke/third skipped on loopback']);
    const passed = parseXml(gateJunit(report()));
    expect(passed.attributes).toMatchObject({ tests: '1', failures: '0', errors: '0', skipped: '0' });
  });
});

describe('annotations of GitHub', () => {
  it('are only for GitHub', () => {
    expect([onGithub({}), onGithub({ GITHUB_ACTIONS: 'false' }), onGithub({ GITHUB_ACTIONS: 'true' })]).toEqual([false, false, true]);
  });
  it('are one line each, whatever is in them', () => {
    expect(annotation('error', 'a: b, c%', 'one\ntwo\r100 %: ::error::x')).toBe('::error title=a%3A b%2C c%25::one%0Atwo%0D100 %25: ::error::x');
  });
  it('a gate has one for each finding and one for the decision', () => {
    const lines = gateAnnotations(noGo);
    expect(lines.map((line) => line.split(' title=')[0])).toEqual(['::error', '::error', '::warning', '::error']);
    expect(lines[0]).toMatch(/^::error title=altered evidence%3A smoke\/gateway-dies · results\/smoke\/r1::<script>/);
    expect(lines.every((line) => !line.includes('\n'))).toBe(true);
    expect(gateAnnotations(report())).toEqual(['::notice title=GO%3A A release::Every demand of the policy is met by stored evidence that is as the runs left it.']);
  });
  it('a run has one for each scenario that is no pass, and a notice for a skip', () => {
    const ran = (verdict: 'pass' | 'fail' | 'unknown'): ScenarioResult => ({
      kind: 'ran', plan: { suite: 'smoke', scenario: verdict, title: '', seed: '1', lab: 'loopback', defects: [] }, git: 'abc', startedMs: 0, durationMs: 0, runDir: 'r', repro: 'again',
      verdict: { format: 1, runId: 'r', verdict, interrupted: false, checks: [{ checker: 'integrity', verdict, summary: '3 blocks lost', evidence: [], metrics: {} }] },
    });
    expect(runAnnotations([ran('pass'), ran('fail'), ran('unknown'), { kind: 'skipped', suite: 's', scenario: 'x', title: '', lab: 'loopback', reason: 'no fio' }])).toEqual([
      '::error title=smoke/fail%3A fail::integrity: 3 blocks lost%0Arepeat: again', '::warning title=smoke/unknown%3A unknown::integrity: 3 blocks lost%0Arepeat: again', '::notice title=s/x skipped::on loopback: no fio',
    ]);
  });
});
