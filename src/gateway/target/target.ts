import type { Socket } from 'node:net';
import { AdminOpcode, discoveryNqn, Fuse, psdtSgl, Status } from '../../nvme/index.js';
import type { ControlAnaState, SocketAddress } from '../control.js';
import { executeAdmin } from './admin.js';
import type { Command } from './command.js';
import { Connection } from './connection.js';
import { DiscoveryService } from './discovery.js';
import { TargetError } from './errors.js';
import { executeFabrics } from './fabrics.js';
import type { ConnectContext } from './fabrics.js';
import { executeIo } from './io.js';
import { Listener } from './listener.js';
import { settingsOf } from './options.js';
import type {
  ListenerOptions, NvmeTcpTargetOptions, TargetConnection, TargetNamespaceOptions, TargetSettings, TargetSubsystemOptions,
} from './options.js';
import { Subsystem } from './subsystem.js';

/**
 * A userspace NVMe/TCP target: subsystems with namespaces on block backends, ANA, and a discovery service
 * at every listener.
 *
 *   socket ─▶ Connection (PDUs, R2T) ─▶ Command ─▶ Fabrics │ admin │ I/O ─▶ BlockBackend
 *                    ▲                     │
 *                    └──── completion ◀────┘
 *
 * Methods that change the configuration take effect before they return (or before their promise is
 * pending), and tell connected hosts by asynchronous events. They throw TargetError.
 */
export class NvmeTcpTarget {
  readonly #settings: TargetSettings;
  readonly #subsystems = new Map<string, Subsystem>();
  readonly #discovery: DiscoveryService;
  readonly #listeners = new Set<Listener>();
  /** Addresses that are being bound, so that two subsystems may share one at the same time. */
  readonly #opening = new Map<string, Promise<Listener>>();
  readonly #context: ConnectContext;
  #nextPortId = 1;
  #closed = false;

