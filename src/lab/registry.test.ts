import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isSameProcess, processStartTime } from './process-identity.js';
import { findLabs, LabRegistration, removeAbandonedLabs, removeLab, type LabRecord } from './registry.js';

let dir: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pathproof-registry-'));
  process.env['PATHPROOF_STATE'] = dir;
});
afterEach(async () => {
  delete process.env['PATHPROOF_STATE'];
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(dir, { recursive: true, force: true });
});

async function sleeper(): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")'], { stdio: ['ignore', 'pipe', 'ignore'] });
  children.push(child);
  await once(child.stdout, 'data');
  return child as unknown as ChildProcess & { pid: number };
}

/** Rewrites the one record as if the harness that wrote it were gone. */
function orphan(change: (record: LabRecord) => void = () => undefined): void {
  const file = join(dir, 'labs', readdirSync(join(dir, 'labs'))[0]!);
  const record = JSON.parse(readFileSync(file, 'utf8')) as LabRecord;
  record.harness.startTime = 'long ago';
  change(record);
  writeFileSync(file, JSON.stringify(record));
}

describe('process identity', () => {
  it('knows itself, and that a reaped child is gone', async () => {
    expect(processStartTime(process.pid)).toBeDefined();
    const child = await sleeper();
    const startTime = processStartTime(child.pid)!;
    expect(isSameProcess({ pid: child.pid, startTime })).toBe(true);
    expect(isSameProcess({ pid: child.pid, startTime: `${startTime}1` })).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isSameProcess({ pid: child.pid, startTime })).toBe(false);
  });
});

describe('lab registry', () => {
  it('ends what an abandoned lab left, a paused process too, and removes its scratch folder', async () => {
    const child = await sleeper();
    const scratch = join(dir, 'scratch');
    mkdirSync(scratch);
    new LabRegistration('loopback', '/run', [scratch]).add('gw1', child.pid);
    child.kill('SIGSTOP');
    orphan();
    const gone = once(child, 'exit');
    expect(await removeAbandonedLabs()).toEqual([{ runDir: '/run', ended: [`gw1 (pid ${child.pid})`] }]);
    expect(await gone).toEqual([null, 'SIGKILL']);
    expect(existsSync(scratch)).toBe(false);
    expect(findLabs()).toEqual([]);
  });

  it('leaves a lab alone whose harness lives', async () => {
    const child = await sleeper();
    new LabRegistration('loopback', '/run', []).add('gw1', child.pid);
    expect(await removeAbandonedLabs()).toEqual([]);
    expect(processStartTime(child.pid)).toBeDefined();
    expect(findLabs().map((l) => [l.harnessAlive, l.alive.length])).toEqual([[true, 1]]);
  });

  it('never ends a process that only has a recorded pid', async () => {
    const child = await sleeper();
    new LabRegistration('loopback', '/run', []).add('gw1', child.pid);
    orphan((record) => {
      record.members[0]!.startTime = 'another time';
    });
    expect(await removeAbandonedLabs()).toEqual([{ runDir: '/run', ended: [] }]);
    expect(processStartTime(child.pid)).toBeDefined();
  });

  it('forgets members that ended and records that cannot be read', async () => {
    const child = await sleeper();
    const registration = new LabRegistration('loopback', '/run', []);
    registration.add('gw1', child.pid);
    registration.removePid(child.pid);
    expect(findLabs()[0]!.record.members).toEqual([]);
    registration.close();
    writeFileSync(join(dir, 'labs', 'broken.json'), '{"lab": 3');
    expect(findLabs()).toEqual([]);
    expect(readdirSync(join(dir, 'labs'))).toEqual([]);
  });

  it('can end the lab of a live harness when asked to', async () => {
    const child = await sleeper();
    new LabRegistration('loopback', '/run', []).add('store', child.pid);
    const gone = once(child, 'exit');
    const { ended } = await removeLab(findLabs()[0]!);
    expect(ended).toEqual([`store (pid ${child.pid})`]);
    await gone;
  });
});
