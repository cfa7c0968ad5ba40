import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { parseNvmeGwShow, type NvmeGwShow } from '../../../monitor/show-parser.js';
import type { Plan } from '../../../plan/types.js';
import { sleep } from '../../../util/clock.js';
import { CephadmService } from '../../cephadm/cephadm-service.js';
import { hostOfGatewayId, sameNames } from '../../cephadm/names.js';
import { removeMachineParts } from '../../machine-parts.js';
import { cephHost, gatewayServiceYaml, serviceName, type ClusterSpec } from '../../native/cluster-spec.js';
import { daemonImage } from '../../native/host-files.js';
import { ensureNativeImages } from '../../native/images.js';
import { labsDir } from '../../native/labs-dir.js';
import { NativeCluster } from '../../native/native-cluster.js';
import type { NativeHost } from '../../native/native-host.js';
import { NativeMachines } from '../../native/native-machines.js';
import { installGatewayProgram, servedOf } from '../../native/programs.js';
import { clusterSpecOf, NativeProvider } from '../../native/provider.js';
import { nativeRecipe } from '../../native/recipe.js';
import { ClusterSnapshot } from '../../native/snapshot.js';
import { decideKvm } from '../../qemu/accel.js';
import { hostNode } from '../../qemu/design.js';
import { ensureImage } from '../../qemu/image/image.js';
import { defaultRecipe } from '../../qemu/image/recipe.js';
import { addressOf, macOf, prefixLength } from '../../qemu/network.js';
import { boot, fabricCard } from '../../qemu/nodes.js';
import { ensureKeys } from '../../qemu/vm/keys.js';
import { managementNetwork } from '../../qemu/vm/role.js';
import { QemuVm } from '../../qemu/vm/vm.js';
import { LabRegistration } from '../../registry.js';
import type { CephNvmeofImage } from './ceph-nvmeof-image.js';
import { CephNvmeofService } from './ceph-nvmeof-service.js';
import { addProgram } from './spdk-program.js';

/** A place on the fabric from which the native hosts can be reached: its name is that of an initiator that is none. */
const jumpName = 'host2';
const cliName = 'foreign-cli';

/** `ceph`, `rbd` and `rados` as an administrator of cephadm's has them who has not installed them: in a container. */
const cliScript = (program: string): string => `#!/bin/sh\nexec podman exec -i ${cliName} ${program} "$@"\n`;

/** None, so that there are hosts for them, and images; of our own image; or the real ceph-nvmeof. */
export type ForeignGateways = 'none' | 'own' | CephNvmeofImage;

/**
 * Hosts that somebody else has made: a cluster of cephadm's with gateways that serve I/O, and a Linux machine, with nothing of a harness on
 * them but what a gateway's container is. They are reached by an ssh_config. The parts are those of the native lab.
 */
export class ForeignCephadm {
  readonly dir: string;
  readonly accel: 'kvm' | 'tcg';
  readonly access: { fsid: string; monHosts: readonly string[] };
  /** The real gateways, where it has them. */
  readonly nvmeof: CephNvmeofService;
  readonly #machines: NativeMachines;
  readonly #cluster: NativeCluster;
  readonly #vm: QemuVm;
  readonly #spec: ClusterSpec;
  readonly #registration: LabRegistration;

  private constructor(parts: { dir: string; accel: 'kvm' | 'tcg'; access: ForeignCephadm['access']; machines: NativeMachines; vm: QemuVm; spec: ClusterSpec; registration: LabRegistration }) {
    this.dir = parts.dir;
    this.accel = parts.accel;
    this.access = parts.access;
    this.#machines = parts.machines;
    this.#cluster = new NativeCluster(parts.machines, parts.spec);
    this.#vm = parts.vm;
    this.#spec = parts.spec;
    this.#registration = parts.registration;
    this.nvmeof = new CephNvmeofService({
      spec: parts.spec, cluster: this.#cluster, programsDir: parts.machines.programsDir, on: (name, command) => this.on(name, command),
      gatewayHosts: async () => (await this.gateways()).map(({ host }) => host),
    });
  }

