import { z } from 'zod';
import { parseNvmeGwShow } from '../../monitor/show-parser.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import type { CephadmDaemon, CephadmNode } from '../types.js';
import { hostOfGatewayId, type HostNames } from './names.js';
import { parseOrchPs, type OrchDaemon } from './orch-ps.js';

/** How a lab gets at the cluster of the gateways' service and at the gateways' hosts. */
export interface CephadmServiceOptions {
  /** `nvmeof.POOL.GROUP`. */
  service: string;
  names: HostNames;
  /** The service's specification as YAML, with these hosts (cephadm's names) as its placement. */
  specification: (hosts: readonly string[]) => string;
  /** Runs `ceph WORDS` as the administrator; resolves to what it prints. */
  ceph: (words: string, input?: string) => Promise<string>;
  /** The monitor's `nvme-gw show` of the group, with cephadm's ids. */
  show: () => Promise<string>;
  /** Runs a shell command on a gateway's host, as root; resolves to what it prints. */
  onHost: (gateway: string, command: string) => Promise<string>;
  /** What podman's containers of the service's gateways have in their names, and no others. */
  containerName: string;
  gateway: (name: string) => { expectEnd(): void; untilRuns(timeoutMs: number): Promise<void> };
}

/** Time for one gateway to be deployed, to be known to the monitor, and to be reached. */
const deployMaxMs = 60_000;
/** A first container on a host may take longer. */
const runsMaxMs = 240_000;
const pollMs = 200;
/** Entries of the audit log that are asked for: a minute of a cluster that is watched ten times a second has not that many. */
const auditEntries = 1_000;
const auditSchema = z.array(z.looseObject({ stamp: z.string(), message: z.string() }));

/** Words of `ceph`: the service's daemons, as JSON. With `refresh` cephadm is told to look at the hosts; what it finds there is in a later answer. */
export function daemonsWords(service: string, refresh: boolean): string {
  return `orch ps --service_name ${service} ${refresh ? '--refresh ' : ''}-f json`;
}

/** Words of `ceph`: the last entries of the monitor's audit log, as JSON. */
export const auditWords = `log last ${auditEntries} debug audit --format json`;

/** Prints the ids of podman's containers that run and have this in their names. */
export function containersCommand(name: string): string {
  return `podman ps --quiet --no-trunc --filter name=${name}`;
}

export function killContainerCommand(container: string): string {
  return `podman kill --signal KILL ${container}`;
}

/** The service of gateways that cephadm has deployed, as an administrator handles it: `ceph orch`, and podman on the hosts. */
export class CephadmService implements CephadmNode {
  readonly service: string;
  readonly #o: CephadmServiceOptions;

  constructor(options: CephadmServiceOptions) {
    this.#o = options;
    this.service = options.service;
  }

  hostOf(gateway: string): string {
    return this.#o.names.hostOf(gateway);
  }

  orch(command: string): Promise<string> {
    return this.#o.ceph(`orch ${command}`);
  }

  async place(gateways: readonly string[]): Promise<void> {
    const there = (await this.#daemons()).flatMap(({ host }) => this.#o.names.gatewayOn(host) ?? []);
    const kept = gateways.filter((name) => there.includes(name));
    const missing = gateways.filter((name) => !there.includes(name));
    if (missing.length === 0) await this.#apply(kept);
    // One after the other: the monitor gives the ANA groups out in the order in which gateways are created.
    for (let count = 1; count <= missing.length; count++) {
      const placed = gateways.filter((name) => kept.includes(name) || missing.slice(0, count).includes(name));
      await this.#apply(placed);
      await this.#untilKnown(placed);
    }
  }

  async daemons(): Promise<CephadmDaemon[]> {
    return (await this.#daemons(true)).flatMap(({ name, host, status, statusText }) => {
      const gateway = this.#o.names.gatewayOn(host);
      return gateway === undefined ? [] : [{ name, host: gateway, status: statusOf(status, statusText) }];
    });
  }

  async gatewayIds(): Promise<{ id: string; host: string; anaGroup: number; availability: string }[]> {
    return parseNvmeGwShow(await this.#o.show()).gateways.flatMap(({ id, anaGroup, availability }) => {
      const host = hostOfGatewayId(id, this.service);
      const gateway = host === undefined ? undefined : this.#o.names.gatewayOn(host);
      return gateway === undefined ? [] : [{ id, host: gateway, anaGroup, availability }];
    });
  }

  async containers(gateway: string): Promise<string[]> {
    const text = await this.#o.onHost(gateway, containersCommand(this.#o.containerName));
    return text.split('\n').filter((line) => line !== '');
  }

  async killContainer(gateway: string, container: string): Promise<void> {
    await this.#o.onHost(gateway, killContainerCommand(container));
  }

  async audit(): Promise<string[]> {
    const entries = auditSchema.parse(JSON.parse(await this.#o.ceph(auditWords)));
    return entries.filter(({ message }) => /nvme-gw (create|delete)/.test(message)).map(({ stamp, message }) => `${stamp} ${message}`);
  }

  expectEnd(gateway: string): void {
    this.#o.gateway(gateway).expectEnd();
  }

  async untilRuns(gateway: string): Promise<void> {
    await this.#o.gateway(gateway).untilRuns(deployMaxMs);
  }

  async #apply(gateways: readonly string[]): Promise<void> {
    await this.#o.ceph('orch apply -i -', this.#o.specification(gateways.map((name) => this.hostOf(name))));
  }

  async #daemons(refresh = false): Promise<OrchDaemon[]> {
    return parseOrchPs(await this.#o.ceph(daemonsWords(this.service, refresh)));
  }

  /** A daemon runs on each of these gateways' hosts, and the monitor knows its gateway. */
  async #untilKnown(gateways: readonly string[]): Promise<void> {
    const hosts = gateways.map((name) => this.hostOf(name));
    await this.#until(runsMaxMs, `cephadm runs no gateway on`, async () => {
      const daemons = await this.#daemons();
      return hosts.filter((host) => !daemons.some((daemon) => daemon.host === host && daemon.status === 1));
    });
    await this.#until(deployMaxMs, 'the monitor was not told of', async () => {
      const known = await this.gatewayIds();
      return gateways.filter((name) => !known.some(({ host, availability }) => host === name && availability !== 'DELETING'));
    });
  }

  async #until(maxMs: number, problem: string, missing: () => Promise<string[]>): Promise<void> {
    const deadline = Date.now() + maxMs;
    for (;;) {
      const still = await missing();
      if (still.length === 0) return;
      if (Date.now() >= deadline) throw infraError('CEPHADM', `${problem} ${still.join(', ')} within ${maxMs / 1_000} s`, { details: (await this.#o.ceph('log last 15 info cephadm').catch(() => '')).split('\n') });
      await sleep(pollMs);
    }
  }
}

function statusOf(status: OrchDaemon['status'], text: string): string {
  return status === 1 ? 'running' : status === 0 ? 'stopped' : text;
}
