import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SshFioRunner } from './ssh-fio-runner.js';
import type { Ssh } from '../vm/ssh.js';

/** How long a connection takes before the command runs, seconds. */
let connectS = 0;

/** A node that is this machine: what ssh would hand to the node's shell, a shell of ours runs. */
const here = {
  node: 'here',
  exec: async (command: string, { input }: { input?: string | Buffer } = {}) => {
    const { stdout, stderr, exitCode } = await execa('sh', ['-c', command], { reject: false, stripFinalNewline: false, ...(input === undefined ? {} : { input }) });
    return { stdout, stderr, exitCode: exitCode ?? 255, ms: 0 };
  },
  pipe: (command: string, onData: (chunk: Buffer) => void, onErrorData: (chunk: Buffer) => void) => {
    const child = spawn('sh', ['-c', `sleep ${connectS}; ${command}`], { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdout.on('data', onData);
    child.stderr.on('data', onErrorData);
    return { ended: new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode }))), write: () => undefined, stop: () => void child.kill() };
  },
  upload: (data: string, path: string) => {
    writeFileSync(path, data);
    return Promise.resolve();
  },
} as unknown as Ssh;

describe('SshFioRunner', () => {
  const runner = new SshFioRunner(here, () => Promise.resolve({ monotonicOffUs: 1, realtimeOffUs: 2, errUs: 3 }));
  let dir: string;
  let into: string;
  const out: string[] = [];
  const errors: string[] = [];
  const start = (...argv: string[]) => runner.start(argv, { cwd: dir, onStdout: (chunk) => out.push(Buffer.from(chunk).toString()), onStderr: (chunk) => errors.push(Buffer.from(chunk).toString()) });
  beforeEach(async () => {
    out.length = errors.length = connectS = 0;
    dir = await runner.makeDir();
    into = join(mkdtempSync(join(tmpdir(), 'pathproof-ssh-fio-')), 'artifacts');
  });
  afterEach(async () => {
    await runner.removeDir(dir);
    expect(readdirSync('/var/tmp').filter((name) => join('/var/tmp', name).startsWith(dir))).toEqual([]);
    rmSync(join(into, '..'), { recursive: true });
  });

  it('runs commands to their end, and says when there is no such program', async () => {
    expect(await runner.exec(['printf', '%s', 'a b\'c $HOME'])).toEqual({ code: 0, signal: null, stdout: 'a b\'c $HOME', stderr: '' });
    expect(await runner.exec(['sh', '-c', 'echo no >&2; exit 3'])).toEqual({ code: 3, signal: null, stdout: '', stderr: 'no\n' });
    expect(await runner.exec(['/no/such/fio', '--version'])).toMatchObject({ code: 127, signal: null });
  });

  it('starts a process in its folder, hands its output on, and brings its files back', async () => {
    await runner.writeFile(`${dir}/job.fio`, '[global]\n');
    const process = await start('sh', '-c', 'cat job.fio; echo oops >&2; printf "\\0\\377x" >data.bin; mkdir sub; exit 4');
    expect(await process.ended).toEqual({ code: 4, signal: null });
    expect([out.join(''), errors.join('')]).toEqual(['[global]\n', 'oops\n']);
    await runner.collect(dir, into);
    expect(readdirSync(into).sort()).toEqual(['data.bin', 'job.fio']);
    expect([...readFileSync(join(into, 'data.bin'))]).toEqual([0, 255, 120]);
  });

  it('ends a process by a signal that it may handle, and by one that it may not', async () => {
    const handling = await start('node', '-e', 'process.on("SIGINT", () => { console.log("stopped"); process.exit(0); }); console.log("runs"); setTimeout(() => {}, 60000)');
    await expect.poll(() => out.join('')).toContain('runs');
    await handling.signal('SIGINT');
    expect(await handling.ended).toEqual({ code: 0, signal: null });
    expect(out.join('')).toContain('stopped');
    // In the same folder, and slow to start: the signal is for this one and not for the one before.
    connectS = 0.3;
    const killed = await start('sleep', '600');
    await killed.signal('SIGKILL');
    expect(await killed.ended).toEqual({ code: null, signal: 'SIGKILL' });
    await killed.signal('SIGKILL');
  });

  it('says that a program did not start by its status, as a shell does', async () => {
    expect(await (await start('/no/such/fio')).ended).toEqual({ code: 127, signal: null });
    expect(errors.join('')).toContain('/no/such/fio');
  });

  it('gives the clocks that it was given', async () => {
    expect(await runner.clock()).toEqual({ monotonicOffUs: 1, realtimeOffUs: 2, errUs: 3 });
  });
});
