import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../../src/history/events.js';
import { alive, memberPids, pathproof, provenRun, readEvents, readVerdict, runDirs, sandbox, start, untilHistory, type Sandbox } from './pathproof.js';

let box: Sandbox;
beforeEach(() => {
  box = sandbox();
});
afterEach(() => box.remove());

const checkers = ['integrity', 'availability', 'single-optimized', 'convergence', 'ha-response', 'inventory', 'fault-took', 'vacuity', 'self-watch', 'history'];

describe('smoke', () => {
  it('proves a failover end to end, and the stored run can be judged again', { timeout: 120_000 }, async () => {
    const result = await provenRun(box, 'smoke', '--seed', 'e2e');
    expect(result.code, result.stdout + result.stderr).toBe(0);
    const lines = result.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/seed e2e · git \S+ · run smoke --seed e2e/);
    expect(lines.at(-1)).toMatch(/repeat: .* --filter gateway-dies --seed e2e --lab loopback$/);

    const [dir] = runDirs(box);
    const verdict = readVerdict(dir!);
    expect(verdict.verdict).toBe('pass');
    expect(verdict.checks.map((c) => c.checker)).toEqual(expect.arrayContaining(checkers));
    expect(verdict.checks.find((c) => c.checker === 'integrity')!.metrics['operations']).toBeGreaterThan(1_000);

    const events = readEvents(dir!);
    // Every member is a process of its own; the killed gateway came back as another one.
    const started = events.flatMap((e) => (e.type === 'node' && e.state === 'started' ? [e] : []));
    expect(started.map((e) => e.name).sort()).toEqual(['fabric', 'gw1', 'gw2', 'host1', 'monitor', 'store', started.filter((e) => e.role === 'gateway').at(-1)!.name].sort());
    expect(new Set(memberPids(events)).size).toBe(started.length);
    expect(events.some((e) => e.type === 'node' && e.state === 'killed' && e.signal === 'SIGKILL')).toBe(true);
    for (const name of ['store', 'fabric', 'monitor', 'gw1', 'gw2', 'host1']) expect(existsSync(join(dir!, 'logs', `${name}.log`))).toBe(true);
    expect(alive(memberPids(events))).toEqual([]);

    const html = readFileSync(join(dir!, 'report.html'), 'utf8');
    expect(html).toContain('gateway-dies');
    expect(html).not.toMatch(/(?:src|href)="https?:/);

    const again = await pathproof(box, 'recheck', dir!, '--json');
    expect(again.code, again.stderr).toBe(0);
    expect(readVerdict(dir!)).toEqual(verdict);
  });
});

function firstWrittenBlock(file: string, blockSize: number): number {
  const content = readFileSync(file);
  for (let block = 0; block < content.length / blockSize; block++) if (content.readUInt32LE(block * blockSize) !== 0) return block;
  throw new Error(`${file} has no written block`);
}

describe('a system that breaks', () => {
  it('fails for a bit that flips in the store after the first re-read', { timeout: 120_000 }, async () => {
    const run = start(box, ['run', 'smoke']);
    const { dir } = await untilHistory(box, run, (events) => events.some((e) => e.type === 'run.phase' && e.phase === 'settle'));
    const file = join(dir, 'store', 'images', 'image1.img');
    // A block that was written: in one that never was, the flipped bit is garbage instead.
    const block = firstWrittenBlock(file, 4_096);
    const image = openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    readSync(image, byte, 0, 1, block * 4_096 + 2_000);
    byte[0]! ^= 0x10;
    writeSync(image, byte, 0, 1, block * 4_096 + 2_000);
    closeSync(image);
    const result = await run.finished;
    expect(result.code, result.stdout).toBe(1);
    const integrity = readVerdict(dir).checks.find((c) => c.checker === 'integrity')!;
    expect(integrity.verdict).toBe('fail');
    expect(integrity.evidence.map((e) => e.text).join('\n')).toMatch(/torn/);
  });
});

