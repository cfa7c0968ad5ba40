import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Ability } from '../../fault/specs.js';
import { labAbilities } from '../../plan/lab-abilities.js';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { journalFileName } from '../../history/journal-source.js';
import type { CommandReply } from '../../monitor/client.js';
import { defectsOf } from '../../plan/defects.js';
import type { Plan } from '../../plan/types.js';
import { infraError, messageOf, PathproofError } from '../../util/errors.js';
import { LabRegistration } from '../registry.js';
import type { Lab, LabEventSink, LinkCutMode, LinkDirection, LinkNode, LinkStats, MonitorNode, Product, StoreNode } from '../types.js';
import { LoopbackGateway } from './gateway-node.js';
import { LoopbackHost } from './host-node.js';
import { MemberProcess } from './member-process.js';

export interface LoopbackLabOptions {
  plan: Plan;
  runId: string;
  /** The run's folder: logs/ and the hosts' journals go there. */
  runDir: string;
  /** pathproof's version: that of everything in this lab. */
  version: string;
  sink: LabEventSink;
}

/** The address on which every member listens, each on a port that the kernel chooses. */
export const loopbackAddress = '127.0.0.1';

/**
 * The embedded lab: store, links, monitor, gateways and hosts as processes of this machine, talking over
 * 127.0.0.1. Every connection goes through a link that can be cut.
 *
 * ```
 *   hostM ──hostM-gwN──▶ gwN ──gwN-store──▶ store
 *                         └───gwN-monitor─▶ monitor ──monitor-store──▶ store
 * ```
 */
export class LoopbackLab implements Lab {
  readonly abilities: ReadonlySet<Ability> = new Set(labAbilities.loopback);
  readonly gateways = new Map<string, LoopbackGateway>();
  readonly hosts = new Map<string, LoopbackHost>();
  readonly broken: Promise<string>;
  readonly #options: LoopbackLabOptions;
  readonly #storeDir: string;
  readonly #members = new Map<string, MemberProcess>();
  #registration: LabRegistration | undefined;
  #breakLab: (reason: string) => void = () => undefined;
  #goingDown = false;
  #up = false;
  /** Gateway → the address of its store client whose writes are, or were last, held. */
  readonly #heldClients = new Map<string, string>();

  constructor(options: LoopbackLabOptions) {
    this.#options = options;
    this.#storeDir = join(options.runDir, 'store');
    this.broken = new Promise((resolve) => {
      this.#breakLab = resolve;
    });
  }

  readonly monitor: MonitorNode = {
    command: (command) => this.#member('monitor').request<CommandReply>('command', command),
  };

