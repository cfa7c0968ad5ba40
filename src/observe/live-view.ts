import type { AnaStateName, ControllerStateName, HistoryEvent, MonitorGatewayView } from '../history/events.js';

interface PathView { host: string; gateway: string; nsUuid: string; nsid: number; anaGroup: number; ana: AnaStateName; controllerState: ControllerStateName }
interface IoView { atUs: number; fromUs: number; reads: number; writes: number; inflight: number }

/**
 * What is known right now, folded from the events as they arrive: the runner waits on it, the status
 * line shows it, and faults are confirmed by it. The verdicts do not come from here: checkers judge the
 * stored history.
 */
export class LiveView {
  readonly #hosts: readonly string[];
  /** By host and path, which two hosts may name alike. */
  readonly #paths = new Map<string, PathView>();
  readonly #controllers = new Map<string, { host: string; gateway: string; address: string; state: ControllerStateName; sinceUs: number }>();
  readonly #io = new Map<number, IoView>();
  readonly #gatewayStates = new Map<string, Extract<HistoryEvent, { type: 'gw.state' }>>();
  /** When a gateway last said that it ends for want of a store, µs. */
  readonly #gaveUpStore = new Map<string, number>();
  readonly #waiters = new Set<() => void>();
  monitor: MonitorGatewayView[] = [];

  /** Mutations of fenced clients that the store has refused so far, by its own count. */
  droppedWrites = 0;

  /** Sums for the status line. */
  iops = 0;
  bytesPerSecond = 0;

  /** `hosts`: of the lab. What is asked of all of them does not hold for one that has said nothing. */
  constructor(hosts: readonly string[]) {
    this.#hosts = hosts;
  }

  apply(event: HistoryEvent): void {
    switch (event.type) {
      case 'host.path':
        this.#paths.set(`${event.host} ${event.path}`, event);
        break;
      case 'host.path-gone':
        this.#paths.delete(`${event.host} ${event.path}`);
        break;
      case 'host.controller':
        // A kernel host that connects anew gives another name: what is dead at that address is replaced.
        for (const [key, known] of this.#controllers) if (key !== `${event.host} ${event.controller}` && known.host === event.host && known.state === 'dead' && known.address === event.address) this.#controllers.delete(key);
        this.#controllers.set(`${event.host} ${event.controller}`, { host: event.host, gateway: event.gateway, address: event.address, state: event.state, sinceUs: event.tUs });
        break;
      case 'mon.map':
        this.monitor = event.gateways;
        break;
      case 'gw.state':
        this.#gatewayStates.set(event.gateway, event);
        break;
      case 'node':
        if (event.state !== 'stopping' || event.detail !== 'store-lost') return;
        this.#gaveUpStore.set(event.name, event.tUs);
        break;
      case 'store.state':
        this.droppedWrites = event.droppedWrites ?? this.droppedWrites;
        break;
      case 'io.stats':
        this.#applyIo(event);
        break;
      case 'fio.stats':
        this.#fio.set(`${event.host}/${event.job}`, event.readIops + event.writeIops);
        break;
      case 'fio.process':
        if (event.state !== 'started') this.#fio.delete(`${event.host}/${event.job}`);
        break;
      default:
        return;
    }
    for (const waiter of this.#waiters) waiter();
  }

  /** Gateways that show the ANA group optimized to every host. */
  optimizedAt(group: number): string[] {
    const [first = [], ...others] = this.#hosts.map((host) => this.optimizedFor(host, group));
    return first.filter((gateway) => others.every((gateways) => gateways.includes(gateway)));
  }

  /**
   * Gateways that show the ANA group optimized to one host for each of its namespaces: on all paths of live controllers,
   * of which there must be one. A controller that is not live (one of two networks is down) says nothing.
   */
  optimizedFor(host: string, group: number): string[] {
    const found = new Map<string, Map<string, 'optimized' | 'not' | 'silent'>>();
    for (const path of this.#paths.values()) {
      if (path.host !== host || path.anaGroup !== group) continue;
      const namespaces = found.get(path.gateway) ?? new Map<string, 'optimized' | 'not' | 'silent'>();
      found.set(path.gateway, namespaces);
      const before = namespaces.get(path.nsUuid) ?? 'silent';
      if (path.controllerState !== 'live') namespaces.set(path.nsUuid, before);
      else namespaces.set(path.nsUuid, path.ana === 'optimized' && before !== 'not' ? 'optimized' : 'not');
    }
    return [...found].filter(([, namespaces]) => [...namespaces.values()].every((state) => state === 'optimized')).map(([gateway]) => gateway);
  }

  /** The gateway that serves the group in the eyes of every host; null when none or more than one does in those of any. */
  ownerOf(group: number): string | null {
    const views = this.#hosts.map((host) => this.optimizedFor(host, group));
    const owner = views[0]?.[0];
    return owner !== undefined && views.every((owners) => owners.length === 1 && owners[0] === owner) ? owner : null;
  }

  monitorSays(gateway: string, group: number): string | undefined {
    return this.monitor.find((g) => g.id === gateway)?.states[String(group)];
  }

  /** States of the controllers that all hosts have at the gateway. */
  controllersOf(gateway: string): ControllerStateName[] {
    return this.#hosts.flatMap((host) => this.#controllersAt(host, gateway));
  }

  /** Every host has controllers at the gateway, and they are live: all of them, or (`some`) at least one of each host. */
  connectedTo(gateway: string, which: 'all' | 'some' = 'all'): boolean {
    return this.#hosts.every((host) => {
      const states = this.#controllersAt(host, gateway);
      return states.includes('live') && (which === 'some' || states.every((state) => state === 'live'));
    });
  }

