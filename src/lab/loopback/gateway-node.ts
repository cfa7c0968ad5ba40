import { randomInt } from 'node:crypto';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { classifySelfEnd } from '../member/gateway-exit.js';
import type { Plan } from '../../plan/types.js';
import { infraError } from '../../util/errors.js';
import { processStartTime } from '../process-identity.js';
import type { GatewayNode } from '../types.js';
import type { LoopbackLab } from './lab.js';
import { loopbackAddress } from './lab.js';
import type { MemberProcess } from './member-process.js';

/** As RestartSec= of a systemd unit, milliseconds: long enough to keep a loop of restarts slow. */
const restartDelayMs = 200;

type GatewayState = Extract<EventBody, { type: 'gw.state' }>;

export interface LoopbackGatewayOptions {
  name: string;
  index: number;
  plan: Plan;
  lab: LoopbackLab;
  storePort: number;
  monitorPort: number;
  hostPorts: number[];
  /** Points the hosts' links at the port on which the gateway listens now. */
  retarget: (port: number) => Promise<void>;
}

/** A gateway of the loopback lab: one process per incarnation, each with a store client address of its own. */
export class LoopbackGateway implements GatewayNode {
  readonly name: string;
  readonly hostPorts: number[];
  readonly #options: LoopbackGatewayOptions;
  #member: MemberProcess | undefined;
  #killed: MemberProcess | undefined;
  #state: GatewayState | undefined;
  #targetPort = 0;
  #incarnation = 0;
  #restart: NodeJS.Timeout | undefined;
  #servingWaiters: (() => void)[] = [];

  constructor(options: LoopbackGatewayOptions) {
    this.#options = options;
    this.name = options.name;
    this.hostPorts = options.hostPorts;
  }

  get pid(): number | undefined {
    return this.#member?.running === true ? this.#member.pid : undefined;
  }

  async start(): Promise<void> {
    clearTimeout(this.#restart);
    if (this.#member?.running === true) return;
    const { plan, index, lab, storePort, monitorPort } = this.#options;
    const { topology, shape } = plan;
    this.#state = undefined;
    this.#member = lab.startMember(this.name, 'gateway', 'gateway', {
      name: this.name, index, pool: topology.pool, group: topology.group, nqn: topology.nqn, namespaces: topology.namespaces,
      store: { host: loopbackAddress, port: storePort }, monitor: { host: loopbackAddress, port: monitorPort },
      listener: { host: loopbackAddress, port: 0, advertised: { host: loopbackAddress, port: this.hostPorts[0] } },
      timers: shape.timers, onFenced: shape.onFenced ?? 'end', defects: plan.defects.filter((name) => /^(gateway|agent)\./.test(name)), incarnation: this.#incarnation++,
      // A new incarnation must be a new RADOS client: the old address may be on the blocklist.
      nonce: randomInt(1, 0x7fffffff),
      digests: { header: shape.headerDigest, data: shape.dataDigest },
    });
    await this.#member.info;
  }

  async kill(): Promise<void> {
    clearTimeout(this.#restart);
    const member = this.#running();
    this.#killed = member;
    member.signal('SIGKILL');
    await member.exited;
  }

  alive(pid: number): Promise<boolean> {
    return Promise.resolve(processStartTime(pid) !== undefined);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#restart);
    const member = this.#running();
    this.#killed = member;
    await member.end();
  }

  pause(): Promise<void> {
    const member = this.#running();
    member.signal('SIGSTOP');
    this.#tell(member, 'paused');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    const member = this.#member;
    if (member?.running === true) {
      member.signal('SIGCONT');
      this.#tell(member, 'resumed');
    }
    return Promise.resolve();
  }

  async listeners(): Promise<string[]> {
    return (await this.#running().request<GatewayState>('state')).listeners;
  }

  async reachesStore(): Promise<boolean> {
    return this.#running().request<boolean>('reachesStore');
  }

  async removeListeners(): Promise<void> {
    await this.#running().request('listenerDel');
  }

  async addListeners(): Promise<void> {
    await this.#running().request('listenerAdd');
  }

  /** Resolves when it has opened a listener and the links lead there; an infra error when it ends first. */
  async serving(): Promise<void> {
    const member = this.#running();
    const served = new Promise<'serving'>((resolve) => {
      if (this.#state?.serving === true) resolve('serving');
      else this.#servingWaiters.push(() => resolve('serving'));
    });
    const outcome = await Promise.race([served, member.exited]);
    if (outcome !== 'serving') {
      throw infraError('GATEWAY_START', `${this.name} ended before it served (${outcome.signal ?? `exit code ${outcome.exitCode}`})`, { details: member.logTail() });
    }
  }

  /**
   * What an end of its process means: `meant` by whoever killed or stopped it; `by-rule`, one of the rules
   * by which a gateway ends itself, which the checkers judge; anything else breaks the lab.
   */
  classifyExit(member: MemberProcess, exitCode: number | null): { kind: 'meant' | 'by-rule' | 'unexpected'; detail?: string } {
    if (member === this.#killed) return { kind: 'meant' };
    return classifySelfEnd(exitCode);
  }

  /** What its service manager does when it has ended itself: a new incarnation, a moment later. */
  restartSoon(): void {
    clearTimeout(this.#restart);
    this.#restart = setTimeout(() => void this.start().catch(() => undefined), restartDelayMs);
  }

  /** Nothing starts it any more: the lab goes down. */
  retire(): void {
    clearTimeout(this.#restart);
  }

  /** The lab passes every event of this gateway's process by here. */
  observe(event: NodeEvent): void {
    if (event.type !== 'gw.state') return;
    this.#state = event;
    const port = Number(/:(\d+)$/.exec(event.listeners[0] ?? '')?.[1] ?? 0);
    if (port !== 0 && port !== this.#targetPort) {
      this.#targetPort = port;
      void this.#options.retarget(port).then(() => this.#announceServing(), () => undefined);
    } else if (event.serving && port !== 0) this.#announceServing();
  }

  #announceServing(): void {
    for (const waiter of this.#servingWaiters.splice(0)) waiter();
  }

  #tell(member: MemberProcess, state: 'paused' | 'resumed'): void {
    this.#options.lab.tell(this.name, { type: 'node', name: this.name, role: 'gateway', state, pid: member.pid });
  }

  #running(): MemberProcess {
    if (this.#member?.running !== true) throw new Error(`${this.name} is not running`);
    return this.#member;
  }
}
