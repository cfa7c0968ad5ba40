import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { isPopulated, removeCgroup } from '../machine-parts.js';
import { processStartTime } from '../process-identity.js';
import { bootScript } from './boot-script.js';
import { inCgroup, makeCgroup } from './cgroup-spawn.js';

export interface NativeHostOptions {
  name: string;
  /** The lab's control group; the host's is below it. */
  labCgroup: string;
  /** The host's folder: its changes to the root, its containers, its daemons' data. They stay when it is off. */
  dir: string;
  /** Root file system under all hosts, and podman's store for all of them. */
  root: string;
  store: string;
  /** What its PID 1 says goes here. */
  logFile: string;
  /** Further folders of the machine that the host has, `SOURCE:TARGET`. */
  binds?: readonly string[];
  /** The host's /run/pathproof is a folder of this machine, in which its gateway's socket is. Default true. */
  sharesRun?: boolean;
  /** Block devices of the machine that the host has, `dev:NAME:MAJOR:MINOR`; asked at each start, since they may change. */
  devices?: () => Promise<readonly string[]>;
  /** Gives the host its network, from outside; its namespace is that of `pid`. */
  network: (pid: number) => Promise<void>;
}

export interface ExecResult { stdout: string; stderr: string; exitCode: number | null }
export interface ExecOptions { timeoutMs?: number; okCodes?: readonly number[] | 'any'; input?: string | Buffer }

const makeMaxMs = 20_000;
const execMaxMs = 60_000;
const bootMaxMs = 90_000;
const pollMs = 100;
const saidLines = 12;

