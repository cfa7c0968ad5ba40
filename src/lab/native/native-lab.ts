import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Ability } from '../../fault/specs.js';
import type { EventBody, NodeEvent } from '../../history/events.js';
import { journalFileName } from '../../history/journal-source.js';
import { labAbilities } from '../../plan/lab-abilities.js';
import type { Plan } from '../../plan/types.js';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf, PathproofError } from '../../util/errors.js';
import { parseNvmeGwShow } from '../../monitor/show-parser.js';
import { CephadmService } from '../cephadm/cephadm-service.js';
import { sameNames } from '../cephadm/names.js';
import { PlanNamedCluster } from '../cephadm/plan-named-cluster.js';
import { LoopbackHost } from '../loopback/host-node.js';
import { MemberProcess } from '../loopback/member-process.js';
import { removeMachineParts } from '../machine-parts.js';
import { versionsOf } from '../package-versions.js';
import type { LabOptions } from '../provider.js';
import type { Accel } from '../qemu/accel.js';
import type { LabImage } from '../qemu/image/image.js';
import { ClusterSession } from '../qemu/lab/cluster.js';
import { ClusterWatch } from '../qemu/lab/cluster-watch.js';
import { storeStateOf } from '../qemu/lab/store-watch.js';
import { addressOf } from '../qemu/network.js';
import { LabRegistration } from '../registry.js';
import type { HostNode, Lab, MonitorNode, Product, StoreNode } from '../types.js';
import { cephHost, gatewayServiceYaml, serviceName, type ClusterSpec } from './cluster-spec.js';
import type { NativeImages } from './images.js';
import { labsDir } from './labs-dir.js';
import { LinuxHosts } from './linux-hosts.js';
import { NativeCluster } from './native-cluster.js';
import { NativeGateway } from './native-gateway.js';
import { NativeLinks } from './native-links.js';
import { hostsFolder, NativeMachines } from './native-machines.js';
import { gatewayPort, installGatewayProgram, servedOf } from './programs.js';
import { Relays } from './relay.js';
import type { ClusterSnapshot } from './snapshot.js';

export interface NativeLabOptions extends LabOptions {
  plan: Plan;
  images: NativeImages;
  spec: ClusterSpec;
  snapshot: ClusterSnapshot;
  /** The machine of Linux initiators; undefined: the initiators are ours. */
  linux?: { image: LabImage; accel: Accel };
}

const startMaxMs = 60_000;
/** Each image of each gateway is a client of its own (a dozen threads, a session with the monitor), and all are opened on the same processors. */
const startMaxMsPerImage = 60;
const monitorPeriodMs = 100;
const storePeriodMs = 500;

/**
 * A lab of native hosts for one run, with our own initiator or with Linux in virtual machines: the cluster's folders are
 * copied from the snapshot, its hosts are switched on, and cephadm deploys the gateways. Nothing of an earlier run is in it,
 * and everything ends with it.
 *
 * ```
 *   host1 (netns: our initiator) ──┐
 *   gw1, gw2 (systemd, podman) ────┼── bridge in a namespace
 *   ceph (mon, mgr, osd) ──────────┘
 * ```
 */
