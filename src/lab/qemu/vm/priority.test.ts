import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import os from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { observerNice, preferSession } from './priority.js';

const children: ReturnType<typeof spawn>[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('preferSession', () => {
  it.skipIf(process.getuid?.() !== 0)('raises a process and its session, and nobody else', () => {
    const child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
    children.push(child);
    const own = os.getPriority();
    preferSession(child.pid!);
    expect(os.getPriority(child.pid)).toBe(observerNice);
    const file = `/proc/${child.pid}/autogroup`;
    if (existsSync(file)) expect(readFileSync(file, 'utf8')).toContain(`nice ${observerNice}`);
    expect(os.getPriority()).toBe(own);
  });

  it.skipIf(process.getuid?.() !== 0)('raises the threads that run already', async () => {
    const child = spawn(process.execPath, ['-e', 'console.log(1); setTimeout(() => undefined, 60_000)'], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    await once(child.stdout, 'data');
    preferSession(child.pid!);
    const threads = readdirSync(`/proc/${child.pid}/task`).map(Number);
    expect(threads.length).toBeGreaterThan(1);
    expect(threads.map((thread) => os.getPriority(thread))).toEqual(threads.map(() => observerNice));
  });

  it('does nothing about a process that is not there', () => {
    expect(() => preferSession(2 ** 30)).not.toThrow();
  });
});
