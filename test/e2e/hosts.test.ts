import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alive, memberPids, pathproof, provenRun, readEvents, readVerdict, runDirs, sandbox, type Sandbox } from './pathproof.js';

let box: Sandbox;
beforeEach(() => {
  box = sandbox();
});
afterEach(() => box.remove());

describe('a lab with two hosts', () => {
  it('proves a failover in the eyes of both, and nothing once the journal of one of them is gone', { timeout: 120_000 }, async () => {
    // One ANA group, so that both hosts have I/O in the one that fails over.
    const result = await provenRun(box, 'smoke', '--seed', 'e2e', '--hosts', '2', '--ana-groups', '1');
    expect(result.code, result.stdout + result.stderr).toBe(0);
    expect(result.stdout.trimEnd().split('\n').at(-1)).toMatch(/--seed e2e --lab loopback --hosts 2 --ana-groups 1$/);
    const [dir] = runDirs(box);
    const events = readEvents(dir!);
    for (const host of ['host1', 'host2']) {
      for (const file of [`journal-${host}.ppj`, `logs/${host}.log`]) expect(existsSync(join(dir!, file)), file).toBe(true);
      for (const label of ['start', 'end']) expect(events.some((e) => e.type === 'host.inventory' && e.host === host && e.label === label)).toBe(true);
    }
    // Four namespaces in turn, of which the last is idle: host2 loads one and probes one.
    const loaded = (host: string) => [...new Set(events.flatMap((e) => (e.type === 'io.stats' && e.host === host ? [e.nsid] : [])))].sort();
    expect([loaded('host1'), loaded('host2')]).toEqual([[1, 3], [2, 4]]);
    const of = (checker: string) => readVerdict(dir!).checks.find((c) => c.checker === checker)!;
    expect(of('ha-response').summary).toMatch(/\(\d+ writes of host1 through it; \d+ writes of host2 through it\)/);
    expect(of('history').summary).toContain('in 2 journals');
    expect(of('fault-took').summary).toContain('confirmed by host1, host2');
    expect(alive(memberPids(events))).toEqual([]);

    rmSync(join(dir!, 'journal-host2.ppj'));
    expect((await pathproof(box, 'recheck', dir!)).code).toBe(2);
    expect(readVerdict(dir!).verdict).toBe('unknown');
    expect(of('history')).toMatchObject({ verdict: 'unknown', summary: 'host2 has no I/O journal' });
  });
});
