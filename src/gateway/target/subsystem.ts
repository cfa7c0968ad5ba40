import { parseUuid } from '../../nvme/index.js';
import type { BlockBackend } from '../backend.js';
import type { ControlAnaState } from '../control.js';
import { AnaGroups } from './ana-groups.js';
import type { AnaGroup } from './ana-groups.js';
import type { EventKind } from './async-event-queue.js';
import type { Controller } from './controller.js';
import { TargetError } from './errors.js';
import type { TargetNamespaceOptions, TargetSettings, TargetSubsystemOptions } from './options.js';

export interface Namespace {
  readonly nsid: number;
  readonly uuidText: string;
  readonly uuid: Buffer;
  readonly nguid: Buffer;
  group: AnaGroup;
  readonly backend: BlockBackend;
  /** log2 of the block size. */
  readonly lbads: number;
}

/** Largest controller id (base specification: FFF0h and up are reserved). */
const cntlidMax = 0xffef;
const nqnMax = 223;
const printable = /^[\x20-\x7e]*$/;

/** One NVM subsystem, or the discovery subsystem: its namespaces, ANA states and controllers. */
export class Subsystem {
  readonly kind: 'nvm' | 'discovery';
  readonly nqn: string;
  readonly serial: string;
  readonly model: string;
  readonly ana: AnaGroups;
  readonly controllers = new Map<number, Controller>();
  /** For the SMART log. */
  readonly counters = { reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, mediaErrors: 0 };
  readonly #settings: TargetSettings;
  readonly #cntlidMin: number;
  readonly #cntlidMax: number;
  readonly #allowedHosts: ReadonlySet<string> | undefined;
  readonly #namespaces = new Map<number, Namespace>();
  #nsids: number[] = [];
  #nextCntlid: number;

  constructor(kind: 'nvm' | 'discovery', o: TargetSubsystemOptions, settings: TargetSettings) {
    require(o.nqn.length > 0 && Buffer.byteLength(o.nqn) <= nqnMax, `NQN ${JSON.stringify(o.nqn)}: expected 1–${nqnMax} bytes`);
    require(o.serial.length > 0 && o.serial.length <= 20 && printable.test(o.serial), `serial ${JSON.stringify(o.serial)}: expected 1–20 printable ASCII characters`);
    const model = o.model ?? 'pathproof userspace target';
    require(model.length <= 40 && printable.test(model), `model ${JSON.stringify(model)}: expected up to 40 printable ASCII characters`);
    const { cntlidMin: min, cntlidMax: max } = o;
    require(Number.isInteger(min) && Number.isInteger(max) && min >= 1 && min <= max && max <= cntlidMax, `controller ids ${min}–${max}: expected a range in 1–${cntlidMax}`);
    this.kind = kind;
    this.nqn = o.nqn;
    this.serial = o.serial;
    this.model = model;
    this.#settings = settings;
    this.#cntlidMin = min;
    this.#cntlidMax = max;
    this.#nextCntlid = min;
    this.#allowedHosts = o.allowedHosts === undefined ? undefined : new Set(o.allowedHosts);
    this.ana = new AnaGroups(settings.anaGroups);
  }

  allows(hostNqn: string): boolean {
    return this.#allowedHosts?.has(hostNqn) ?? true;
  }

  /**
   * A free controller id, undefined if all are taken. Goes round the whole range before it uses one again,
   * so that a late I/O Connect of a controller that is gone cannot hit its successor.
   */
  allocateCntlid(): number | undefined {
    const count = this.#cntlidMax - this.#cntlidMin + 1;
    for (let i = 0; i < count; i++) {
      const cntlid = this.#nextCntlid;
      this.#nextCntlid = cntlid === this.#cntlidMax ? this.#cntlidMin : cntlid + 1;
      if (!this.controllers.has(cntlid)) return cntlid;
    }
    return undefined;
  }

  namespace(nsid: number): Namespace | undefined {
    return this.#namespaces.get(nsid);
  }

  /** Ascending. */
  get nsids(): readonly number[] {
    return this.#nsids;
  }

