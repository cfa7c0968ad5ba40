import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../../util/clock.js';
import { infraError, messageOf, type PathproofError } from '../../../util/errors.js';
import { qemuProgram, type Accel } from '../accel.js';
import type { LabImage } from '../image/image.js';
import { logTail } from '../log-tail.js';
import type { LabMachine, MachineExit } from '../../machine.js';
import { isSameProcess } from '../../process-identity.js';
import { macOf } from '../network.js';
import { endProcess, identityOf, type ProcessIdentity } from '../processes.js';
import { socketPathMaxChars } from '../switch/protocol.js';
import { findProgram, runTool } from '../tools.js';
import { emulatedTscKhz } from '../tsc.js';
import { cardId, managementNetdev, parseForwardedPort, qemuArguments, stateNode, type VmNetwork, type VmPaths } from './arguments.js';
import { ConsoleFollower, findingText, judgeConsoleLine, parseMilestone, type ConsoleFinding } from './console.js';
import type { LabKeys } from './keys.js';
import { QmpClient } from './qmp.js';
import { preferSession } from './priority.js';
import { roleArchive, type Role } from './role.js';
import { Ssh } from './ssh.js';
import { withTap } from './tap.js';

export interface QemuVmOptions {
  name: string;
  memoryMb: number;
  cpus: number;
  accel: Accel;
  image: LabImage;
  keys: LabKeys;
  networks: readonly VmNetwork[];
  role: Role;
  /** It goes before the other machines where it may. */
  observes?: boolean;
  /** Folder of the lab's sockets and scratch files; short. */
  dir: string;
  /** Folder that gets `NAME.serial.log` and `NAME.qemu.log`. */
  logDir: string;
  /** The QEMU process, as soon as it runs: for a record of what has to be ended. */
  onStarted?: (identity: ProcessIdentity) => void;
  /** The boot's steps as they are reached. */
  onStep?: (step: string, seconds: number) => void;
  /** The qcow2 file for snapshots, made if it is not there. Default: in `dir`, and gone with it. */
  stateFile?: string;
  /** How long a boot may take; under emulation 10 s is usual for one VM on an idle machine. */
  bootMaxMs?: number;
}

export type VmExit = MachineExit;

/** Milliseconds since QEMU was started, per step reached; `guest:` steps are on the guest's own clock. */
export type BootTimes = Record<string, number>;

const defaultBootMaxMs = 180_000;
/** A console without a word for so long in the middle of a boot is a hang. */
const bootSilenceMaxMs = 60_000;
const qmpConnectMaxMs = 20_000;
const snapshotMaxMs = 120_000;
/** The end of a process that is no child of ours has to be looked for. */
const adoptedPollMs = 100;
/** QEMU throttles a snapshot like a migration, by default to 128 MB/s. */
const snapshotBytesPerSecond = 8 * 1024 ** 3;

/**
 * One virtual machine: its QEMU process, its control socket, its console and SSH into it. It says what
 * happens (`exited`, `broken`), and whoever meant it knows.
 */
export class QemuVm implements LabMachine {
  readonly name: string;
  readonly serialLog: string;
  readonly qemuLog: string;
  readonly times: BootTimes = {};
  readonly #options: QemuVmOptions;
  readonly #paths: VmPaths;
  readonly #findings: ConsoleFinding[] = [];
  #broken: Promise<ConsoleFinding>;
  #break: (finding: ConsoleFinding) => void = () => undefined;
  #ready: () => void = () => undefined;
  #identity: ProcessIdentity | undefined;
  #qmp: QmpClient | undefined;
  #ssh: Ssh | undefined;
  #console: ConsoleFollower | undefined;
  #exited: Promise<VmExit> | undefined;
  #startedMs = 0;

  constructor(options: QemuVmOptions) {
    this.name = options.name;
    this.#options = options;
    this.serialLog = join(options.logDir, `${options.name}.serial.log`);
    this.qemuLog = join(options.logDir, `${options.name}.qemu.log`);
    this.#paths = {
      kernel: options.image.kernel, rootfs: options.image.rootfs,
      initramfs: join(options.dir, `${options.name}.initramfs`),
      state: options.stateFile ?? join(options.dir, `${options.name}.state.qcow2`),
      serialLog: this.serialLog, qmpSocket: join(options.dir, `${options.name}.qmp`),
    };
    if (this.#paths.qmpSocket.length > socketPathMaxChars) throw infraError('SOCKET_PATH', `${this.#paths.qmpSocket} is too long for a unix socket`, { hint: 'set TMPDIR to a shorter folder' });
    this.#broken = this.#whole();
  }

