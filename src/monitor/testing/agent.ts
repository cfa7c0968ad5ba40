import type { Beacon, GatewayMap, GatewayMapEntry } from '../client.js';

/** What the simulated gateway may do to the world around it. */
export interface AgentWorld {
  nowMs(): number;
  /** A number nobody had before: the nonce of a new incarnation. */
  freshNonce(): number;
  /** Runs `then` once the store's map has reached this epoch for the gateway, never before `nowMs`. */
  whenStoreEpoch(epoch: number, then: () => void): void;
  send(agent: SimulatedAgent, beacon: Beacon): void;
  /** The gateway's process ends; its supervisor will start it again. */
  exited(agent: SimulatedAgent): void;
}

/**
 * An honest gateway, as facts/msgr2.md §11 describes the monitor client: CREATED until its first map,
 * then AVAILABLE; applies the maps in order; reports a store epoch only once it has reached it; exits when the
 * monitor does not count it in any more, and comes back as a new incarnation.
 */
export class SimulatedAgent {
  readonly id: string;
  readonly pool = 'rbd';
  readonly group = 'grp1';
  alive = false;
  address = '';
  nonce = '';
  incarnation = 0;
  listening = true;
  /** 1-based ANA groups of the namespaces that every gateway of the group lists. */
  namespaceGroups: readonly number[];
  own: GatewayMapEntry | undefined;
  /** ANA groups that this gateway tells its hosts to be optimized. */
  optimized = new Set<number>();
  lastOsdEpoch = 0;
  lastGwmapEpoch = 0;
  /** Undefined: still to come; then the time of the last map. */
  lastMapMs: number | undefined;
  /** False: its data plane is dead, it beacons UNAVAILABLE. */
  healthy = true;
  readonly maps: GatewayMap[] = [];
  private readonly world: AgentWorld;

  constructor(id: string, world: AgentWorld, namespaceGroups: readonly number[]) {
    this.id = id;
    this.world = world;
    this.namespaceGroups = namespaceGroups;
  }

  start(): void {
    const nonce = this.world.freshNonce();
    this.alive = true;
    this.incarnation += 1;
    this.address = `127.0.0.1:0/${nonce}`;
    this.nonce = `10.0.0.1:0/${nonce}`;
    this.own = undefined;
    this.lastOsdEpoch = 0;
    this.lastGwmapEpoch = 0;
    this.lastMapMs = undefined;
    this.optimized = new Set();
    this.healthy = true;
  }

  kill(): void {
    this.alive = false;
    this.optimized = new Set();
  }

  /** Does a host get I/O for the group served here, as far as the gateway itself can tell? */
  serves(anaGroup: number): boolean {
    return this.alive && this.healthy && this.listening && this.optimized.has(anaGroup);
  }

  beacon(): Beacon {
    const created = this.own === undefined;
    return {
      gwId: this.id,
      pool: this.pool,
      group: this.group,
      availability: created ? 'CREATED' : this.healthy ? 'AVAILABLE' : 'UNAVAILABLE',
      subsystems: created ? [] : [{
        nqn: 'nqn.2016-06.io.spdk:cnode1',
        listeners: this.listening ? [{ adrfam: 'IPv4', traddr: '127.0.0.1', trsvcid: '4420' }] : [],
        namespaces: this.namespaceGroups.map((anaGroup) => ({ anaGroup, nonce: this.nonce })),
      }],
      lastOsdEpoch: this.lastOsdEpoch,
      lastGwmapEpoch: this.lastGwmapEpoch,
    };
  }

  sendBeacon(): void {
    if (this.alive) this.world.send(this, this.beacon());
  }

  receive(map: GatewayMap): void {
    if (!this.alive) return;
    this.maps.push(map);
    this.lastMapMs = this.world.nowMs();
    this.lastGwmapEpoch = map.epoch;
    if (map.entry === undefined) {
      if (this.own !== undefined) this.exit();
      return;
    }
    this.own = map.entry;
    const ana = map.entry.subsystems[0]?.ana ?? [];
    const incarnation = this.incarnation;
    for (const anaGroup of this.optimized) {
      if (ana[anaGroup - 1]?.state !== 'OPTIMIZED') this.optimized.delete(anaGroup);
    }
    ana.forEach(({ state, osdEpoch }, index) => {
      if (state !== 'OPTIMIZED') return;
      const serve = (): void => {
        // A newer map may have taken the group away while the store's map was awaited.
        const still = this.own?.subsystems[0]?.ana[index]?.state === 'OPTIMIZED';
        if (!this.alive || this.incarnation !== incarnation) return;
        this.lastOsdEpoch = Math.max(this.lastOsdEpoch, osdEpoch);
        if (still) this.optimized.add(index + 1);
      };
      if (osdEpoch > this.lastOsdEpoch) this.world.whenStoreEpoch(osdEpoch, serve);
      else serve();
    });
  }

  exit(): void {
    this.kill();
    this.world.exited(this);
  }
}
