import { decodeBeacon, encodeGwMap, mapFeatureBeaconDiff, MessageType } from '../../../ceph/msgr2/index.js';
import type { GwBeacon, GwClientState, GwSubsystem } from '../../../ceph/msgr2/index.js';
import type { FakeConnection, FakeMon } from '../../../ceph/msgr2/testing/fake-mon.js';

interface Gateway {
  subsystems: GwSubsystem[];
  availability: GwClientState['availability'];
  /** Last sequence number that was accepted. */
  stored: bigint;
  outOfOrder: boolean;
  /** The last AVAILABLE beacon was of version 1. */
  full: boolean;
}

/**
 * The wire behaviour of NVMeofGwMon towards one client (facts: msgr2.md §12.2, 3, 8, 10), without its state machine:
 * sequence check, differences, and a map as the answer to every beacon.
 */
export class FakeGatewayService {
  /** The monitor wants version 2 beacons; false: version 1, as an administrator can set it. */
  diff = true;
  /** False: entries in the version 1 structure, as monitors before beacon diff send them. */
  knowsDiff = true;
  epoch = 1;
  readonly gateways = new Map<string, Gateway>();
  readonly beacons: GwBeacon[] = [];
  /** Answer beacons at all. */
  answers = true;
  readonly #mon: FakeMon;

  constructor(mon: FakeMon) {
    this.#mon = mon;
    mon.onMessage = (connection, message) => {
      if (message.type === MessageType.nvmeofGwBeacon) this.#onBeacon(connection, decodeBeacon(message));
    };
  }

  create(gwId: string): void {
    this.gateways.set(gwId, { subsystems: [], availability: 'CREATED', stored: 0n, outOfOrder: false, full: false });
  }

  /** As after an election or a restart of the monitor: nobody's number is known any more. */
  forgetSequences(): void {
    for (const gateway of this.gateways.values()) Object.assign(gateway, { stored: 0n, outOfOrder: true });
  }

  /** Sends the map that this gateway would get now. */
  send(connection: FakeConnection, gwId: string): void {
    const gateway = this.gateways.get(gwId);
    this.epoch += 1;
    connection.send(encodeGwMap({
      epoch: this.epoch,
      groups: gateway === undefined || gateway.availability === 'UNAVAILABLE' ? [] : [{ pool: 'rbd', group: 'g', gateways: [this.#entry(gwId, gateway)] }],
    }));
  }

  #onBeacon(connection: FakeConnection, beacon: GwBeacon): void {
    this.beacons.push(beacon);
    const gateway = this.gateways.get(beacon.gwId);
    if (gateway !== undefined) this.#apply(gateway, beacon);
    if (this.answers) this.send(connection, beacon.gwId);
    this.#mon.changed();
  }

  #apply(gateway: Gateway, { availability, subsystems, diff }: GwBeacon): void {
    if (availability === 'CREATED') {
      Object.assign(gateway, { subsystems: [], availability: 'CREATED' });
      if (diff !== undefined) Object.assign(gateway, { stored: diff.sequence, outOfOrder: false });
      return;
    }
    if (diff === undefined) {
      gateway.subsystems = subsystems;
      gateway.full = true;
    } else {
      // The first of version 2, and the first good one after an election, carry the full list.
      if (gateway.full || gateway.outOfOrder) gateway.subsystems = [];
      gateway.full = false;
      gateway.outOfOrder = diff.sequence !== gateway.stored + 1n && !(gateway.stored === 0n && diff.sequence === 0n);
      if (gateway.outOfOrder) return;
      gateway.stored = diff.sequence;
      subsystems.forEach((subsystem, i) => {
        gateway.subsystems = gateway.subsystems.filter(({ nqn }) => nqn !== subsystem.nqn);
        if (diff.changes[i] !== 'DELETED') gateway.subsystems.push(subsystem);
      });
    }
    gateway.availability = gateway.subsystems.some(({ listeners }) => listeners.length > 0) ? availability : 'CREATED';
  }

  #entry(gwId: string, { subsystems, availability, stored, full, ...gateway }: Gateway): GwClientState {
    // Version 1 beacons have no number that could be wrong; the mark stays, though, until the next of version 2.
    const outOfOrder = gateway.outOfOrder && !full;
    return {
      gwId, groupId: 0, gwMapEpoch: this.epoch, availability: outOfOrder ? 'CREATED' : availability,
      subsystems: subsystems.map(({ nqn }) => ({ nqn, ana: [{ state: outOfOrder ? 'INACCESSIBLE' : 'OPTIMIZED', osdEpoch: 0 }] })),
      ...(this.knowsDiff ? { diff: { lastSequence: outOfOrder ? stored : 0n, outOfOrder, mapFeatures: this.diff ? mapFeatureBeaconDiff : 0n } } : {}),
    };
  }
}
