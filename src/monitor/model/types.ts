import type { AvailabilityName, GroupStateName } from '../../history/events.js';
import type { LabTimers } from '../../plan/types.js';
import type { BeaconSubsystem, GatewayMap } from '../client.js';

/** ANA groups, hence gateways, of one (pool, group): MAX_SUPPORTED_ANA_GROUPS of NVMeofGwMap. */
export const maxGatewaysPerGroup = 16;

/** mon_nvmeofgw_beacons_till_ack: an AVAILABLE gateway's beacons are acknowledged with a map once in so many. */
export const defaultBeaconsTillAck = 15;

/** The timers that the monitor obeys, milliseconds (see LabTimers for the Ceph setting behind each). */
export type MonitorTimers = Pick<
  LabTimers,
  'beaconGraceMs' | 'monTickMs' | 'skipFailoversMs' | 'deleteSuppressMs' | 'failbackMs' | 'blocklistWaitMs' | 'deleteGraceMs'
> & {
  /** Failover suppression after a beacon out of sequence: 7 s, hard-coded in NVMeofGwMon. Default: the beacon grace, which is as long by default. */
  resyncSuppressMs?: number;
};

/**
 * Where the model is stricter than NVMeofGwMon, so that data on the loopback lab does not depend on luck. Each can be
 * switched off; without all of them the model does what 20.2.4 does, and `pathproof conform` compares both with it.
 *
 * - `await-own-blocklist`: a taker waits for the epoch of the blocklist that its takeover has asked for. NVMeofGwMon does
 *   not know that epoch when another change of the osdmap is under way at that moment ("osdmon is not writable, waiting,
 *   epoch = 0" in its log): the taker is told epoch 0, and is ACTIVE with its next beacon, blocklist or not. Two
 *   gateways that are declared down at once are enough.
 * - `fence-last-holder`: a group is granted only when whoever may have served it last is blocklisted. NVMeofGwMon looks
 *   at the gateway for which it decides the takeover: the group's owner, which need not be its last holder. A holder
 *   that dies with all candidates busy, or in a failback, is thus succeeded without anybody waiting for its blocklist;
 *   so is a gateway for its second group.
 * - `fence-before-forgetting`: the nonces of a gateway whose record is dropped are blocklisted while they are known.
 * - `failback-seen`: a failback ends only when both gateways have reported an epoch that contains its preparation.
 *   NVMeofGwMon asks whether each one's last beacon was up to date when it came, which a beacon from before the
 *   preparation was: a holder that the monitor does not reach any more loses the group to its owner, and neither knows.
 *   The same holds for a failback that ends without its owner (dead, restarted, replaced): no third one gets the group before.
 * - `await-resync`: a gateway whose beacon was refused is counted as CREATED, without any group, but goes on to serve what
 *   it was told to: nobody else gets such a group before it has reported a newer map, or is declared down and fenced,
 *   for it is still watched. NVMeofGwMon gives the group to its owner at once, and watches the refused one no longer.
 */
export const safeguards = ['await-own-blocklist', 'fence-last-holder', 'fence-before-forgetting', 'failback-seen', 'await-resync'] as const;
export type Safeguard = (typeof safeguards)[number];

/** What a gateway in WAIT_BLOCKLIST_CMPL waits for. */
export interface BlocklistWait {
  /** Blocklist requests that the store has not executed yet. Until this is empty the group is exported to nobody. */
  tokens: Set<number>;
  /** Newest store epoch among the requests executed so far: the E that the taker must reach. */
  epoch: number;
  /** False for a takeover that sent no request of its own (a second group of the same dead gateway): nobody waits for E then. */
  ackRequired: boolean;
}

/** One gateway's state for one ANA group. */
export interface AnaGroupState {
  name: GroupStateName;
  /** When the state's timer ends (failback preparation, blocklist wait); evaluated at beacons and ticks only. */
  timerEndMs?: number;
  /** Only in WAIT_BLOCKLIST_CMPL. */
  wait?: BlocklistWait;
  /** Only in WAIT_FAILBACK_PREPARED, for `failback-seen`: the group epoch with which both gateways are told to stop serving. */
  preparedEpoch?: number;
}

