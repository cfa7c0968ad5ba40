import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CephMonSession } from '../../ceph/msgr2/index.js';
import type { CephMonSessionOptions, ModeChoice, MonCommandReply } from '../../ceph/msgr2/index.js';
import { infraError, messageOf } from '../../util/errors.js';
import { freePorts } from '../../util/free-ports.js';
import { LabRegistration } from '../registry.js';
import { chrootCommand, runInRoot } from './chroot.js';

export interface RealMonOptions {
  /** A root file system with ceph-mon (`ensureCephRoot`); the cluster's own folder is made in its /tmp. Default: PATHPROOF_CEPH_ROOT. */
  root?: string;
  auth: 'none' | 'cephx';
  /** ms_mon_service_mode; default: both. */
  modes?: 'crc' | 'secure' | 'secure crc';
  /** More lines for the [global] section. */
  config?: readonly string[];
}

const mons = ['a', 'b', 'c'];
const connectMaxMs = 60_000;
const logLines = 15;

/**
 * A cluster of monitors only, each a ceph-mon process of this machine out of another root file system, on 127.0.0.1.
 * Gateways, blocklists and osdmap epochs need no more than that. `stop` takes everything away; what a killed harness
 * left is found by `pathproof lab down`.
 */
export class RealMonCluster {
  readonly endpoints: { host: string; port: number }[];
  readonly fsid = randomUUID();
  readonly #root: string;
  /** Folder of this cluster, as the chroot sees it. */
  readonly #inside: string;
  readonly #auth: 'none' | 'cephx';
  readonly #processes: (ChildProcess | undefined)[] = [];
  readonly #daemons: ChildProcess[] = [];
  readonly #sessions: CephMonSession[] = [];
  readonly #registration: LabRegistration;
  #adminKey: string | undefined;

  private constructor(root: string, inside: string, auth: 'none' | 'cephx', ports: number[]) {
    this.#root = root;
    this.#inside = inside;
    this.#auth = auth;
    this.#registration = new LabRegistration('real-mon', join(root, inside), [join(root, inside)]);
    this.endpoints = ports.map((port) => ({ host: '127.0.0.1', port }));
  }

