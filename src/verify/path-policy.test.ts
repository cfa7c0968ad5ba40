import { describe, expect, it } from 'vitest';
import type { PathIo } from '../history/events.js';
import { nominalPlatform } from '../plan/platform.js';
import type { PathPolicy } from '../plan/types.js';
import { pathPolicy } from './path-policy.js';
import { healthyRun, moments } from './testing/healthy-run.js';
import { countPaths, pathEvent, pathIo, twoFabrics } from './testing/run.js';
import type { DraftRun } from './testing/run.js';
import { checkersFor } from './index.js';

/** A host with two networks whose paths carry, per window, the numbers of requests that `carried` gives (of `gw1:…`, its twin on the other network, …). */
function run(policy: PathPolicy, carried: (ms: number) => { gateway: string; nsid: number; other?: boolean; writes: number; inflightBefore?: number }[]): DraftRun {
  const draft = countPaths(twoFabrics(healthyRun()), (ms) => carried(ms).map(({ gateway, nsid, other = false, writes, inflightBefore = 0 }): PathIo => {
    const row = pathIo(gateway, nsid, { writes, bytesWritten: writes * 4_096, inflightBefore });
    return other ? { ...row, path: `${row.path}-b`, controller: `${row.controller}-b` } : row;
  }));
  draft.plan.platform = nominalPlatform('qemu');
  draft.plan.shape = { ...draft.plan.shape, policy };
  return draft;
}
/** Namespace 1 by both networks of its owner; `a` and `b` requests per window. */
const both = (a: number, b: number) => () => [{ gateway: 'gw1', nsid: 1, writes: a }, { gateway: 'gw1', nsid: 1, other: true, writes: b }, { gateway: 'gw2', nsid: 1, writes: 0 }];

describe('path-policy', () => {
  it('applies where there are two networks and the kernel chooses', () => {
    const plan = run('numa', both(9, 0)).plan;
    expect(checkersFor(plan).map(({ name }) => name)).toContain('path-policy');
    expect(checkersFor({ ...plan, platform: nominalPlatform('loopback') }).map(({ name }) => name)).not.toContain('path-policy');
  });

  it.each<[PathPolicy, number, number]>([['numa', 9, 0], ['round-robin', 9, 9], ['round-robin', 5, 4], ['queue-depth', 9, 0], ['queue-depth', 5, 6]])('passes %s with %i and %i requests by the two', async (policy, a, b) => {
    const result = await pathPolicy.check(run(policy, both(a, b)).input);
    expect(result).toMatchObject({ verdict: 'pass', metrics: { namespacesJudged: 1 } });
    expect(result.metrics['windows']).toBeGreaterThan(3);
  });

  it.each<[PathPolicy, number, number, RegExp]>([
    ['numa', 9, 9, /^host1, namespace 1: gw1:nvme1:n1 \d+, gw1:nvme1:n1-b \d+ of \d+ requests: numa keeps to one path/],
    ['round-robin', 9, 0, /gw1:nvme1:n1-b 0 of \d+ requests: round-robin gives each path its turn$/],
    ['round-robin', 9, 2, /round-robin gives each path its turn$/],
  ])('fails %s with %i and %i', async (policy, a, b, text) => {
    const result = await pathPolicy.check(run(policy, both(a, b)).input);
    expect(result.verdict).toBe('fail');
    expect(result.summary).toMatch(text);
  });

  it.each<PathPolicy>(['numa', 'round-robin', 'queue-depth'])('fails %s when a path that is not optimized carries I/O, but for what was sent before', async (policy) => {
    const stray = (inflightBefore: number) => (ms: number) => [...both(9, policy === 'round-robin' ? 9 : 0)().slice(0, 2), { gateway: 'gw2', nsid: 1, writes: ms === 1_250 ? 2 : 0, inflightBefore }];
    const result = await pathPolicy.check(run(policy, stray(0)).input);
    expect(result).toMatchObject({ verdict: 'fail', summary: expect.stringMatching(/gw2:nvme2:n1 \(gw2\) carried 2 requests of namespace 1 although it was not optimized/) as string });
    expect((await pathPolicy.check(run(policy, stray(2)).input)).verdict).toBe('pass');
  });

  it('judges nothing after the first fault, nor while paths change', async () => {
    const later = run('numa', (ms) => (ms + 250 > moments.inject ? both(9, 9)() : both(9, 0)()));
    expect((await pathPolicy.check(later.input)).verdict).toBe('pass');
    const changing = run('numa', (ms) => (ms === 1_250 || ms === 1_500 ? both(15, 15)() : both(15, 0)())).add(1_400, { ...pathEvent('gw1', 1, 'optimized'), path: 'gw1:nvme1:n1-b' });
    expect((await pathPolicy.check(changing.input)).verdict).toBe('pass');
  });

  it('is unknown without counters, and with too few requests', async () => {
    expect(await pathPolicy.check(run('numa', both(9, 0)).remove('host.path-io').input)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('no counters of paths were read') as string });
    expect(await pathPolicy.check(run('numa', both(1, 0)).input)).toMatchObject({ verdict: 'unknown', summary: expect.stringMatching(/had 20 requests before the first fault \(at most \d\)/) as string });
  });

  it('is unknown when each namespace has one path', async () => {
    const single = run('numa', () => [{ gateway: 'gw1', nsid: 1, writes: 50 }]).remove('host.path', ({ path }) => path.endsWith('-b'));
    expect((await pathPolicy.check(single.input)).verdict).toBe('unknown');
  });
});
