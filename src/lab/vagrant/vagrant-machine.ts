import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import type { LabMachine, MachineExit } from '../machine.js';
import { isSameProcess, processStartTime } from '../process-identity.js';
import { logTail } from '../qemu/log-tail.js';
import type { ProcessIdentity } from '../qemu/processes.js';
import { ConsoleFollower, judgeConsoleLine, type ConsoleFinding } from '../qemu/vm/console.js';
import { preferSession } from '../qemu/vm/priority.js';
import type { LibvirtRoom } from './room.js';
import type { VagrantAccess } from './ssh-config.js';
import { vagrantDestination, VagrantSsh, vagrantSshOptions } from './vagrant-ssh.js';

export interface VagrantMachineOptions {
  /** Libvirt's name of it. */
  domain: string;
  access: VagrantAccess;
  room: LibvirtRoom;
  /** How long it may take from power-on until root can log in. */
  bootMaxMs: number;
  /** It goes before the others: what it sees late proves nothing. */
  observes: boolean;
}

const exitPollMs = 100;
const virshMaxMs = 120_000;
const endMaxMs = 30_000;
/** What has to be there before programs of the lab can run. */
const bootUnits = 'systemd-modules-load.service pathproof-network.service';

/** One machine that Vagrant made. Its power, snapshots and pauses are libvirt's: `vagrant halt` asks the guest first, and starts a Ruby each time. */
export class VagrantMachine implements LabMachine {
  readonly name: string;
  readonly serialLog: string;
  readonly qemuLog: string;
  readonly #o: VagrantMachineOptions;
  #identity: ProcessIdentity | undefined;
  #ssh: VagrantSsh | undefined;
  #console: ConsoleFollower | undefined;
  #exited: Promise<MachineExit> | undefined;
  #broken: Promise<ConsoleFinding> = new Promise(() => undefined);

  constructor(options: VagrantMachineOptions) {
    this.name = options.access.node;
    this.#o = options;
    const logs = join(options.room.dir, 'var/log/libvirt/qemu');
    this.serialLog = join(logs, `${options.domain}.serial.log`);
    this.qemuLog = join(logs, `${options.domain}.log`);
  }

  get identity(): ProcessIdentity | undefined {
    return this.#identity;
  }