describe('trouble', () => {
  it('stops on Ctrl-C in the middle of a fault: healed, stored, nothing left, exit 130', { timeout: 120_000 }, async () => {
    const run = start(box, ['run', 'smoke']);
    const { dir } = await untilHistory(box, run, (events) => events.some((e) => e.type === 'fault' && e.phase === 'injected'));
    run.child.kill('SIGINT');
    const result = await run.finished;
    expect(result.code, result.stdout + result.stderr).toBe(130);
    const events = readEvents(dir);
    expect(events.some((e) => e.type === 'fault' && e.phase === 'healed')).toBe(true);
    expect(events.at(-1)).toMatchObject({ type: 'run.end', reason: 'interrupted' });
    expect(readVerdict(dir)).toMatchObject({ interrupted: true });
    expect(readVerdict(dir).verdict).not.toBe('pass');
    expect(alive(memberPids(events))).toEqual([]);
    expect((await pathproof(box, 'lab', 'down')).stdout).toContain('nothing was left behind');
  });

  it('can be killed with SIGKILL: lab down ends a paused member, and the run can be rechecked', { timeout: 120_000 }, async () => {
    const run = start(box, ['run', 'smoke']);
    const { dir, events } = await untilHistory(box, run, (all) => all.some((e) => e.type === 'fault' && e.phase === 'confirmed'));
    const store = events.find((e) => e.type === 'node' && e.name === 'store' && e.state === 'started') as { pid: number };
    process.kill(store.pid, 'SIGSTOP');
    run.child.kill('SIGKILL');
    await run.finished;
    expect(alive([store.pid])).toEqual([store.pid]);
    const down = await pathproof(box, 'lab', 'down');
    expect(down.stdout).toContain(`store (pid ${store.pid})`);
    expect(alive(memberPids(readEvents(dir)))).toEqual([]);
    expect(existsSync(join(dir, 'store'))).toBe(false);

    const recheck = await pathproof(box, 'recheck', dir);
    expect(recheck.code, recheck.stdout + recheck.stderr).toBe(2);
    expect(readVerdict(dir).verdict).toBe('unknown');
    expect(readVerdict(dir).checks.find((c) => c.checker === 'history')!.summary).toMatch(/run\.end/);
  });

  it('calls a gateway that does not start infra, and names its log', { timeout: 120_000 }, async () => {
    const run = start(box, ['run', 'smoke']);
    const isStart = (e: HistoryEvent) => e.type === 'node' && e.name === 'gw2' && e.state === 'started';
    const { events, dir } = await untilHistory(box, run, (all) => all.some(isStart));
    process.kill((events.find(isStart) as { pid: number }).pid, 'SIGKILL');
    const result = await run.finished;
    expect(result.code, result.stdout + result.stderr).toBe(3);
    expect(result.stdout).toMatch(/the lab broke: gw2 .*ended.*SIGKILL/);
    expect(readVerdict(dir).verdict).toBe('infra');
    expect(readEvents(dir).at(-1)).toMatchObject({ type: 'run.end', reason: 'infra' });
    expect(alive(memberPids(readEvents(dir)))).toEqual([]);
  });

  it('calls a disk without room infra', { timeout: 120_000 }, async () => {
    // No file may grow over 1 MiB: the images do not fit.
    const result = await start(box, ['run', 'smoke'], { shell: 'ulimit -f 1024' }).finished;
    expect(result.code, result.stdout + result.stderr).toBe(3);
    expect(result.stdout).toMatch(/store/);
    expect(alive(memberPids(readEvents(runDirs(box)[0]!)))).toEqual([]);
  });

  it('calls a journal that cannot grow any more infra', { timeout: 120_000 }, async () => {
    // 1 MiB images fit under a limit of 1.5 MiB a file; the journal of an unthrottled load soon does not.
    writeFileSync(join(box.dir, 'heavy.suite.ts'), `
      import { suite } from 'pathproof';
      export default suite({ name: 'heavy', scenarios: [{ name: 'a', title: 'Much I/O', description: 'fill the disk.', lab: { namespaceMiB: 1 },
        workload: { workingSetBlocks: 128, ioBytes: [4096], maxIops: 0, queueDepth: 32 }, steps: [{ do: 'run', forMs: 60000 }] }] });
    `);
    const result = await start(box, ['run', './heavy.suite.ts'], { shell: 'ulimit -f 1536' }).finished;
    expect(result.code, result.stdout + result.stderr).toBe(3);
    expect(result.stdout).toMatch(/host1 ended unexpectedly/);
    expect(result.stdout).toMatch(/journal-host1\.ppj/);
    const [dir] = runDirs(box);
    expect(readVerdict(dir!).verdict).toBe('infra');
    expect(alive(memberPids(readEvents(dir!)))).toEqual([]);
  });
});