  readonly store: StoreNode = {
    state: async () => {
      const state = await this.#member('store').request<Awaited<ReturnType<StoreNode['state']>>>('state');
      const { injection } = state;
      if (injection === undefined) return state;
      const gatewayOf = new Map([...this.#heldClients].map(([gateway, address]) => [address, gateway]));
      return { ...state, injection: { ...injection, held: Object.fromEntries(Object.entries(injection.held).map(([client, count]) => [gatewayOf.get(client) ?? client, count])) } };
    },
    holdWrites: async (gateway) => {
      const { clients } = await this.#member('store').request<{ clients: { address: string; name: string }[] }>('state');
      // By address: the next incarnation of the gateway is another client, which nobody holds.
      const address = clients.find(({ name }) => name === gateway)?.address;
      if (address === undefined) throw new Error(`the store has no client of ${gateway}`);
      await this.#member('store').request('hold', { client: address });
      this.#heldClients.set(gateway, address);
    },
    releaseWrites: async (gateway) => {
      const client = this.#heldClients.get(gateway);
      if (client === undefined) return 0;
      return this.#member('store').request<number>('release', { client });
    },
  };

  readonly links: LinkNode = {
    cut: async (name: string, mode: LinkCutMode, direction: LinkDirection) => {
      await this.#member('fabric').request('cut', { name, mode, direction });
    },
    heal: async (name: string) => {
      await this.#member('fabric').request('heal', { name });
    },
    stats: async (name: string): Promise<LinkStats> => {
      const all = await this.#member('fabric').request<LinkStats[]>('stats');
      const one = all.find((link) => link.name === name);
      if (one === undefined) throw new Error(`no link is named ${name}`);
      return one;
    },
  };

  async up(progress: (step: string) => void): Promise<void> {
    const { plan, runDir } = this.#options;
    const { topology, shape } = plan;
    mkdirSync(join(runDir, 'logs'), { recursive: true });
    mkdirSync(this.#storeDir, { recursive: true });
    this.#registration = new LabRegistration('loopback', runDir, [this.#storeDir]);
    try {
      progress('store and links');
      const listen = { host: loopbackAddress, port: 0 };
      const [store, fabric] = [
        this.startMember('store', 'store', 'store', {
          dir: this.#storeDir, listen,
          images: topology.namespaces.map((n) => ({ name: n.image, bytes: n.blocks * n.blockSize, blockSize: n.blockSize })),
        }),
        this.startMember('fabric', 'fabric', 'fabric', { seed: plan.seed, defects: plan.defects.filter((name) => name.startsWith('link.')) }),
      ];
      const storePort = portOf(await store.info);
      await fabric.info;
      for (const defect of defectsOf(plan, 'store')) await store.request('setDefect', { defect, on: true });

      progress('monitor');
      const monitor = this.startMember('monitor', 'monitor', 'monitor', {
        timers: shape.timers, pool: topology.pool, group: topology.group, gateways: topology.gateways.map((g) => g.name),
        store: { host: loopbackAddress, port: await this.#addLink('monitor-store', storePort) }, listen, defects: plan.defects.filter((name) => name.startsWith('monitor.')),
      });
      const monitorPort = portOf(await monitor.info);

      progress(`${topology.gateways.length} gateway(s)`);
      await Promise.all(topology.gateways.map(async ({ name, index }) => {
        const gateway = new LoopbackGateway({
          name, index, plan, lab: this,
          storePort: await this.#addLink(`${name}-store`, storePort),
          monitorPort: await this.#addLink(`${name}-monitor`, monitorPort),
          // Where the gateway listens is known only once it serves; until then the link refuses.
          hostPorts: await Promise.all(topology.hosts.map((host) => this.#addLink(`${host.name}-${name}`, 0))),
          retarget: async (port) => {
            for (const host of topology.hosts) await fabric.request('setTarget', { name: `${host.name}-${name}`, targetHost: loopbackAddress, targetPort: port });
          },
        });
        this.gateways.set(name, gateway);
        await gateway.start();
        await gateway.serving();
      }));

      progress(`${topology.hosts.length} host(s)`);
      const hosts = topology.hosts.map(({ name, hostNqn, hostId }, index) => new LoopbackHost(name, this.startMember(name, 'host', 'host', {
        name, hostNqn, hostId, subNqn: topology.nqn, runId: this.#options.runId, plan,
        controllers: topology.gateways.map((g) => ({ gateway: g.name, host: loopbackAddress, port: this.gateways.get(g.name)!.hostPorts[index]! })),
        journalFile: join(runDir, journalFileName(name)),
        timers: shape.timers, policy: shape.policy, ioQueues: shape.ioQueues, digests: { header: shape.headerDigest, data: shape.dataDigest },
      })));
      await Promise.all(hosts.map((host) => host.ready()));
      for (const host of hosts) this.hosts.set(host.name, host);
      this.#up = true;
    } catch (error) {
      const tails = this.#tailsOfTheDead();
      await this.down();
      if (error instanceof PathproofError) throw error;
      throw infraError('LAB_UP', `the loopback lab did not come up: ${messageOf(error)}`, { details: tails, cause: error });
    }
  }

  async down(): Promise<void> {
    if (this.#goingDown) return;
    this.#goingDown = true;
    for (const gateway of this.gateways.values()) gateway.retire();
    // The hosts first, so that the last thing they see is not every gateway dying.
    const order = ['host', 'gateway', 'monitor', 'fabric', 'store'];
    const members = [...this.#members.values()].sort((a, b) => order.indexOf(roleOf(a.name)) - order.indexOf(roleOf(b.name)));
    for (const role of order) await Promise.all(members.filter((m) => roleOf(m.name) === role).map((m) => m.end()));
    if (existsSync(this.#storeDir)) rmSync(this.#storeDir, { recursive: true, force: true });
    this.#registration?.close();
  }

  /** Gateways, monitor, store and initiator are this project's own. */
  product(): Promise<Product> {
    return Promise.resolve({ name: 'pathproof-model', version: this.#options.version, components: { node: process.version } });
  }

  processes(): { name: string; pid: number }[] {
    return [...this.#members.values()].filter((m) => m.running).map(({ name, pid }) => ({ name, pid }));
  }

  /** Something that the lab itself did to a node, for the history. */
  tell(node: string, event: Extract<EventBody, { type: 'node' }>): void {
    this.#options.sink(node, event);
  }

  /** Starts a member process; an end that nobody meant breaks the lab. */
  startMember(name: string, role: string, entry: string, config: unknown): MemberProcess {
    const { runDir, sink } = this.#options;
    const member = new MemberProcess({
      name, entry, config, logFile: join(runDir, 'logs', `${name}.log`),
      onEvent: (event: NodeEvent) => {
        this.gateways.get(name)?.observe(event);
        sink(name, event);
      },
    });
    this.#members.set(name, member);
    this.#registration?.add(name, member.pid);
    sink(name, { type: 'node', name, role, state: 'started', pid: member.pid });
    void member.info.then(() => sink(name, { type: 'node', name, role, state: 'ready', pid: member.pid }), () => undefined);
    void member.exited.then(({ exitCode, signal }) => {
      this.#registration?.removePid(member.pid);
      const exit: ReturnType<LoopbackGateway['classifyExit']> = this.#goingDown ? { kind: 'meant' } : (this.gateways.get(name)?.classifyExit(member, exitCode) ?? { kind: 'unexpected' });
      sink(name, {
        type: 'node', name, role, state: signal === 'SIGKILL' ? 'killed' : 'exited', pid: member.pid, exitCode, signal,
        expected: exit.kind === 'meant', ...(exit.detail === undefined ? {} : { detail: exit.detail }),
      });
      if (exit.kind === 'by-rule' && this.#up) this.gateways.get(name)?.restartSoon();
      // A gateway that crashes is the system under test that fails, and the checkers say so; one that somebody else killed is not.
      if (exit.kind === 'unexpected' && !(role === 'gateway' && this.#up && signal === null)) this.#breakLab([`${name} ended unexpectedly (${signal ?? `exit code ${exitCode}`})`, ...member.logTail()].join('\n'));
    });
    return member;
  }

  #member(name: string): MemberProcess {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`the lab has no ${name}`);
    return member;
  }

  async #addLink(name: string, targetPort: number): Promise<number> {
    const { port } = await this.#member('fabric').request<{ port: number }>('addLink', { name, targetHost: loopbackAddress, targetPort });
    return port;
  }

  #tailsOfTheDead(): string[] {
    return [...this.#members.values()].filter((m) => !m.running).flatMap((m) => [`— ${m.name} (${m.logFile}):`, ...m.logTail()]);
  }
}

function roleOf(name: string): string {
  if (/^gw\d+$/.test(name)) return 'gateway';
  return /^host\d+$/.test(name) ? 'host' : name;
}

function portOf(info: unknown): number {
  if (typeof info === 'object' && info !== null && 'port' in info && typeof info.port === 'number') return info.port;
  throw new Error('a member reported no port');
}
