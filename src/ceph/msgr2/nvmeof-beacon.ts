import { encoded } from './encoding.js';
import type { Decoder, Encoder } from './encoding.js';
import { CephError } from './errors.js';
import { Limit } from './limits.js';
import { message, MessageType, Priority } from './message.js';
import type { Message } from './message.js';
import { readPaxos, requireMessage, writePaxos } from './mon-messages.js';

/** MNVMeofGwBeacon (ceph/src/messages/MNVMeofGwBeacon.h; facts: msgr2.md §10.1). */

const availabilityNames = ['CREATED', 'AVAILABLE', 'UNAVAILABLE', 'DELETING'] as const;
export type GwAvailability = (typeof availabilityNames)[number];

const changeNames = ['ADDED', 'CHANGED', 'DELETED'] as const;
export type SubsystemChange = (typeof changeNames)[number];

export interface GwListener { adrfam: string; traddr: string; trsvcid: string }
/** `anaGroup` is 1-based; `nonce` is the address of a RADOS client, `ip:port/nonce`. */
export interface GwNamespace { anaGroup: number; nonce: string }
export interface GwSubsystem { nqn: string; listeners: GwListener[]; namespaces: GwNamespace[] }

export interface GwBeacon {
  gwId: string;
  pool: string;
  group: string;
  subsystems: GwSubsystem[];
  availability: GwAvailability;
  lastOsdEpoch: number;
  lastGwmapEpoch: number;
  /**
   * Absent: a version 1 beacon, `subsystems` is the full list. Present: version 2 ("beacon diff"), `subsystems` are
   * those that differ from what the previous beacon led to, and `changes[i]` says how `subsystems[i]` does.
   */
  diff?: { sequence: bigint; changes: SubsystemChange[] };
}

function writeSubsystem(e: Encoder, { nqn, listeners, namespaces }: GwSubsystem): void {
  e.struct(1, 1, () => {
    e.string(nqn)
      .list(listeners, ({ adrfam, traddr, trsvcid }) => e.struct(1, 1, () => e.string(adrfam).string(traddr).string(trsvcid)))
      .list(namespaces, ({ anaGroup, nonce }) => e.struct(1, 1, () => e.u32(anaGroup).string(nonce)));
  });
}

function readSubsystem(d: Decoder): GwSubsystem {
  const text = (): string => d.string(Limit.nameBytesMax);
  return d.struct('BeaconSubsystem', 1, () => ({
    nqn: text(),
    listeners: d.list(Limit.listenersMax, () => d.struct('BeaconListener', 1, () => ({ adrfam: text(), traddr: text(), trsvcid: text() }))),
    namespaces: d.list(Limit.namespacesMax, () => d.struct('BeaconNamespace', 1, () => ({ anaGroup: d.u32(), nonce: text() }))),
  }));
}

export function encodeBeacon(beacon: GwBeacon): Message {
  const { diff } = beacon;
  if (diff !== undefined && diff.changes.length !== beacon.subsystems.length) {
    throw new CephError('MSGR_FIELD', `${diff.changes.length} change descriptors for ${beacon.subsystems.length} subsystems`);
  }
  const front = encoded((e) => {
    writePaxos(e);
    e.string(beacon.gwId).string(beacon.pool).string(beacon.group)
      .list(beacon.subsystems, (subsystem) => writeSubsystem(e, subsystem))
      .u32(availabilityNames.indexOf(beacon.availability)).u32(beacon.lastOsdEpoch).u32(beacon.lastGwmapEpoch);
    if (diff !== undefined) {
      e.u64(diff.sequence).struct(1, 1, () => {
        // No count of its own: one per subsystem.
        for (const change of diff.changes) e.u32(changeNames.indexOf(change));
      });
    }
  });
  const version = diff === undefined ? 1 : 2;
  return message(MessageType.nvmeofGwBeacon, version, front, { compatVersion: version, priority: Priority.high });
}

export function decodeBeacon(m: Message): GwBeacon {
  const d = requireMessage(m, MessageType.nvmeofGwBeacon, 2);
  readPaxos(d);
  const text = (): string => d.string(Limit.nameBytesMax);
  const beacon: GwBeacon = {
    gwId: text(), pool: text(), group: text(),
    subsystems: d.list(Limit.subsystemsMax, () => readSubsystem(d)),
    availability: named('availability', availabilityNames, d.u32()),
    lastOsdEpoch: d.u32(), lastGwmapEpoch: d.u32(),
  };
  if (m.version < 2) return beacon;
  const sequence = d.u64();
  const changes = d.struct('change descriptors', 1, () => beacon.subsystems.map(() => named('change descriptor', changeNames, d.u32())));
  return { ...beacon, diff: { sequence, changes } };
}

function named<T>(what: string, names: readonly T[], value: number): T {
  const name = names[value];
  if (name === undefined) throw new CephError('MSGR_FIELD', `${what} ${value}`);
  return name;
}

export function writeAvailability(e: Encoder, availability: GwAvailability): void {
  e.u32(availabilityNames.indexOf(availability));
}

export function readAvailability(d: Decoder): GwAvailability {
  return named('availability', availabilityNames, d.u32());
}