  /** Makes all of it, with the plan's gateways, namespaces and first host. */
  static async start(plan: Plan, say: (line: string) => void, { gateways }: { gateways: ForeignGateways }): Promise<ForeignCephadm> {
    await new NativeProvider().prepare(plan, { progress: (node, text) => say(`${node}: ${text}`), signal: new AbortController().signal, logDir: join(labsDir(), 'foreign-logs') });
    const images = await ensureNativeImages(nativeRecipe(), { progress: say });
    const image = await ensureImage(defaultRecipe(), { progress: say });
    const accel = (await decideKvm(image)).kvm === 'usable' ? 'kvm' : 'tcg';
    const spec = clusterSpecOf(plan);
    const snapshot = new ClusterSnapshot(NativeCluster.key(spec, images.manifest.recipe, 1));
    const dir = mkdtempSync(join(labsDir(), 'f-'));
    const registration = new LabRegistration('native', dir, [dir]);
    const logDir = join(dir, 'logs');
    mkdirSync(logDir);
    await snapshot.restore(dir);
    const machines = new NativeMachines({ dir, images, registration, gatewayHosts: spec.gatewayHosts, initiators: [jumpName], fabrics: 1, osdMegabytes: spec.osdMegabytes, logDir, sharesRun: gateways === 'own' });
    let vm: QemuVm | undefined;
    try {
      await machines.start();
      const keys = await ensureKeys(dir);
      const mac = macOf('a', 'host1');
      const { memoryMb, cpus } = hostNode('host1');
      vm = new QemuVm({
        name: 'host1', memoryMb, cpus, accel, image, keys, dir, logDir, observes: true, networks: [{ name: 'a', mac, tap: machines.fabrics.tap('host1') }],
        role: {
          hostname: 'host1', keys, modules: [], files: [], hosts: [], networks: [managementNetwork(macOf('mgmt', 'host1')), { name: fabricCard('a'), mac, addresses: [`${addressOf('a', 'host1')}/${prefixLength}`] }],
        },
        onStarted: ({ pid }) => registration.add('host1', pid),
      });
      await boot(vm, (node, text) => say(`${node}: ${text}`));
      await vm.ssh.exec(`date -s @${(Date.now() / 1_000).toFixed(3)}`);
      const foreign = new ForeignCephadm({ dir, accel, access: snapshot.access()!, machines, vm, spec, registration });
      await foreign.#installCli();
      if (gateways === 'own') await foreign.#deploy(plan, say);
      else if (gateways !== 'none') {
        await foreign.nvmeof.deploy(plan.topology, gateways, say);
        await foreign.untilServing();
      }
      await foreign.#openSsh(keys.userPublic);
      return foreign;
    } catch (error) {
      await vm?.kill();
      await removeMachineParts(registration.parts);
      registration.close();
      throw error;
    }
  }

  /** Where `ssh_config` lies. */
  get sshConfig(): string {
    return join(this.dir, 'ssh_config');
  }

