import type { AnaStateName } from '../../history/events.js';
import type { Controller } from './controller.js';
import type { HostCounters } from './counters.js';
import type { HostEmitter } from './events.js';
import type { ScannedNamespace } from './namespace-scan.js';
import type { PathView } from './path-selector.js';
import type { QueuePair } from './queue-pair.js';

/** What a path needs to know of its head. */
export interface PathHead {
  readonly uuid: string;
  readonly nsid: number;
  readonly blocks: number;
}

/**
 * One (controller, namespace) pair. Usable as in Linux (nvme_path_is_disabled, multipath.c): the
 * controller is live, no ANA read is pending, the capacity is the head's, and the ANA state is optimized
 * or non-optimized; and, ours, it is not cooling down after a path error.
 */
export class Path implements PathView {
  readonly name: string;
  readonly controller: Controller;
  readonly nsid: number;
  anaGroup: number;
  ana: AnaStateName = 'unknown';
  usable = false;
  optimized = false;
  inflight = 0;
  /** Same capacity as the head. */
  ready = true;
  #blocks = 0;
  coolingDown = false;
  /** Commands that left this path, were retried on it, or were answered with an error. */
  failovers = 0;
  retries = 0;
  errors = 0;
  /** Commands sent. */
  sends = 0;
  readonly #head: PathHead;
  readonly #counters: HostCounters;
  readonly #emitter: HostEmitter;
  /** Number of the ANA read that must be done before the path is used again; 0: none. */
  #pendingRead = 0;
  /** The pending read was asked for by a path error. */
  #doubted = false;
  #cooldown: NodeJS.Timeout | undefined;
  #told = '';

  constructor(name: string, controller: Controller, ns: ScannedNamespace, head: PathHead, counters: HostCounters, emitter: HostEmitter) {
    this.name = name;
    this.controller = controller;
    this.nsid = ns.nsid;
    this.anaGroup = ns.anaGroup;
    this.#head = head;
    this.#counters = counters;
    this.#emitter = emitter;
  }

  get controllerName(): string {
    return this.controller.name;
  }

  get gateway(): string {
    return this.controller.gateway;
  }

  get pending(): boolean {
    return this.#pendingRead !== 0;
  }

  /** The queue for the next command; null if the controller is not live. */
  queue(): QueuePair | null {
    return this.controller.session?.ioQueue() ?? null;
  }

  /** Takes over what a scan found. */
  scanned(ns: ScannedNamespace): void {
    this.anaGroup = ns.anaGroup;
    this.#blocks = ns.blocks;
  }

  /**
   * Takes over the controller's newest ANA log. Returns true if a path error had cast doubt on this path
   * and the log now says that nothing is wrong with it.
   */
  readAna(): boolean {
    const { session } = this.controller;
    if (session === null) return false;
    if (session.ana === null) {
      this.ana = 'optimized';
      this.#pendingRead = 0;
      return false;
    }
    const before = this.ana;
    const found = session.ana.lookup(this.nsid, this.anaGroup);
    if (found === undefined) {
      // Neither optimized nor anything else: wait for a log that says so (nvme-tcp.md §6.13).
      this.#counters.anaGroupMissing += 1;
      this.ana = 'unknown';
      session.ana.requestLater();
      return false;
    }
    if (found.group !== this.anaGroup || found.state !== before) this.endCooldown();
    this.anaGroup = found.group;
    this.ana = found.state;
    if (session.ana.reads < this.#pendingRead) return false;
    this.#pendingRead = 0;
    const contradicted = this.#doubted && before === found.state && isAccessible(found.state);
    this.#doubted = false;
    return contradicted;
  }

  /** A command was answered with an ANA status: the state that we know is wrong. */
  doubt(): void {
    const read = this.controller.requestAnaRead();
    if (read === 0) return;
    this.#pendingRead = read;
    this.#doubted = true;
  }

  /** The old association's pending reads mean nothing to a new one. */
  forgetPending(): void {
    this.#pendingRead = 0;
    this.#doubted = false;
    this.endCooldown();
  }

  /** Puts the path at the back for `ms`; `over` is called when that has passed. False: it is there already. */
  coolDown(ms: number, over: () => void): boolean {
    if (ms === 0 || this.coolingDown) return false;
    this.coolingDown = true;
    this.#counters.cooldowns += 1;
    this.#cooldown = setTimeout(() => {
      this.coolingDown = false;
      over();
    }, ms);
    return true;
  }

  endCooldown(): void {
    clearTimeout(this.#cooldown);
    this.coolingDown = false;
  }

  /** Computes `usable` and `optimized` anew and tells the world if it sees something different. */
  refresh(cause: string): boolean {
    const { controller, ana } = this;
    const live = controller.state === 'live';
    const ready = this.#blocks === this.#head.blocks;
    if (this.ready && !ready) this.#counters.capacityMismatches += 1;
    this.ready = ready;
    this.optimized = ana === 'optimized';
        this.usable = live && isAccessible(ana) && this.ready && !this.pending && !this.coolingDown;
    const now = `${ana} ${controller.state} ${String(this.usable)} ${this.anaGroup}`;
    if (now === this.#told) return false;
    this.#told = now;
    this.#emitter.emit({
      type: 'host.path', path: this.name, controller: controller.name, gateway: controller.gateway, nsUuid: this.#head.uuid, nsid: this.nsid,
      anaGroup: this.anaGroup, ana, controllerState: controller.state, usable: this.usable, cause,
    });
    return true;
  }

  gone(cause: string): void {
    this.endCooldown();
    this.usable = false;
    this.#emitter.emit({
      type: 'host.path-gone', path: this.name, controller: this.controller.name, gateway: this.controller.gateway, nsUuid: this.#head.uuid, nsid: this.nsid, cause,
    });
  }
}

function isAccessible(ana: AnaStateName): boolean {
  return ana === 'optimized' || ana === 'non-optimized';
}
