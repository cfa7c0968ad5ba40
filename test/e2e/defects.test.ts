import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Plan } from '../../src/plan/types.js';
import { pathproof, provenRun, readEvents, readVerdict, runDirs, sandbox, type Sandbox } from './pathproof.js';

/**
 * The harness has to find what is broken, by the checker whose business it is. One defect of each part;
 * `pathproof detect` measures all of them (docs/DETECTION.md).
 */
let box: Sandbox;
beforeEach(() => {
  box = sandbox();
});
afterEach(() => box.remove());

describe('a lab with a defect', () => {
  it.each<[string, string, string, RegExp]>([
    ['smoke', 'store.lose-writes', 'integrity', /lost acknowledged write/],
    ['smoke', 'gateway.stale-cache', 'integrity', /stale read/],
    ['smoke', 'gateway.optimized-everywhere', 'single-optimized', /ANA group \d.* optimized at gw1 .*and gw2/],
    ['smoke', 'agent.crash-on-promotion', 'membership', /ended \(crashed/],
    ['smoke', 'gateway.frozen-chgcnt', 'agreement', /its change count stayed/],
    ['nightly/held-data-phase', 'store.ignore-blocklist', 'integrity', /late write|lost acknowledged write|stale read/],
    ['regressions/without-digests', 'link.flip-bit', 'integrity', /torn block/],
  ])('%s: %s is found by %s', { timeout: 180_000 }, async (where, defect, checker, finding) => {
    const [suite, scenario] = where.split('/');
    const result = await pathproof(box, 'run', suite!, ...(scenario === undefined ? [] : ['--filter', scenario]), '--seed', 'd1', '--defect', defect);
    expect(result.code, result.stdout + result.stderr).toBe(1);
    expect(result.stdout.split('\n')[0]).toContain(`DEFECTS ON: ${defect}`);
    expect(result.stdout.trimEnd().split('\n').at(-1)).toContain(`--defect ${defect}`);
    const [dir] = runDirs(box);
    const found = readVerdict(dir!).checks.find((c) => c.checker === checker)!;
    expect(found.verdict).toBe('fail');
    expect(found.summary).toMatch(finding);
    expect(found.evidence.length).toBeGreaterThan(0);
    // A data-path defect is no reason for any other checker to fail.
    if (checker === 'integrity' && suite === 'smoke') expect(readVerdict(dir!).checks.filter((c) => c.verdict === 'fail').map((c) => c.checker)).toEqual(['integrity']);
    // It cannot be left on unnoticed.
    expect((JSON.parse(readFileSync(join(dir!, 'plan.json'), 'utf8')) as Plan).defects).toEqual([defect]);
    expect(readEvents(dir!)[0]).toMatchObject({ type: 'run.start', defects: [defect] });
    expect(readFileSync(join(dir!, 'report.html'), 'utf8')).toContain(defect);
  });

  it('is told by no run of the honest lab: a held write is refused by the store, and nothing else happens', { timeout: 180_000 }, async () => {
    const result = await provenRun(box, 'nightly', '--filter', 'held-data-phase', '--seed', 'd1');
    expect(result.code, result.stdout + result.stderr).toBe(0);
    const [dir] = runDirs(box);
    const vacuity = readVerdict(dir!).checks.find((c) => c.checker === 'vacuity')!;
    expect(vacuity.metrics['hold.heldWrites']).toBeGreaterThan(0);
    expect(vacuity.metrics['hold.overtakenBlocks']).toBeGreaterThan(0);
    const released = readEvents(dir!).find((e) => e.type === 'fault' && e.id === 'hold' && e.phase === 'healed');
    expect(released).toMatchObject({ evidence: expect.stringMatching(/^sent the data of [1-9]\d* held write\(s\), 0 had no connection any more$/) as string });
  });

  it('does not exist under a name that nobody knows', async () => {
    const result = await pathproof(box, 'run', 'smoke', '--defect', 'gateway.bad-mood');
    expect(result.code).toBe(64);
    expect(result.stderr).toMatch(/gateway\.bad-mood[\s\S]*store\.lose-writes/);
  });
});
