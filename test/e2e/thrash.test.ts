import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ThrashRecord } from '../../src/results/thrash-report.js';
import { alive, memberPids, pathproof, readEvents, runDirs, sandbox, start, untilHistory, type Sandbox } from './pathproof.js';

let box: Sandbox;
beforeEach(() => {
  box = sandbox();
});
afterEach(() => box.remove());

const recordOf = (seed: string): ThrashRecord => JSON.parse(readFileSync(join(box.results, 'thrash-soak', seed, 'rounds.json'), 'utf8')) as ThrashRecord;

describe('thrash', () => {
  it('runs rounds of seeded random faults, reports each, and keeps no more folders than wanted', { timeout: 600_000 }, async () => {
    const result = await pathproof(box, 'thrash', '--for', '70s', '--seed', 'soak', '--keep', '1');
    expect(result.code, result.stdout + result.stderr).toBe(0);
    const record = recordOf('soak');
    expect(record.rounds.length).toBeGreaterThanOrEqual(2);
    expect(record.rounds.map(({ seed, verdict }) => `${seed} ${verdict}`)).toEqual(record.rounds.map((_, i) => `soak-${i + 1} pass`));
    expect(record.rounds.every(({ faults }) => faults > 0)).toBe(true);
    expect(record.rounds.filter(({ dir }) => dir !== null)).toHaveLength(1);
    expect(record.rounds.slice(0, -1).every(({ dir }) => dir === null)).toBe(true);
    expect(readFileSync(join(box.results, 'thrash-soak', 'soak', 'report.md'), 'utf8')).toContain(`${record.rounds.length} rounds of suite thrash: ${record.rounds.length} pass, 0 fail`);
  });

  it('heals, stores the round and keeps everything when it is stopped', { timeout: 300_000 }, async () => {
    const running = start(box, ['thrash', '--for', '1h', '--seed', 'stop']);
    const { dir } = await untilHistory(box, running, (events) => events.some((event) => event.type === 'fault' && event.phase === 'injected'));
    running.child.kill('SIGINT');
    const { code, stdout } = await running.finished;
    expect(code, stdout).toBe(130);
    const events = readEvents(dir);
    expect(events.at(-1)).toMatchObject({ type: 'run.end', reason: 'interrupted' });
    expect(alive(memberPids(events))).toEqual([]);
    expect(recordOf('stop').rounds).toHaveLength(1);
    expect(existsSync(join(runDirs(box)[0]!, 'verdict.json')) || existsSync(join(dir, 'verdict.json'))).toBe(true);
  });
});