/** The folders of a host, and what has to be in them before it boots for the first time. */
export function prepareHostDir(dir: string, name: string, files: readonly { path: string; text: string }[]): void {
  for (const folder of ['upper/etc', 'work', 'root', 'containers', 'ceph', 'run']) mkdirSync(join(dir, folder), { recursive: true });
  const all = [
    { path: '/etc/hostname', text: `${name}\n` },
    { path: '/etc/machine-id', text: `${createHash('sha256').update(dir).update(name).digest('hex').slice(0, 32)}\n` },
    ...files,
  ];
  for (const { path, text } of all) {
    const target = join(dir, 'upper', path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
}

/**
 * A machine made of namespaces of this one, with systemd as its PID 1. Its kernel, clock and processors are this
 * machine's; its processes, mounts, network, host name and control groups are its own. Everything of it is in one
 * control group, so that it can be switched off, paused and found.
 */
export class NativeHost {
  readonly name: string;
  readonly cgroup: string;
  readonly #o: NativeHostOptions;
  #pid: number | undefined;

  constructor(options: NativeHostOptions) {
    this.name = options.name;
    this.#o = options;
    this.cgroup = join(options.labCgroup, options.name);
  }

  /** The pid of its PID 1 on this machine; undefined while it is off. */
  get pid(): number | undefined {
    return this.#pid !== undefined && this.running() ? this.#pid : undefined;
  }

  /** Does any process of it run, by the word of the kernel? */
  running(): boolean {
    return isPopulated(this.cgroup);
  }

  /** Switches it on; resolves when systemd was started, not when its services run. An infra error (HOST_START) otherwise. */
  async start(): Promise<void> {
    if (this.running()) return;
    makeCgroup(this.#o.labCgroup, this.name);
    const { dir, root, store, logFile, binds = [], sharesRun = true } = this.#o;
    // What a host has in memory only is gone with its power.
    rmSync(join(dir, 'run'), { recursive: true, force: true });
    if (sharesRun) mkdirSync(join(dir, 'run'));
    const devices = await this.#o.devices?.() ?? [];
    const { file, args } = inCgroup(this.cgroup, [
      'unshare', '--mount', '--pid', '--fork', '--uts', '--ipc', '--net', '--cgroup', '--kill-child', '--', '/bin/sh', '-c', bootScript, 'sh', root, dir, store, this.name, ...binds, ...devices,
    ]);
    const log = openSync(logFile, 'a');
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', log], detached: true });
    closeSync(log);
    child.on('error', () => undefined);
    child.stdin!.on('error', () => undefined);
    child.unref();
    try {
      await said(child, 'made');
      this.#pid = childOf(child.pid!);
      if (this.#pid === undefined) throw new Error('its PID 1 is gone');
      await this.#o.network(this.#pid);
      child.stdin!.end('go\n');
    } catch (error) {
      await this.kill();
      throw infraError('HOST_START', `${this.name} did not start: ${messageOf(error)}`, { details: this.#logTail(), hint: 'see `pathproof doctor --lab native`' });
    }
  }

  /** Resolves when systemd has reached its target; failed units are named in the result. */
  async untilBooted(timeoutMs = bootMaxMs): Promise<{ state: string; failed: string[] }> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const { stdout } = await this.exec('systemctl is-system-running', { okCodes: 'any' }).catch(() => ({ stdout: '' }));
      const state = stdout.trim();
      if (state === 'running') return { state, failed: [] };
      if (state === 'degraded') {
        const { stdout: units } = await this.exec('systemctl --failed --plain --no-legend', { okCodes: 'any' });
        return { state, failed: units.split('\n').map((line) => line.split(' ')[0]!).filter((unit) => unit !== '') };
      }
      if (Date.now() >= deadline) throw infraError('HOST_START', `${this.name} did not boot within ${timeoutMs / 1_000} s (systemd: ${state === '' ? 'silent' : state})`, { details: this.#logTail() });
      await sleep(pollMs);
    }
  }

  /** Runs a shell command as root of the host. An infra error (HOST_EXEC) for any exit code but 0, or those allowed. */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { timeoutMs = execMaxMs, okCodes = [0], input } = options;
    const { file, args } = this.command(['/bin/sh', '-c', command]);
    const result = await execa(file, args, { reject: false, timeout: timeoutMs, ...(input === undefined ? { stdin: 'ignore' as const } : { input }), maxBuffer: 64 * 1024 * 1024 });
    const exitCode = result.exitCode ?? null;
    if (!result.timedOut && (okCodes === 'any' || (exitCode !== null && okCodes.includes(exitCode)))) return { stdout: result.stdout, stderr: result.stderr, exitCode };
    const why = result.timedOut ? `did not end within ${timeoutMs / 1_000} s` : exitCode === null ? (result.signal ?? result.originalMessage ?? 'could not be started') : `ended with exit code ${exitCode}`;
    throw infraError('HOST_EXEC', `${this.name}: ${command.slice(0, 120)} ${why}`, { details: `${result.stdout}\n${result.stderr}`.trim().split('\n').slice(-saidLines) });
  }

  /** The command line on this machine that runs a program as root of the host. */
  command(program: readonly string[]): { file: string; args: string[] } {
    const pid = this.#up();
    // Below the host's own group: systemd must find every process of its machine there.
    const cgroup = makeCgroup(this.cgroup, 'lab-exec');
    const enter = ['nsenter', '--target', String(pid), '--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wdns=/root', '--'];
    return inCgroup(cgroup, [...enter, '/usr/bin/env', '-i', 'HOME=/root', 'LANG=C.UTF-8', 'TERM=dumb', 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...program]);
  }

  /** Stands still as a whole: every process of it is frozen (cgroup.freeze); its sockets stay. */
  pause(): Promise<void> {
    return this.#freeze(true);
  }

  resume(): Promise<void> {
    return this.#freeze(false);
  }

  /** The power is gone: every process ends at once and its network card with them, nobody gets a reset. */
  async kill(): Promise<void> {
    await this.#cutNetwork();
    await removeCgroup(this.cgroup);
    this.#pid = undefined;
  }

  /** An orderly end: systemd stops its services (SIGRTMIN+4 is its poweroff.target), then the rest is ended. */
  async stop(timeoutMs = 30_000): Promise<void> {
    const { pid } = this;
    if (pid !== undefined) {
      // systemd(1): SIGRTMIN+4 powers off; Node has no name for it, but the shell does.
      await this.exec('systemctl poweroff --no-block', { okCodes: 'any' }).catch(() => undefined);
      const deadline = Date.now() + timeoutMs;
      while (processStartTime(pid) !== undefined && Date.now() < deadline) await sleep(pollMs);
    }
    await this.kill();
  }

  /** So that dying processes cannot say good-bye to their peers: a kernel that ends a socket sends a reset. */
  async #cutNetwork(): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    await execa('nsenter', ['--target', String(pid), '--net', '--', 'sh', '-c', 'ip -o link | sed -n "s/^[0-9]*: \\(fab-[^@:]*\\).*/\\1/p" | while read -r card; do ip link set "$card" down; done'], { reject: false });
  }

  async #freeze(on: boolean): Promise<void> {
    writeFileSync(join(this.cgroup, 'cgroup.freeze'), on ? '1' : '0');
    const deadline = Date.now() + makeMaxMs;
    while (new RegExp(`^frozen ${on ? 1 : 0}$`, 'm').exec(readFileSync(join(this.cgroup, 'cgroup.events'), 'utf8')) === null) {
      if (Date.now() >= deadline) throw infraError('HOST_FREEZE', `${this.name} does not ${on ? 'stand still' : 'go on'}`);
      await sleep(5);
    }
  }

  #up(): number {
    const { pid } = this;
    if (pid === undefined) throw infraError('HOST_OFF', `${this.name} is off`);
    return pid;
  }

  #logTail(): string[] {
    try {
      return readFileSync(this.#o.logFile, 'utf8').trimEnd().split('\n').slice(-saidLines);
    } catch {
      return [];
    }
  }
}

/** The first line that the script says. */
async function said(child: ChildProcess, wanted: string): Promise<void> {
  const lines = createInterface({ input: child.stdout! });
  const timeout = new AbortController();
  const outcome = await Promise.race([
    new Promise<string>((resolve) => lines.once('line', resolve)),
    new Promise<string>((resolve) => child.once('exit', (code, signal) => resolve(`ended (${signal ?? `exit code ${code ?? 'none'}`})`))),
    sleep(makeMaxMs, timeout.signal).then(() => 'says nothing'),
  ]);
  timeout.abort();
  lines.close();
  // Whatever systemd says on it must not stop it.
  child.stdout!.resume();
  if (outcome !== wanted) throw new Error(outcome);
}

/** The only child of a process (proc(5), children). */
function childOf(pid: number): number | undefined {
  try {
    const child = Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10);
    return Number.isInteger(child) ? child : undefined;
  } catch {
    return undefined;
  }
}
