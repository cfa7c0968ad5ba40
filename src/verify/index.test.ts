import { describe, expect, it } from 'vitest';
import { allCheckers, checkersFor, judge } from './index.js';
import { healthyRun } from './testing/healthy-run.js';
import { startUs } from './testing/run.js';
import type { Checker } from './types.js';

describe('judge', () => {
  it('passes a healthy run with every checker', async () => {
    const verdict = await judge(healthyRun().input, 'run-1', false);
    for (const check of verdict.checks) expect(check, `${check.checker}: ${check.summary}`).toMatchObject({ verdict: 'pass' });
    expect(verdict).toMatchObject({ format: 1, runId: 'run-1', verdict: 'pass', interrupted: false });
    expect(verdict.checks.map(({ checker }) => checker)).toEqual(checkersFor(healthyRun().plan).map(({ name }) => name));
  });

  it('judges the same whatever the order in which events of different nodes were recorded', async () => {
    const run = healthyRun();
    const late = (type: string): boolean => type === 'host.path' || type === 'gw.state';
    const { input } = run;
    const reordered = [...input.events].sort((a, b) => a.tUs + (late(a.type) ? 30_000 : 0) - (b.tUs + (late(b.type) ? 30_000 : 0))).map((event, i) => ({ ...event, seq: i + 1 }));
    const first = reordered.findIndex((event, i) => i > 0 && event.tUs < reordered[i - 1]!.tUs);
    expect(first).toBeGreaterThan(0);
    expect((await judge({ ...input, events: reordered }, 'run-1', false)).verdict).toBe('pass');
  });

  it('is unknown for every checker when nothing was recorded', async () => {
    const run = healthyRun();
    run.events = [];
    run.ops = [];
    run.hasJournal = false;
    const verdict = await judge(run.input, 'run-1', false);
    expect(verdict.verdict).toBe('unknown');
    for (const check of verdict.checks) expect(check, `${check.checker}: ${check.summary}`).toMatchObject({ verdict: 'unknown' });
  });

  it('turns a checker that throws into unknown, and lets the others speak', async () => {
    const broken: Checker = { name: 'broken', proves: 'nothing', check: () => Promise.reject(new Error('no such luck')) };
    const throwing: Checker = { name: 'throwing', proves: 'nothing', check: () => { throw new TypeError('at once'); } };
    const verdict = await judge(healthyRun().input, 'run-1', false, [broken, ...allCheckers, throwing]);
    expect(verdict.verdict).toBe('unknown');
    expect(verdict.checks[0]).toMatchObject({ checker: 'broken', verdict: 'unknown', summary: 'the checker itself failed: no such luck' });
    expect(verdict.checks.at(-1)).toMatchObject({ checker: 'throwing', verdict: 'unknown' });
    expect(verdict.checks.slice(1, -1).every((check) => check.verdict === 'pass')).toBe(true);
  });

  it('is unknown when a plan names a bound that it does not have', async () => {
    const run = healthyRun();
    run.plan.expect.quietStall = 'nowhere';
    const verdict = await judge(run.input, 'run-1', false);
    expect(verdict.verdict).toBe('unknown');
    expect(verdict.checks.find(({ checker }) => checker === 'availability')!.summary).toContain("the plan names the bound 'nowhere'");
  });

  it('marks an interrupted run', async () => {
    const run = healthyRun();
    run.change('run.end', () => true, () => ({ reason: 'interrupted' }));
    expect(await judge(run.input, 'run-1', true)).toMatchObject({ verdict: 'unknown', interrupted: true });
  });

  it('says infra when the lab broke, unless data was lost', async () => {
    const run = healthyRun();
    run.change('run.end', () => true, () => ({ reason: 'infra', message: 'gw2 ended' }));
    run.remove('host.inventory', ({ label }) => label === 'end');
    expect((await judge(run.input, 'run-1', false)).verdict).toBe('infra');
    const reread = run.ops.findIndex(({ purpose }) => purpose === 'reread-delayed');
    run.ops[reread] = { ...run.ops[reread]!, found: [{ kind: 'torn', version: 3 }] };
    expect((await judge(run.input, 'run-1', false)).verdict).toBe('fail');
  });

  it('gives evidence with times of the run', async () => {
    const verdict = await judge(healthyRun().input, 'run-1', false);
    const times = verdict.checks.flatMap(({ evidence }) => evidence.flatMap(({ tUs }) => tUs ?? []));
    expect(times.length).toBeGreaterThan(3);
    expect(Math.min(...times)).toBeGreaterThanOrEqual(startUs);
  });
});
