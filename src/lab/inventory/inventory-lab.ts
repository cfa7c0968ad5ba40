import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ability } from '../../fault/specs.js';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { journalFileName } from '../../history/journal-source.js';
import { namespacesOf } from '../../plan/hosts.js';
import type { Plan } from '../../plan/types.js';
import { infraError, messageOf, PathproofError } from '../../util/errors.js';
import { AttachedMember } from '../guest/attached-member.js';
import type { ClockEstimate } from '../guest/clock-estimate.js';
import type { LabOptions } from '../provider.js';
import type { CephadmService } from '../cephadm/cephadm-service.js';
import type { ClusterAccess, ClusterSession } from '../qemu/lab/cluster.js';
import { ClusterWatch } from '../qemu/lab/cluster-watch.js';
import { nodeLogScript } from '../qemu/lab/node-logs.js';
import { QemuGateway } from '../qemu/lab/qemu-gateway.js';
import { QemuHost } from '../qemu/lab/qemu-host.js';
import { storeStateOf } from '../qemu/lab/store-watch.js';
import { parseEndpoint } from '../qemu/network.js';
import type { GuestPrograms } from '../qemu/programs.js';
import type { Lab, LinkNode, MonitorNode, Product, StoreNode } from '../types.js';
import { watchersCommand } from './cephadm/commands.js';
import { CephadmGateway } from './cephadm/gateway.js';
import { checkRebalance, orchestrate } from './cephadm/orchestration.js';
import { StoreClients } from './cephadm/store-clients.js';
import type { Changes } from './changes.js';
import type { InventoryCheck } from './check.js';
import type { HostFacts } from './facts.js';
import { createGateway, gatewayEntry, kernelChanges, stampBytes, zeroNamespace } from './commands.js';
import { gatewayConfig, storeAddressOf } from './configs.js';
import { hostNamed, withRole, type Inventory } from './file.js';
import { hostNamedRoute, type HostConnections } from './hosts.js';
import type { UndoEntry } from './journal.js';
import { NftLinks } from './links.js';
import { InventoryMachine } from './machine.js';
import { untilSound } from './soundness.js';

/** What the provider has made ready on the hosts. */
export interface PreparedHosts {
  inventory: Inventory;
  connections: HostConnections;
  changes: Changes;
  programs: GuestPrograms;
  access: ClusterAccess;
  cluster: Pick<ClusterSession, 'command' | 'must' | 'close'>;
  /** Of each gateway's entity; undefined: the cluster authenticates nobody. */
  secrets: ReadonlyMap<string, string | undefined>;
  found: InventoryCheck;
  /** Of gateways that are there already. */
  existing: ExistingGateways | undefined;
  /** What was run on the hosts since this was asked the last time, a line each. */
  takeCommands: () => string[];
}

/** What has to be known of gateways that cephadm has deployed. */
export interface ExistingGateways {
  /** Its `nvme-gw show` has cephadm's ids. */
  rawCluster: Pick<ClusterSession, 'must'>;
  /** IP address → gateway. */
  addresses: ReadonlyMap<string, string>;
  /** The service's, as cephadm has exported it; undefined: cephadm may not be told anything. */
  specification: string | undefined;
  /** What is noted once for all runs of a command. */
  noted: { service: boolean };
}

export interface InventoryLabOptions extends LabOptions { plan: Plan; prepared: () => PreparedHosts }

const attachMaxMs = 60_000;
/** A gibibyte through an emulated host may take this long. */
const zeroMaxMs = 300_000;
const logsMaxMs = 60_000;

/**
 * One run's use of hosts that exist already: attaches to the programs that the provider has started there, observes the
 * cluster, and lets go again. Nothing is rewound between runs: each begins where the last one has left the system, once that is
 * whole, and with zeroes where the stamp workload is going to write.
 */
