import type { Beacon, CommandReply, GatewayMap, MonitorClient } from '../monitor/index.js';

/** A gateway was told to serve a group that it was not told to serve before. */
export interface Promotion {
  /** 1-based ANA group. */
  group: number;
  /** The store epoch that it has to wait for first; 0: none. */
  osdEpoch: number;
}

/** Stands between an agent and its monitor client, and does to beacons and maps what the schedule says. */
export class ScriptedClient implements MonitorClient {
  /** Beacons are lost. */
  mute = false;
  /** Maps are lost. */
  deaf = false;
  /** Applied to each beacon before it is sent. */
  alter: (beacon: Beacon) => Beacon = (beacon) => beacon;
  readonly #client: MonitorClient;
  #optimized = new Set<number>();

  /** `onPromotion` hears of promotions in every map that arrives here, also of those that are lost on the rest of the way. */
  constructor(client: MonitorClient, onPromotion: (promotion: Promotion) => void) {
    this.#client = client;
    client.onMap((map) => {
      const now = new Map((map.entry?.subsystems[0]?.ana ?? []).flatMap(({ state, osdEpoch }, i) => (state === 'OPTIMIZED' ? [[i + 1, osdEpoch] as const] : [])));
      for (const [group, osdEpoch] of now) if (!this.#optimized.has(group)) onPromotion({ group, osdEpoch });
      this.#optimized = new Set(now.keys());
    });
  }

  onMap(listener: (map: GatewayMap) => void): void {
    this.#client.onMap((map) => {
      if (!this.deaf) listener(map);
    });
  }

  onConnection(listener: (connected: boolean) => void): void {
    this.#client.onConnection(listener);
  }

  sendBeacon(beacon: Beacon): void {
    if (!this.mute) this.#client.sendBeacon(this.alter(beacon));
  }

  command(command: Record<string, string | number>): Promise<CommandReply> {
    return this.#client.command(command);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
