import { basename, join } from 'node:path';
import type { EventBody, InventoryNamespace, NodeEvent, PathIo } from '../../history/events.js';
import type { PathPolicy } from '../../plan/types.js';
import { harnessTimeOf, nowUs, ownNowUs, sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import type { AlignedPool } from './aligned-pool.js';
import { KernelBlockDevice } from './block-device.js';
import { KernelConnector, machineActions } from './connector.js';
import type { ConnectorActions, KernelHostSettings } from './connector.js';
import { readCounters } from './counters.js';
import { HostState } from './host-state.js';
import { KernelLog } from './kernel-log.js';
import type { KernelLogEvent } from './kernel-log.js';
import type { OpenLines } from './line-source.js';
import type { TrafficWindow } from './path-counters.js';
import { Sampler } from './sampler.js';
import type { SamplerMessage } from './sampler-loop.js';
import { controllerStateOf } from './states.js';
import { linuxRoots, sysfsCalls } from './sysfs.js';
import type { KernelRoots } from './sysfs.js';
import { readTopology } from './topology.js';
import type { KernelHead } from './topology.js';
import { NvmeTrace } from './trace.js';
import type { TraceFact } from './trace.js';

const anaLogMaxMs = 10_000;

export interface KernelHostOptions extends KernelHostSettings {
  /** As the history calls this host. */
  name: string;
  /** See `SamplerOptions.entry`. */
  samplerEntry: URL;
  emit: (event: NodeEvent) => void;
  /** Something is not there or was lost, in words; nothing depends on it. */
  log: (line: string) => void;
  /** Nothing is observed any more. */
  onBlind: (error: Error) => void;
  roots?: KernelRoots;
  /** For tests. */
  actions?: ConnectorActions;
  /** For tests: reads the kernel's log and the trace. */
  openLines?: OpenLines;
}

/** How long `connect` waits for a usable path to every namespace; the harness gives a request a minute. */
export const usableMaxMs = 30_000;
/** How long `connect` then waits until every live controller has a path to every namespace. */
const settleMaxMs = 5_000;
/** What the kernel's log says of a controller explains a change of its state for so long. */
const causeMaxUs = 5_000_000;

/**
 * The Linux NVMe/TCP multipath host of one subsystem: connects it, watches it (sysfs, kernel log, tracefs), and
 * opens its namespaces. Everything that it sees becomes events, in the harness's time.
 */
export class KernelHost {
  readonly #options: KernelHostOptions;
  readonly #roots: KernelRoots;
  readonly #connector: KernelConnector;
  readonly #state: HostState;
  readonly #sampler: Sampler;
  readonly #log: KernelLog;
  readonly #trace: NvmeTrace;
  readonly #causes = new Map<string, { cause: string; ownUs: number }>();
  readonly #waiters = new Set<() => void>();
  #policy: PathPolicy;
  #closed: Promise<void> | undefined;

  constructor(options: KernelHostOptions) {
    const { name, nqn, controllers, log } = options;
    const roots = this.#roots = options.roots ?? linuxRoots;
    this.#options = options;
    this.#policy = options.policy;
    this.#connector = new KernelConnector(options, roots, sysfsCalls, options.actions ?? machineActions);
    this.#state = new HostState({
      host: name,
      gatewayOf: ({ traddr, trsvcid }) => controllers.find((each) => each.traddr === traddr && each.trsvcid === trsvcid)?.gateway ?? `${traddr}:${trsvcid}`,
      causeOf: (controller) => this.#causeOf(controller),
    });
    const lines = options.openLines === undefined ? {} : { open: options.openLines };
    this.#log = new KernelLog({ dev: roots.dev, now: ownNowUs, onEvent: (event) => this.#logged(event), onProblem: log, ...lines });
    this.#trace = new NvmeTrace({ tracing: roots.tracing, name: `pathproof-${name}`, onFact: (fact) => this.#traced(fact), onProblem: log, ...lines });
    this.#log.start();
    this.#trace.start();
    this.#sampler = new Sampler({ nqn, roots, entry: options.samplerEntry, onMessage: (message) => this.#sampled(message), onError: options.onBlind });
  }

  /**
   * Connects what is missing and waits until every one of these namespaces (UUIDs) has a usable path. Returns
   * what went wrong on the way, one line per path. An infra error (HOST_NO_PATH) with these lines if a namespace
   * stays without a path, or (HOST_POLICY) if the kernel does not take the path policy. `policy`: from now on; default:
   * the last one.
   */
  async connect(namespaces: readonly string[], { maxMs = usableMaxMs, policy = this.#policy }: { maxMs?: number; policy?: PathPolicy } = {}): Promise<{ problems: string[] }> {
    this.#policy = policy;
    const { problems, connected, kept } = await this.#connector.connect(policy);
    await this.#sampler.flush();
    const missing = (): string[] => {
      const usable = this.#state.usableNamespaces();
      return namespaces.filter((uuid) => !usable.has(uuid.toLowerCase()));
    };
    if (!(await this.#until(() => missing().length === 0, maxMs))) {
      throw infraError('HOST_NO_PATH', `no usable path within ${maxMs / 1_000} s to ${missing().join(', ')}${problems.length === 0 ? '' : `; ${problems.join('; ')}`}`, { details: problems });
    }
    // A controller that is there finds its namespaces a little later.
    const pathless = (): string[] => [...connected, ...kept].flatMap((name) => this.#missingPaths(name, namespaces));
    await this.#until(() => pathless().length === 0, settleMaxMs);
    problems.push(...pathless());
    const shown = this.#connector.policy();
    if (shown !== policy) throw infraError('HOST_POLICY', `the path policy is ${shown ?? 'not shown'} instead of ${policy}`, { details: problems });
    return { problems };
  }

  async disconnect(): Promise<{ problems: string[] }> {
    const { problems } = await this.#connector.disconnect();
    await this.#sampler.flush();
    return { problems };
  }

  /** The heads of these namespaces, in this order. An infra error (HOST_NO_NAMESPACE) if one is not there. */
  heads(namespaces: readonly string[]): KernelHead[] {
    const { heads } = readTopology(this.#roots, sysfsCalls, this.#options.nqn);
    return namespaces.map((uuid) => {
      const head = heads.find((each) => each.uuid === uuid.toLowerCase());
      if (head === undefined) throw infraError('HOST_NO_NAMESPACE', `no namespace has the UUID ${uuid}; there are ${heads.map((each) => each.uuid).join(', ') || 'none'}`);
      return head;
    });
  }

  /** The block device of a head, for programs that do I/O of their own. */
  devicePath({ name }: KernelHead): string {
    return join(this.#roots.dev, basename(name));
  }

  /** Whether the head of a namespace may send I/O now. */
  usable(uuid: string): boolean {
    return this.#state.usableNamespaces().has(uuid);
  }

  /** Opens a namespace by its head. */
  open(head: KernelHead, pool: AlignedPool): KernelBlockDevice {
    const { uuid, nsid, blockSize, blocks, transferMaxBytes } = head;
    return KernelBlockDevice.open({ path: this.devicePath(head), uuid, nsid, blockSize, blocks, transferMaxBytes, pool });
  }

  /** All controllers and paths as they are now, for whoever begins to listen. */
  announce(): void {
    this.#emitAll(this.#state.everything(), nowUs());
  }

  /** What is there now, read anew; resolves when everything seen up to then was told, too. */
  async inventory(label: string): Promise<void> {
    const { name, nqn, controllers: wanted } = this.#options;
    const topology = readTopology(this.#roots, sysfsCalls, nqn);
    const gatewayOf = (address: { traddr: string; trsvcid: string }): string => wanted.find((each) => each.traddr === address.traddr && each.trsvcid === address.trsvcid)?.gateway ?? `${address.traddr}:${address.trsvcid}`;
    const gateways = new Map(topology.controllers.map((controller) => [controller.name, gatewayOf(controller)]));
    // Heads are numbered in the order in which they were found.
    const heads = [...topology.heads].sort((a, b) => a.nsid - b.nsid);
    const namespaces = heads.map(({ uuid, nguid, nsid, blockSize, blocks, name: head }): InventoryNamespace => {
      const paths = topology.paths.filter((path) => path.head === head);
      return { uuid, nguid, nsid, anaGroup: paths[0]?.anaGroup ?? 0, blockSize, blocks, gateways: [...new Set(paths.map(({ controller }) => gateways.get(controller)!))].sort() };
    });
    this.#emit({
      type: 'host.inventory', host: name, label, namespaces,
      controllers: topology.controllers.map((controller) => ({
        controller: controller.name, gateway: gateways.get(controller.name)!, address: `${controller.traddr}:${controller.trsvcid}`, cntlid: controller.cntlid,
        subnqn: controller.subsysnqn, state: controllerStateOf(controller.state),
      })),
    }, nowUs());
    this.emitCounters();
    await this.#readAnaLog(topology.controllers.find(({ state }) => state === 'live')?.name);
    await this.flush();
  }

  /** A read of the ANA log that the trace must show: a trace that is silent otherwise is seen to be alive. */
  async #readAnaLog(controller: string | undefined): Promise<void> {
    if (controller !== undefined) await (this.#options.actions ?? machineActions).run('nvme', ['ana-log', join(this.#roots.dev, controller), '--output-format=json'], anaLogMaxMs);
  }

  counters(): Record<string, number> {
    return readCounters(this.#roots, sysfsCalls, readTopology(this.#roots, sysfsCalls, this.#options.nqn));
  }

  emitCounters(): Record<string, number> {
    const counters = this.counters();
    this.#emit({ type: 'host.counters', host: this.#options.name, counters }, nowUs());
    return counters;
  }

  /** Tells everything seen up to now, with the record of how densely was looked; the clock of the log is measured anew. */
  async flush(): Promise<void> {
    this.#log.mark();
    await this.#sampler.flush();
  }

  /** Ends the observation. The controllers stay connected. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      await this.#sampler.stop();
      this.#log.stop();
      await this.#trace.stop();
    })();
    return this.#closed;
  }

  /** The namespaces to which a controller has no path, in words; none for one that is not live. */
  #missingPaths(name: string, namespaces: readonly string[]): string[] {
    const seen = this.#state.controllers.find((controller) => controller.name === name);
    if (seen === undefined) return [`${name} was connected, but is not there any more`];
    if (seen.state !== 'live') return [];
    const has = new Set(this.#state.paths.filter((path) => path.controller === name).map(({ nsUuid }) => nsUuid));
    return namespaces.filter((uuid) => !has.has(uuid.toLowerCase())).map((uuid) => `${name} (${this.#state.gatewayOf(name)}) shows no path to ${uuid}`);
  }

  #sampled(message: SamplerMessage): void {
    if (message.kind === 'changes') {
      this.#emitAll(this.#state.apply(message.changes), harnessTimeOf(message.tUs));
      for (const waiter of [...this.#waiters]) waiter();
    } else if (message.kind === 'report') {
      const { fromUs, toUs, samples, maxGapUs } = message.coverage;
      this.#emit({ type: 'observe.coverage', observer: `host:${this.#options.name}`, fromUs: harnessTimeOf(fromUs), toUs: harnessTimeOf(toUs), samples, maxGapUs }, harnessTimeOf(toUs));
      this.#traffic(message.traffic);
    }
  }

  #traffic({ fromUs, toUs, paths }: TrafficWindow): void {
    if (paths.length === 0) return;
    this.#emit({
      type: 'host.path-io', host: this.#options.name, fromUs: harnessTimeOf(fromUs), toUs: harnessTimeOf(toUs),
      paths: paths.map(({ path, ...counts }): PathIo => ({
        path: path.name, controller: path.controller, gateway: this.#state.gatewayOf(path.controller), nsUuid: path.nsUuid, nsid: path.nsid, ...counts,
      })),
    }, harnessTimeOf(toUs));
  }

  #logged({ ownUs, ...event }: KernelLogEvent): void {
    const controller = /^nvme(?:\d+c)?(\d+)/.exec(event.device ?? '')?.[1];
    const name = controller === undefined || /^nvme\d+n/.test(event.device!) ? undefined : `nvme${controller}`;
    if (name !== undefined && event.topic !== 'reconnect' && event.topic !== 'other') this.#causes.set(name, { cause: event.message.replace(/^nvme nvme\d+: /, ''), ownUs });
    const gateway = name === undefined ? '' : this.#state.gatewayOf(name);
    this.#emit({ ...event, ...(gateway === '' ? {} : { gateway }) }, harnessTimeOf(ownUs));
  }

  #traced(fact: TraceFact): void {
    const gateway = this.#state.gatewayOf(fact.controller);
    // Controllers of other subsystems are none of ours.
    if (gateway === '') return;
    const common = { host: this.#options.name, controller: fact.controller, gateway };
    if (fact.kind === 'aen') this.#emit({ type: 'host.aen', ...common, result: fact.result }, harnessTimeOf(fact.ownUs));
    else this.#emit({ type: 'host.ana-log', ...common, tookUs: fact.tookUs, status: fact.status }, harnessTimeOf(fact.ownUs));
  }

  #causeOf(controller: string): string | undefined {
    const known = this.#causes.get(controller);
    return known !== undefined && ownNowUs() - known.ownUs < causeMaxUs ? known.cause : undefined;
  }

  async #until(condition: () => boolean, maxMs: number): Promise<boolean> {
    if (condition()) return true;
    const over = new AbortController();
    const look = (): void => {
      if (condition()) over.abort();
    };
    this.#waiters.add(look);
    await sleep(maxMs, over.signal);
    this.#waiters.delete(look);
    return condition();
  }

  #emitAll(bodies: readonly EventBody[], tUs: number): void {
    for (const body of bodies) this.#emit(body, tUs);
  }

  #emit(body: EventBody, tUs: number): void {
    this.#options.emit({ ...body, tUs });
  }
}