export class InventoryLab implements Lab {
  readonly abilities: ReadonlySet<Ability>;
  readonly gateways = new Map<string, QemuGateway | CephadmGateway>();
  readonly hosts = new Map<string, QemuHost>();
  readonly broken: Promise<string>;
  readonly #o: InventoryLabOptions;
  readonly #hostMembers: AttachedMember[] = [];
  /** Gateways that a fault has removed from the monitor. */
  readonly #removed = new Map<string, UndoEntry>();
  #prepared: PreparedHosts | undefined;
  #links: NftLinks | undefined;
  #watch: ClusterWatch | undefined;
  #clients: StoreClients | undefined;
  #cephadm: CephadmService | undefined;
  #breakLab: (reason: string) => void = () => undefined;
  #down: Promise<void> | undefined;
  #goingDown = false;

  constructor(options: InventoryLabOptions) {
    this.#o = options;
    this.abilities = new Set(options.plan.platform.inventory?.abilities ?? []);
    this.broken = new Promise((resolve) => {
      this.#breakLab = resolve;
    });
  }

  /** Only where the gateways are cephadm's, and it may be told something. */
  get cephadm(): CephadmService {
    return this.#up(this.#cephadm);
  }

  get links(): LinkNode {
    return this.#up(this.#links);
  }

