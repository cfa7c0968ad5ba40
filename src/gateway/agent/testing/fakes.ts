import type { Beacon, CommandReply, GatewayMap, GatewayMapEntry, MapAnaState, MonitorClient } from '../../../monitor/client.js';
import type {
  ControlAnaState, ControlListener, ControlNamespace, ControlSubsystem, GatewayControl, GatewayDescription, SocketAddress, SubsystemDescription,
} from '../../control.js';

/** A monitor whose every map a test sends itself. */
export class FakeMonitor implements MonitorClient {
  readonly beacons: Beacon[] = [];
  #onMap: (map: GatewayMap) => void = () => undefined;
  #onConnection: (connected: boolean) => void = () => undefined;

  get last(): Beacon {
    const beacon = this.beacons.at(-1);
    if (beacon === undefined) throw new Error('no beacon yet');
    return beacon;
  }

  onMap(listener: (map: GatewayMap) => void): void {
    this.#onMap = listener;
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#onConnection = listener;
  }

  sendBeacon(beacon: Beacon): void {
    this.beacons.push(structuredClone(beacon));
  }

  async command(): Promise<CommandReply> {
    return { code: 0, status: '', output: '' };
  }

  async close(): Promise<void> {}

  connection(up: boolean): void {
    this.#onConnection(up);
  }

  /** Sends a map; `entry` undefined: this gateway is not in it. */
  map(epoch: number, entry: Partial<GatewayMapEntry> | undefined): void {
    this.#onMap({
      epoch,
      entry: entry === undefined ? undefined : { gwId: 'gw1', groupIndex: 0, availability: 'AVAILABLE', subsystems: [], ...entry },
    });
  }

  /** A map with the states of the groups 1, 2, … of one subsystem: `O` optimized, `O@7` optimized at epoch 7, `I` inaccessible. */
  states(epoch: number, nqn: string, ...states: string[]): void {
    this.map(epoch, { subsystems: [{ nqn, ana: states.map(stateOf) }] });
  }
}

function stateOf(text: string): MapAnaState {
  const [state, osdEpoch] = text.split('@');
  return { state: state === 'O' ? 'OPTIMIZED' : 'INACCESSIBLE', osdEpoch: Number(osdEpoch ?? 0) };
}

/** A data plane that only remembers. `calls` has everything that was asked for, in order. */
export class FakeControl implements GatewayControl {
  readonly calls: string[] = [];
  readonly subsystems = new Map<string, SubsystemDescription>();
  /** The next call whose text starts with the key rejects. */
  readonly failOnce = new Set<string>();
  /** Set: `describe` rejects. */
  dead = false;
  /** Set: `addListener` waits for it. */
  listenerGate: Promise<void> | undefined;
  /** Set: `setAnaState(…, inaccessible)` resolves only after it. */
  drainGate: Promise<void> | undefined;
  #nextPort = 4420;

  ana(nqn: string, group: number): ControlAnaState {
    return this.subsystems.get(nqn)?.ana[group] ?? 'inaccessible';
  }

  async describe(): Promise<GatewayDescription> {
    if (this.dead) throw new Error('no answer');
    return structuredClone({ driver: 'fake', subsystems: [...this.subsystems.values()] });
  }

  async addSubsystem({ nqn, groupIndex }: ControlSubsystem): Promise<void> {
    this.#call(`subsystem ${nqn} index ${groupIndex}`);
    this.subsystems.set(nqn, { nqn, listeners: [], namespaces: [], ana: {} });
  }

  async removeSubsystem(nqn: string): Promise<void> {
    this.#call(`remove subsystem ${nqn}`);
    this.subsystems.delete(nqn);
  }

  async addNamespace(nqn: string, { nsid, uuid, anaGroup }: ControlNamespace): Promise<void> {
    this.#call(`namespace ${nqn} ${nsid}`);
    this.subsystems.get(nqn)!.namespaces.push({ nsid, uuid, anaGroup });
  }

  async removeNamespace(nqn: string, nsid: number): Promise<void> {
    this.#call(`remove namespace ${nqn} ${nsid}`);
  }

  async addListener(nqn: string, { host, port, advertised }: ControlListener): Promise<SocketAddress> {
    this.#call(`listener ${nqn} ${host}:${port}`);
    await this.listenerGate;
    const bound = { host, port: port === 0 ? this.#nextPort++ : port };
    this.subsystems.get(nqn)!.listeners.push({ bound, advertised: advertised ?? bound });
    return bound;
  }

  async removeListener(nqn: string, address: SocketAddress): Promise<void> {
    this.#call(`remove listener ${nqn} ${address.host}:${address.port}`);
    const subsystem = this.subsystems.get(nqn)!;
    subsystem.listeners = subsystem.listeners.filter(({ bound }) => bound.port !== address.port);
  }

  async setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void> {
    this.#call(`ana ${nqn ?? '*'} ${group} ${state}`);
    for (const subsystem of this.subsystems.values()) if (nqn === null || subsystem.nqn === nqn) subsystem.ana[group] = state;
    if (state === 'inaccessible') await this.drainGate;
  }

  #call(text: string): void {
    this.calls.push(text);
    for (const key of this.failOnce) {
      if (!text.startsWith(key)) continue;
      this.failOnce.delete(key);
      throw new Error(`test: ${text}`);
    }
  }
}

/** A store whose epoch a test moves. */
export class FakeStore {
  epoch = 0;
  /** The next wait rejects. */
  failOnce = false;
  #waiters: { epoch: number; resolve: () => void }[] = [];

  readonly waitForEpoch = (epoch: number): Promise<void> => {
    if (this.failOnce) {
      this.failOnce = false;
      return Promise.reject(new Error('test: store unreachable'));
    }
    if (this.epoch >= epoch) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ epoch, resolve }));
  };

  reach(epoch: number): void {
    this.epoch = epoch;
    const due = this.#waiters.filter((waiter) => waiter.epoch <= epoch);
    this.#waiters = this.#waiters.filter((waiter) => waiter.epoch > epoch);
    for (const { resolve } of due) resolve();
  }
}
