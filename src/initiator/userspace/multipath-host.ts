import type { ControllerStateName, InventoryNamespace } from '../../history/events.js';
import type { PathPolicy } from '../../plan/types.js';
import { infraError, usageError } from '../../util/errors.js';
import { Controller } from './controller.js';
import type { ControllerOwner } from './controller.js';
import { HostCounters } from './counters.js';
import { DataHolds } from './data-hold.js';
import type { DataHold, HoldOptions, HoldPredicate } from './data-hold.js';
import { HostEmitter } from './events.js';
import type { HostEventListener } from './events.js';
import { NamespaceHead } from './head.js';
import { decideJoin, displayUuid, sameIdentity } from './join.js';
import { HostLimit } from './limits.js';
import type { ScannedNamespace } from './namespace-scan.js';
import type { HostOptions, ResolvedHostOptions } from './options.js';
import { resolveOptions } from './options.js';
import type { Path } from './path.js';
import { prometheusText } from './prometheus.js';
import { hostTree } from './tree.js';
import type { HostTree } from './tree.js';

export interface ControllerSpec {
  /** Default: nvme<index>, as Linux counts. */
  name?: string;
  /** The gateway behind the address, as the lab calls it. */
  gateway: string;
  host: string;
  port: number;
}

export interface HostInventory {
  controllers: { controller: string; gateway: string; address: string; cntlid: number; subnqn: string; state: ControllerStateName }[];
  namespaces: InventoryNamespace[];
}

/** A userspace NVMe/TCP host: the controllers of one subsystem, and a multipath head per namespace. */
export class MultipathHost {
  readonly options: ResolvedHostOptions;
  /** Instance number of the subsystem in Linux-style names. */
  readonly subsystem = 0;
  readonly #counters = new HostCounters();
  readonly #emitter: HostEmitter;
  readonly #holds = new DataHolds();
  readonly #controllers: Controller[] = [];
  readonly #heads = new Map<number, NamespaceHead>();
  readonly #lingering = new Map<NamespaceHead, NodeJS.Timeout>();
  /** Namespaces that were refused, per controller: looked at again when a head goes away. */
  readonly #refused = new Map<Controller, Map<number, string>>();
  readonly #owner: ControllerOwner;
  #closed: Promise<void> | undefined;

