import { join } from 'node:path';
import { symlinkSync, unlinkSync } from 'node:fs';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { AttachedMember } from '../guest/attached-member.js';
import type { ClockEstimate } from '../guest/clock-estimate.js';
import type { CephadmGatewayInfo } from '../guest/cephadm-gateway.js';
import { processStartTime } from '../process-identity.js';
import type { GatewayNode } from '../types.js';
import { gatewayPid } from './gateway-processes.js';
import type { NativeHost } from './native-host.js';
import { addressOf } from '../qemu/network.js';
import { cephHost } from './cluster-spec.js';

type GatewayState = Extract<EventBody, { type: 'gw.state' }>;
type NodeState = Extract<EventBody, { type: 'node' }>;

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

const endMaxMs = 30_000;
/** Between two tries to reach a gateway that its service manager is about to start again. */
const attachTryMs = 5_000;

/** A gateway in the container that cephadm has deployed on its host, with systemd as its service manager. */
export class NativeGateway implements GatewayNode {
  readonly name: string;
  readonly #o: NativeGatewayOptions;
  #member: AttachedMember | undefined;
  #pid: number | undefined;
  #meant = false;
  #detached = false;
  /** What it said about the end that it was about to make itself. */
  #ending: string | undefined;
  #following: Promise<void> | undefined;

  constructor(options: NativeGatewayOptions) {
    this.name = options.name;
    this.#o = options;
  }

  get pid(): number | undefined {
    return this.#pid;
  }

  get info(): CephadmGatewayInfo | undefined {
    return this.#member?.info as CephadmGatewayInfo | undefined;
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
    this.#member = member;
    this.#meant = false;
    this.#ending = undefined;
    this.#pid = gatewayPid(host.cgroup);
    onAttached(member.info as CephadmGatewayInfo);
    this.#note('ready', this.#pid === undefined ? {} : { pid: this.#pid });
    void member.closed.then(() => this.#onClosed(member));
  }

  async start(): Promise<void> {
    if (this.#pid !== undefined) return;
    if (!this.powered()) await this.#o.boot();
    const unit = await this.#unit();
    // Five starts in half an hour are a unit's limit (StartLimitBurst= of cephadm's units).
    await this.#o.host.exec(`systemctl reset-failed '${unit}'; systemctl start '${unit}'`);
    this.#note('started', {});
    if (this.#following === undefined) await this.attach();
    else await this.#following;
  }

  async kill(): Promise<void> {
    const { host } = this.#o;
    this.#running();
    this.#meant = true;
    const unit = await this.#unit();
    // The unit would be back after RestartSec=, 10 s: it is the heal that starts it again.
    await host.exec(`podman kill --signal KILL $(podman ps --quiet --filter name=nvmeof); systemctl stop '${unit}'`, { okCodes: 'any' });
    await this.#ended();
  }

  async stop(): Promise<void> {
    this.#running();
    this.#meant = true;
    await this.#o.host.exec(`systemctl stop '${await this.#unit()}'`);
    await this.#ended();
  }

  pause(): Promise<void> {
    process.kill(this.#running(), 'SIGSTOP');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    if (this.#pid !== undefined) process.kill(this.#pid, 'SIGCONT');
    return Promise.resolve();
  }

  async powerOff(): Promise<void> {
    this.#meant = true;
    await this.#o.host.kill();
    this.#member?.close();
    await this.#ended();
  }

  powered(): boolean {
    return this.#o.host.running();
  }

  alive(pid: number): Promise<boolean> {
    return Promise.resolve(processStartTime(pid) !== undefined);
  }

  async listeners(): Promise<string[]> {
    return (await this.#attached().request<GatewayState>('state')).listeners;
  }

  async removeListeners(): Promise<void> {
    await this.#attached().request('listenerDel');
  }

  async addListeners(): Promise<void> {
    await this.#attached().request('listenerAdd');
  }

  async reachesStore(): Promise<boolean> {
    if (!this.powered()) return false;
    // Not ping: what is cut are TCP ports.
    const { exitCode } = await this.#o.host.exec(`python3 -c 'import socket; socket.create_connection(("${addressOf('a', cephHost)}", 6800), 1)'`, { okCodes: 'any' });
    return exitCode === 0;
  }

  /** Lets go of the program; it goes on. */
  detach(): void {
    this.#detached = true;
    this.#meant = true;
    this.#member?.close();
    this.#member = undefined;
    this.#pid = undefined;
  }

  #onClosed(member: AttachedMember): void {
    if (member !== this.#member) return;
    const pid = this.#pid;
    const meant = this.#meant;
    const ending = this.#ending;
    this.#member = undefined;
    this.#pid = undefined;
    if (this.#detached) return;
    this.#note(this.powered() ? 'exited' : 'killed', { ...(pid === undefined ? {} : { pid }), expected: meant, ...(ending === undefined ? (meant ? {} : { detail: 'it did not say why' }) : { detail: `ended itself: ${ending}` }) });
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

  async #ended(): Promise<void> {
    const deadline = Date.now() + endMaxMs;
    while (this.#pid !== undefined) {
      if (Date.now() >= deadline) throw infraError('GATEWAY_END', `${this.name} does not end`);
      await sleep(20);
    }
  }

  #note(state: NodeState['state'], more: Partial<NodeState>): void {
    this.#o.onEvent({ type: 'node', name: this.name, role: 'gateway', state, ...more });
  }

  #running(): number {
    if (this.#pid === undefined) throw new Error(`${this.name} is not running`);
    return this.#pid;
  }

  #attached(): AttachedMember {
    if (this.#member === undefined) throw new Error(`${this.name} is not running`);
    return this.#member;
  }
}

/** Sockets have short names; a link to one may be short where its folder is not. */
function linkTo(local: string, target: string): void {
  try {
    unlinkSync(local);
  } catch {
    // There was none.
  }
  symlinkSync(target, local);
}