export class NativeLab implements Lab {
  readonly abilities: ReadonlySet<Ability>;
  readonly gateways = new Map<string, NativeGateway>();
  readonly hosts = new Map<string, HostNode>();
  readonly broken: Promise<string>;
  readonly links = new NativeLinks((name) => this.#up(this.#machines).host(name));
  readonly #o: NativeLabOptions;
  #machines: NativeMachines | undefined;
  #cephadm: CephadmService | undefined;
  #session: ClusterSession | undefined;
  /** The same with the plan's names. */
  #cluster: PlanNamedCluster | undefined;
  #registration: LabRegistration | undefined;
  #dir: string | undefined;
  readonly #members: MemberProcess[] = [];
  #linuxHosts: LinuxHosts | undefined;
  #watch: ClusterWatch | undefined;
  #breakLab: (reason: string) => void = () => undefined;
  #down: Promise<void> | undefined;

  constructor(options: NativeLabOptions) {
    this.#o = options;
    this.abilities = new Set(labAbilities[options.plan.lab]);
    this.broken = new Promise((resolve) => {
      this.#breakLab = resolve;
    });
  }

  readonly monitor: MonitorNode = {
    command: (command) => this.#up(this.#session).command({ format: 'json', ...command, ...this.#withCephadmId(command['id']) }),
  };

  readonly store: StoreNode = {
    state: async () => storeStateOf(this.#up(this.#session)),
  };

  /** cephadm, as its administrator has it. */
  get cephadm(): CephadmService {
    return this.#up(this.#cephadm);
  }

  async up(progress: (step: string) => void): Promise<void> {
    const { plan, runDir, images, spec, snapshot } = this.#o;
    const logDir = join(runDir, 'logs');
    mkdirSync(logDir, { recursive: true });
    const dir = this.#dir = mkdtempSync(join(labsDir(), 'lab-'));
    const registration = this.#registration = new LabRegistration('native', runDir, [dir]);
    const names = plan.topology.gateways.map(({ name }) => name);
    try {
      const access = snapshot.access();
      if (access === undefined) throw infraError('LAB_UP', 'the lab’s cluster was not made ready');
      progress('hosts');
      await snapshot.restore(dir);
      const machines = this.#machines = new NativeMachines({
        dir, images, registration, gatewayHosts: names, initiators: this.#o.linux === undefined ? plan.topology.hosts.map(({ name }) => name) : [], fabrics: plan.platform.fabrics, osdMegabytes: spec.osdMegabytes, logDir,
      });
      await machines.start();

      // They boot while the cluster comes back and the gateways are deployed.
      const linuxHosts = this.#startLinux(machines, dir);
      linuxHosts?.catch(() => undefined);

      progress('cluster');
      const cluster = new NativeCluster(machines, spec);
      await cluster.untilReady();
      const relays = new Relays(machines.programGroup('relay'), () => machines.host(cephHost).pid!);
      this.#session = await ClusterSession.open(relays, dir, access);
      this.#cluster = new PlanNamedCluster(this.#session, serviceName(spec));

      progress('gateways, deployed by cephadm');
      this.#cephadm = new CephadmService({
        service: serviceName(spec), names: sameNames, specification: (hosts) => gatewayServiceYaml(spec, hosts), show: () => this.#show(this.#up(this.#session)), containerName: 'nvmeof',
        ceph: (words, input) => cluster.ceph(words, input === undefined ? {} : { input }), onHost: async (name, command) => (await machines.host(name).exec(command)).stdout, gateway: (name) => this.gateways.get(name)!,
      });
      await installGatewayProgram(machines.programsDir);
      const served = JSON.stringify(servedOf(plan), null, 2);
      for (const name of names) await machines.host(name).exec('cat > /etc/pathproof/subsystem.json', { input: served });
      await this.cephadm.place(names);
      await Promise.all(names.map((name) => this.#attachGateway(name, dir, access.fsid, machines)));
      this.#observe();
      await this.#untilServing();

      progress(`${plan.topology.hosts.length} host(s)`);
      if (linuxHosts === undefined) await Promise.all(plan.topology.hosts.map((host) => this.#startHost(host, machines)));
      for (const host of await linuxHosts ?? plan.topology.hosts.map(({ name }) => new LoopbackHost(name, this.#members.find((member) => member.name === name)!))) this.hosts.set(host.name, host);
    } catch (error) {
      await this.down();
      if (error instanceof PathproofError) throw error;
      throw infraError('LAB_UP', `the native lab did not come up: ${messageOf(error)}`, { cause: error });
    }
  }

  down(): Promise<void> {
    this.#down ??= this.#takeDown();
    return this.#down;
  }

  product(): Promise<Product> {
    const { packages } = this.#o.images.manifest;
    const components = {
      ...versionsOf(packages, ['cephadm', 'podman', 'systemd', 'qemu-utils']),
      ...versionsOf(this.#o.linux?.image.manifest.packages ?? {}, ['linux-image-cloud-amd64', 'nvme-cli', 'fio']),
      'pathproof-gateway': this.#o.version,
    };
    return Promise.resolve({ name: 'ceph', version: packages['ceph-mon'] ?? 'unknown', components });
  }

  processes(): { name: string; pid: number }[] {
    return [
      ...[...this.gateways.values()].flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }])),
      ...(this.#linuxHosts?.processes() ?? []),
      ...this.#members.filter((member) => member.running).map(({ name, pid }) => ({ name, pid })),
    ];
  }

  /** The monitor knows a gateway of the plan by the id that cephadm gave it. */
  #withCephadmId(name: string | number | undefined): { id?: string } {
    const id = typeof name === 'string' ? this.gateways.get(name)?.gatewayId : undefined;
    return id === undefined ? {} : { id };
  }

  async #attachGateway(name: string, dir: string, fsid: string, machines: NativeMachines): Promise<void> {
    const host = machines.host(name);
    const gateway = new NativeGateway({
      name, host, dir, fsid, runDir: join(dir, hostsFolder, name, 'run'), startMaxMs: this.#startMaxMs, boot: () => machines.boot(host),
      onEvent: (event, errUs) => this.#o.sink(name, event, errUs),
      onClock: ({ shiftUs, errUs }) => this.#sink('harness', { type: 'clock', of: name, shiftUs, clockErrUs: errUs }),
      onAttached: ({ storeAddresses }) => {
        for (const address of Object.values(storeAddresses)) this.#watch?.addClient(address, name);
      },
    });
    this.gateways.set(name, gateway);
    await gateway.attach();
  }

  /** Until a gateway is reached, and until it serves. */
  get #startMaxMs(): number {
    const { gateways, namespaces } = this.#o.plan.topology;
    return startMaxMs + startMaxMsPerImage * gateways.length * namespaces.length;
  }