  /** Settles with the first sign that the guest's kernel is not to be trusted any more; of this power-on, if it runs. */
  get broken(): Promise<ConsoleFinding> {
    return this.#broken;
  }

  /** The running QEMU process, for the lab's record; undefined while there is none. */
  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }

  get qmp(): QmpClient {
    if (this.#qmp === undefined) throw infraError('VM_DOWN', `${this.name} is not running`);
    return this.#qmp;
  }

  get ssh(): Ssh {
    if (this.#ssh === undefined) throw infraError('VM_DOWN', `${this.name} is not running`);
    return this.#ssh;
  }

  /** Settles when the QEMU process ends. */
  get exited(): Promise<VmExit> {
    return this.#exited ?? Promise.reject(infraError('VM_DOWN', `${this.name} was not started`));
  }

  get findings(): readonly ConsoleFinding[] {
    return this.#findings;
  }

  /** The last lines of the guest's console. */
  consoleTail(): string[] {
    return logTail(this.serialLog);
  }

  /**
   * Powers the VM on. `loadSnapshot`: instead of a boot, its memory comes from a snapshot in its state
   * file, and it stands still until `resume`, so that all nodes of a lab can go on together. Resolves when
   * QEMU runs; `untilSsh` (after a snapshot `untilSshAgain`) waits for the guest.
   */
  async start(options: { loadSnapshot?: string } = {}): Promise<void> {
    if (this.#identity !== undefined) throw new Error(`${this.name} runs already`);
    const program = findProgram(qemuProgram);
    if (program === undefined) throw infraError('TOOL_MISSING', `${qemuProgram} is not installed`, { hint: 'see `pathproof doctor --lab qemu`' });
    await this.#prepareFiles();
    const consoleOffset = existsSync(this.serialLog) ? statSync(this.serialLog).size : 0;
    const { name, memoryMb, cpus, accel, networks } = this.#options;
    const args = qemuArguments({
      name, memoryMb, cpus, accel, networks, qemuMajor: await qemuMajorVersion(), managementMac: macOf('mgmt', name), paths: this.#paths,
      paused: options.loadSnapshot !== undefined, ...(accel === 'tcg' ? { tscKhz: await emulatedTscKhz() } : {}),
    });
    this.#broken = this.#whole();
    for (const step of Object.keys(this.times)) delete this.times[step];
    this.#startedMs = performance.now();
    const log = openSync(this.qemuLog, 'a');
    // Its own process group: a Ctrl-C in the terminal must reach the harness only.
    const [file, ...words] = commandOf(networks, [program, ...args]);
    const child = spawn(file!, words, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    child.unref();
    if (this.#options.observes === true && child.pid !== undefined) preferSession(child.pid);
    const exit = new AbortController();
    this.#exited = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => {
        exit.abort(new Error(`QEMU ended (${signal ?? `exit code ${exitCode ?? 'none'}`})`));
        this.#cleanUp();
        resolve({ exitCode, signal });
      });
    });
    this.#identity = await identityOf(name, child);
    this.#options.onStarted?.(this.#identity);
    this.#console = new ConsoleFollower(this.serialLog, consoleOffset, (line) => this.#consoleLine(line));
    try {
      this.#qmp = await QmpClient.connect(this.#paths.qmpSocket, qmpConnectMaxMs, exit.signal);
      this.#ssh = new Ssh({ node: name, port: await this.#forwardedPort(), keys: this.#options.keys, dir: this.#options.dir });
      if (options.loadSnapshot !== undefined) await this.loadSnapshot(options.loadSnapshot);
    } catch (error) {
      await this.kill();
      throw infraError('VM_START', `${name}: QEMU did not start: ${messageOf(error)}`, { details: logTail(this.qemuLog), cause: error });
    }
  }

  /** Takes over a QEMU process that another command has started, and left. An infra error when it does not answer. */
  async adopt(identity: ProcessIdentity): Promise<void> {
    if (this.#identity !== undefined) throw new Error(`${this.name} runs already`);
    const exit = new AbortController();
    this.#identity = identity;
    this.#exited = (async () => {
      while (this.#identity === identity && isSameProcess(identity)) await sleep(adoptedPollMs);
      if (this.#identity !== identity) return new Promise<VmExit>(() => undefined);
      exit.abort(new Error('QEMU ended'));
      this.#cleanUp();
      return { exitCode: null, signal: null };
    })();
    this.#console = new ConsoleFollower(this.serialLog, existsSync(this.serialLog) ? statSync(this.serialLog).size : 0, (line) => this.#consoleLine(line));
    this.#qmp = await QmpClient.connect(this.#paths.qmpSocket, qmpConnectMaxMs, exit.signal);
    this.#ssh = new Ssh({ node: this.name, port: await this.#forwardedPort(), keys: this.#options.keys, dir: this.#options.dir });
  }

  /** Resolves when the guest can be logged into. An infra error, with the console's last lines, when it panics, hangs, ends or takes too long. */
  async untilSsh(): Promise<void> {
    const limitMs = this.#options.bootMaxMs ?? defaultBootMaxMs;
    const over = new AbortController();
    const ready = new Promise<'ready'>((resolve) => {
      this.#ready = () => resolve('ready');
      if (this.times['ready'] !== undefined) resolve('ready');
    });
    try {
      const outcome = await Promise.race([ready, this.broken, this.exited, this.#silence(limitMs, over.signal)]);
      if (outcome !== 'ready') throw this.#bootError(outcome);
      await Promise.race([this.ssh.open(limitMs), this.#failure()]);
      this.#step('ssh');
    } finally {
      over.abort();
    }
  }

  /** Resolves when SSH answers after a snapshot was loaded; no milestone comes then. */
  async untilSshAgain(timeoutMs = 30_000): Promise<void> {
    await Promise.race([this.ssh.open(timeoutMs), this.#failure()]);
    this.#step('ssh');
  }

  /** Power off: SIGKILL to QEMU. The guest's packets vanish; nobody gets a reset. Resolves when the process is gone. */
  async kill(): Promise<void> {
    if (this.#identity === undefined) return;
    const identity = this.#identity;
    await endProcess(identity, { termMs: 0 });
    await this.#exited;
  }

  /** Closes what this process has open; QEMU goes on. */
  letGo(): void {
    this.#cleanUp();
  }

  /** Freezes the guest: no instruction runs, its clock stands. */
  async pause(): Promise<void> {
    await this.qmp.execute('stop');
  }

  async resume(): Promise<void> {
    await this.qmp.execute('cont');
  }

  /** Presses the reset button: the guest boots again, in the same process. */
  async reset(): Promise<void> {
    this.ssh.close();
    for (const step of Object.keys(this.times)) delete this.times[step];
    this.#startedMs = performance.now();
    await this.qmp.execute('system_reset');
  }

  /** Plugs a fabric's cable in or out; the guest sees the carrier go (another fault than frames that vanish in the switch). */
  async setLink(network: string, up: boolean): Promise<void> {
    await this.qmp.execute('set_link', { name: cardId(network), up });
  }

  /** Saves memory and devices into the VM's state file. The guest stands still meanwhile and goes on as before. */
  async saveSnapshot(tag: string): Promise<void> {
    await this.qmp.execute('migrate-set-parameters', { 'max-bandwidth': snapshotBytesPerSecond });
    await this.qmp.job('snapshot-save', { tag, vmstate: stateNode, devices: [stateNode] }, snapshotMaxMs);
  }

  /** Removes a snapshot, if there is one, while the machine is off: QEMU 7.2 may hang when it is asked to. */
  async forgetSnapshot(tag: string): Promise<void> {
    if (this.#identity !== undefined) throw new Error(`${this.name} runs`);
    await runTool('qemu-img', ['snapshot', '-d', tag, this.#paths.state], { timeoutMs: snapshotMaxMs }).catch(() => undefined);
  }

  async loadSnapshot(tag: string): Promise<void> {
    await this.qmp.job('snapshot-load', { tag, vmstate: stateNode, devices: [stateNode] }, snapshotMaxMs);
  }

  #whole(): Promise<ConsoleFinding> {
    return new Promise((resolve) => {
      this.#break = resolve;
    });
  }

  async #prepareFiles(): Promise<void> {
    writeFileSync(this.#paths.initramfs, Buffer.concat([readFileSync(this.#options.image.initramfs), roleArchive(this.#options.role)]));
    rmSync(this.#paths.qmpSocket, { force: true });
    // Only as large as the largest possible snapshot, and sparse until then.
    if (!existsSync(this.#paths.state)) await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', this.#paths.state, '1G'], { timeoutMs: 20_000 });
  }

  async #forwardedPort(): Promise<number> {
    const text = await this.qmp.execute('human-monitor-command', { 'command-line': 'info usernet' });
    const port = parseForwardedPort(text);
    if (port === undefined) throw new Error(`QEMU names no forwarded port for ${managementNetdev}`);
    return port;
  }

  #consoleLine(line: string): void {
    if (this.times['kernel'] === undefined && line !== '') this.#step('kernel');
    const milestone = parseMilestone(line);
    if (milestone !== undefined) {
      this.times[`guest:${milestone.step}`] = Math.round(milestone.uptimeSeconds * 1_000);
      this.#step(milestone.step);
      if (milestone.step === 'ready') this.#ready();
    }
    const finding = judgeConsoleLine(line);
    if (finding === undefined) return;
    this.#findings.push(finding);
    // A hang that the guest's watchdog sees may only be a busy machine; the others never are. What the kernel ends for
    // memory may be the thing under test: what it does afterwards proves nothing.
    if (finding.kind !== 'hang') this.#break(finding);
  }

  #step(step: string): void {
    const ms = Math.round(performance.now() - this.#startedMs);
    this.times[step] = ms;
    this.#options.onStep?.(step, ms / 1_000);
  }

  /** Resolves with what is wrong when the boot takes too long or says nothing for too long. */
  async #silence(limitMs: number, signal: AbortSignal): Promise<{ tooLong: string }> {
    while (!signal.aborted) {
      await sleep(250, signal);
      const now = performance.now();
      if (now - this.#startedMs > limitMs) return { tooLong: `not ready within ${limitMs / 1_000} s` };
      if (this.#console !== undefined && now - Math.max(this.#console.lastOutputMs, this.#startedMs) > bootSilenceMaxMs) return { tooLong: `its console has been silent for ${bootSilenceMaxMs / 1_000} s` };
    }
    return { tooLong: 'given up' };
  }

  async #failure(): Promise<never> {
    throw this.#bootError(await Promise.race([this.broken, this.exited]));
  }

  #bootError(outcome: ConsoleFinding | VmExit | { tooLong: string }): PathproofError {
    const details = [...this.consoleTail(), ...logTail(this.qemuLog, 5)];
    const reached = Object.keys(this.times).filter((s) => !s.startsWith('guest:')).at(-1) ?? 'power-on';
    if ('kind' in outcome) return infraError('VM_PANIC', `${this.name}: after step "${reached}" ${findingText(outcome)}`, { details, hint: `the whole console: ${this.serialLog}` });
    if ('tooLong' in outcome) return infraError('VM_BOOT', `${this.name}: ${outcome.tooLong}, last step "${reached}"`, { details, hint: `is the machine overloaded or out of memory? The whole console: ${this.serialLog}` });
    return infraError('VM_ENDED', `${this.name}: QEMU ended while booting (${outcome.signal ?? `exit code ${outcome.exitCode ?? 'none'}`}), last step "${reached}"`, { details, hint: `its own words: ${this.qemuLog}` });
  }

  #cleanUp(): void {
    this.#console?.close();
    this.#ssh?.close();
    this.#qmp?.close();
    this.#identity = undefined;
    this.#qmp = undefined;
    this.#ssh = undefined;
    this.#console = undefined;
  }
}

/** The command line of QEMU, by way of whoever opens its tap for it. */
function commandOf(networks: readonly VmNetwork[], command: string[]): string[] {
  const [tap, another] = networks.flatMap((network) => ('tap' in network ? [network.tap] : []));
  if (another !== undefined) throw new Error('a machine has one tap at most');
  return tap === undefined ? command : withTap(tap, command);
}

let knownMajor: number | undefined;

async function qemuMajorVersion(): Promise<number> {
  knownMajor ??= Number(/version (\d+)\./.exec((await runTool(qemuProgram, ['--version'], { timeoutMs: 20_000 })).toString('utf8'))?.[1] ?? 0);
  return knownMajor;
}