/** What the monitor knows of one gateway: NvmeGwMonState. */
export interface GatewayRecord {
  id: string;
  /** 1-based ANA group that this gateway owns. */
  anaGroup: number;
  availability: AvailabilityName;
  adminState: 'ENABLED' | 'DISABLED';
  location: string;
  /** False from the moment it was declared down until its next CREATED beacon: until then it may still be the old incarnation. */
  performedFullStartup: boolean;
  /** As in its last beacon. Cleared when its nonces have been sent to the blocklist. */
  subsystems: BeaconSubsystem[];
  /** Key: 1-based ANA group. Every gateway has a state for every ANA group of its (pool, group). */
  states: Map<number, AnaGroupState>;
  /** Entity address of the session to which its maps go. */
  address: string | undefined;
  /** When its last counted beacon came; undefined: it is not watched (never beaconed, already down, or without listeners). */
  lastBeaconMs: number | undefined;
  /** Number of the last beacon that was taken in sequence; 0 after a CREATED beacon, after its end, and for a new leader. */
  sequence: number;
  /** Number that the gateway itself gave to its last beacon: it counts on after each, and follows when it is refused. */
  sentSequence: number;
  /** Entity address of the incarnation that the last CREATED beacon came from. */
  startedAs: string | undefined;
  /** A beacon was refused, or the leader is new: the next one in sequence brings the full list. */
  outOfSequence: boolean;
  /** It is not failed over before this time. */
  suppressUntilMs: number;
  /** When it was last declared down; -Infinity: never. */
  lastDownMs: number;
  /** Group epoch in its last beacon; -1: none since it started. */
  lastGwmapEpoch: number;
  /** Was that the group's present epoch when the beacon came? */
  mapWasCurrent: boolean;
  /** Beacons counted for the acknowledgement rule. */
  beaconIndex: number;
  deletingSinceMs: number | undefined;
}

/** One HA domain: a (pool, group) and its gateways. */
export interface HaGroup {
  key: string;
  pool: string;
  group: string;
  /** GW-epoch: counts the changes that this group's gateways must know of. What unicast maps carry. */
  gwEpoch: number;
  /** Changed by `putGateway` and `dropGateway` only. */
  gateways: Map<string, GatewayRecord>;
  /** What `gatewaysInOrder` has found; undefined: to be found anew. */
  inOrder: readonly GatewayRecord[] | undefined;
  /** ANA group → the gateway that was declared down while it may have served the group and that is not blocklisted since. */
  suspects: Map<number, string>;
  /** ANA group → the gateway that lost it with a refused beacon or in a failback that came to nothing, and the group epoch from which on it knows. For `await-resync` and `failback-seen`. */
  unaware: Map<number, { id: string; epoch: number }>;
}

/** A blocklist request on its way to the store. */
export interface PendingBlocklist {
  token: number;
  groupKey: string;
  /** ANA groups that nobody may serve before the store has executed the request. */
  anaGroups: Set<number>;
}

/** What the caller has to do after an input; in order. */
export type MonitorEffect =
  /** Send `map` to the session with this entity address. */
  | { kind: 'map'; address: string; map: GatewayMap }
  /** Have the store blocklist all these addresses, retry until it has, then call `blocklistDone(now, token, epoch)`. */
  | { kind: 'blocklist'; token: number; addresses: string[] }
  /** The map changed and has this global epoch now. */
  | { kind: 'commit'; epoch: number };

export interface CommandResult {
  /** 0 or a negative errno, as a mon command returns it. */
  code: number;
  status: string;
  effects: MonitorEffect[];
}

/** Negative Linux errno values, as a mon command returns them. */
export const Errno = { io: -5, exist: -17, invalid: -22, notSupported: -95 } as const;

export function groupKeyOf(pool: string, group: string): string {
  return JSON.stringify([pool, group]);
}

/** Gateways by id in byte order, as std::map keeps them: ties (fewest groups…) go to the first. */
export function gatewaysInOrder(group: HaGroup): readonly GatewayRecord[] {
  // Asked for at every beacon, for every group.
  group.inOrder ??= [...group.gateways.values()].sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
  return group.inOrder;
}

export function putGateway(group: HaGroup, gateway: GatewayRecord): void {
  group.gateways.set(gateway.id, gateway);
  group.inOrder = undefined;
}

export function dropGateway(group: HaGroup, gateway: GatewayRecord): void {
  group.gateways.delete(gateway.id);
  group.inOrder = undefined;
}

/** 1-based ANA groups of the (pool, group) in ascending order. */
export function anaGroupsOf(gateway: GatewayRecord): number[] {
  return [...gateway.states.keys()].sort((a, b) => a - b);
}

export function stateOf(gateway: GatewayRecord, anaGroup: number): GroupStateName {
  return gateway.states.get(anaGroup)?.name ?? 'IDLE';
}

/** Replaces a state; whatever timer or wait the old one had ends with it. */
export function setState(gateway: GatewayRecord, anaGroup: number, state: AnaGroupState): void {
  gateway.states.set(anaGroup, state);
}

export function hasListener(gateway: GatewayRecord): boolean {
  return gateway.subsystems.some((subsystem) => subsystem.listeners.length > 0);
}
