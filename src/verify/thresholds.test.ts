import { describe, expect, it } from 'vitest';
import { countAnaChanges } from './ana-changes.js';
import { availability } from './availability.js';
import { haResponse } from './ha-response.js';
import { judge } from './index.js';
import { healthyRun, moments } from './testing/healthy-run.js';
import { pathEvent, t, twoFabrics } from './testing/run.js';
import { checkThresholds, judgeThreshold, metricsNamed } from './thresholds.js';
import type { CheckResult } from './types.js';

const check = (checker: string, metrics: Record<string, number>): CheckResult => ({ checker, verdict: 'pass', summary: '', evidence: [], metrics });
const checks = [check('availability', { stallMaxMs: 1_200, 'kill.stallMaxMs': 1_200, 'cut.stallMaxMs': 300, operationsFailed: 0 }), check('fio', { odd: NaN })];

describe('judgeThreshold', () => {
  it.each<[string, Parameters<typeof judgeThreshold>[0], string, RegExp]>([
    ['holds', { checker: 'availability', metric: 'stallMaxMs', max: 1_200 }, 'pass', /availability\.stallMaxMs = 1200, must be at most 1200/],
    ['is exceeded', { checker: 'availability', metric: 'stallMaxMs', max: 1_199, reason: 'promised' }, 'fail', /availability\.stallMaxMs = 1200: must be at most 1199 \(promised\)/],
    ['is not reached', { checker: 'availability', metric: 'stallMaxMs', min: 5_000 }, 'fail', /at least 5000/],
    ['is met exactly', { checker: 'availability', metric: 'operationsFailed', equals: 0 }, 'pass', /exactly 0/],
    ['is broken by one of several', { checker: 'availability', metric: '*.stallMaxMs', max: 500 }, 'fail', /availability\.kill\.stallMaxMs = 1200: must/],
    ['holds for all that it names', { checker: 'availability', metric: '*.stallMaxMs', max: 1_500 }, 'pass', /300 … 1200/],
    ['was not measured', { checker: 'availability', metric: 'latencyP99Ms', max: 1 }, 'unknown', /was not measured/],
    ['is of a checker that did not run', { checker: 'moon', metric: 'phase', max: 1 }, 'unknown', /moon\.phase was not measured/],
    ['was not measured and need not be', { checker: 'moon', metric: 'phase', max: 1, optional: true }, 'pass', /need not be/],
    ['is no number', { checker: 'fio', metric: 'odd', max: 1 }, 'unknown', /fio\.odd is NaN/],
  ])('a limit that %s', (_, threshold, verdict, text) => {
    const result = judgeThreshold(threshold, checks);
    expect(result.verdict).toBe(verdict);
    expect(result.text).toMatch(text);
  });
  it('takes a dot for a dot', () => {
    expect(metricsNamed(checks, { checker: 'availability', metric: 'kill.stallMaxMs' })).toHaveLength(1);
    expect(metricsNamed([check('a', { xyz: 1 })], { checker: 'a', metric: 'x.z' })).toEqual([]);
  });
});

describe('the checker expectations', () => {
  it('is absent without thresholds, and judges with them', async () => {
    expect(checkThresholds([], checks)).toBeUndefined();
    const run = healthyRun();
    expect((await judge(run.input, 'r', false)).checks.map(({ checker }) => checker)).not.toContain('expectations');
    run.plan.expect.thresholds = [{ checker: 'availability', metric: 'stallMaxMs', max: 1_500 }];
    expect((await judge(run.input, 'r', false)).verdict).toBe('pass');
    run.plan.expect.thresholds = [{ checker: 'availability', metric: 'stallMaxMs', max: 10 }];
    const failed = await judge(run.input, 'r', false);
    expect(failed.verdict).toBe('fail');
    expect(failed.checks.at(-1)).toMatchObject({ checker: 'expectations', verdict: 'fail', summary: expect.stringMatching(/availability\.stallMaxMs = \d+.*must be at most 10/) as string });
    run.plan.expect.thresholds = [{ checker: 'availability', metric: 'warpFactor', max: 10 }];
    expect((await judge(run.input, 'r', false)).verdict).toBe('unknown');
  });
});

describe('metrics for thresholds', () => {
  it('latency percentiles of the load', async () => {
    const { metrics } = await availability.check(healthyRun().input);
    expect(metrics).toMatchObject({ latencyP50Ms: 2, latencyP99Ms: 2 });
    expect(metrics['latencyMaxMs']).toBeGreaterThan(1_000);
  });
  it('ANA changes per failover: one for a clean one, more for a group that flaps', async () => {
    const clean = healthyRun();
    expect((await haResponse.check(clean.input)).metrics).toMatchObject({ 'kill.group1AnaChanges': 1, anaChangesPerFailoverMax: 1 });
    const flapping = healthyRun();
    for (const at of [20, 40, 60]) {
      flapping.add(moments.takeover + at, pathEvent('gw2', 1, 'inaccessible')).add(moments.takeover + at + 10, pathEvent('gw2', 1, 'optimized'));
    }
    expect((await haResponse.check(flapping.input)).metrics['anaChangesPerFailoverMax']).toBe(7);
    expect(countAnaChanges(clean.input, 'uuid-1', { fromUs: t(0), toUs: t(moments.inject) })).toBe(0);
    // The paths over two networks to one gateway change together: as many changes as over one.
    for (const [run, changes] of [[healthyRun(), 1], [flapping, 7]] as const) expect((await haResponse.check(twoFabrics(run).input)).metrics['anaChangesPerFailoverMax']).toBe(changes);
  });
});
