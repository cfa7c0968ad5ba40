import { CephMonSession, decodeGwMap, encodeBeacon, entryOf, MessageType } from '../../ceph/msgr2/index.js';
import type { CephError, CephMonSessionOptions, GwClientState, Message } from '../../ceph/msgr2/index.js';
import type { Beacon, CommandReply, GatewayMap, GatewayMapEntry, MonitorClient } from '../client.js';
import { BeaconSequence } from './beacon-sequence.js';

/** What NVMeofGwMonitorClient subscribes to, besides the monmap. */
const gatewayMaps = 'NVMeofGw';

export interface CephMonitorOptions extends Omit<CephMonSessionOptions, 'nonce'> {
  /**
   * Nonce of the entity address by which the monitor knows this gateway (it addresses maps to it): unique per gateway,
   * kept over reconnections, new for each incarnation. Default: random, 31 bits.
   */
  gwNonce?: number;
}

export interface CephMonitorStats {
  beaconsSent: number;
  /** Given to `sendBeacon` while there was no connection, or one that takes nothing. */
  beaconsDropped: number;
  maps: number;
  /** Maps that said that a beacon came out of order; not shown to the listeners. */
  resyncs: number;
  /** The monitor wants version 2 beacons. */
  beaconDiff: boolean;
}

/** Joins the monitors of a real Ceph cluster as one NVMe-oF gateway. Connecting begins at once and never ends before `close`. */
export function connectCephMonitor(options: CephMonitorOptions): CephMonitorClient {
  return new CephMonitorClient(options);
}

/**
 * One gateway's client of a real ceph-mon: what NVMeofGwMonitorClient is in the C++ gateway. It has the wire's rules
 * (versions, sequence numbers, differences, resubscription); the decisions are the agent's.
 *
 * One object, one gateway: which one, its beacons say.
 */
export class CephMonitorClient implements MonitorClient {
  readonly session: CephMonSession;
  readonly #sequence = new BeaconSequence();
  readonly #mapListeners: ((map: GatewayMap) => void)[] = [];
  readonly #log: (line: string) => void;
  #who: Pick<Beacon, 'gwId' | 'pool' | 'group'> | undefined;
  #beaconsSent = 0;
  #beaconsDropped = 0;
  #maps = 0;

  constructor(options: CephMonitorOptions) {
    const { gwNonce, ...session } = options;
    this.#log = options.log ?? (() => undefined);
    this.session = new CephMonSession({ ...session, ...(gwNonce === undefined ? {} : { nonce: gwNonce }) });
    this.session.subscribe(gatewayMaps);
    this.session.onMessage((message) => this.#onMessage(message));
  }

  get stats(): CephMonitorStats {
    return { beaconsSent: this.#beaconsSent, beaconsDropped: this.#beaconsDropped, maps: this.#maps, resyncs: this.#sequence.resyncs, beaconDiff: this.#sequence.diff };
  }

  /** Why the session is not connected, or was lost last. */
  get lastError(): CephError | undefined {
    return this.session.lastError;
  }

  onMap(listener: (map: GatewayMap) => void): void {
    this.#mapListeners.push(listener);
  }

  /** Called at each change. A session that is already up is announced to a new listener, too. */
  onConnection(listener: (connected: boolean) => void): void {
    this.session.onConnection(listener);
  }

  /** Dropped while disconnected. Throws MSGR_FIELD for values that the wire cannot carry. */
  sendBeacon(beacon: Beacon): void {
    this.#who = { gwId: beacon.gwId, pool: beacon.pool, group: beacon.group };
    const wire = this.#sequence.prepare(beacon);
    if (!this.session.send(encodeBeacon(wire))) {
      this.#beaconsDropped += 1;
      return;
    }
    this.#sequence.sent(beacon, wire);
    this.#beaconsSent += 1;
  }

  /** Rejects with a CephError: MON_NOT_CONNECTED, MON_DISCONNECTED, MON_TIMEOUT, MON_CLOSED, MON_TOO_MANY_COMMANDS. */
  async command(command: Record<string, string | number>): Promise<CommandReply> {
    const { code, status, output } = await this.session.command(command);
    return { code, status, output: output.toString('utf8') };
  }

  /** See `CephMonSession.whenConnected`. */
  whenConnected(timeoutMs: number): Promise<void> {
    return this.session.whenConnected(timeoutMs);
  }

  /** See `CephMonSession.waitForOsdEpoch`: the monitors' view, not that of the client which does the gateway's I/O. */
  waitForOsdEpoch(epoch: number, timeoutMs?: number): Promise<void> {
    return this.session.waitForOsdEpoch(epoch, timeoutMs);
  }

  close(): Promise<void> {
    return this.session.close();
  }

  #onMessage(message: Message): void {
    if (message.type !== MessageType.nvmeofGwMap) return;
    const map = decodeGwMap(message);
    // Sent to our entity address before we said which gateway we are: about an earlier connection, if anything.
    if (this.#who === undefined) return;
    this.#maps += 1;
    const entry = entryOf(map, this.#who);
    if (!this.#sequence.takeMap(entry)) {
      this.#log(`map ${map.epoch}: beacon out of order, going on after ${entry?.diff?.lastSequence ?? 0n} with the full list`);
      return;
    }
    const shown = { epoch: map.epoch, entry: entry === undefined ? undefined : shownEntry(entry) };
    for (const listener of this.#mapListeners) listener(shown);
  }
}

function shownEntry({ gwId, groupId, availability, subsystems }: GwClientState): GatewayMapEntry {
  return { gwId, groupIndex: groupId, availability, subsystems };
}
