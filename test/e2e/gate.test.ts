import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gateSchema, summarySchema } from '../../src/report/schema.js';
import { pathproof, provenRun, runDirs, sandbox, start, untilHistory, type Sandbox } from './pathproof.js';

/** The gate on real stored runs of the loopback lab: one that passed, one that was interrupted, one skip. */
let box: Sandbox;
let good: string;
let interrupted: string;
let skip: string;

const policy = (more = '', scenario = ''): string => {
  const file = join(box.dir, `p${Math.random().toString(36).slice(2)}.yaml`);
  writeFileSync(file, `format: 1\nname: A release\nlabs: [loopback]\nproduct: { name: pathproof-model, version: "0.*" }\n${more}scenarios:\n  - scenario: smoke/gateway-dies\n${scenario}`);
  return file;
};
const gate = (runs: string[], file: string, ...more: string[]) => pathproof(box, 'gate', ...runs, '--policy', file, ...more);

beforeAll(async () => {
  box = sandbox();
  const cut = start(box, ['run', 'smoke', '--seed', 'cut']);
  await untilHistory(box, cut, (events) => events.some((e) => e.type === 'fault' && e.phase === 'injected'));
  cut.child.kill('SIGINT');
  await cut.finished;
  interrupted = runDirs(box).find((dir) => dir.endsWith('-cut'))!;

  const ran = await provenRun(box, 'smoke', '--seed', 'gate');
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  good = runDirs(box).find((dir) => dir.endsWith('-gate'))!;
  expect(ran.stdout).toMatch(/evidence: manifest SHA-256 [0-9a-f]{64}/);

  writeFileSync(join(box.dir, 'fio.suite.ts'), `
    import { suite } from 'pathproof';
    export default suite({ name: 'fio', scenarios: [{ name: 'load', title: 'fio only', description: 'run fio.', fio: [{ name: 'mix' }], steps: [{ do: 'run', forMs: 1000 }] }] });
  `);
  const skipped = await pathproof(box, 'run', './fio.suite.ts', '--seed', 's', '--json');
  expect(skipped.code).toBe(2);
  const summary = summarySchema.parse(JSON.parse(skipped.stdout));
  expect(summary.totals).toMatchObject({ skip: 1, pass: 0 });
  skip = runDirs(box).find((dir) => existsSync(join(dir, 'skip.json')))!;
}, 300_000);
afterAll(() => box.remove());

describe('pathproof gate', { timeout: 120_000 }, () => {
  it('0: passes a run that passed, and writes every page', async () => {
    const out = (name: string): string => join(box.dir, name);
    const result = await gate([good], policy('thresholds: { availability.operationsFailed: { equals: 0 } }\n'), '--json', out('g.json'), '--junit', out('g.xml'), '--markdown', out('g.md'), '--html', out('g.html'));
    expect(result.code, result.stdout + result.stderr).toBe(0);
    expect(result.stdout).toMatch(/✓ GO {2}A release/);
    const report = gateSchema.parse(JSON.parse(readFileSync(out('g.json'), 'utf8')));
    expect(report.scenarios[0]!.runs[0]).toMatchObject({ counted: true, product: { name: 'pathproof-model' } });
    expect(readFileSync(out('g.md'), 'utf8')).toMatch(/^# ✅ GO: A release/);
    expect(readFileSync(out('g.html'), 'utf8')).toMatch(/<h1>GO: A release<\/h1>/);
    expect(readFileSync(out('g.xml'), 'utf8')).toMatch(/<testsuites name="pathproof" tests="1" failures="0" errors="0"/);
  });

  it('still passes it after a recheck, which is in the chain of judgings', async () => {
    const before = readFileSync(join(good, 'manifest.json'), 'utf8');
    const recheck = await pathproof(box, 'recheck', good);
    expect(recheck.stdout).toMatch(/evidence: \d+ files as they were at the end of the run/);
    expect(readFileSync(join(good, 'manifest.json'), 'utf8')).toBe(before);
    const chain = readFileSync(join(good, 'derived.ndjson'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as { by: string });
    expect(chain.map(({ by }) => by)).toEqual(['run', 'recheck']);
    expect((await gate([good], policy())).code).toBe(0);
  });

  it.each<[string, () => [string[], string], number, RegExp]>([
    ['altered evidence', () => {
      const copy = join(box.dir, 'altered');
      cpSync(good, copy, { recursive: true });
      appendFileSync(join(copy, 'logs', 'gw1.log'), 'x');
      return [[copy], policy()];
    }, 1, /altered evidence[\s\S]*logs\/gw1\.log has/],
    ['a missing scenario', () => [[good], policy('', '  - scenario: failover/gateway-dead\n')], 1, /missing scenario {2}failover\/gateway-dead/],
    ['the wrong lab', () => [[good], policy('', '    labs: [qemu]\n')], 1, /wrong lab[\s\S]*1 ran on loopback, the policy asks for qemu/],
    ['the wrong version', () => [[good], policy('', '    product: { name: pathproof-model, version: "9.*" }\n')], 1, /wrong product[\s\S]*under test was pathproof-model 0\.\S+, the policy asks for pathproof-model 9\.\*/],
    ['too few repetitions', () => [[good], policy('runs: 3\n')], 1, /too few runs[\s\S]*1 of 3 required runs count/],
    ['an unexpected skip', () => [[good, skip], policy()], 1, /unexpected skip {2}fio\/load[\s\S]*skipped on loopback: it runs fio/],
    ['a metric beyond its limit', () => [[good], policy('thresholds: { availability.stallMaxMs: { max: 1 } }\n')], 1, /threshold[\s\S]*must be at most 1/],
    ['an interrupted run', () => [[good, interrupted], policy()], 2, /run unknown[\s\S]*interrupted/],
    ['a mistake in the policy', () => [[good], policy('rums: 3\n')], 64, /p\w+\.yaml:5:1: unknown field "rums"/],
  ])('%s', async (_, make, code, expected) => {
    const [runs, file] = make();
    const result = await gate(runs, file);
    expect(result.stdout + result.stderr).toMatch(expected);
    expect(result.code).toBe(code);
  });

  it('judges a folder of results, compares with a baseline, and annotates on GitHub', async () => {
    const file = policy('skips: [{ scenario: fio/load, because: loopback has no block device }]\nthresholds: { availability.latencyP50Ms: { within: 400 % of baseline } }\n');
    const summary = join(box.dir, 'summary.md');
    const before = { ...process.env };
    Object.assign(process.env, { GITHUB_ACTIONS: 'true', GITHUB_STEP_SUMMARY: summary });
    try {
      const result = await gate([box.results], file, '--baseline', good);
      expect(result.code).toBe(2);
      expect(result.stdout).toMatch(/::warning title=run unknown/);
      expect(result.stdout).toMatch(/::error title=NO GO%3A A release::/);
      expect(readFileSync(summary, 'utf8')).toMatch(/^# ❓ NO GO: A release/);
    } finally {
      for (const name of ['GITHUB_ACTIONS', 'GITHUB_STEP_SUMMARY']) {
        if (before[name] === undefined) delete process.env[name];
        else process.env[name] = before[name];
      }
    }
  });

  it('leaves the runs as they are', () => {
    expect(readdirSync(good).sort()).toEqual(['derived.ndjson', 'history.ndjson', 'journal-host1.ppj', 'logs', 'manifest.json', 'plan.json', 'report.html', 'run.json', 'verdict.json']);
  });
});