  readonly monitor: MonitorNode = {
    command: async (command) => {
      const { cluster, changes, inventory } = this.#up(this.#prepared);
      const id = String(command['id'] ?? '');
      if (command['prefix'] === 'nvme-gw delete' && !this.#removed.has(id)) this.#removed.set(id, changes.note(inventory.cluster.admin, `gateway ${id} removed from the monitor`, createGateway(inventory, id).command));
      const reply = await cluster.command({ format: 'json', ...command });
      const entry = this.#removed.get(id);
      if (command['prefix'] === 'nvme-gw create' && reply.code === 0 && entry !== undefined) {
        changes.undone(entry);
        this.#removed.delete(id);
      }
      return reply;
    },
  };

  readonly store: StoreNode = {
    state: async () => storeStateOf(this.#up(this.#prepared).cluster),
  };

  async up(progress: (step: string) => void): Promise<void> {
    const { plan, runDir, runId } = this.#o;
    mkdirSync(join(runDir, 'logs'), { recursive: true });
    try {
      const prepared = this.#prepared = this.#o.prepared();
      const { inventory, connections, changes, cluster } = prepared;
      this.#links = new NftLinks(inventory, changes, connections);
      if (prepared.existing?.specification !== undefined) checkRebalance(prepared.existing.specification, plan);
      progress('gateways and hosts');
      const hosts = withRole(inventory, 'host').map(({ name }) => ({ name, ssh: connections.to(name, hostNamedRoute(inventory, name)) }));
      await Promise.all([
        ...plan.topology.gateways.map(async ({ name }) => {
          const gateway = prepared.existing === undefined ? this.#gateway(name, prepared) : this.#existingGateway(name, prepared);
          this.gateways.set(name, gateway);
          await gateway.attach();
        }),
        ...hosts.map(({ name, ssh }) => this.#attachHost(name, ssh, connections.dir)),
      ]);
      for (const { name, ssh } of hosts) {
        const member = this.#hostMembers.find((each) => each.name === name)!;
        this.hosts.set(name, new QemuHost({ name, member, ssh, plan, runId, journalFile: join(runDir, journalFileName(name)), runDir, emit: (event) => this.#sink(name, event) }));
      }
      this.#watch = new ClusterWatch({ plan, cluster, gateways: this.gateways, sink: (node, event) => this.#sink(node, event) });
      if (prepared.existing !== undefined) this.#useExisting(prepared, prepared.existing);
      progress('soundness');
      this.#sink('harness', { type: 'log', level: 'info', message: `the lab is sound: ${await untilSound({ plan, cluster, hosts })}` });
      progress('namespaces zeroed');
      await Promise.all(hosts.flatMap(({ name }) => namespacesOf(plan.topology, name).map(({ uuid }) => connections.run(name, hostNamedRoute(inventory, name), zeroNamespace(uuid, stampBytes(plan)), { timeoutMs: zeroMaxMs }))));
    } catch (error) {
      await this.down();
      if (error instanceof PathproofError) throw error;
      throw infraError('LAB_UP', `the hosts could not be used: ${messageOf(error)}`, { cause: error });
    }
  }

  down(): Promise<void> {
    this.#goingDown = true;
    this.#down ??= this.#takeDown();
    return this.#down;
  }

  /** The cluster's own word for its release, and what the first host has. */
  async product(): Promise<Product> {
    const { cluster, found } = this.#up(this.#prepared);
    const { version } = JSON.parse(await cluster.must({ prefix: 'version', format: 'json' })) as { version?: string };
    const factsOf = (name: string): HostFacts | undefined => found.hosts.find(({ host }) => host === name)?.facts;
    const facts = factsOf(this.#o.plan.topology.hosts[0]!.name);
    const components = Object.fromEntries(Object.entries({ spdk: factsOf(this.#o.plan.topology.gateways[0]!.name)?.spdk, kernel: facts?.kernel, 'nvme-cli': facts?.nvme, fio: facts?.fio, nodejs: facts?.node }).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
    return { name: 'ceph', version: /ceph version (\S+)/.exec(version ?? '')?.[1] ?? 'unknown', components };
  }

  /** They run elsewhere. */
  processes(): { name: string; pid: number }[] {
    return [];
  }

  #gateway(name: string, { inventory, connections, changes, programs, access, secrets }: PreparedHosts): QemuGateway {
    const host = hostNamed(inventory, name);
    const machine = new InventoryMachine(host, connections.to(name, hostNamedRoute(inventory, name)), changes, connections, kernelChanges(gatewayEntry(inventory)).map(({ command }) => command).join('\n'));
    const monitorAddresses = inventory.cluster.mons.map((mon) => parseEndpoint(mon).host);
    return new QemuGateway({
      name, vm: machine, boot: () => machine.boot(), programs, entry: gatewayEntry(inventory), config: gatewayConfig(inventory, this.#o.plan, name, access, secrets.get(name)),
      storeAddress: storeAddressOf(inventory), monitorAddresses, dir: connections.dir, startMaxMs: attachMaxMs,
      onEvent: (event, errUs) => this.#onGatewayEvent(name, event, errUs), onClock: (clock) => this.#onClock(name, clock), onBroken: (reason) => this.#break(reason),
    });
  }

  #existingGateway(name: string, { inventory, connections, changes }: PreparedHosts): CephadmGateway {
    const { topology } = this.#o.plan;
    const host = hostNamed(inventory, name);
    const machine = new InventoryMachine(host, connections.to(name, hostNamedRoute(inventory, name)), changes, connections);
    return new CephadmGateway({
      name, inventory, machine, changes, boot: () => machine.boot(), emit: (event, errUs) => this.#sink(name, event, errUs), listener: `${host.fabrics![0]!}:${inventory.gateways.port}`,
      subNqn: topology.nqn, hostNqn: topology.hosts[0]!.hostNqn, dir: connections.dir, storeAddress: storeAddressOf(inventory), onRunning: () => this.#clients?.expect(name),
    });
  }

  /** cephadm, and the clients that the gateways have at the store. */
  #useExisting({ inventory, connections, changes }: PreparedHosts, { rawCluster, addresses, specification, noted }: ExistingGateways): void {
    const { admin, pool, group } = inventory.cluster;
    const { namespaces } = this.#o.plan.topology;
    this.#clients = new StoreClients({
      look: async () => (await connections.run(admin, hostNamedRoute(inventory, admin), watchersCommand(inventory))).stdout,
      images: namespaces.map(({ image }) => image), gatewayAt: (ip) => addresses.get(ip),
      onClient: (gateway, { image, address }) => this.#watch?.addClient(address, gateway, namespaces.find((namespace) => namespace.image === image)?.anaGroup),
      onError: (message) => this.#sink('harness', { type: 'log', level: 'warn', message: `clients of the store: ${message}` }),
    });
    for (const name of this.gateways.keys()) this.#clients.expect(name);
    if (specification === undefined) return;
    const gateways = this.gateways as ReadonlyMap<string, CephadmGateway>;
    this.#cephadm = orchestrate({ inventory, connections, changes, noted, specification, show: () => rawCluster.must({ prefix: 'nvme-gw show', pool, group, format: 'json' }), gateway: (name) => gateways.get(name)! });
  }

  async #attachHost(name: string, ssh: ConstructorParameters<typeof InventoryMachine>[1], dir: string): Promise<void> {
    const member = await AttachedMember.attach({ name, ssh, dir, timeoutMs: attachMaxMs, onEvent: (event, errUs) => this.#sink(name, event, errUs), onClock: (clock) => this.#onClock(name, clock) });
    this.#hostMembers.push(member);
    this.#sink(name, { type: 'node', name, role: 'host', state: 'ready' });
    void member.closed.then(() => this.#break(`${name}: its program ended, or the connection to it was lost`));
  }

  async #takeDown(): Promise<void> {
    await Promise.all([...this.hosts.values()].map((host) => host.finish().catch((error: unknown) => this.#sink('harness', { type: 'log', level: 'warn', message: messageOf(error) }))));
    for (const member of this.#hostMembers) member.close();
    await Promise.all([...this.gateways.values()].map(async (gateway) => void (await gateway.detach())));
    await this.#clients?.stop();
    await this.#watch?.stop();
    if (this.#prepared === undefined) return;
    await collectLogs(this.#prepared, join(this.#o.runDir, 'logs'));
    writeFileSync(join(this.#o.runDir, 'logs', commandsFile), this.#prepared.takeCommands().map((line) => `${line}\n`).join(''));
  }

  #onGatewayEvent(name: string, event: NodeEvent | EventBody, errUs?: number): void {
    const gateway = this.gateways.get(name);
    if (event.type === 'node' && event.state === 'ready' && gateway instanceof QemuGateway) this.#watch?.addMember(name, gateway.member?.info);
    if (event.type === 'gw.state' && event.storeAddress !== undefined) this.#watch?.addClient(event.storeAddress, name);
    this.#sink(name, event, errUs);
  }

  #onClock(name: string, { shiftUs, errUs }: ClockEstimate): void {
    this.#sink('harness', { type: 'clock', of: name, shiftUs, clockErrUs: errUs });
  }

  #sink(node: string, event: NodeEvent | EventBody, errUs?: number): void {
    this.#o.sink(node, event, errUs);
  }

  #break(reason: string): void {
    if (!this.#goingDown) this.#breakLab(reason);
  }

  #up<T>(part: T | undefined): T {
    if (part === undefined) throw new Error('the lab is not up');
    return part;
  }
}

/** Among a run's logs: each command that was run on a host, in order, as JSON `{"host", "command"}`. */
export const commandsFile = 'commands.ndjson';

/** What each host has to say for itself, into the run's folder. Never throws: what could not be had is said in its file. */
export async function collectLogs({ inventory, connections }: Pick<PreparedHosts, 'inventory' | 'connections'>, logDir: string): Promise<void> {
  mkdirSync(logDir, { recursive: true });
  await Promise.all(inventory.hosts.map(async ({ name }) => {
    let text: string;
    try {
      text = (await connections.run(name, hostNamedRoute(inventory, name), nodeLogScript, { timeoutMs: logsMaxMs, okCodes: 'any' })).stdout;
    } catch (error) {
      text = `(no log could be had: ${messageOf(error)})\n`;
    }
    appendFileSync(join(logDir, `${name}.log`), text);
  }));
}