  /** Throws a usage error for options out of range. */
  constructor(options: HostOptions) {
    this.options = resolveOptions(options);
    this.#emitter = new HostEmitter(this.options.name, this.#counters);
    this.#owner = {
      options: this.options, counters: this.#counters, holds: this.#holds, emitter: this.#emitter,
      claimCntlid: (controller, cntlid) => this.#claimCntlid(controller, cntlid),
      controllerChanged: (controller, cause) => this.#controllerChanged(controller, cause),
      namespacesScanned: (controller) => this.#scanned(controller, 'rescan'),
      anaRead: (controller) => this.#anaRead(controller),
    };
  }

  /** Adds a controller without connecting it yet: `connectAll`, or `Controller.start`. */
  addController(spec: ControllerSpec): Controller {
    if (this.#closed !== undefined) throw usageError('HOST_CLOSED', 'the host is closed');
    const index = this.#controllers.length;
    if (index >= HostLimit.controllersMax) throw usageError('HOST_CONTROLLERS', `over ${HostLimit.controllersMax} controllers`);
    const name = spec.name ?? `nvme${index}`;
    if (this.#controllers.some((other) => other.name === name)) throw usageError('HOST_CONTROLLERS', `two controllers with the name ${name}`);
    const controller = new Controller({ ...spec, index, name }, this.#owner);
    this.#controllers.push(controller);
    return controller;
  }

  /**
   * Connects every controller that is new. Resolves when each has had its first result; those that failed
   * go on trying. Rejects (`HOST_NOT_CONNECTED`) if none came live.
   */
  async connectAll(): Promise<void> {
    for (const controller of this.#controllers) controller.start();
    const results = await Promise.all(this.#controllers.map((controller) => controller.firstConnect));
    if (results.some((result) => result.live)) return;
    const details = results.map((result, i) => `${this.#controllers[i]!.name} ${this.#controllers[i]!.address}: ${result.live ? '' : result.error.message}`);
    throw infraError('HOST_NOT_CONNECTED', `none of ${results.length} controllers could be connected`, { details });
  }

  /** Ascending by nsid. */
  heads(): NamespaceHead[] {
    return [...this.#heads.values()].sort((a, b) => a.nsid - b.nsid);
  }

  controllers(): Controller[] {
    return [...this.#controllers];
  }

  /** Every event of this host from now on, in order. Returns the way to stop listening. */
  on(listener: HostEventListener): () => void {
    return this.#emitter.on(listener);
  }

  /** Changes the path selection of every namespace; current paths are forgotten, as in Linux. */
  setPolicy(policy: PathPolicy): void {
    this.options.policy = policy;
    for (const head of this.#heads.values()) head.setPolicy(policy);
  }

  /** Withholds the data phase of writes that match; see `DataHold`. */
  holdBeforeH2cData(predicate: HoldPredicate, options: HoldOptions = {}): DataHold {
    return this.#holds.hold(predicate, options);
  }

  inventory(): HostInventory {
    return {
      controllers: this.#controllers.map(({ name, gateway, address, cntlid, state }) =>
        ({ controller: name, gateway, address, cntlid, subnqn: this.options.subNqn, state })),
      namespaces: this.heads().map((head) => ({
        uuid: head.uuid, nguid: head.nguid, nsid: head.nsid, anaGroup: head.anaGroup, blockSize: head.blockSize, blocks: head.blocks,
        gateways: head.paths.map((path) => path.gateway),
      })),
    };
  }

  /** Sends the inventory as an event; `label`: start, end, …. */
  emitInventory(label: string): void {
    this.#emitter.emit({ type: 'host.inventory', label, ...this.inventory() });
  }

  counters(): Record<string, number> {
    return this.#counters.snapshot();
  }

  emitCounters(): void {
    this.#emitter.emit({ type: 'host.counters', counters: this.counters() });
  }

  /** The attributes that Linux shows in sysfs, with the same names, as one JSON value. */
  tree(): HostTree {
    return hostTree(this);
  }

  /** Counters and gauges in the Prometheus text format. */
  prometheus(): string {
    return prometheusText(this);
  }

  /** Namespaces that a controller has but that were not joined, and why. */
  refused(controller: Controller): { nsid: number; reason: string }[] {
    const skipped = controller.session?.scan.skipped ?? [];
    return [...skipped, ...[...(this.#refused.get(controller) ?? [])].map(([nsid, reason]) => ({ nsid, reason }))];
  }

  /** Ends queued I/O, lets I/O in flight finish for a moment, shuts all controllers down. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    const heads = this.heads();
    this.#holds.dropAll();
    for (const head of heads) head.close();
    await Promise.all(this.#controllers.map((controller) => controller.delete()));
    for (const head of heads) this.#heads.delete(head.nsid);
  }

  #claimCntlid(controller: Controller, cntlid: number): boolean {
    return !this.#controllers.some((other) => other !== controller && other.claimedCntlid === cntlid);
  }

  #controllerChanged(controller: Controller, cause: string): void {
    if (controller.state === 'live' && cause !== 'fast-io-fail') return this.#scanned(controller, cause);
    if (controller.state === 'dead') return this.#forget(controller, cause);
    for (const { head, path } of this.#pathsOf(controller)) {
      if (path.refresh(cause) || cause === 'fast-io-fail') head.dispatcher.update(cause);
    }
  }

  #forget(controller: Controller, cause: string): void {
    this.#refused.delete(controller);
    for (const { head, path } of this.#pathsOf(controller)) this.#removePath(head, path, cause);
  }

  #pathsOf(controller: Controller): { head: NamespaceHead; path: Path }[] {
    return this.heads().flatMap((head) => head.paths.filter((path) => path.controller === controller).map((path) => ({ head, path })));
  }

  #removePath(head: NamespaceHead, path: Path, cause: string): void {
    const last = head.paths.length === 1;
    const { delayedRemovalMs } = this.options;
    // Before the path goes: queued I/O must see that it may stay.
    if (last && delayedRemovalMs > 0 && this.#closed === undefined) head.dispatcher.lingering = true;
    head.removePath(path, cause);
    if (!last) return;
    if (head.dispatcher.lingering) this.#lingering.set(head, setTimeout(() => this.#removeHead(head), delayedRemovalMs));
    else this.#removeHead(head);
  }

  #removeHead(head: NamespaceHead): void {
    clearTimeout(this.#lingering.get(head));
    this.#lingering.delete(head);
    head.dispatcher.lingering = false;
    head.dispatcher.update('removed');
    head.activations.close();
    this.#heads.delete(head.nsid);
    // What was refused because of this head may be welcome now.
    for (const controller of this.#refused.keys()) if (controller.state === 'live') controller.requestRescan();
  }

  /** The controller has a new list of namespaces: paths come, stay and go. */
  #scanned(controller: Controller, cause: string): void {
    const found = new Map(controller.session!.scan.namespaces.map((ns) => [ns.nsid, ns]));
    this.#refused.delete(controller);
    for (const { head, path } of this.#pathsOf(controller)) {
      const ns = found.get(path.nsid);
      if (ns === undefined) this.#removePath(head, path, 'namespace-removed');
      else if (!sameIdentity(head.identity, ns) || head.blockSize !== ns.blockSize) {
        this.#counters.identityMismatches += 1;
        this.#removePath(head, path, `identity-mismatch: was ${head.uuid}, is ${displayUuid(ns)}`);
      }
    }
    for (const ns of found.values()) this.#see(controller, ns, cause);
  }

  #see(controller: Controller, ns: ScannedNamespace, cause: string): void {
    const decision = decideJoin(ns, this.#heads.values(), (head) => head.paths.every((path) => path.controller === controller));
    if (decision.do === 'refuse') return this.#refuse(controller, ns, decision.reason);
    const head = decision.do === 'join' ? decision.head : this.#createHead(ns);
    const existing = head.paths.find((path) => path.controller === controller);
    // A new size counts once the controller that reports it does so after a change, as Linux takes it over on revalidation.
    const resized = cause === 'rescan' && existing !== undefined && head.blocks !== ns.blocks;
    const path = existing ?? head.addPath(this.#pathName(controller, ns.nsid), controller, ns);
    clearTimeout(this.#lingering.get(head));
    this.#lingering.delete(head);
    head.dispatcher.lingering = false;
    path.scanned(ns);
    if (resized) head.resize(ns.blocks);
    if (cause !== 'rescan') path.forgetPending();
    path.readAna();
    head.anaGroup = path.anaGroup;
    path.refresh(cause);
    head.dispatcher.update(cause);
  }

  #createHead(ns: ScannedNamespace): NamespaceHead {
    const head = new NamespaceHead(`nvme${this.subsystem}n${ns.nsid}`, ns, { options: this.options, counters: this.#counters, emitter: this.#emitter });
    this.#heads.set(ns.nsid, head);
    return head;
  }

  #pathName(controller: Controller, nsid: number): string {
    return `nvme${this.subsystem}c${controller.index}n${nsid}`;
  }

  #refuse(controller: Controller, ns: ScannedNamespace, reason: string): void {
    this.#counters.identityMismatches += 1;
    const refused = this.#refused.get(controller) ?? new Map<number, string>();
    refused.set(ns.nsid, reason);
    this.#refused.set(controller, refused);
    this.#emitter.emit({
      type: 'host.path', path: this.#pathName(controller, ns.nsid), controller: controller.name, gateway: controller.gateway, nsUuid: displayUuid(ns), nsid: ns.nsid,
      anaGroup: ns.anaGroup, ana: 'unknown', controllerState: controller.state, usable: false, cause: `identity-mismatch: ${reason}`,
    });
  }

  #anaRead(controller: Controller): void {
    let missing = false;
    for (const { head, path } of this.#pathsOf(controller)) {
      if (path.readAna()) head.dispatcher.contradicted(path);
      head.anaGroup = path.anaGroup;
      missing ||= path.ana === 'unknown';
      if (path.refresh('ana-log')) head.dispatcher.update('ana-log');
    }
    if (!missing) controller.session?.ana?.settled();
  }
}