  get ssh(): VagrantSsh {
    if (this.#ssh === undefined) throw infraError('VM_DOWN', `${this.name} is not running`);
    return this.#ssh;
  }

  get broken(): Promise<ConsoleFinding> {
    return this.#broken;
  }

  get exited(): Promise<MachineExit> {
    return this.#exited ?? Promise.reject(infraError('VM_DOWN', `${this.name} was not started`));
  }

  consoleTail(): string[] {
    return logTail(this.serialLog);
  }

  /** The words after `ssh` with which a person gets in. */
  get sshWords(): string[] {
    const { access, room } = this.#o;
    return [...vagrantSshOptions({ access, proxy: room.sshProxy }), vagrantDestination(access)];
  }

  /** Finds the process of a machine that runs, and logs in. */
  async attach(): Promise<void> {
    this.#found();
    await this.#open();
  }

  /** The power comes. Resolves when root can log in and the guest has set up its network. */
  async boot(): Promise<void> {
    await this.#virsh('start', this.#o.domain);
    this.#found();
    await this.#open();
    await this.ssh.exec(`systemctl start ${bootUnits}`, { timeoutMs: this.#o.bootMaxMs });
  }

  async kill(): Promise<void> {
    const identity = this.#identity;
    if (identity === undefined) return;
    await this.#virsh('destroy', this.#o.domain);
    const deadline = Date.now() + endMaxMs;
    while (isSameProcess(identity)) {
      if (Date.now() >= deadline) throw infraError('PROCESS_STUCK', `${this.name} (pid ${identity.pid}) still runs after virsh destroy`);
      await sleep(exitPollMs / 4);
    }
    this.#cleanUp();
  }

  /** Freezes the guest: no instruction runs. */
  async pause(): Promise<void> {
    await this.#virsh('suspend', this.#o.domain);
  }

  async resume(): Promise<void> {
    await this.#virsh('resume', this.#o.domain);
  }

  /** Memory, devices and disk, as `vagrant snapshot save` does; `vagrant snapshot list` has it. */
  async saveSnapshot(tag: string): Promise<void> {
    await this.#virsh('snapshot-create-as', this.#o.domain, tag);
  }

  /**
   * In the state in which the snapshot was saved, which is paused if it was. Of a machine that is off, so that there is a new
   * process: the clock of one that runs on never goes back.
   */
  async revert(tag: string): Promise<void> {
    await this.#virsh('snapshot-revert', this.#o.domain, tag);
    this.#found();
  }

  /** After `revert` and `resume`. */
  untilSshAgain(): Promise<void> {
    return this.#open();
  }

  /** Closes what this process has open; the machine goes on. */
  letGo(): void {
    this.#cleanUp();
  }

  #found(): void {
    const pid = processOf(this.#o.domain, this.#o.room.processes());
    const startTime = pid === undefined ? undefined : processStartTime(pid);
    if (pid === undefined || startTime === undefined) throw infraError('VM_DOWN', `${this.name}: libvirt runs no machine ${this.#o.domain}`, { details: logTail(this.qemuLog, 5) });
    this.#cleanUp();
    const identity = this.#identity = { name: this.name, pid, startTime };
    this.#exited = (async () => {
      while (this.#identity === identity && isSameProcess(identity)) await sleep(exitPollMs);
      // Whoever has switched it off, or let go of it, knows.
      if (this.#identity === identity) this.#cleanUp();
      return { exitCode: null, signal: null };
    })();
    this.#broken = new Promise((resolve) => {
      if (!existsSync(this.serialLog)) return;
      this.#console = new ConsoleFollower(this.serialLog, statSync(this.serialLog).size, (line) => {
        const finding = judgeConsoleLine(line);
        // A hang that the guest's watchdog sees may only be a busy machine; the others never are.
        if (finding !== undefined && finding.kind !== 'hang') resolve(finding);
      });
    });
    const { access, room } = this.#o;
    this.#ssh = new VagrantSsh({ access, proxy: room.sshProxy, dir: room.dir });
  }

  async #open(): Promise<void> {
    const over = new AbortController();
    const failed = Promise.race([
      this.broken.then(({ line }) => infraError('VM_PANIC', `${this.name}: ${line}`, { details: this.consoleTail() })),
      this.exited.then(() => infraError('VM_ENDED', `${this.name}: its machine ended`, { details: logTail(this.qemuLog, 5) })),
    ]).then((error) => {
      over.abort(error);
      throw error;
    });
    failed.catch(() => undefined);
    await Promise.race([this.ssh.open(this.#o.bootMaxMs, over.signal), failed]);
    // Not before: gateways that go on from a snapshot have little time until the monitor counts them out, and it would be taken from them.
    if (this.#o.observes && this.#identity !== undefined) preferSession(this.#identity.pid);
  }

  async #virsh(...args: string[]): Promise<void> {
    const { exitCode, output, timedOut } = await this.#o.room.run('virsh', ['--connect', 'qemu:///system', ...args], '/', { timeoutMs: virshMaxMs });
    if (exitCode === 0) return;
    throw infraError('LIBVIRT', `${this.name}: virsh ${args[0]!} ${timedOut ? `did not end within ${virshMaxMs / 1_000} s` : `ended with exit code ${exitCode}`}`, { details: output.trim().split('\n').slice(-5) });
  }

  #cleanUp(): void {
    this.#console?.close();
    this.#ssh?.close();
    this.#identity = undefined;
    this.#console = undefined;
    this.#ssh = undefined;
  }
}

/** The process of this machine among these: QEMU names its guest in its arguments. */
function processOf(domain: string, pids: readonly number[]): number | undefined {
  return pids.find((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`\0guest=${domain},`);
    } catch {
      return false;
    }
  });
}