  /** Resolves when a monitor answers. Rejects with an infra error: CEPH_MON, TOOL_MISSING, TOOL_FAILED. */
  static async start(count: number, o: RealMonOptions): Promise<RealMonCluster> {
    const root = o.root ?? process.env['PATHPROOF_CEPH_ROOT'];
    if (root === undefined) throw infraError('CEPH_ROOT', 'no root file system with ceph-mon was named', { hint: 'set PATHPROOF_CEPH_ROOT' });
    const folder = mkdtempSync(join(root, 'tmp/pathproof-mon-'));
    const cluster = new RealMonCluster(root, folder.slice(root.length), o.auth, await freePorts(count));
    try {
      await cluster.#make(o);
      for (let i = 0; i < count; i += 1) cluster.startMon(i);
      await cluster.#ready();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Bytes of memory that monitor `i` occupies. */
  residentKiB(i: number): number {
    const status = readFileSync(`/proc/${this.#processes[i]!.pid!}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
  }

  /** Runs a command as client.admin, with a session of its own that stays open. Rejects unless the code is 0. */
  async command(command: Record<string, unknown>): Promise<string> {
    const reply = await this.tryCommand(command);
    if (reply.code !== 0) throw infraError('CEPH_COMMAND', `${JSON.stringify(command)}: ${reply.code} ${reply.status}`);
    return reply.output.toString('utf8');
  }

  /** Asks again as long as the monitors are not connected or the answer was lost with a connection. */
  async tryCommand(command: Record<string, unknown>): Promise<MonCommandReply> {
    const admin = await this.admin();
    for (;;) {
      await admin.whenConnected(connectMaxMs);
      try {
        return await admin.command(command);
      } catch (error) {
        if (!(error instanceof Error) || !/MON_(NOT|DIS)/.test(error.message)) throw error;
      }
    }
  }

  async admin(): Promise<CephMonSession> {
    const open = this.#sessions[0] ?? this.session({ entity: 'client.admin', key: this.#adminKey });
    await open.whenConnected(connectMaxMs);
    return open;
  }

  /** A further session, closed by `stop`. */
  session(o: { entity: string; key?: string | undefined; mode?: ModeChoice } & Pick<CephMonSessionOptions, 'timers' | 'log'>): CephMonSession {
    const { key, ...rest } = o;
    const session = new CephMonSession({ mons: this.endpoints, ...rest, ...(key === undefined ? {} : { key }) });
    this.#sessions.push(session);
    return session;
  }

  /** Makes a user and returns its key (cephx), or undefined (auth none). */
  async user(entity: string, caps: readonly string[], keyType?: 'aes' | 'aes256k'): Promise<string | undefined> {
    if (this.#auth === 'none') return undefined;
    const key = await this.command({ prefix: 'auth get-or-create-key', entity, caps, ...(keyType === undefined ? {} : { key_type: keyType }) });
    return key.trim();
  }

  startMon(i: number): void {
    this.#processes[i] = this.#spawn(`mon.${mons[i]!}`, 'ceph-mon', ['-i', mons[i]!, '-f', '-c', this.inside('ceph.conf')]);
  }

  /** Starts a further program of the root file system, e.g. an OSD; ended by `stop`. What it says goes to the file `NAME.out` of the cluster's folder. `proc`: see `chrootCommand`. */
  startDaemon(name: string, program: string, args: readonly string[], options: { proc?: boolean } = {}): ChildProcess {
    const child = this.#spawn(name, program, args, options);
    this.#daemons.push(child);
    return child;
  }

  /** Runs a program of the root file system that ends by itself. Rejects with an infra error (TOOL_FAILED). */
  run(program: string, args: readonly string[]): Promise<void> {
    return runInRoot(this.#root, program, args);
  }

  /** A file of the cluster's folder as the programs in the root file system see it. */
  inside(name: string): string {
    return `${this.#inside}/${name}`;
  }

  /** The same file as this process sees it. */
  outside(name: string): string {
    return this.#path(name);
  }

  /** SIGKILL by default, as a crash; resolves when the process is gone. */
  async stopMon(i: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#processes[i];
    this.#processes[i] = undefined;
    if (child !== undefined) await end(child, signal);
  }

  /** SIGSTOP and SIGCONT: the kernel still acknowledges TCP, but nobody reads. */
  pauseMon(i: number, paused: boolean): void {
    this.#processes[i]!.kill(paused ? 'SIGSTOP' : 'SIGCONT');
  }

  #spawn(name: string, program: string, programArgs: readonly string[], options: { proc?: boolean } = {}): ChildProcess {
    const log = openSync(this.#path(`${name}.out`), 'a');
    const { file, args } = chrootCommand(this.#root, program, programArgs, options);
    const child = spawn(file, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    const { pid } = child;
    if (pid === undefined) return child;
    this.#registration.add(name, pid);
    child.once('exit', () => this.#registration.removePid(pid));
    return child;
  }

  log(i: number): string {
    return readFileSync(this.#path(`mon.${mons[i]!}.log`), 'utf8');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.close()));
    // Daemons first: without their monitors they only wait.
    await Promise.all(this.#daemons.map((child) => end(child, 'SIGKILL')));
    await Promise.all(this.#processes.map((_, i) => this.stopMon(i)));
    if (process.env['PATHPROOF_KEEP'] === undefined) rmSync(this.#path('.'), { recursive: true, force: true });
    this.#registration.close();
  }

  /** The first session, or why there is none: a monitor that cannot start ends within a second and says so in its output. */
  async #ready(): Promise<void> {
    const ended = this.#processes.map((child, i) => new Promise<never>((_, reject) => {
      child!.once('error', (error) => reject(infraError('CEPH_MON', `cannot start ceph-mon: ${error.message}`)));
      child!.once('exit', (code, signal) => reject(infraError('CEPH_MON', `mon.${mons[i]!} ended with ${code === null ? String(signal) : `exit code ${code}`}`, { details: this.#said(i) })));
    }));
    for (const each of ended) each.catch(() => undefined);
    const connected = this.admin().catch((error: unknown) => {
      throw infraError('CEPH_MON', `no monitor answers: ${messageOf(error)}`, { details: this.#said(0) });
    });
    await Promise.race([connected, ...ended]);
  }

  /** The last lines of a monitor's output and log. */
  #said(i: number): string[] {
    return [`mon.${mons[i]!}.out`, `mon.${mons[i]!}.log`].flatMap((name) => {
      try {
        return readFileSync(this.#path(name), 'utf8').trimEnd().split('\n').slice(-logLines);
      } catch {
        return [];
      }
    });
  }

  async #make(o: RealMonOptions): Promise<void> {
    const inside = this.#inside;
    const addresses = this.endpoints.map(({ host, port }) => `[v2:${host}:${port}]`);
    const modes = o.modes === undefined ? [] : [`ms_mon_service_mode = ${o.modes}`, `ms_mon_client_mode = ${o.modes}`, `ms_mon_cluster_mode = ${o.modes}`];
    writeFileSync(this.#path('ceph.conf'), [
      '[global]',
      `fsid = ${this.fsid}`,
      `mon_host = ${addresses.join(',')}`,
      ...['cluster', 'service', 'client'].map((what) => `auth_${what}_required = ${o.auth}`),
      'ms_bind_msgr1 = false',
      `log_file = ${inside}/$name.log`,
      `admin_socket = ${inside}/$name.asok`,
      `run_dir = ${inside}`,
      `mon_data = ${inside}/mon-$id`,
      `keyring = ${inside}/keyring`,
      'mon_cluster_log_to_file = false',
      'mon_cluster_log_to_stderr = false',
      'mon_data_avail_crit = 0',
      'rocksdb_cache_size = 33554432',
      'mon_memory_target = 536870912',
      'osd_pool_default_size = 1',
      ...modes,
      ...(o.config ?? []),
      '',
    ].join('\n'));
    const chroot = (tool: string, ...args: string[]): Promise<void> => runInRoot(this.#root, tool, args);
    const keyring = `${inside}/keyring`;
    await chroot('ceph-authtool', keyring, '--create-keyring', '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *');
    await chroot('ceph-authtool', keyring, '--gen-key', '-n', 'client.admin', '--cap', 'mon', 'allow *', '--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *');
    const added = addresses.flatMap((address, i) => ['--addv', mons[i]!, address]);
    await chroot('monmaptool', '--create', '--clobber', '--enable-all-features', '--fsid', this.fsid, ...added, `${inside}/monmap`);
    for (let i = 0; i < addresses.length; i += 1) {
      mkdirSync(this.#path(`mon-${mons[i]!}`));
      await chroot('ceph-mon', '--mkfs', '-i', mons[i]!, '--monmap', `${inside}/monmap`, '--keyring', keyring, '-c', `${inside}/ceph.conf`);
    }
    if (o.auth === 'none') return;
    this.#adminKey = /\[client\.admin\]\s+key = (\S+)/.exec(readFileSync(this.#path('keyring'), 'utf8'))?.[1];
  }

  #path(name: string): string {
    return join(this.#root, this.#inside, name);
  }
}

/** Resolves when it is gone. */
async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}