  #controllersAt(host: string, gateway: string): ControllerStateName[] {
    return [...this.#controllers.values()].filter((c) => c.host === host && c.gateway === gateway).map((c) => c.state);
  }

  gatewayState(gateway: string): Extract<HistoryEvent, { type: 'gw.state' }> | undefined {
    return this.#gatewayStates.get(gateway);
  }

  /** Has the gateway said since then that it ends itself, because it reaches no store? */
  gaveUpStore(gateway: string, sinceUs: number): boolean {
    return (this.#gaveUpStore.get(gateway) ?? -Infinity) >= sinceUs;
  }

  /** The last I/O window of a namespace that began after `sinceUs`. */
  ioSince(nsid: number, sinceUs: number): IoView | undefined {
    const io = this.#io.get(nsid);
    return io !== undefined && io.fromUs >= sinceUs ? io : undefined;
  }

  /** Waits until the condition holds; false after `timeoutMs` or when aborted. Looked at again after every event. */
  waitFor(condition: () => boolean, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const finish = (result: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(look);
        signal.removeEventListener('abort', giveUp);
        resolve(result);
      };
      const look = (): void => {
        if (condition()) finish(true);
      };
      const giveUp = (): void => finish(condition());
      const timer = setTimeout(giveUp, timeoutMs);
      this.#waiters.add(look);
      if (signal.aborted) giveUp();
      else signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** By host and job, while it runs. */
  readonly #fio = new Map<string, number>();

  /** I/O per second of all running fio jobs; undefined: none runs. */
  get fioIops(): number | undefined {
    return this.#fio.size === 0 ? undefined : [...this.#fio.values()].reduce((sum, iops) => sum + iops, 0);
  }

  readonly #rates = new Map<number, { iops: number; bytesPerSecond: number }>();

  #applyIo(event: Extract<HistoryEvent, { type: 'io.stats' }>): void {
    this.#io.set(event.nsid, { atUs: event.tUs, fromUs: event.fromUs, reads: event.reads, writes: event.writes, inflight: event.inflight });
    const seconds = Math.max(1, event.toUs - event.fromUs) / 1e6;
    this.#rates.set(event.nsid, { iops: (event.reads + event.writes) / seconds, bytesPerSecond: (event.bytesRead + event.bytesWritten) / seconds });
    const rates = [...this.#rates.values()];
    this.iops = rates.reduce((sum, r) => sum + r.iops, 0);
    this.bytesPerSecond = rates.reduce((sum, r) => sum + r.bytesPerSecond, 0);
  }
}
