import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memberFiles, startCommand, supervisorScript } from './supervisor.js';

/** flock(1) is Linux's; guests have it. */
const here = process.platform === 'linux';
if (!here) console.log('skipped: the supervisor of a guest needs Linux');

const files = memberFiles('gw1');
/** Stands in for the gateway: says in a file that it is up, then ends as it is told. */
const program = `
import { writeFileSync } from 'node:fs';
process.on('SIGTERM', () => process.exit(10));
writeFileSync(process.argv[2] + '.up', String(process.pid));
setInterval(() => undefined, 1000);
`;

describe.skipIf(!here)('the supervisor', () => {
  let root: string;
  let children: ChildProcess[];
  const at = (path: string): string => join(root, path);
  const links = (): string[] => readdirSync(at('sys/kernel/config/nvmet/ports/1/subsystems'));
  const read = (path: string): string => readFileSync(at(path), 'utf8').trim();

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pathproof-sup-'));
    children = [];
    for (const folder of ['sys/kernel/config/nvmet/ports/1/subsystems', 'sys/kernel/config/nvmet/subsystems/nqn.x/namespaces', 'sys/bus/rbd/devices', 'dev/mapper', 'etc/pathproof']) mkdirSync(at(folder), { recursive: true });
    writeFileSync(at('supervise'), supervisorScript);
    for (const name of ['program.mjs', 'spdk-gateway.mjs']) writeFileSync(at(name), program);
  });
  afterEach(async () => {
    for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
    const pid = existsSync(at(files.pid)) ? Number(read(files.pid)) : 0;
    if (pid > 0) process.kill(pid, 'SIGKILL');
    rmSync(root, { recursive: true, maxRetries: 5, retryDelay: 100 });
  });

  const start = (entry = 'program.mjs'): ChildProcess => {
    const child = spawn('sh', [at('supervise'), 'gw1', at(entry)], { env: { ...process.env, PATHPROOF_ROOT: root }, stdio: 'ignore' });
    children.push(child);
    return child;
  };
  const exists = (path: string) => expect.poll(() => existsSync(at(path)), { timeout: 10_000, interval: 10 }).toBe(true);
  const up = async (): Promise<number> => {
    await exists(`${files.config}.up`);
    await exists(files.pid);
    rmSync(at(`${files.config}.up`));
    symlinkSync(at('sys/kernel/config/nvmet/subsystems/nqn.x'), at('sys/kernel/config/nvmet/ports/1/subsystems/nqn.x'));
    return Number(read(files.pid));
  };

  it.each([['SIGKILL', '137'], ['SIGTERM', '10']] as const)('after %s shuts every connection, then tells the status, then cleans up', async (signal, status) => {
    start();
    const pid = await up();
    expect(existsSync(at(files.exit))).toBe(false);
    process.kill(pid, signal);
    await exists(files.exit);
    expect(read(files.exit)).toBe(status);
    expect(links()).toEqual([]);
    expect(existsSync(at(files.pid))).toBe(false);
    await exists(files.clean);
    expect(read(files.log)).toContain(`process ${pid} ended with status ${status}`);
  });

  it('does not die of a signal before it has cleaned up', async () => {
    const supervisor = start();
    const pid = await up();
    supervisor.kill('SIGTERM');
    supervisor.kill('SIGHUP');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([supervisor.exitCode, supervisor.signalCode, links()]).toEqual([null, null, ['nqn.x']]);
    process.kill(pid, 'SIGKILL');
    await exists(files.clean);
    expect(read(files.exit)).toBe('137');
  });

  it('starts the next incarnation only when the last one is cleaned up', async () => {
    // Reading a pipe that nobody writes keeps the cleaning up waiting, as commands under way do.
    const stuck = at('sys/kernel/config/nvmet/subsystems/nqn.x/namespaces/1');
    start();
    const pid = await up();
    mkdirSync(stuck);
    execFileSync('mkfifo', [join(stuck, 'enable')]);
    process.kill(pid, 'SIGKILL');
    await exists(files.exit);
    start();
    await expect.poll(() => read(files.log), { timeout: 5_000 }).toContain('waits until the last incarnation is cleaned up');
    expect([existsSync(at(files.clean)), existsSync(at(files.pid))]).toEqual([false, false]);
    expect(execFileSync('cat', [join(stuck, 'enable')], { encoding: 'utf8' })).toBe('0\n');
    rmSync(stuck, { recursive: true });
    expect(await up()).not.toBe(pid);
    expect(existsSync(at(files.exit))).toBe(false);
  });

  it('refuses to run a gateway twice', async () => {
    start();
    const pid = await up();
    const second = start();
    await new Promise((resolve) => { second.once('exit', resolve); });
    expect(second.exitCode).toBe(1);
    expect(read(files.log)).toContain('runs already');
    expect([Number(read(files.pid)), links()]).toEqual([pid, ['nqn.x']]);
  });

  it('ends what a supervisor that was killed has left', async () => {
    const first = start();
    const pid = await up();
    first.kill('SIGKILL');
    await new Promise((resolve) => { first.once('exit', resolve); });
    expect(links()).toEqual(['nqn.x']);
    start();
    const next = await up();
    expect(next).not.toBe(pid);
    // A process that has ended but was not waited for has no command line any more.
    expect(existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : '').toBe('');
  });

  it('of a gateway on SPDK ends the SPDK that is left, nobody else’s, and leaves the kernel’s target alone', async () => {
    const spdk = (name: string): ChildProcess => {
      const child = spawn('sleep', ['1000'], { argv0: `nvmf_tgt --rpc-socket ${root}/run/pathproof/${name}.spdk/spdk.sock`, stdio: 'ignore' });
      children.push(child);
      return child;
    };
    start('spdk-gateway.mjs');
    const pid = await up();
    const [own, other] = [spdk('gw1'), spdk('gw2')];
    mkdirSync(at('run/pathproof/gw1.spdk'));
    const ended = new Promise((resolve) => { own.once('exit', (_, signal) => resolve(signal)); });
    process.kill(pid, 'SIGKILL');
    await exists(files.clean);
    expect(await ended).toBe('SIGKILL');
    expect([other.exitCode, other.signalCode, links(), existsSync(at('run/pathproof/gw1.spdk'))]).toEqual([null, null, ['nqn.x'], false]);
    expect(existsSync(at('sys/kernel/config/nvmet/subsystems/nqn.x'))).toBe(true);
  });
});

it('is started without anything that holds an SSH session', () => {
  expect(startCommand('gw1')).toBe('rm -f /run/pathproof/gw1.exit; setsid sh /usr/local/lib/pathproof/supervise gw1 /usr/local/lib/pathproof/gateway.mjs </dev/null >/dev/null 2>&1 &');
});
