import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.js';
import { reproSchema } from '../../src/report/schema.js';
import { pathproof, runDirs, sandbox, type Sandbox } from './pathproof.js';

let box: Sandbox;
beforeEach(() => {
  box = sandbox();
});
afterEach(() => box.remove());

const planOf = (dir: string): Plan => JSON.parse(readFileSync(join(dir, 'plan.json'), 'utf8')) as Plan;

describe('repro', () => {
  it('runs the plan of a failed run again, and tells whether it failed in the same way', { timeout: 300_000 }, async () => {
    const failed = await pathproof(box, 'run', 'smoke', '--seed', 'r1', '--defect', 'store.lose-writes');
    expect(failed.code, failed.stdout + failed.stderr).toBe(1);
    const [stored] = runDirs(box);

    const again = await pathproof(box, 'repro', stored!, '--tries', '3', '--json');
    expect(again.code, again.stdout + again.stderr).toBe(1);
    const outcome = reproSchema.parse(JSON.parse(again.stdout));
    expect(outcome).toMatchObject({ format: 1, stored: { runDir: stored, verdict: 'fail' }, plan: join(stored!, 'plan.json'), reproduced: true });
    // The first that fails alike is enough.
    expect(outcome.runs).toMatchObject([{ verdict: 'fail', alike: true, text: expect.stringMatching(/^failed as the stored run did, by integrity \(/) as string }]);
    const fresh = outcome.runs[0]!.runDir;
    expect(runDirs(box)).toEqual([stored, fresh]);
    expect(planOf(fresh)).toEqual(planOf(stored!));

    // As if `shrink` had stored it; without the defect it does not fail, however often.
    writeFileSync(join(stored!, 'repro.json'), JSON.stringify({ ...planOf(stored!), defects: [] }));
    const mended = await pathproof(box, 'repro', stored!, '--tries', '2');
    expect([0, 2], mended.stdout + mended.stderr).toContain(mended.code);
    expect(mended.stdout.split('\n')[0]).toContain('made smaller by `pathproof shrink`');
    expect(mended.stdout).toMatch(/\nnot reproduced: (pass|unknown); the stored run failed by integrity \(.*\) \(run 2 of 2\)\n$/);
  });

  it('refuses a folder that is no run, a run that was not judged, and a lab of other parts', async () => {
    expect(await pathproof(box, 'repro', 'nowhere')).toMatchObject({ code: 64, stderr: expect.stringContaining('[NOT_A_RUN]') as string });
    const planned = await pathproof(box, 'plan', 'smoke');
    const [plan] = JSON.parse(planned.stdout) as Plan[];
    const dir = join(box.dir, 'run');
    mkdirSync(dir);
    writeFileSync(join(dir, 'plan.json'), JSON.stringify(plan));
    expect(await pathproof(box, 'repro', dir)).toMatchObject({ code: 64, stderr: expect.stringContaining('[NO_VERDICT]') as string });
    writeFileSync(join(dir, 'verdict.json'), JSON.stringify({ format: 1, runId: 'x', verdict: 'fail', interrupted: false, checks: [] }));
    expect(await pathproof(box, 'repro', dir, '--lab', 'vagrant')).toMatchObject({ code: 64, stderr: expect.stringContaining('Plans for qemu and vagrant run on both') as string });
  });
});