  get namespaces(): Namespace[] {
    return this.#nsids.map((nsid) => this.#namespaces.get(nsid)!);
  }

  addNamespace(o: TargetNamespaceOptions): void {
    const nsidMax = this.#settings.namespacesMax;
    require(Number.isInteger(o.nsid) && o.nsid >= 1 && o.nsid <= nsidMax, `nsid ${o.nsid}: expected 1–${nsidMax}`);
    if (this.#namespaces.has(o.nsid)) throw new TargetError('TARGET_NAMESPACE_EXISTS', `nsid ${o.nsid} of ${this.nqn}`);
    const { blockSize } = o.backend;
    const lbads = Math.log2(blockSize);
    require(Number.isInteger(lbads) && lbads >= 9 && lbads <= 12, `block size ${blockSize}: expected a power of two, 512–4096`);
    const nguid = o.nguid.replaceAll('-', '');
    require(/^[0-9a-fA-F]{32}$/.test(nguid), `NGUID ${JSON.stringify(o.nguid)}: expected 32 hexadecimal digits`);
    this.#namespaces.set(o.nsid, {
      nsid: o.nsid, uuidText: o.uuid.toLowerCase(), uuid: asConfig(() => parseUuid(o.uuid)), nguid: Buffer.from(nguid, 'hex'),
      group: asConfig(() => this.ana.get(o.anaGroup)), backend: o.backend, lbads,
    });
    this.#namespacesChanged(o.nsid);
  }

  removeNamespace(nsid: number): void {
    if (!this.#namespaces.delete(nsid)) throw new TargetError('TARGET_NO_NAMESPACE', `nsid ${nsid} of ${this.nqn}`);
    this.#namespacesChanged(nsid);
  }

  /** The backend has another number of blocks now. */
  namespaceResized(nsid: number): void {
    this.#require(nsid);
    this.#tellNamespace(nsid);
  }

  /** Moves a namespace to another ANA group (a change of its load-balancing group). */
  setNamespaceGroup(nsid: number, anaGroup: number): void {
    const namespace = this.#require(nsid);
    namespace.group = asConfig(() => this.ana.get(anaGroup));
    this.#namespacesChanged(nsid);
  }

  /** True if something changed. Tells every controller if the ANA log did. */
  setAna(groupId: number, state: ControlAnaState): boolean {
    if (!asConfig(() => this.ana.set(groupId, state))) return false;
    // Groups without namespaces are not in the log.
    const group = this.ana.get(groupId);
    if (this.namespaces.some((namespace) => namespace.group === group)) this.#tell('ana');
    this.#settings.onEvent({ type: 'ana-state', nqn: this.nqn, group: groupId, state });
    return true;
  }

  #require(nsid: number): Namespace {
    const namespace = this.#namespaces.get(nsid);
    if (namespace === undefined) throw new TargetError('TARGET_NO_NAMESPACE', `nsid ${nsid} of ${this.nqn}`);
    return namespace;
  }

  #namespacesChanged(nsid: number): void {
    this.#nsids = [...this.#namespaces.keys()].sort((a, b) => a - b);
    this.ana.membershipChanged();
    this.#tellNamespace(nsid);
    this.#tell('ana');
  }

  #tellNamespace(nsid: number): void {
    for (const controller of this.controllers.values()) controller.changedNamespaces.add(nsid);
    this.#tell('namespace');
  }

  #tell(kind: EventKind): void {
    if (this.#settings.hooks.raiseEvent?.(kind) === false) return;
    for (const controller of this.controllers.values()) controller.events.raise(kind);
  }
}

function require(condition: boolean, message: string): asserts condition {
  if (!condition) throw new TargetError('TARGET_CONFIG', message);
}

/** Turns the RangeError or codec error of a bad value into a TARGET_CONFIG. */
function asConfig<T>(of: () => T): T {
  try {
    return of();
  } catch (error) {
    throw new TargetError('TARGET_CONFIG', error instanceof Error ? error.message : String(error), { cause: error });
  }
}
