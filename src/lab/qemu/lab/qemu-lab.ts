import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Ability } from '../../../fault/specs.js';
import { labAbilities } from '../../../plan/lab-abilities.js';
import type { EventBody, NodeEvent } from '../../../history/events.js';
import { journalFileName } from '../../../history/journal-source.js';
import type { Plan } from '../../../plan/types.js';
import { infraError, messageOf, PathproofError } from '../../../util/errors.js';
import { AttachedMember } from '../../guest/attached-member.js';
import type { ClockEstimate } from '../../guest/clock-estimate.js';
import { versionsOf } from '../../package-versions.js';
import type { LabOptions } from '../../provider.js';
import type { LabMachines } from '../../machine.js';
import type { Lab, LinkNode, MonitorNode, Product, StoreNode } from '../../types.js';
import type { LabDesign } from '../design.js';
import { addressOf, parseEndpoint } from '../network.js';
import type { ProgramControl } from '../programs.js';
import { findingText } from '../vm/console.js';
import { ClusterSession, type ClusterAccess } from './cluster.js';
import { ClusterWatch } from './cluster-watch.js';
import { collectNodeLogs } from './node-logs.js';
import { QemuGateway } from './qemu-gateway.js';
import { QemuHost } from './qemu-host.js';
import { checkSoundness } from './soundness.js';
import { storeStateOf } from './store-watch.js';

/** The machines that the provider has made ready for this plan. */
export interface ReadyMachines {
  machines: LabMachines;
  /** The lab's networks, once the machines are where a run begins. */
  links: (shape: { fabrics: number; mons: number }) => LinkNode;
  design: LabDesign;
  programs: ProgramControl;
  access: ClusterAccess;
  /** Versions of what is installed on them. */
  packages: Readonly<Record<string, string>>;
  /** Brings the machines back to where every run begins; what it did, in words. */
  rewind: () => Promise<string>;
}

export interface QemuLabOptions extends LabOptions {
  plan: Plan;
  ready: () => ReadyMachines;
}

/** A program in a guest that runs already answers at once; one that was just started needs Node's start under emulation. */
const attachMaxMs = 60_000;

/**
 * One run's use of the virtual machines: rewinds them to their snapshot, attaches to the programs in the guests,
 * observes the real monitor and the OSD map, and lets go again. The machines are the provider's.
 */
export class QemuLab implements Lab {
  readonly abilities: ReadonlySet<Ability>;
  readonly gateways = new Map<string, QemuGateway>();
  readonly hosts = new Map<string, QemuHost>();
  readonly broken: Promise<string>;
  readonly #o: QemuLabOptions;
  #ready: ReadyMachines | undefined;
  #cluster: ClusterSession | undefined;
  #links: LinkNode | undefined;
  /** The programs of the hosts, attached. */
  readonly #hostMembers: AttachedMember[] = [];
  #watch: ClusterWatch | undefined;
  #breakLab: (reason: string) => void = () => undefined;
  #down: Promise<void> | undefined;
  #goingDown = false;

  constructor(options: QemuLabOptions) {
    this.#o = options;
    this.abilities = new Set(labAbilities[options.plan.lab]);
    this.broken = new Promise((resolve) => {
      this.#breakLab = resolve;
    });
  }

  get links(): LinkNode {
    return this.#up(this.#links);
  }

  readonly monitor: MonitorNode = {
    command: (command) => this.#up(this.#cluster).command({ format: 'json', ...command }),
  };

