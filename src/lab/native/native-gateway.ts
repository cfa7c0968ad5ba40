import { join } from 'node:path';
import { rmSync, symlinkSync } from 'node:fs';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { AttachedGateway } from '../guest/attached-gateway.js';
import { AttachedMember } from '../guest/attached-member.js';
import type { ClockEstimate } from '../guest/clock-estimate.js';
import type { CephadmGatewayInfo } from '../guest/cephadm-gateway.js';
import { processStartTime } from '../process-identity.js';
import type { GatewayNode } from '../types.js';
import { gatewayPid } from './gateway-processes.js';
import type { NativeHost } from './native-host.js';
import { addressOf } from '../qemu/network.js';
import { cephHost } from './cluster-spec.js';

export interface NativeGatewayOptions {
  name: string;
  host: NativeHost;
  /** The host's /run/pathproof on this machine. */
  runDir: string;
  boot: () => Promise<void>;
  /** Folder for the local end of its socket. */
  dir: string;
  fsid: string;
  onEvent: (event: NodeEvent | EventBody, errUs?: number) => void;
  onClock: (estimate: ClockEstimate) => void;
  onAttached: (info: CephadmGatewayInfo) => void;
  startMaxMs: number;
}

/** Between two tries to reach a gateway that its service manager is about to start again. */
const attachTryMs = 5_000;

/** A gateway in the container that cephadm has deployed on its host, with systemd as its service manager. */
export class NativeGateway extends AttachedGateway implements GatewayNode {
  readonly #o: NativeGatewayOptions;
  #detached = false;
  #gatewayId: string | undefined;
  /** What it said about the end that it was about to make itself. */
  #ending: string | undefined;
  #following: Promise<void> | undefined;

  constructor(options: NativeGatewayOptions) {
    super(options.name, options.onEvent);
    this.#o = options;
  }

  /** By which the monitor knows it, or its last incarnation; undefined: none was reached yet. */
  get gatewayId(): string | undefined {
    return this.#gatewayId;
  }

  get info(): CephadmGatewayInfo | undefined {
    return this.current?.info as CephadmGatewayInfo | undefined;
  }

  /** Attaches to the program that runs, or is about to. */
  async attach(timeoutMs = this.#o.startMaxMs): Promise<void> {
    const { name, host, dir, runDir, onEvent, onClock, onAttached } = this.#o;
    const member = await AttachedMember.attach({
      name, dir, timeoutMs, onClock,
      ssh: {
        forward: (local) => Promise.resolve(linkTo(local, join(runDir, 'gateway.sock'))),
        exec: (_, options) => host.exec(`journalctl -o cat -n 15 -u 'ceph-${this.#o.fsid}@nvmeof*'`, options),
      },
      onEvent: (event, errUs) => {
        if (event.type === 'node' && event.state === 'stopping') this.#ending = event.detail;
        onEvent(event, errUs);
      },
    });
    if (this.#detached) return member.close();
    this.current = member;
    this.meant = false;
    this.#ending = undefined;
    this.runningPid = gatewayPid(host.cgroup);
    this.#gatewayId = (member.info as CephadmGatewayInfo).gwId;
    onAttached(member.info as CephadmGatewayInfo);
    this.note('ready', this.runningPid === undefined ? {} : { pid: this.runningPid });
    void member.closed.then(() => this.#onClosed(member));
  }

  async start(): Promise<void> {
    if (this.runningPid !== undefined) return;
    if (!this.powered()) await this.#o.boot();
    const unit = await this.#unit();
    // Five starts in half an hour are a unit's limit (StartLimitBurst= of cephadm's units).
    await this.#o.host.exec(`systemctl reset-failed '${unit}'; systemctl start '${unit}'`);
    this.note('started', {});
    if (this.#following === undefined) await this.attach();
    else await this.#following;
  }

  async kill(): Promise<void> {
    const { host } = this.#o;
    this.running();
    this.meant = true;
    const unit = await this.#unit();
    // The unit would be back after RestartSec=, 10 s: it is the heal that starts it again.
    await host.exec(`podman kill --signal KILL $(podman ps --quiet --filter name=nvmeof); systemctl stop '${unit}'`, { okCodes: 'any' });
    await this.ended();
  }

  async stop(): Promise<void> {
    this.running();
    this.meant = true;
    await this.#o.host.exec(`systemctl stop '${await this.#unit()}'`);
    await this.ended();
  }

  /** Somebody else ends it next, as cephadm does, and it is meant. */
  expectEnd(): void {
    this.meant = true;
  }

  /** Resolves when a program of it is reached. */
  async untilRuns(timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.runningPid === undefined) {
      if (Date.now() >= deadline) throw infraError('GATEWAY_START', `no gateway of ${this.name} was reached within ${timeoutMs / 1_000} s`);
      await sleep(50);
    }
  }

  pause(): Promise<void> {
    const pid = this.running();
    process.kill(pid, 'SIGSTOP');
    this.note('paused', { pid });
    return Promise.resolve();
  }

  resume(): Promise<void> {
    if (this.runningPid !== undefined) {
      process.kill(this.runningPid, 'SIGCONT');
      this.note('resumed', { pid: this.runningPid });
    }
    return Promise.resolve();
  }

  async powerOff(): Promise<void> {
    this.meant = true;
    await this.#o.host.kill();
    this.current?.close();
    await this.ended();
  }

  powered(): boolean {
    return this.#o.host.running();
  }

  alive(pid: number): Promise<boolean> {
    return Promise.resolve(processStartTime(pid) !== undefined);
  }

  async reachesStore(): Promise<boolean> {
    if (!this.powered()) return false;
    // Not ping: what is cut are TCP ports.
    const { exitCode } = await this.#o.host.exec(`python3 -c 'import socket; socket.create_connection(("${addressOf('a', cephHost)}", 6800), 1)'`, { okCodes: 'any' });
    return exitCode === 0;
  }

  override detach(): void {
    this.#detached = true;
    super.detach();
  }

  #onClosed(member: AttachedMember): void {
    if (member !== this.current) return;
    const pid = this.runningPid;
    const meant = this.meant;
    const ending = this.#ending;
    this.current = undefined;
    this.runningPid = undefined;
    if (this.#detached) return;
    this.note(this.powered() ? 'exited' : 'killed', { ...(pid === undefined ? {} : { pid }), expected: meant, ...(ending === undefined ? (meant ? {} : { detail: 'it did not say why' }) : { detail: `ended itself: ${ending}` }) });
    // Its service manager brings it back when it has ended itself, whoever meant an end starts it: both are waited for.
    this.#following = this.#follow().finally(() => {
      this.#following = undefined;
    });
    this.#following.catch(() => undefined);
  }

  async #follow(): Promise<void> {
    while (!this.#detached) {
      if (this.powered() && gatewayPid(this.#o.host.cgroup) !== undefined) {
        try {
          return await this.attach(attachTryMs);
        } catch {
          // Not yet, or gone again.
        }
      }
      await sleep(100);
    }
  }

  async #unit(): Promise<string> {
    const { stdout } = await this.#o.host.exec(`ls -d /var/lib/ceph/${this.#o.fsid}/nvmeof.*`);
    const [folder] = stdout.trim().split('\n');
    if (folder === undefined || folder === '') throw infraError('GATEWAY_START', `${this.name}: cephadm has no gateway there`);
    return `ceph-${this.#o.fsid}@${folder.replace(/^.*\//, '')}.service`;
  }
}

/** Sockets have short names; a link to one may be short where its folder is not. */
function linkTo(local: string, target: string): void {
  rmSync(local, { force: true });
  symlinkSync(target, local);
}
