import { encoded } from './encoding.js';
import type { Decoder, Encoder } from './encoding.js';
import { CephError } from './errors.js';
import { Limit } from './limits.js';
import { message, MessageType, Priority } from './message.js';
import type { Message } from './message.js';
import { requireMessage } from './mon-messages.js';
import { readAvailability, writeAvailability } from './nvmeof-beacon.js';
import type { GwAvailability } from './nvmeof-beacon.js';

/** MNVMeofGwMap (ceph/src/messages/MNVMeofGwMap.h, mon/NVMeofGwSerialize.h; facts: msgr2.md §10.2). */

const stateNames = ['OPTIMIZED', 'INACCESSIBLE'] as const;
export type GwAnaState = (typeof stateNames)[number];

/** Bit 0 of `mapFeatures`: the monitor wants version 2 beacons from this gateway. */
export const mapFeatureBeaconDiff = 1n << 0n;

export interface GwAna {
  state: GwAnaState;
  /** Not 0: be at this osdmap epoch before you serve. */
  osdEpoch: number;
}

export interface GwClientState {
  gwId: string;
  /** 0-based ANA group of its own; 0xff: none. */
  groupId: number;
  gwMapEpoch: number;
  /** ana[i] is ANA group i + 1. */
  subsystems: { nqn: string; ana: GwAna[] }[];
  availability: GwAvailability;
  /** Absent in the version 1 structure of monitors that do not know beacon diff. */
  diff?: {
    /** Of the last beacon that was accepted; only right when `outOfOrder`. */
    lastSequence: bigint;
    /** The last beacon was refused: its sequence number was not the next one. */
    outOfOrder: boolean;
    mapFeatures: bigint;
  };
}

export interface GwGroup { pool: string; group: string; gateways: GwClientState[] }

/** A monitor since 20.2 puts only the addressed gateway in; older ones all of them. */
export interface GwMap { epoch: number; groups: GwGroup[] }

/** GwSubsystems of peers without the feature bit NVMEOFHA: always this many groups. */
const fixedAnaGroups = 16;

/** @param fixedGroups the encoding for peers without NVMEOFHA: version 1, exactly 16 groups. */
function writeSubsystems(e: Encoder, subsystems: GwClientState['subsystems'], fixedGroups: boolean): void {
  const version = fixedGroups ? 1 : 2;
  e.struct(version, version, () => {
    e.list(subsystems, ({ nqn, ana }) => {
      const missing = fixedGroups ? Array.from({ length: fixedAnaGroups - ana.length }, (): GwAna => ({ state: 'INACCESSIBLE', osdEpoch: 0 })) : [];
      e.string(nqn).struct(1, 1, () => e.list([...ana, ...missing], ({ state, osdEpoch }) => e.u32(stateNames.indexOf(state)).u32(osdEpoch)));
    });
  });
}

function readSubsystems(d: Decoder): GwClientState['subsystems'] {
  return d.struct('GwSubsystems', 2, () => d.list(Limit.subsystemsMax, () => ({
    nqn: d.string(Limit.nameBytesMax),
    ana: d.struct('ANA states', 1, () => d.list(Limit.anaGroupsMax, () => {
      const [state, osdEpoch] = [d.u32(), d.u32()];
      const name = stateNames[state];
      if (name === undefined) throw new CephError('MSGR_FIELD', `exported state ${state}`);
      return { state: name, osdEpoch };
    })),
  })));
}

export function encodeGwMap(map: GwMap, o: { fixedGroups?: boolean } = {}): Message {
  const front = encoded((e) => {
    e.s32(1).u32(map.epoch).struct(1, 1, () => e.list(map.groups, ({ pool, group, gateways }) => {
      e.string(pool).string(group).struct(1, 1, () => e.list(gateways, (gateway) => {
        const { diff } = gateway;
        e.string(gateway.gwId).struct(diff === undefined ? 1 : 2, 1, () => {
          e.u32(gateway.groupId).u32(gateway.gwMapEpoch);
          writeSubsystems(e, gateway.subsystems, o.fixedGroups ?? false);
          writeAvailability(e, gateway.availability);
          if (diff !== undefined) e.u64(diff.lastSequence).bool(diff.outOfOrder).u64(diff.mapFeatures);
        });
      }));
    }));
  });
  return message(MessageType.nvmeofGwMap, 1, front, { priority: Priority.high });
}

export function decodeGwMap(m: Message): GwMap {
  const d = requireMessage(m, MessageType.nvmeofGwMap, 1);
  d.s32();
  const epoch = d.u32();
  const groups = d.struct('gateway map', 1, () => d.list(Limit.gatewaysMax, () => ({
    pool: d.string(Limit.nameBytesMax),
    group: d.string(Limit.nameBytesMax),
    gateways: d.struct('gateways', 1, () => d.list(Limit.gatewaysMax, () => readGateway(d))),
  })));
  return { epoch, groups };
}

function readGateway(d: Decoder): GwClientState {
  const gwId = d.string(Limit.nameBytesMax);
  return d.struct('NvmeGwClientState', 2, (version) => {
    const state: GwClientState = {
      gwId, groupId: d.u32(), gwMapEpoch: d.u32(), subsystems: readSubsystems(d), availability: readAvailability(d),
    };
    if (version < 2) return state;
    return { ...state, diff: { lastSequence: d.u64(), outOfOrder: d.bool(), mapFeatures: d.u64() } };
  });
}

/** This gateway's entry; undefined if the map has none. */
export function entryOf(map: GwMap, who: { gwId: string; pool: string; group: string }): GwClientState | undefined {
  return map.groups.find(({ pool, group }) => pool === who.pool && group === who.group)?.gateways.find(({ gwId }) => gwId === who.gwId);
}