  /** Every gateway is AVAILABLE and ACTIVE for its own group, by the monitor's word. */
  async #untilServing(): Promise<void> {
    const deadline = Date.now() + this.#startMaxMs;
    for (;;) {
      const shown = parseNvmeGwShow(await this.#show());
      const missing = this.#o.plan.topology.gateways.filter(({ name, anaGroup }) => {
        const view = shown.gateways.find(({ id }) => id === name);
        return view?.availability !== 'AVAILABLE' || view.states[String(anaGroup)] !== 'ACTIVE';
      });
      if (missing.length === 0) return;
      if (Date.now() >= deadline) throw infraError('GATEWAY_START', `${missing.map(({ name, anaGroup }) => `${name} is not ACTIVE for group ${anaGroup}`).join(', ')} within ${this.#startMaxMs / 1_000} s`, { details: shown.gateways.map((view) => JSON.stringify(view)) });
      await sleep(200);
    }
  }

  #startLinux(machines: NativeMachines, dir: string): Promise<HostNode[]> | undefined {
    const { linux, plan, runId, runDir } = this.#o;
    if (linux === undefined) return undefined;
    this.#linuxHosts = new LinuxHosts({
      ...linux, plan, runId, runDir, dir, registration: this.#registration!, tap: (host) => machines.fabrics.tap(host),
      sink: (node, event, errUs) => this.#o.sink(node, event, errUs), broken: (reason) => this.#breakLab(reason),
    });
    return this.#linuxHosts.start();
  }

  async #startHost({ name, hostNqn, hostId }: Plan['topology']['hosts'][number], machines: NativeMachines): Promise<void> {
    const { plan, runDir, runId } = this.#o;
    const { topology, shape } = plan;
    const network = machines.initiators.get(name)!;
    const cgroup = machines.programGroup(name);
    const member = new MemberProcess({
      name, entry: 'host', logFile: join(runDir, 'logs', `${name}.log`), onEvent: (event) => this.#o.sink(name, event),
      within: ['/bin/sh', '-c', 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"', 'sh', cgroup, ...network.command([])],
      config: {
        name, hostNqn, hostId, subNqn: topology.nqn, runId, plan,
        controllers: topology.gateways.map((g) => ({ gateway: g.name, host: addressOf('a', g.name), port: gatewayPort })),
        journalFile: join(runDir, journalFileName(name)),
        timers: shape.timers, policy: shape.policy, ioQueues: shape.ioQueues, digests: { header: shape.headerDigest, data: shape.dataDigest },
      },
    });
    this.#members.push(member);
    this.#registration?.add(name, member.pid);
    this.#sink(name, { type: 'node', name, role: 'host', state: 'started', pid: member.pid });
    void member.exited.then(({ exitCode, signal }) => {
      this.#registration?.removePid(member.pid);
      this.#sink(name, { type: 'node', name, role: 'host', state: signal === 'SIGKILL' ? 'killed' : 'exited', pid: member.pid, exitCode, signal, expected: this.#down !== undefined });
      if (this.#down === undefined) this.#breakLab([`${name} ended unexpectedly (${signal ?? `exit code ${exitCode}`})`, ...member.logTail()].join('\n'));
    });
    await member.info;
    this.#sink(name, { type: 'node', name, role: 'host', state: 'ready', pid: member.pid });
  }

  #observe(): void {
    this.#watch = new ClusterWatch({
      plan: this.#o.plan, cluster: this.#up(this.#cluster), gateways: new Map(), periodMs: { monitor: monitorPeriodMs, store: storePeriodMs }, sink: (node, event) => this.#sink(node, event),
    });
    for (const [name, { info }] of this.gateways) for (const address of Object.values(info?.storeAddresses ?? {})) this.#watch.addClient(address, name);
  }

  async #show(cluster: Pick<ClusterSession, 'must'> = this.#up(this.#cluster)): Promise<string> {
    const { pool, group } = this.#o.spec;
    return cluster.must({ prefix: 'nvme-gw show', pool, group, format: 'json' });
  }

  async #takeDown(): Promise<void> {
    for (const gateway of this.gateways.values()) gateway.detach();
    await this.#linuxHosts?.end();
    await Promise.all(this.#members.map((member) => member.end().catch(() => undefined)));
    await this.#watch?.stop();
    await this.#session?.close();
    if (this.#registration === undefined) return;
    await this.#machines?.collectLogs(join(this.#o.runDir, 'logs'));
    await removeMachineParts(this.#registration.parts);
    if (this.#dir !== undefined) rmSync(this.#dir, { recursive: true, force: true });
    this.#registration.close();
  }

  #sink(node: string, event: NodeEvent | EventBody): void {
    this.#o.sink(node, event);
  }

  #up<T>(part: T | undefined): T {
    if (part === undefined) throw new Error('the lab is not up');
    return part;
  }
}
