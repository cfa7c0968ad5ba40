import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GateReport } from '../../report/gate/types.js';
import { gateSchema } from '../../report/schema.js';
import { sealRun } from '../manifest.js';
import { storeRun, storeSkip, type StoredRunOptions } from '../testing/stored-run.js';
import { judgeGate } from './gate.js';
import { parsePolicy } from './policy.js';

let root: string;
/** Runs that several tests read; whoever changes one takes a copy. */
let good: string;
let second: string;
let failed: string;
let unknown: string;
let broken: string;
let interrupted: string;
let defective: string;
let fresh = 0;

const store = (options: StoredRunOptions): Promise<string> => storeRun(join(root, `r${fresh++}`), options);
function copyOf(dir: string): string {
  const copy = join(root, `copy${fresh++}`);
  cpSync(dir, copy, { recursive: true });
  return copy;
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'pathproof-gate-'));
  good = await store({ runId: 'good' });
  second = await store({ runId: 'second' });
  // A block that was acknowledged reads back as if it had never been written.
  failed = await store({ runId: 'failed', change: (run) => run.changeOps((op) => op.purpose === 'reread-delayed' && op.slba === 3, () => ({ found: [0] })) });
  unknown = await store({ runId: 'unknown', change: (run) => run.remove('self.watch', ({ process }) => process === 'host1') });
  broken = await store({ runId: 'broken', change: (run) => run.change('run.end', () => true, () => ({ reason: 'infra', message: 'a node did not start' })) });
  interrupted = await store({ runId: 'interrupted', change: (run) => run.change('run.end', () => true, () => ({ reason: 'interrupted' })) });
  defective = await store({
    runId: 'defective', change: (run) => {
      run.plan.defects = ['gateway.tear-write'];
      run.change('run.start', () => true, () => ({ defects: ['gateway.tear-write'] }));
    },
  });
}, 120_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

const policyText = (more = '', scenario = ''): string => `format: 1\nname: A release\nlabs: [loopback]\nproduct: { name: model, version: "1.*" }\n${more}scenarios:\n  - scenario: smoke/gateway-dies\n${scenario}`;
async function gate(runs: string[], policy = policyText(), baseline: string[] = []): Promise<GateReport> {
  return judgeGate({ policy: parsePolicy(policy, 'p.yaml'), runs, baseline, version: '0.1.0', judgedAt: new Date('2026-11-25T12:00:00Z') });
}
const kinds = ({ findings }: GateReport): string[] => findings.map(({ kind }) => kind);
const texts = ({ findings }: GateReport): string => findings.map(({ text }) => text).join('\n');