  /** Throws RangeError for an option that cannot work. */
  constructor(options: NvmeTcpTargetOptions = {}) {
    this.#settings = settingsOf(options);
    this.#discovery = new DiscoveryService(this.#settings, () => this.#listeners);
    this.#context = {
      settings: this.#settings,
      subsystemAt: (listener, nqn) => {
        if (nqn === discoveryNqn) return this.#discovery.subsystem;
        return listener.subsystems.has(nqn) ? this.#subsystems.get(nqn) : undefined;
      },
    };
  }

  /** All its ANA groups are inaccessible. Throws `TARGET_CONFIG`, `TARGET_SUBSYSTEM_EXISTS`. */
  addSubsystem(o: TargetSubsystemOptions): void {
    this.#requireOpen();
    if (this.#subsystems.has(o.nqn) || o.nqn === discoveryNqn) throw new TargetError('TARGET_SUBSYSTEM_EXISTS', o.nqn);
    this.#subsystems.set(o.nqn, new Subsystem('nvm', o, this.#settings));
  }

  /** Ends its controllers and takes it off every listener. Rejects with `TARGET_NO_SUBSYSTEM`. */
  async removeSubsystem(nqn: string): Promise<void> {
    const subsystem = this.#subsystem(nqn);
    this.#subsystems.delete(nqn);
    for (const controller of [...subsystem.controllers.values()]) controller.end('subsystem-removed');
    await Promise.all([...this.#listeners].filter((listener) => listener.subsystems.has(nqn)).map((listener) => this.#leave(listener, nqn)));
    this.#discovery.changed();
  }

  /** Connected hosts get a namespace attribute notice. Throws `TARGET_CONFIG`, `TARGET_NAMESPACE_EXISTS`, `TARGET_NO_SUBSYSTEM`. */
  addNamespace(nqn: string, o: TargetNamespaceOptions): void {
    this.#subsystem(nqn).addNamespace(o);
  }

  /** Throws `TARGET_NO_NAMESPACE`, `TARGET_NO_SUBSYSTEM`. I/O that the backend has goes on. */
  removeNamespace(nqn: string, nsid: number): void {
    this.#subsystem(nqn).removeNamespace(nsid);
  }

  /** Tells hosts that `backend.blocks` of this namespace changed. Throws as `removeNamespace`. */
  namespaceResized(nqn: string, nsid: number): void {
    this.#subsystem(nqn).namespaceResized(nsid);
  }

  /** Moves a namespace to another ANA group. Throws as `removeNamespace`, and `TARGET_CONFIG`. */
  setNamespaceAnaGroup(nqn: string, nsid: number, anaGroup: number): void {
    this.#subsystem(nqn).setNamespaceGroup(nsid, anaGroup);
  }

  /**
   * Opens the subsystem to hosts at an address; several subsystems may share one. Resolves with the address
   * that is bound (port 0: any free port). Rejects with `TARGET_LISTEN_FAILED`, `TARGET_LISTENER_EXISTS`,
   * `TARGET_NO_SUBSYSTEM`.
   */
  async addListener(nqn: string, o: ListenerOptions): Promise<SocketAddress> {
    this.#requireOpen();
    this.#subsystem(nqn);
    const listener = await this.#listenerAt(o);
    // The last other subsystem left this address just now, and it closes: open it anew.
    if (!this.#closed && !this.#listeners.has(listener)) return this.addListener(nqn, o);
    if (listener.subsystems.has(nqn)) throw new TargetError('TARGET_LISTENER_EXISTS', `${nqn} at ${o.host}:${o.port}`);
    listener.subsystems.set(nqn, o.advertised ?? listener.bound);
    if (this.#closed || !this.#subsystems.has(nqn)) {
      await this.#leave(listener, nqn);
      throw new TargetError(this.#closed ? 'TARGET_CLOSED' : 'TARGET_NO_SUBSYSTEM', nqn);
    }
    this.#discovery.changed();
    return { ...listener.bound };
  }

  /**
   * Takes the subsystem off a bound address. Controllers that came through it end by reset; the address
   * itself is closed with its last subsystem. Rejects with `TARGET_NO_LISTENER`.
   */
  async removeListener(nqn: string, address: SocketAddress): Promise<void> {
    const listener = [...this.#listeners].find(({ bound }) => bound.host === address.host && bound.port === address.port);
    if (listener === undefined || !listener.subsystems.has(nqn)) {
      throw new TargetError('TARGET_NO_LISTENER', `${nqn} at ${address.host}:${address.port}`);
    }
    await this.#leave(listener, nqn);
    this.#discovery.changed();
  }

  /**
   * Sets one ANA group of one subsystem or (null) of all. New commands see it before this returns, and
   * hosts are told by an ANA change notice. Resolves when no I/O admitted before is at a backend any more,
   * see AnaGroup. Throws `TARGET_CONFIG`, `TARGET_NO_SUBSYSTEM`.
   */
  setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void> {
    const subsystems = nqn === null ? [...this.#subsystems.values()] : [this.#subsystem(nqn)];
    for (const subsystem of subsystems) subsystem.setAna(group, state);
    const done = state === 'optimized' || state === 'non-optimized';
    return done ? Promise.resolve() : Promise.all(subsystems.map((subsystem) => subsystem.ana.get(group).drained())).then(() => undefined);
  }

  /** NQN → 1-based ANA group → state. */
  anaStates(): Record<string, Record<number, ControlAnaState>> {
    return Object.fromEntries([...this.#subsystems].map(([nqn, subsystem]) =>
      [nqn, Object.fromEntries(subsystem.ana.all.map((group) => [group.id, group.state]))]));
  }

  listeners(): { nqn: string; bound: SocketAddress; advertised: SocketAddress }[] {
    return [...this.#listeners].flatMap((listener) =>
      [...listener.subsystems].map(([nqn, advertised]) => ({ nqn, bound: { ...listener.bound }, advertised: { ...advertised } })));
  }

  namespaces(nqn: string): { nsid: number; uuid: string; anaGroup: number }[] {
    return this.#subsystem(nqn).namespaces.map(({ nsid, uuidText, group }) => ({ nsid, uuid: uuidText, anaGroup: group.id }));
  }

  subsystems(): string[] {
    return [...this.#subsystems.keys()];
  }

  connections(): TargetConnection[] {
    return [...this.#listeners].flatMap((listener) => [...listener.connections].map((connection) => ({
      nqn: connection.queue?.controller.subsystem.nqn,
      cntlid: connection.queue?.controller.cntlid,
      qid: connection.queue?.qid,
      hostNqn: connection.queue?.controller.hostNqn,
      local: { ...listener.bound },
      remote: connection.remote,
      outstanding: connection.outstanding,
      awaitingData: connection.awaitingData,
    })));
  }

  /** Resets every connection and frees every address. The target cannot be used again. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const subsystem of [...this.#subsystems.values(), this.#discovery.subsystem]) {
      for (const controller of [...subsystem.controllers.values()]) controller.end('target-closed');
    }
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    await Promise.all(listeners.map((listener) => listener.close()));
  }

  async #listenerAt(o: ListenerOptions): Promise<Listener> {
    if (o.port === 0) return this.#open(o);
    const existing = [...this.#listeners].find(({ bound }) => bound.host === o.host && bound.port === o.port);
    if (existing !== undefined) return existing;
    const key = `${o.host} ${o.port}`;
    let opening = this.#opening.get(key);
    if (opening === undefined) {
      opening = this.#open(o).finally(() => this.#opening.delete(key));
      this.#opening.set(key, opening);
    }
    return opening;
  }

  async #open(address: SocketAddress): Promise<Listener> {
    const listener = await Listener.open(address, this.#nextPortId++, (on, socket) => this.#accept(on, socket));
    this.#listeners.add(listener);
    return listener;
  }

  async #leave(listener: Listener, nqn: string): Promise<void> {
    listener.subsystems.delete(nqn);
    for (const connection of [...listener.connections]) {
      const { queue } = connection;
      if (queue?.controller.subsystem.nqn !== nqn) continue;
      if (queue.qid === 0) queue.controller.end('listener-removed');
      else connection.reset();
    }
    if (listener.subsystems.size > 0) return;
    this.#listeners.delete(listener);
    await listener.close();
  }

  #accept(listener: Listener, socket: Socket): void {
    listener.connections.add(new Connection(socket, {
      listener,
      settings: this.#settings,
      onCommand: (command) => this.#execute(command),
      onClosed: (connection) => {
        listener.connections.delete(connection);
        const { queue } = connection;
        queue?.controller.queueClosed(queue.qid, connection);
      },
    }));
  }

  #execute(command: Command): void {
    const { sqe } = command;
    const { queue } = command.connection;
    if (sqe.psdt !== psdtSgl || sqe.fuse !== Fuse.none) return command.fail(Status.invalidField, true);
    if (sqe.opcode === AdminOpcode.fabrics) return executeFabrics(command, this.#context);
    if (queue === undefined || !queue.controller.ready) return command.fail(Status.commandSequenceError, true);
    if (queue.qid === 0) executeAdmin(command, queue.controller, this.#discovery);
    else executeIo(command, queue);
  }

  #subsystem(nqn: string): Subsystem {
    const subsystem = this.#subsystems.get(nqn);
    if (subsystem === undefined) throw new TargetError('TARGET_NO_SUBSYSTEM', nqn);
    return subsystem;
  }

  #requireOpen(): void {
    if (this.#closed) throw new TargetError('TARGET_CLOSED', 'the target was closed');
  }
}
