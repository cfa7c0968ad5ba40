import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Topology } from '../../../plan/types.js';
import { sleep } from '../../../util/clock.js';
import { messageOf, PathproofError } from '../../../util/errors.js';
import { isListed, nvmeofObjects, nvmeofStatus, whenGroupsAreKnown, type NvmeofDialect, type NvmeofSubsystem } from '../../cephadm/nvmeof-subsystem.js';
import { cephHost, cephNvmeofServiceYaml, type ClusterSpec } from '../../native/cluster-spec.js';
import type { NativeCluster } from '../../native/native-cluster.js';
import { gatewayPort } from '../../native/programs.js';
import { addressOf } from '../../qemu/network.js';
import { shellQuote } from '../../ssh/connection.js';
import type { CephNvmeofImage } from './ceph-nvmeof-image.js';

export interface CephNvmeofServiceOptions {
  spec: ClusterSpec;
  cluster: Pick<NativeCluster, 'ceph' | 'untilReady'>;
  /** A folder that all hosts of gateways have as /opt/pathproof. */
  programsDir: string;
  /** Runs a command on a host, as its own administrator would. */
  on: (name: string, command: string) => Promise<string>;
  /** Names of the hosts whose gateways the monitor has. */
  gatewayHosts: () => Promise<string[]>;
}

const waitMaxMs = 60_000;
const pollMs = 500;
/** Of a gateway's gRPC server. */
const serverPort = 5_500;

const imageConfig = (version: string): string[] => [
  'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'ENV LANG=C.UTF-8', 'ENV PYTHONUNBUFFERED=1', `LABEL io.ceph.version=${version}`, 'WORKDIR /src',
  'ENTRYPOINT ["python3", "-m", "control"]', 'CMD ["-c", "/src/ceph-nvmeof.conf"]',
];

/**
 * Without huge pages, which native hosts do not have, and with SPDK that sleeps where there is nothing to do: two processors are there for all
 * hosts. Its exporter of statistics begins after any test.
 */
const fields = { spdk_mem_size: 768, tgt_cmd_extra_args: '--interrupt-mode --cpumask=0x1', prometheus_startup_delay: 86_400 };

/** The orchestrator's service of the real ceph-nvmeof, and what its owner tells it. */
export class CephNvmeofService {
  readonly #o: CephNvmeofServiceOptions;

  constructor(options: CephNvmeofServiceOptions) {
    this.#o = options;
  }

  /** Imports the image where gateways are to run, lets cephadm deploy them, and makes the subsystem by the manager's command line. */
  async deploy(topology: Topology, { tar, version }: CephNvmeofImage, say: (line: string) => void): Promise<void> {
    const { spec: { gatewayHosts }, cluster, programsDir, on } = this.#o;
    const image = `localhost/ceph-nvmeof:${version}`;
    await cp(tar, join(programsDir, 'ceph-nvmeof.tar'));
    await Promise.all(gatewayHosts.map((name) => on(name, `podman import --quiet ${imageConfig(version).map((change) => `--change '${change}'`).join(' ')} /opt/pathproof/ceph-nvmeof.tar ${image}`)));
    await on(cephHost, `ceph config set mgr mgr/cephadm/container_image_nvmeof ${image} && ceph config set mgr mgr/dashboard/ssl false && ceph mgr module enable dashboard`);
    await cluster.untilReady();
    // One more each time: the monitor gives out ANA groups in the order of creation.
    for (const [index, name] of gatewayHosts.entries()) {
      say(`ceph-nvmeof ${version}, deployed by cephadm on ${name}`);
      await cluster.ceph('orch apply -i -', { input: cephNvmeofServiceYaml(this.#o.spec, gatewayHosts.slice(0, index + 1), fields) });
      await until(async () => (await this.#o.gatewayHosts()).includes(name), () => `cephadm deploys no gateway on ${name}`);
    }
    await this.#makeSubsystem(topology, say);
    // cephadm tells it of each gateway that it deploys, which takes it a while, and nobody asks it any more.
    await on(cephHost, 'ceph mgr module disable dashboard');
    await cluster.untilReady();
  }

  /** Prints what the manager's command line says, or ceph-nvmeof's own in the first gateway's container; JSON. */
  async cli(words: readonly string[], dialect: NvmeofDialect): Promise<string> {
    const { spec, on } = this.#o;
    const quoted = words.map((word) => shellQuote(word)).join(' ');
    const gateway = spec.gatewayHosts[0]!;
    const [host, command] = dialect === 'manager'
      ? [cephHost, `ceph nvmeof ${quoted} --format json`]
      : [gateway, `podman exec $(podman ps --quiet --filter name=nvmeof) python3 -m control.cli --output stdio --format json --server-address ${addressOf('a', gateway)} --server-port ${serverPort} ${quoted}`];
    const stdout = await on(host, command).catch((error: unknown) => {
      // What it said is the reason.
      throw error instanceof PathproofError ? new Error([error.message, ...error.details].join('\n'), { cause: error }) : error;
    });
    if (nvmeofStatus(stdout) > 0) throw new Error(stdout);
    return stdout;
  }

  /** Afterwards both command lines have it. */
  async #makeSubsystem({ nqn, namespaces }: Topology, say: (line: string) => void): Promise<void> {
    const { gatewayHosts, pool, group } = this.#o.spec;
    const subsystem: NvmeofSubsystem = {
      nqn, pool, group, listeners: gatewayHosts.map((host) => ({ host, address: addressOf('a', host), port: gatewayPort })),
      namespaces: namespaces.map(({ image, anaGroup, nsid, uuid }) => ({ image, anaGroup, identity: { nsid, uuid } })),
    };
    for (const { title, list, find, add } of nvmeofObjects(subsystem, 'manager')) {
      say(`ceph nvmeof: ${title}`);
      let answer = '';
      // A gateway's own server is up some seconds after its container, and the manager knows of a group only then.
      await until(() => this.cli(list, 'manager').then((output) => (answer = output) !== '', (error: unknown) => {
        answer = messageOf(error);
        return false;
      }), () => answer);
      if (isListed(answer, find)) throw new Error(`${title} is there already`);
      await whenGroupsAreKnown(() => this.cli(add, 'manager'));
    }
    for (const dialect of ['manager', 'gateway'] as const) {
      for (const { title, list, find } of nvmeofObjects(subsystem, dialect)) if (!isListed(await this.cli(list, dialect), find)) throw new Error(`${title} was made, and the ${dialect}'s command line does not have it`);
    }
  }
}

async function until(reached: () => Promise<boolean>, problem: () => string): Promise<void> {
  const deadline = Date.now() + waitMaxMs;
  while (!(await reached())) {
    if (Date.now() >= deadline) throw new Error(problem());
    await sleep(pollMs);
  }
}
