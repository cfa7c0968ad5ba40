import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.js';
import { pathproof, readVerdict, runDirs, sandbox, type Sandbox } from './pathproof.js';

let box: Sandbox;
beforeEach(() => {
  box = sandbox();
});
afterEach(() => box.remove());

const waitOf = (plan: Plan): number => plan.steps.reduce((sum, step) => sum + (step.do === 'run' ? step.forMs : 0), 0);

describe('shrink', () => {
  it('makes the plan of a failed run smaller, and what it stores fails in the same way', { timeout: 600_000 }, async () => {
    const failed = await pathproof(box, 'run', 'smoke', '--seed', 'k1', '--defect', 'gateway.tear-write');
    expect(failed.code, failed.stdout + failed.stderr).toBe(1);
    const [dir] = runDirs(box);
    const shrunk = await pathproof(box, 'shrink', dir!, '--max-runs', '12', '--tries', '1');
    expect(shrunk.code, shrunk.stdout + shrunk.stderr).toBe(0);
    const before = JSON.parse(readFileSync(join(dir!, 'plan.json'), 'utf8')) as Plan;
    const repro = JSON.parse(readFileSync(join(dir!, 'repro.json'), 'utf8')) as Plan;
    // A torn write needs no fault at all.
    expect(repro.steps.filter((step) => step.do === 'inject')).toEqual([]);
    expect(repro.shape.gateways).toBe(1);
    expect(waitOf(repro)).toBeLessThanOrEqual(waitOf(before));
    expect(repro.defects).toEqual(['gateway.tear-write']);

    // The defect tears every 97th write. A plan that was cut down to about as many fails often, but not in each of its runs, and
    // may get through --confirm: what is proved is that it fails in more than half of them. Hence several tries.
    expect(shrunk.stdout).toMatch(/it failed 5 of 5 times more, so it fails in at least 54 % of its runs/);
    const again = await pathproof(box, 'repro', dir!, '--tries', '5');
    expect(again.code, again.stdout + again.stderr).toBe(1);
    expect(again.stdout).toContain('made smaller by `pathproof shrink`');
    expect(again.stdout).toContain('DEFECTS ON: gateway.tear-write');
    const last = runDirs(box).at(-1)!;
    expect(readVerdict(last).checks.find((c) => c.checker === 'integrity')).toMatchObject({ verdict: 'fail', summary: expect.stringContaining('torn block') as string });
  });

  it('refuses a run that did not fail, a folder that is no run, and options that would change a stored plan', async () => {
    const nothing = await pathproof(box, 'shrink', 'nowhere');
    expect(nothing.code).toBe(64);
    expect(nothing.stderr).toContain('[NOT_A_RUN]');
    const changed = await pathproof(box, 'run', 'repro.json', '--seed', 'x');
    expect(changed.code).toBe(64);
    expect(changed.stderr).toContain('--seed cannot change it');
    const missing = await pathproof(box, 'run', 'repro.json');
    expect(missing.stderr).toContain('[NO_PLAN]');
  });
});
