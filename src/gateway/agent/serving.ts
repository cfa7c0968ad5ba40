import type { ControlListener, GatewayControl, SocketAddress } from '../control.js';
import { messageOf } from '../../util/errors.js';
import type { AgentSubsystem } from './options.js';

interface OpenListener {
  nqn: string;
  spec: ControlListener;
  bound: SocketAddress | undefined;
  /** Hosts reach it at another address than the one it is bound to, and its port was nobody's choice. */
  anyPort: boolean;
}

/** Most ANA groups of one (pool, group): NVMeofGwMon's limit of gateways. */
export const anaGroupsMax = 16;

/**
 * What this gateway has configured in its data plane: sets it up once the group index is known, takes
 * listeners away and brings them back, and ends it all at once.
 */
export class Serving {
  readonly #control: GatewayControl;
  readonly #log: (line: string) => void;
  readonly #listeners: OpenListener[] = [];
  readonly #nqns: string[] = [];
  #ended = false;

  constructor(control: GatewayControl, log: (line: string) => void) {
    this.#control = control;
    this.#log = log;
  }

  /** Subsystem, then namespaces, then listeners: a host that gets in must see a complete subsystem. */
  async add(subsystem: AgentSubsystem, groupIndex: number, beforeListeners?: () => Promise<void>): Promise<void> {
    if (this.#ended) return;
    await this.#control.addSubsystem({ nqn: subsystem.nqn, serial: subsystem.serial, groupIndex, ...(subsystem.hosts === undefined ? {} : { hosts: subsystem.hosts }) });
    this.#nqns.push(subsystem.nqn);
    for (const namespace of subsystem.namespaces) {
      if (this.#isEnded()) return;
      await this.#control.addNamespace(subsystem.nqn, namespace);
    }
    await beforeListeners?.();
    for (const spec of subsystem.listeners) {
      if (this.#isEnded()) return;
      const listener: OpenListener = { nqn: subsystem.nqn, spec, bound: undefined, anyPort: spec.port === 0 && spec.advertised !== undefined };
      this.#listeners.push(listener);
      await this.#open(listener);
    }
  }

  /** Closes all listeners (of one subsystem), resetting their connections. Namespaces and ANA states stay. */
  async removeListeners(nqn?: string): Promise<void> {
    await Promise.all(this.#listeners.filter((listener) => nqn === undefined || listener.nqn === nqn).map((listener) => this.#close(listener)));
  }

  /** Opens again what `removeListeners` closed, on the same ports: hosts reconnect to the address they know. */
  async addListeners(nqn?: string): Promise<void> {
    for (const listener of this.#listeners) {
      if (this.#isEnded()) return;
      if (listener.bound === undefined && (nqn === undefined || listener.nqn === nqn)) await this.#open(listener);
    }
  }

  /**
   * Stops serving: first every group becomes inaccessible, so that nothing new is admitted, then the
   * listeners go by reset. Does not wait for I/O that is still at the backend: whoever failed this
   * gateway over has fenced it. Never rejects.
   */
  async end(): Promise<void> {
    this.#ended = true;
    const quietly = (what: string, promise: Promise<void>): Promise<void> =>
      promise.catch((error: unknown) => this.#log(`while stopping: ${what}: ${messageOf(error)}`));
    if (this.#nqns.length > 0) {
      for (let group = 1; group <= anaGroupsMax; group++) {
        void quietly(`ANA group ${group}`, this.#control.setAnaState(null, group, 'inaccessible'));
      }
    }
    await quietly('listeners', this.removeListeners());
  }

  async #open(listener: OpenListener): Promise<void> {
    const bound = await this.#bind(listener);
    // The next opening asks for the port that this one got.
    listener.spec = { ...listener.spec, ...bound };
    listener.bound = bound;
    // The end came while the listener was opening: it may not stay behind.
    if (this.#isEnded()) await this.#close(listener);
  }

  /** A port that was free a moment ago may be the near end of somebody's connection by now; where no host knows the port, another one will do. */
  async #bind({ nqn, spec, anyPort }: OpenListener): Promise<SocketAddress> {
    try {
      return await this.#control.addListener(nqn, spec);
    } catch (error) {
      if (!anyPort || spec.port === 0) throw error;
      this.#log(`${messageOf(error)}; another port is taken`);
      return this.#control.addListener(nqn, { ...spec, port: 0 });
    }
  }

  async #close(listener: OpenListener): Promise<void> {
    const { bound } = listener;
    if (bound === undefined) return;
    listener.bound = undefined;
    await this.#control.removeListener(listener.nqn, bound);
  }

  /** A method, so that the compiler does not take an earlier look for the present. */
  #isEnded(): boolean {
    return this.#ended;
  }
}