describe('a gate', () => {
  it('is passed by enough runs that are a pass, on the right lab, of the right product, with their evidence whole', async () => {
    const report = await gate([good, second], policyText('runs: 2\n'));
    expect(report).toMatchObject({ verdict: 'pass', exitCode: 0, findings: [], scenarios: [{ scenario: 'smoke/gateway-dies', runsCounted: 2, runsWanted: 2, verdict: 'pass' }] });
    expect(() => gateSchema.parse(JSON.parse(JSON.stringify(report)))).not.toThrow();
    expect(report.scenarios[0]!.runs[0]).toMatchObject({ counted: true, verdict: 'pass', storedVerdict: 'pass', product: { name: 'model', version: '1.0.0' } });
  });

  it('takes folders with runs in them, and each run once', async () => {
    const all = await gate([join(good, '..', '..'), good, join(second, '..')], policyText('runs: 2\n'));
    expect(all.scenarios[0]!.runs.map(({ runId }) => runId).sort()).toEqual(['good', 'second']);
    await expect(gate([tmpdir() + '/nothing-here'])).rejects.toThrow(expect.objectContaining({ code: 'NOT_A_RUN', exitCode: 64 }));
  });

  it('writes nothing into a run', async () => {
    const copy = copyOf(good);
    const state = (): string => readdirSync(copy, { recursive: true }).map((name) => `${String(name)} ${statSync(join(copy, String(name))).mtimeMs}`).sort().join();
    const before = state();
    await gate([copy]);
    expect(state()).toBe(before);
  });

  describe('fails (1)', () => {
    it('for a scenario that is missing', async () => {
      const report = await gate([good], policyText('', '  - scenario: failover/gateway-dead\n'));
      expect([report.exitCode, kinds(report)]).toEqual([1, ['missing-scenario']]);
      expect(report.findings[0]).toMatchObject({ scenario: 'failover/gateway-dead', text: 'required, but no run of it was given' });
    });

    it('for too few runs; a copy of a run is no second one', async () => {
      const few = await gate([good], policyText('runs: 2\n'));
      expect([few.exitCode, kinds(few), texts(few)]).toEqual([1, ['too-few-runs'], '1 of 2 required runs count']);
      const copied = await gate([good, copyOf(good)], policyText('runs: 2\n'));
      expect([copied.exitCode, kinds(copied)]).toEqual([1, ['too-few-runs']]);
      expect(copied.scenarios[0]!.runs[1]!.notCounted[0]).toMatch(/the same evidence as/);
    });

    it('for the wrong lab', async () => {
      const report = await gate([good], policyText().replace('[loopback]', '[qemu, native]'));
      expect([report.exitCode, kinds(report)]).toEqual([1, ['wrong-lab', 'too-few-runs']]);
      expect(report.findings[0]!.text).toBe('0 of 1 required runs: 1 ran on loopback, the policy asks for qemu or native');
    });

    it.each<[string, StoredRunOptions['product'], string, RegExp]>([
      ['another version', { name: 'model', version: '2.0.0' }, '"1.*" }', /under test was model 2\.0\.0, the policy asks for model 1\.\*/],
      ['another product', { name: 'other', version: '1.0.0' }, '"1.*" }', /under test was other 1\.0\.0/],
      ['another kernel', { name: 'model', version: '1.0.0', components: { kernel: '6.1' } }, '"1.*", components: { kernel: "7.*" } }', /under test was kernel 6\.1, the policy asks for kernel 7\.\*/],
      ['a kernel that nobody named', { name: 'model', version: '1.0.0' }, '"1.*", components: { kernel: "7.*" } }', /under test was kernel \(not named\)/],
      ['nothing that was named', null, '"1.*" }', /nothing that the lab named/],
      ['a version that only looks like it', { name: 'model', version: '1x0.0' }, '"1.0*" }', /under test was model 1x0\.0/],
    ])('for a run of %s', async (_, product, wanted, expected) => {
      const report = await gate([await store({ product: product!, runId: `p${fresh}` })], policyText().replace('"1.*" }', wanted));
      expect([report.exitCode, kinds(report)]).toEqual([1, ['wrong-product', 'too-few-runs']]);
      expect(texts(report)).toMatch(expected);
    });

    it('for a run that failed, however many passed', async () => {
      const report = await gate([good, second, failed], policyText('runs: 2\n'));
      expect([report.exitCode, kinds(report)]).toEqual([1, ['run-failed']]);
      expect(report.findings[0]!.text).toMatch(/^integrity: /);
      expect(report.scenarios[0]).toMatchObject({ runsCounted: 2, verdict: 'fail' });
    });

    it('for defects that were switched on, even in a run that passed', async () => {
      const report = await gate([good, defective]);
      expect([report.exitCode, kinds(report)]).toEqual([1, ['defects-on']]);
    });

    it.each<[string, (dir: string) => void, string, RegExp]>([
      ['was changed', (dir) => appendFileSync(join(dir, 'logs/gw1.log'), 'x'), 'altered-evidence', /logs\/gw1\.log has \d+ bytes/],
      ['is missing', (dir) => rmSync(join(dir, 'journal-host1.ppj')), 'altered-evidence', /journal-host1\.ppj \(\d+ bytes\) is missing/],
      ['was slipped in', (dir) => writeFileSync(join(dir, 'journal-host2.ppj'), ''), 'altered-evidence', /journal-host2\.ppj was not there/],
      ['was never sealed', (dir) => {
        rmSync(join(dir, 'manifest.json'));
        rmSync(join(dir, 'derived.ndjson'));
      }, 'unsealed-evidence', /there is no manifest\.json/],
      ['was judged by hand', (dir) => writeFileSync(join(dir, 'verdict.json'), readFileSync(join(dir, 'verdict.json'), 'utf8').replaceAll('fail', 'pass')), 'altered-evidence', /verdict\.json was changed after it was made/],
      ['lost its plan', (dir) => rmSync(join(dir, 'plan.json')), 'altered-evidence', /plan\.json \(\d+ bytes\) is missing/],
    ])('for evidence that %s, and does not judge it', async (what, change, kind, expected) => {
      const copy = copyOf(what === 'was judged by hand' ? failed : good);
      change(copy);
      const report = await gate([second, copy]);
      expect([report.exitCode, kinds(report)]).toEqual([1, [kind]]);
      expect(texts(report)).toMatch(expected);
      expect(report.scenarios[0]!.runs.find(({ dir }) => dir === copy)).toMatchObject({ counted: false, verdict: null, checks: [] });
    });

    it('for a skip that nobody expects; not for one that the policy expects, nor on a lab that it does not ask for', async () => {
      const skip = await storeSkip(join(root, `skip${fresh++}`), { suite: 'smoke', scenario: 'gateway-dies', runId: 's1' });
      const other = await storeSkip(join(root, `skip${fresh++}`), { suite: 'failover', scenario: 'fio-load', runId: 's2' });
      const report = await gate([good, skip, other]);
      expect([report.exitCode, kinds(report)]).toEqual([1, ['unexpected-skip', 'unexpected-skip']]);
      expect(report.findings[1]).toMatchObject({ scenario: 'failover/fio-load', text: 'skipped on loopback: the lab has no fio' });

      const expected = policyText('skips: [{ scenario: failover/fio-load, because: loopback has no block device }, { scenario: smoke/gateway-dies, labs: [loopback], because: tried }]\n');
      expect(await gate([good, skip, other], expected)).toMatchObject({ exitCode: 0, skips: [{ expected: true, because: 'tried' }, { expected: true, because: 'loopback has no block device' }] });
      expect(kinds(await gate([skip, other], policyText().replace('[loopback]', '[qemu]')))).toEqual(['missing-scenario']);
    });

    it('for a record of a skip that was changed', async () => {
      const skip = await storeSkip(join(root, `skip${fresh++}`));
      writeFileSync(join(skip, 'skip.json'), readFileSync(join(skip, 'skip.json'), 'utf8').replace('no fio', 'no time'));
      expect(kinds(await gate([good, skip], policyText('skips: [{ scenario: smoke/gateway-dies, because: tried }]\n')))).toEqual(['altered-evidence']);
    });

    it('for a metric beyond its limit', async () => {
      const report = await gate([good], policyText('thresholds: { availability.stallMaxMs: { max: 100, reason: promised } }\n'));
      expect([report.exitCode, kinds(report)]).toEqual([1, ['threshold']]);
      expect(texts(report)).toMatch(/availability\.stallMaxMs = \d+(\.\d+)?: must be at most 100 \(promised\)/);
      expect(report.scenarios[0]!.thresholds[0]).toMatchObject({ metric: 'availability.stallMaxMs', limit: '≤ 100', verdict: 'fail' });
    });
  });

  describe('cannot tell (2)', () => {
    it('when a run is unknown, or was interrupted', async () => {
      for (const run of [unknown, interrupted]) {
        const report = await gate([good, run]);
        expect([report.exitCode, kinds(report)]).toEqual([2, ['run-unknown']]);
      }
      const few = await gate([good, unknown], policyText('runs: 2\n'));
      expect([few.exitCode, few.findings.map(({ kind, verdict }) => [kind, verdict])]).toEqual([2, [['run-unknown', 'unknown'], ['too-few-runs', 'unknown']]]);
    });
    it('when a metric was not measured, unless it need not be', async () => {
      const report = await gate([good], policyText('thresholds: { fio.latencyP99Ms: { max: 100 } }\n'));
      expect([report.exitCode, kinds(report), texts(report)]).toEqual([2, ['threshold'], 'fio.latencyP99Ms was not measured']);
      expect((await gate([good], policyText('thresholds: { fio.latencyP99Ms: { max: 100, optional: true } }\n'))).exitCode).toBe(0);
    });
    it('when a limit names a baseline and there is none that can be used', async () => {
      const relative = policyText('thresholds: { availability.stallMaxMs: { within: 10 % of baseline } }\n');
      expect(texts(await gate([good], relative))).toMatch(/the baseline has no such value to compare with/);
      const report = await gate([good], relative, [failed]);
      expect([report.exitCode, kinds(report)]).toEqual([2, ['threshold', 'baseline']]);
      expect(report.findings[1]!.text).toMatch(/cannot be compared with: the run is fail/);
      const itself = await gate([good], relative, [copyOf(good)]);
      expect(itself.findings.at(-1)!.text).toMatch(/it is one of the runs that are judged/);
    });
    it('when the run cannot be judged at all', async () => {
      const odd = await store({ runId: 'odd', seal: false, change: (run) => (run.plan.format = 2 as 1) });
      await sealRun(odd, { runId: 'odd', version: '0.1.0' });
      const report = await gate([good, odd]);
      expect([report.exitCode, kinds(report)]).toEqual([2, ['run-unknown']]);
      expect(texts(report)).toMatch(/cannot be judged: .*format 2 is not known/);
    });
  });

  it('says that the lab broke (3) when it did, but a failure outweighs that', async () => {
    expect(await gate([good, broken])).toMatchObject({ exitCode: 3, verdict: 'infra', findings: [{ kind: 'run-infra' }] });
    expect((await gate([good, broken, failed])).exitCode).toBe(1);
    expect((await gate([good, broken, unknown])).exitCode).toBe(3);
  });

  it('does not leave out a run that broke before its lab could name the product', async () => {
    const early = await store({ runId: 'early', product: null, change: (run) => run.change('run.end', () => true, () => ({ reason: 'infra', message: 'no monitor' })) });
    expect(await gate([good, early])).toMatchObject({ exitCode: 3, findings: [{ kind: 'run-infra' }] });
  });

  it('shows a run of another lab or product, and needs no finding for it when enough others count', async () => {
    const old = await store({ runId: 'old', product: { name: 'model', version: '0.9' }, change: (run) => run.changeOps((op) => op.purpose === 'reread-delayed' && op.slba === 3, () => ({ found: [0] })) });
    const report = await gate([good, old]);
    expect(report).toMatchObject({ exitCode: 0, findings: [] });
    expect(report.scenarios[0]!.runs[1]).toMatchObject({ counted: false, verdict: 'fail', notCounted: ['under test was model 0.9, the policy asks for model 1.*'] });
  });

  it('judges runs of scenarios that nobody asked for, too', async () => {
    const extra = await store({ runId: 'extra', suite: 'nightly', scenario: 'other', change: (run) => run.remove('self.watch', ({ process }) => process === 'host1') });
    const report = await gate([good, extra]);
    expect([report.exitCode, kinds(report)]).toEqual([2, ['run-unknown']]);
    expect(report.scenarios[1]).toMatchObject({ scenario: 'nightly/other', required: false, runsWanted: 0 });
  });

  describe('compares with a baseline', () => {
    // A metric that a test can move: the number of events in the history.
    const limit = (text: string): string => policyText(`thresholds: { history.events: { ${text} } }\n`);
    const eventsOf = (report: GateReport): number => report.scenarios[0]!.runs[0]!.checks.find(({ checker }) => checker === 'history')!.metrics['events']!;
    let more: string;
    beforeAll(async () => {
      more = await store({
        runId: 'more', change: (run) => {
          const wanted = Math.round(run.events.length * 0.3);
          for (let i = 0; i < wanted; i++) run.add(100 + i, { type: 'log', level: 'info', message: 'more' });
        },
      });
    });
    it('within a share of it, in either direction', async () => {
      const near = await gate([second], limit('within: 10 % of baseline'), [good]);
      expect(near).toMatchObject({ exitCode: 0, baseline: [{ problems: [] }] });
      const report = await gate([more], limit('within: 10 % of baseline'), [good, second]);
      expect([report.exitCode, kinds(report)]).toEqual([1, ['threshold']]);
      const base = eventsOf(near);
      expect(texts(report)).toContain(`history.events = ${eventsOf(report)}: must be at least ${Math.round(base * 900) / 1_000} and at most ${Math.round(base * 1_100) / 1_000}; baseline ${base}`);
      expect((await gate([good], limit('within: 10 % of baseline'), [more])).exitCode).toBe(1);
    });
    it('takes the median of several', async () => {
      const report = await gate([await store({ runId: 'third' })], limit('within: 1 % of baseline'), [good, second, more]);
      expect(report).toMatchObject({ exitCode: 0 });
    });
    it('at most so much above it: less is fine; at least so much below it: more is fine', async () => {
      expect((await gate([good], limit('max: 10 % above baseline'), [more])).exitCode).toBe(0);
      expect((await gate([more], limit('max: 10 % above baseline'), [good])).exitCode).toBe(1);
      expect((await gate([more], limit('max: 40 % above baseline'), [good])).exitCode).toBe(0);
      expect((await gate([good], limit('min: 10 % below baseline'), [more])).exitCode).toBe(1);
      expect((await gate([more], limit('min: 10 % below baseline'), [good])).exitCode).toBe(0);
    });
    it('that the policy itself names', async () => {
      const report = await gate([more], limit(`within: 10 % of baseline ${good}`));
      expect(report).toMatchObject({ exitCode: 1, baseline: [{ dir: good }] });
      expect(report.scenarios[0]!.thresholds[0]!.limit).toBe(`within 10 % of baseline ${good}`);
      await expect(gate([good], limit('within: 10 % of baseline /nowhere'))).rejects.toThrow(/no run folder/);
    });
  });
});