  readonly store: StoreNode = {
    state: async () => storeStateOf(this.#up(this.#cluster)),
  };

  async up(progress: (step: string) => void): Promise<void> {
    const { plan, runDir, runId } = this.#o;
    mkdirSync(join(runDir, 'logs'), { recursive: true });
    const ready = this.#ready = this.#o.ready();
    const { machines, design, programs, access } = ready;
    try {
      progress('machines');
      this.#sink('harness', { type: 'log', level: 'info', message: await ready.rewind() });
      this.#watchMachines();
      this.#links = ready.links({ fabrics: plan.platform.fabrics, mons: plan.platform.machines?.mons ?? 1 });

      progress('cluster');
      const ceph = machines.node('ceph');
      const cluster = this.#cluster = await ClusterSession.open(ceph.ssh, machines.dir, access);

      progress('gateways and hosts');
      await Promise.all([
        ...design.gateways.map(async ({ name, config }) => {
          const gateway = new QemuGateway({
            name, vm: machines.node(name), boot: () => machines.bootNode(name), programs, config, storeAddress: addressOf('a', 'osd'), monitorAddresses: access.monHosts.map((each) => parseEndpoint(each).host), dir: machines.dir, startMaxMs: attachMaxMs,
            onEvent: (event, errUs) => this.#onGatewayEvent(name, event, errUs),
            onClock: (clock) => this.#onClock(name, clock),
            onBroken: (reason) => this.#break(reason),
          });
          this.gateways.set(name, gateway);
          await gateway.attach();
        }),
        ...design.hosts.map(({ name }) => this.#attachHost(name, machines)),
      ]);
      // In the order of the plan, whichever was attached first.
      for (const { name } of design.hosts) {
        const member = this.#hostMembers.find((each) => each.name === name)!;
        this.hosts.set(name, new QemuHost({ name, member, ssh: machines.node(name).ssh, plan, runId, journalFile: join(runDir, journalFileName(name)), runDir, emit: (event) => this.#sink(name, event) }));
      }
      this.#watch = new ClusterWatch({ plan, cluster, gateways: this.gateways, sink: (node, event) => this.#sink(node, event) });

      progress('soundness');
      const sound = await checkSoundness({
        plan, cluster, nodes: [...machines.nodes.values()].map(({ name, ssh }) => ({ name, ssh })), hosts: design.hosts.map(({ name }) => ({ name, ssh: machines.node(name).ssh })),
      });
      this.#sink('harness', { type: 'log', level: 'info', message: `the lab is sound: ${sound}` });
    } catch (error) {
      await this.down();
      if (error instanceof PathproofError) throw error;
      throw infraError('LAB_UP', `the ${plan.lab} lab did not come up: ${messageOf(error)}`, { cause: error });
    }
  }

  down(): Promise<void> {
    this.#goingDown = true;
    this.#down ??= this.#takeDown();
    return this.#down;
  }

  /** The release under test, by the packages that the machines have. */
  product(): Promise<Product> {
    const { packages } = this.#up(this.#ready);
    return Promise.resolve({ name: 'ceph', version: packages['ceph-mon'] ?? 'unknown', components: versionsOf(packages, ['linux-image-cloud-amd64', 'nvme-cli', 'fio', 'nodejs']) });
  }

  processes(): { name: string; pid: number }[] {
    return (this.#ready?.machines.processes() ?? []).map(({ name, pid }) => ({ name, pid }));
  }

  /** Connects to the program of a host; if that ends, there is nothing left to judge by. */
  async #attachHost(name: string, machines: LabMachines): Promise<void> {
    const member = await AttachedMember.attach({
      name, ssh: machines.node(name).ssh, dir: machines.dir, timeoutMs: attachMaxMs,
      onEvent: (event, errUs) => this.#sink(name, event, errUs), onClock: (clock) => this.#onClock(name, clock),
    });
    this.#hostMembers.push(member);
    this.#sink(name, { type: 'node', name, role: 'host', state: 'ready' });
    void member.closed.then(() => this.#break(`${name}: its program in the guest ended`));
  }

  async #takeDown(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.finish().catch((error: unknown) => this.#sink('harness', { type: 'log', level: 'warn', message: messageOf(error) }))));
    for (const member of this.#hostMembers) member.close();
    for (const gateway of this.gateways.values()) gateway.detach();
    await this.#watch?.stop();
    await this.#cluster?.close();
    if (this.#ready !== undefined) await collectNodeLogs(this.#ready.machines.nodes.values(), join(this.#o.runDir, 'logs'));
  }

  #onGatewayEvent(name: string, event: NodeEvent | EventBody, errUs?: number): void {
    if (event.type === 'node' && event.state === 'ready') this.#watch?.addMember(name, this.gateways.get(name)?.member?.info);
    if (event.type === 'gw.state' && event.storeAddress !== undefined) this.#watch?.addClient(event.storeAddress, name);
    this.#sink(name, event, errUs);
  }

  #onClock(name: string, { shiftUs, errUs }: ClockEstimate): void {
    this.#sink('harness', { type: 'clock', of: name, shiftUs, clockErrUs: errUs });
  }

  #sink(node: string, event: NodeEvent | EventBody, errUs?: number): void {
    this.#o.sink(node, event, errUs);
  }

  /** A machine that panics or ends breaks the lab, unless a fault has switched it off. */
  #watchMachines(): void {
    for (const vm of this.#ready!.machines.nodes.values()) {
      void vm.broken.then((finding) => this.#break([`${vm.name}: ${findingText(finding)}`, ...vm.consoleTail()].join('\n')));
      if (this.#o.plan.topology.gateways.some(({ name }) => name === vm.name)) continue;
      void vm.exited.then(({ exitCode, signal }) => this.#break(`${vm.name}: its machine ended (${signal ?? `exit code ${exitCode ?? 'none'}`})`));
    }
  }

  #break(reason: string): void {
    if (!this.#goingDown) this.#breakLab(reason);
  }

  #up<T>(part: T | undefined): T {
    if (part === undefined) throw new Error('the lab is not up');
    return part;
  }
}
