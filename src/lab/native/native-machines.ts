import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { infraError } from '../../util/errors.js';
import { cgroupMount } from '../machine-parts.js';
import type { LabRegistration } from '../registry.js';
import { makeCgroup } from './cgroup-spawn.js';
import { cephHost } from './cluster-spec.js';
import { Fabrics, labCgroupPath, NetworkHolder } from './fabric.js';
import type { NativeImages } from './images.js';
import { attachLoop, makeSparseFile } from './loop-device.js';
import { NativeHost, prepareHostDir } from './native-host.js';

export interface NativeMachinesOptions {
  /** The lab's folder on a file system that can carry overlays (no overlay itself). */
  dir: string;
  images: NativeImages;
  registration: LabRegistration;
  gatewayHosts: readonly string[];
  /** Initiators: network namespaces, whose programs are this machine's. */
  initiators: readonly string[];
  fabrics: number;
  osdMegabytes: number;
  logDir: string;
  /** See NativeHostOptions. */
  sharesRun?: boolean;
}

/** The folder in which all of a lab's hosts keep what outlives their power; with the OSD's file, it is the whole cluster. */
export const hostsFolder = 'hosts';
export const osdFileName = 'osd.img';

const logsMaxMs = 20_000;

/** Native hosts, networks and the OSD's loop device of one lab. */
export class NativeMachines {
  readonly hosts = new Map<string, NativeHost>();
  readonly initiators = new Map<string, NetworkHolder>();
  readonly cgroup: string;
  readonly #o: NativeMachinesOptions;
  #fabrics: Fabrics | undefined;

  constructor(options: NativeMachinesOptions) {
    this.#o = options;
    const mount = cgroupMount();
    if (mount === undefined) throw infraError('CGROUP', 'control groups v2 are not mounted below /sys/fs/cgroup', { hint: 'see `pathproof doctor --lab native`' });
    this.cgroup = labCgroupPath(mount, options.dir.replace(/^.*\//, ''));
  }

  get osdFile(): string {
    return join(this.#o.dir, hostsFolder, osdFileName);
  }

  get programsDir(): string {
    return join(this.#o.dir, 'programs');
  }

  get fabrics(): Fabrics {
    if (this.#fabrics === undefined) throw infraError('HOST_OFF', 'the lab is not up');
    return this.#fabrics;
  }

  host(name: string): NativeHost {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`the lab has no host ${name}`);
    return host;
  }

  /** Switches everything on; resolves when all hosts have booted. */
  async start(): Promise<void> {
    const { dir, registration, gatewayHosts, initiators, logDir } = this.#o;
    registration.addParts({ cgroups: [this.cgroup], loopFiles: [this.osdFile] });
    mkdirSync(this.cgroup, { recursive: true });
    mkdirSync(logDir, { recursive: true });
    for (const folder of [hostsFolder, 'programs']) mkdirSync(join(dir, folder), { recursive: true });
    makeSparseFile(this.osdFile, this.#o.osdMegabytes * 1_048_576);
    this.#fabrics = await Fabrics.start(this.cgroup, this.#o.fabrics);
    for (const name of initiators) {
      const holder = await NetworkHolder.start(this.cgroup, name);
      await this.#fabrics.attach(holder.pid, name);
      this.initiators.set(name, holder);
    }
    for (const name of [cephHost, ...gatewayHosts]) this.hosts.set(name, this.#makeHost(name));
    await Promise.all([...this.hosts.values()].map((host) => this.boot(host)));
  }

  async boot(host: NativeHost): Promise<void> {
    await host.start();
    const { failed } = await host.untilBooted();
    // A unit of a daemon that could not start is for the cluster's own checks to find.
    const others = failed.filter((unit) => !unit.startsWith('ceph-'));
    if (others.length > 0) throw infraError('HOST_START', `${host.name}: ${others.join(', ')} failed`);
  }

  /** An orderly end of the hosts, so that their folders can be copied. */
  async stopHosts(): Promise<void> {
    // The daemons before the monitor that they talk to.
    const ceph = this.hosts.get(cephHost);
    await Promise.all([...this.hosts.values()].filter((host) => host !== ceph).map((host) => host.stop()));
    await ceph?.stop();
  }

  /** The journals of all hosts that are on, as text. Never throws: logs must not hide why they are wanted. */
  async collectLogs(logDir: string): Promise<void> {
    await Promise.all([...this.hosts.values()].map(async (host) => {
      if (host.pid === undefined) return;
      try {
        const { stdout } = await host.exec('journalctl --no-pager -o short-iso-precise', { timeoutMs: logsMaxMs });
        writeFileSync(join(logDir, `${host.name}.journal.log`), stdout);
      } catch {
        // See above.
      }
    }));
  }

  /** A control group of the lab for programs of this machine. */
  programGroup(name: string): string {
    return makeCgroup(this.cgroup, `program-${name}`);
  }

  #makeHost(name: string): NativeHost {
    const { dir, images, gatewayHosts, logDir, sharesRun = true } = this.#o;
    const hostDir = join(dir, hostsFolder, name);
    if (!existsSync(hostDir)) prepareHostDir(hostDir, name, [{ path: '/etc/hosts', text: Fabrics.hostsFile([cephHost, ...gatewayHosts]) }]);
    chmodSync(hostDir, 0o755);
    return new NativeHost({
      name, labCgroup: this.cgroup, dir: hostDir, root: images.root, store: images.store, logFile: join(logDir, `${name}.init.log`),
      binds: name === cephHost ? [] : [`${this.programsDir}:/opt/pathproof`],
      ...(name === cephHost ? { devices: async () => {
        const { name: device, major, minor } = await attachLoop(this.osdFile);
        return [`dev:${device}:${major}:${minor}`];
      } } : {}),
      sharesRun, network: (pid) => this.fabrics.attach(pid, name),
    });
  }
}
