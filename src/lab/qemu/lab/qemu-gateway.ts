import type { EventBody } from '../../../history/events.js';
import { classifySelfEnd } from '../../member/gateway-exit.js';
import type { ClockEstimate } from '../../guest/clock-estimate.js';
import { AttachedGateway, endMaxMs } from '../../guest/attached-gateway.js';
import { AttachedMember } from '../../guest/attached-member.js';
import type { NodeEvent } from '../../../history/events.js';
import { sleep } from '../../../util/clock.js';
import { messageOf } from '../../../util/errors.js';
import type { GatewayNode } from '../../types.js';
import type { GatewayMachine } from '../../machine.js';
import type { ProgramControl } from '../programs.js';

export interface QemuGatewayOptions {
  name: string;
  vm: GatewayMachine;
  /** Powers its machine on; resolves when it can be logged into. */
  boot: () => Promise<void>;
  programs: ProgramControl;
  config: Record<string, unknown>;
  /** Its program. Default: the one on the kernel's target. */
  entry?: 'gateway' | 'spdk-gateway';
  /** Addresses of the OSD and of the monitors, as the machine sees them. */
  storeAddress: string;
  monitorAddresses: readonly string[];
  /** Folder for the local end of its socket. */
  dir: string;
  onEvent: (event: NodeEvent | EventBody, errUs?: number) => void;
  onClock: (estimate: ClockEstimate) => void;
  /** Called with the reason when it ended and nobody meant it, nor any of its own rules. */
  onBroken: (reason: string) => void;
  /** How long it may take from the start of its program until it answers. */
  startMaxMs: number;
}

/** As RestartSec= of a systemd unit: long enough to keep a loop of restarts slow. */
const restartDelayMs = 1_000;

/** A gateway in its virtual machine: the kernel's target or SPDK, run by a gateway agent that is a process with a pid there. */
export class QemuGateway extends AttachedGateway implements GatewayNode {
  readonly #o: QemuGatewayOptions;
  #starting: Promise<void> | undefined;
  /** Its service manager's wish to start it again; aborted by whoever starts, kills or detaches it. */
  #restart: AbortController | undefined;

  constructor(options: QemuGatewayOptions) {
    super(options.name, options.onEvent);
    this.#o = options;
  }

  /** Attaches to the program that runs in the guest, e.g. after a snapshot was restored. */
  async attach(): Promise<void> {
    const { name, vm, dir, onEvent, onClock, startMaxMs } = this.#o;
    const member = await AttachedMember.attach({ name, ssh: vm.ssh, dir, onEvent, onClock, timeoutMs: startMaxMs });
    this.current = member;
    this.runningPid = (member.info as { pid: number }).pid;
    this.meant = false;
    this.note('ready', { pid: this.runningPid });
    void member.closed.then(() => this.#onClosed(member));
  }

  start(): Promise<void> {
    this.#restart?.abort();
    return this.#startOnce();
  }

  /** Whoever asks while it is being started waits for the same start. */
  #startOnce(): Promise<void> {
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #start(): Promise<void> {
    const { name, vm, programs, config, entry = 'gateway' } = this.#o;
    if (this.runningPid !== undefined) return;
    const off = vm.identity === undefined;
    if (off) {
      await this.#o.boot();
      await programs.install(vm.ssh, entry, name, config);
    }
    await programs.start(vm.ssh, entry, name);
    this.note('started', {});
    await this.attach();
  }

  async kill(): Promise<void> {
    this.meant = true;
    await this.#o.vm.ssh.exec(`kill -KILL ${this.running()}`);
    await this.ended();
  }

  async stop(): Promise<void> {
    this.meant = true;
    await this.#o.vm.ssh.exec(`kill -TERM ${this.running()}`);
    await this.ended();
  }

  async powerOff(): Promise<void> {
    this.#restart?.abort();
    this.meant = true;
    await this.#o.vm.kill();
    this.current?.close();
    await this.ended();
  }

  powered(): boolean {
    return this.#o.vm.identity !== undefined;
  }

  async alive(pid: number): Promise<boolean> {
    if (!this.powered()) return false;
    return (await this.#o.vm.ssh.exec(`test -d /proc/${pid}`, { okCodes: [0, 1] })).exitCode === 0;
  }

  reachesStore(): Promise<boolean> {
    return this.#reaches(this.#o.storeAddress);
  }

  override detach(): void {
    this.#restart?.abort();
    super.detach();
  }

  async #onClosed(member: AttachedMember): Promise<void> {
    if (member !== this.current) return;
    const pid = this.runningPid;
    const meant = this.meant;
    this.current = undefined;
    this.runningPid = undefined;
    const off = (): void => this.note('killed', { ...(pid === undefined ? {} : { pid }), expected: meant, detail: 'the machine is off' });
    if (!this.powered()) return off();
    try {
      const { exitCode, signal } = await this.#o.programs.exitOf(this.#o.vm.ssh, this.name, endMaxMs);
      const end = meant ? { kind: 'meant' as const } : classifySelfEnd(exitCode);
      this.note(signal === 'SIGKILL' ? 'killed' : 'exited', {
        ...(pid === undefined ? {} : { pid }), exitCode, signal, expected: end.kind === 'meant', ...('detail' in end && end.detail !== undefined ? { detail: end.detail } : {}),
      });
      if (end.kind === 'by-rule') this.#restartSoon();
      if (end.kind === 'unexpected') this.#o.onBroken(`${this.name} ended unexpectedly (${signal ?? `exit code ${exitCode ?? 'unknown'}`})`);
    } catch (error) {
      // The connection may be gone before QEMU is.
      if (!this.powered()) return off();
      if (!meant) this.#o.onBroken(`${this.name}: its connection was lost and its end is not known: ${messageOf(error)}`);
    }
  }

  /**
   * What its service manager does when it has ended itself: a new incarnation, a moment later, once the cluster can be
   * reached (as a unit would wait in ExecStartPre=): a start that needs it would hang there.
   */
  #restartSoon(): void {
    const restart = this.#restart = new AbortController();
    const { signal } = restart;
    void (async () => {
      for (;;) {
        await sleep(restartDelayMs, signal);
        if (signal.aborted || !this.powered()) return;
        const reached = await Promise.all([this.#o.storeAddress, ...this.#o.monitorAddresses].map((address) => this.#reaches(address)));
        // A majority of the monitors would do; a start with one that cannot be reached is slow and no more.
        if (signal.aborted || !reached[0] || !reached.slice(1).some(Boolean)) continue;
        await this.#startOnce();
        return;
      }
    })().catch((error: unknown) => {
      if (!signal.aborted && this.powered()) this.#o.onBroken(`${this.name} had ended itself and could not be started again: ${messageOf(error)}`);
    });
  }

  async #reaches(address: string): Promise<boolean> {
    if (!this.powered()) return false;
    return (await this.#o.vm.ssh.exec(pingCommand(address), { okCodes: 'any' })).exitCode === 0;
  }
}

/** Can an address be reached? It is asked on the gateway's machine. */
export function pingCommand(address: string): string {
  return `ping -c 1 -W 1 ${address}`;
}