  get service(): string {
    return serviceName(this.#spec);
  }

  host(name: string): NativeHost {
    return this.#machines.host(name);
  }

  boot(name: string): Promise<void> {
    return this.#machines.boot(this.host(name));
  }

  /** Runs a command on a host, as its own administrator would. */
  async on(name: string, command: string): Promise<string> {
    const { stdout } = name === 'host1' ? await this.#vm.ssh.exec(command) : await this.host(name).exec(command, { timeoutMs: 120_000 });
    return stdout.trim();
  }

  /** The gateways of the group, with the names of their hosts. */
  async gateways(): Promise<(NvmeGwShow['gateways'][number] & { host: string })[]> {
    const { pool, group } = this.#spec;
    return parseNvmeGwShow(await this.on(cephHost, `ceph nvme-gw show ${pool} ${group} --format json`)).gateways.flatMap((gateway) => {
      const host = hostOfGatewayId(gateway.id, this.service);
      return host === undefined || gateway.availability === 'DELETING' ? [] : [{ ...gateway, host }];
    });
  }

  /** Of the gateways' service, as cephadm exports it. */
  specification(): Promise<string> {
    return this.on(cephHost, `ceph orch ls --service_name ${this.service} --export`);
  }

  async end(): Promise<void> {
    await this.#machines.collectLogs(join(this.dir, 'logs'));
    await this.#vm.kill();
    await removeMachineParts(this.#registration.parts);
    rmSync(this.dir, { recursive: true, force: true });
    this.#registration.close();
  }

  /** Gives the gateways' hosts SPDK, as /usr/local/bin/nvmf_tgt, and this machine's Node. `folder`: of ensureSpdk. */
  async installSpdk(folder: string): Promise<void> {
    const shared = join(this.#machines.programsDir, 'spdk');
    await cp(folder, shared, { recursive: true });
    await cp(process.execPath, join(shared, 'libexec/node'));
    addProgram(shared, 'node');
    for (const name of this.#spec.gatewayHosts) await this.on(name, 'ln -sf /opt/pathproof/spdk/bin/* /usr/local/bin/');
  }

  async #installCli(): Promise<void> {
    await this.#cluster.untilReady();
    const ceph = this.host(cephHost);
    await ceph.exec(`podman run --replace -d --rm --net=host --name ${cliName} -v /etc/ceph:/etc/ceph:z -v /tmp:/tmp ${daemonImage} sleep infinity`);
    for (const program of ['ceph', 'rbd', 'rados']) await ceph.exec(`cat > /usr/local/bin/${program} && chmod 755 /usr/local/bin/${program}`, { input: cliScript(program) });
  }

  async #deploy(plan: Plan, say: (line: string) => void): Promise<void> {
    const machines = this.#machines;
    const cluster = this.#cluster;
    await installGatewayProgram(machines.programsDir);
    const served = JSON.stringify({ ...servedOf(plan), hosts: [plan.topology.hosts[0]!.hostNqn] });
    for (const name of this.#spec.gatewayHosts) await machines.host(name).exec('cat > /etc/pathproof/subsystem.json', { input: served });
    say('gateways, deployed by cephadm');
    const { pool, group } = this.#spec;
    const service = new CephadmService({
      service: this.service, names: sameNames, specification: (hosts) => gatewayServiceYaml(this.#spec, hosts), containerName: 'nvmeof',
      show: () => this.on(cephHost, `ceph nvme-gw show ${pool} ${group} --format json`), ceph: (words, input) => cluster.ceph(words, input === undefined ? {} : { input }),
      onHost: (name, command) => this.on(name, command), gateway: () => ({ expectEnd: () => undefined, untilRuns: () => Promise.resolve() }),
    });
    await service.place(this.#spec.gatewayHosts);
    await this.untilServing();
  }

  async untilServing(maxMs = 60_000): Promise<void> {
    const deadline = Date.now() + maxMs;
    for (;;) {
      const gateways = await this.gateways();
      if (gateways.length === this.#spec.gatewayHosts.length && gateways.every(({ availability, anaGroup, states }) => availability === 'AVAILABLE' && states[String(anaGroup)] === 'ACTIVE')) return;
      if (Date.now() >= deadline) throw new Error(`the gateways do not serve: ${JSON.stringify(gateways)}`);
      await sleep(500);
    }
  }

  /** Lets the key in, and writes how each host is reached: those of cephadm through a place on their network. */
  async #openSsh(publicKey: string): Promise<void> {
    for (const name of [cephHost, ...this.#spec.gatewayHosts]) await this.host(name).exec('mkdir -p -m 700 /root/.ssh && cat >> /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys', { input: `${publicKey}\n` });
    const { files } = this.#vm.ssh;
    const proxy = (name: string): string => this.#machines.initiators.get(jumpName)!.command([process.execPath, '-e', `const s = require("net").connect(22, "${addressOf('a', name)}"); s.on("error", () => process.exit(1)); process.stdin.pipe(s); s.pipe(process.stdout)`]).map((word) => (/[^\w/=:.-]/.test(word) ? `'${word}'` : word)).join(' ');
    const common = ['  User root', '  IdentitiesOnly yes', '  GlobalKnownHostsFile none'];
    const hosts = [cephHost, ...this.#spec.gatewayHosts].map((name) => [`Host ${name}.example`, ...common, `  IdentityFile ${files.keyFile}`, '  UserKnownHostsFile /dev/null', '  StrictHostKeyChecking no', `  ProxyCommand ${proxy(name)}`, ''].join('\n'));
    hosts.push([`Host host1.example`, ...common, '  HostName 127.0.0.1', `  Port ${files.port}`, `  IdentityFile ${files.keyFile}`, `  UserKnownHostsFile ${files.knownHosts}`, '  HostKeyAlias host1', ''].join('\n'));
    writeFileSync(this.sshConfig, hosts.join('\n'));
  }
}
