import { createHash } from 'node:crypto';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { addressOf } from '../qemu/network.js';
import { loopsOf } from '../machine-parts.js';
import type { ClusterAccess } from '../qemu/lab/cluster.js';
import { bootstrapCommand, bootstrapConfig, cephHost, type ClusterSpec } from './cluster-spec.js';
import { daemonImage } from './host-files.js';
import type { NativeHost } from './native-host.js';
import type { NativeMachines } from './native-machines.js';

const bootstrapMaxMs = 300_000;
const commandMaxMs = 120_000;
/** Monitor, manager, orchestrator and OSD after their host was switched on. */
const readyMaxMs = 240_000;
const pollMs = 300;
const cliName = 'pathproof-cli';

type Step = (what: string) => void;

/** The Ceph cluster of a native lab: made by cephadm, and driven by `ceph` in a container on its first host, as an administrator does. */
export class NativeCluster {
  readonly #machines: NativeMachines;
  readonly #spec: ClusterSpec;

  constructor(machines: NativeMachines, spec: ClusterSpec) {
    this.#machines = machines;
    this.#spec = spec;
  }

  get #ceph(): NativeHost {
    return this.#machines.host(cephHost);
  }

  /** From booted hosts to a cluster with a pool, its images, and all hosts known; no gateway yet. */
  async bootstrap(step: Step): Promise<void> {
    const ceph = this.#ceph;
    const spec = this.#spec;
    step('cephadm bootstrap');
    await ceph.exec('cat > /root/init.conf', { input: bootstrapConfig(spec.settings) });
    await ceph.exec(bootstrapCommand('/root/init.conf'), { timeoutMs: bootstrapMaxMs });
    await this.#startCli();
    // A second monitor or manager would be deployed on each host that is added, and stay; nobody reads crash reports here.
    for (const type of ['mon', 'mgr']) await this.ceph(`orch apply ${type} --placement=${cephHost}`);
    await this.ceph('orch rm crash', { okCodes: 'any' });
    step('hosts');
    const key = (await ceph.exec('cat /etc/ceph/ceph.pub')).stdout;
    for (const name of spec.gatewayHosts) {
      await this.#machines.host(name).exec('mkdir -p -m 700 /root/.ssh && cat >> /root/.ssh/authorized_keys && chmod 600 /root/.ssh/authorized_keys', { input: `${key}\n` });
      await this.ceph(`orch host add ${name} ${addressOf('a', name)}`);
    }
    step('OSD');
    const [device] = await loopsOf(this.#machines.osdFile);
    // It returns long after the OSD is up, and leaves a specification that the orchestrator would try again and again by LVM.
    const added = this.ceph(`orch daemon add osd ${cephHost}:${device} --method raw`, { timeoutMs: bootstrapMaxMs });
    const up = this.#until('the OSD is up', async () => (JSON.parse(await this.ceph('osd stat -f json')) as { num_up_osds: number }).num_up_osds === 1);
    await Promise.race([up, added.then(() => up)]);
    added.catch(() => undefined);
    await this.#until('the OSD’s specification is unmanaged', async () => {
      await this.ceph('orch set-unmanaged osd.default');
      return true;
    });
    step('pool and images');
    await this.ceph(`osd pool create ${spec.pool}`);
    await this.#cli(`rbd pool init ${spec.pool}`);
    for (const { name, megabytes } of spec.images) await this.#cli(`rbd create --size ${megabytes}M --image-feature layering ${spec.pool}/${name}`);
    await this.ceph('crash archive-all', { okCodes: 'any' });
    await added.catch(() => undefined);
  }

  /** After a start from a stopped cluster's folders. */
  async untilReady(): Promise<void> {
    await this.#startCli();
    await this.#until('the cluster is back', async () => {
      const { num_up_osds: up } = JSON.parse(await this.ceph('osd stat -f json', { timeoutMs: 10_000 })) as { num_up_osds: number };
      const { available } = JSON.parse(await this.ceph('orch status -f json', { timeoutMs: 10_000 })) as { available: boolean };
      return up === 1 && available;
    });
  }

  /** What a client needs to know of it. */
  async access(): Promise<ClusterAccess> {
    const fsid = (await this.ceph('fsid')).trim();
    const key = (await this.ceph('auth get-key client.admin')).trim();
    return { fsid, monHosts: [`${addressOf('a', cephHost)}:3300`], adminKey: key };
  }

  /** The output of a `ceph` command of the administrator. */
  async ceph(command: string, options: { timeoutMs?: number; okCodes?: 'any'; input?: string } = {}): Promise<string> {
    return this.#cli(`ceph ${command}`, options);
  }

  /** The hash that stands for what a stopped cluster's folders were made of. */
  static key(spec: ClusterSpec, recipe: string, fabrics: number): string {
    return createHash('sha256').update(JSON.stringify([setupVersion, recipe, fabrics, spec])).digest('hex').slice(0, 16);
  }

  async #cli(command: string, options: { timeoutMs?: number; okCodes?: 'any'; input?: string } = {}): Promise<string> {
    const { input, timeoutMs = commandMaxMs, okCodes } = options;
    const { stdout } = await this.#ceph.exec(`podman exec ${input === undefined ? '' : '-i '}${cliName} ${command}`, {
      timeoutMs, ...(okCodes === undefined ? {} : { okCodes }), ...(input === undefined ? {} : { input }),
    });
    return stdout;
  }

  /** One container for all commands: a new one for each takes a second. */
  async #startCli(): Promise<void> {
    await this.#ceph.exec(`podman run --replace -d --rm --net=host --name ${cliName} -v /etc/ceph:/etc/ceph:z ${daemonImage} sleep infinity`);
  }

  async #until(what: string, reached: () => Promise<boolean>, maxMs = readyMaxMs): Promise<void> {
    const deadline = Date.now() + maxMs;
    let problem: string;
    for (;;) {
      try {
        if (await reached()) return;
        problem = 'not yet';
      } catch (error) {
        problem = messageOf(error);
      }
      if (Date.now() >= deadline) throw infraError('CEPHADM', `not reached within ${maxMs / 1_000} s: ${what} (${problem})`, { details: (await this.ceph('log last 15 info cephadm', { okCodes: 'any', timeoutMs: 10_000 }).catch(() => '')).split('\n') });
      await sleep(pollMs);
    }
  }
}

/** Version of the way in which clusters are set up; a change makes old snapshots worthless. */
const setupVersion = 1;
