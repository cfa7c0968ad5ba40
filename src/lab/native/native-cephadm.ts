import { z } from 'zod';
import { parseNvmeGwShow } from '../../monitor/show-parser.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import type { CephadmDaemon, CephadmNode } from '../types.js';
import { serviceName, type ClusterSpec } from './cluster-spec.js';
import { hostOfGatewayId } from './gateway-names.js';
import type { NativeCluster } from './native-cluster.js';
import type { NativeGateway } from './native-gateway.js';
import type { NativeHost } from './native-host.js';
import type { OrchDaemon } from './orchestrator.js';

export interface NativeCephadmOptions {
  cluster: NativeCluster;
  spec: ClusterSpec;
  host: (name: string) => NativeHost;
  gateway: (name: string) => NativeGateway;
  /** The monitor's `nvme-gw show` of the group, as it is. */
  show: () => Promise<string>;
}

/** Time for one gateway to be known to the monitor after cephadm was told to deploy it, and to be reached. */
const deployMaxMs = 60_000;
/** Entries of the audit log that are asked for: a minute of a cluster that is watched ten times a second has not that many. */
const auditEntries = 1_000;
const auditSchema = z.array(z.looseObject({ stamp: z.string(), message: z.string() }));

/** cephadm and podman of a native lab's cluster, for its administrator. */
export class NativeCephadm implements CephadmNode {
  readonly service: string;
  readonly #o: NativeCephadmOptions;

  constructor(options: NativeCephadmOptions) {
    this.#o = options;
    this.service = serviceName(options.spec);
  }

  orch(command: string): Promise<string> {
    return this.#o.cluster.ceph(`orch ${command}`);
  }

  async place(gateways: readonly string[]): Promise<void> {
    const { cluster } = this.#o;
    const there = (await cluster.gateways()).map(({ host }) => host);
    const kept = gateways.filter((name) => there.includes(name));
    const missing = gateways.filter((name) => !there.includes(name));
    if (missing.length === 0) await cluster.applyGateways(kept);
    // One after the other: the monitor gives the ANA groups out in the order in which gateways are created.
    for (let count = 1; count <= missing.length; count++) {
      const placed = gateways.filter((name) => kept.includes(name) || missing.slice(0, count).includes(name));
      await cluster.applyGateways(placed);
      await this.#untilKnown(placed);
    }
  }

  async daemons(): Promise<CephadmDaemon[]> {
    return (await this.#o.cluster.gateways({ refresh: true })).map(({ name, host, status, statusText }) => ({ name, host, status: statusOf(status, statusText) }));
  }

  async gatewayIds(): Promise<{ id: string; host: string; anaGroup: number; availability: string }[]> {
    return parseNvmeGwShow(await this.#o.show()).gateways.flatMap(({ id, anaGroup, availability }) => {
      const host = hostOfGatewayId(id, this.service);
      return host === undefined ? [] : [{ id, host, anaGroup, availability }];
    });
  }

  async containers(gateway: string): Promise<string[]> {
    const { stdout } = await this.#o.host(gateway).exec('podman ps --quiet --no-trunc --filter name=nvmeof');
    return stdout.split('\n').filter((line) => line !== '');
  }

  async killContainer(gateway: string, container: string): Promise<void> {
    await this.#o.host(gateway).exec(`podman kill --signal KILL ${container}`);
  }

  async audit(): Promise<string[]> {
    const entries = auditSchema.parse(JSON.parse(await this.#o.cluster.ceph(`log last ${auditEntries} debug audit --format json`)));
    return entries.filter(({ message }) => /nvme-gw (create|delete)/.test(message)).map(({ stamp, message }) => `${stamp} ${message}`);
  }

  expectEnd(gateway: string): void {
    this.#o.gateway(gateway).expectEnd();
  }

  async untilRuns(gateway: string): Promise<void> {
    await this.#o.gateway(gateway).untilRuns(deployMaxMs);
  }

  /** A daemon runs on each of these hosts, and the monitor knows its gateway. */
  async #untilKnown(names: readonly string[]): Promise<void> {
    await this.#o.cluster.untilDeployed(names);
    const deadline = Date.now() + deployMaxMs;
    for (;;) {
      const known = await this.gatewayIds();
      const unknown = names.filter((name) => !known.some(({ host, availability }) => host === name && availability !== 'DELETING'));
      if (unknown.length === 0) return;
      if (Date.now() >= deadline) throw infraError('CEPHADM', `the monitor was not told of ${unknown.join(', ')} within ${deployMaxMs / 1_000} s`);
      await sleep(200);
    }
  }
}

function statusOf(status: OrchDaemon['status'], text: string): string {
  return status === 1 ? 'running' : status === 0 ? 'stopped' : text;
}
