import type { OverlapAllowance, StallAllowance } from '../plan/types.js';
import { cephadmFaultNames, cephadmFaultSpecs } from './cephadm-specs.js';

/**
 * The catalog, as data: what each fault is, what ability of the lab it needs, and which consequences a
 * correct system shows. How it is done to a lab is in drivers.ts; this file must stay free of labs, since
 * planning imports it.
 */
export const faultNames = [
  'gateway.kill', 'gateway.power-off', 'gateway.remove', 'gateway.listeners', 'gateway.pause', 'gateway.reboot',
  'partition.store', 'partition.monitor', 'partition.store-and-monitor', 'partition.host',
  'host.hold-write', 'store.hold-write',
  ...cephadmFaultNames,
] as const;
export type FaultName = (typeof faultNames)[number];

/** What a lab must be able to do for a fault. */
export const abilities = [
  'gateway.kill', 'gateway.stop', 'gateway.power', 'gateway.pause', 'monitor.command', 'gateway.listeners',
  'link.gateway-store', 'link.gateway-monitor', 'link.host-gateway', 'host.hold-write', 'store.hold',
  'cephadm',
] as const;
export type Ability = (typeof abilities)[number];

/** The consequences of one injected fault in a correct system, by names of bounds (plan/bounds.ts). */
export interface FaultConsequences {
  stalls: Omit<StallAllowance, 'fault' | 'groups'>[];
  overlaps: Omit<OverlapAllowance, 'fault' | 'groups'>[];
  /** Null: it may happen or not. */
  takeover: { expected: boolean; reason: string } | null;
  /** Name of the bound on `await takeover`. */
  takeoverBound: string;
  /** After the heal a machine has to boot before anything else can happen. */
  boots?: boolean;
  /** cephadm has a part in it: after the heal it has to deploy or to start something. */
  deploys?: boolean;
}

/**
 * What an active fault leaves of its target, for what may be demanded when faults overlap.
 *
 * - `out`: it cannot serve, and in time another gateway does.
 * - `hangs`: it stays the owner although I/O through it cannot go on; only the heal ends that, or a fault that makes it `out`.
 * - `back`: it is out for a moment and comes back by itself.
 * - `serves`: it goes on serving.
 */
export type TargetState = 'out' | 'hangs' | 'back' | 'serves';

export interface FaultSpec {
  name: FaultName;
  title: string;
  /** What really happens to the system, honestly: also what this is not. */
  description: string;
  requires: readonly Ability[];
  target: TargetState;
  /** `group`: it hits every gateway, whichever is its target. */
  scope?: 'group';
  /** It is deleted from the group: the monitor's map has to show it. */
  removes?: true;
  /** Writes may be half-way at the target while their path fails over: the scenario has to show that newer data overtook some of them. */
  holdsWrites?: true;
  /**
   * Writes that the target has taken from hosts stay under way to the store until the heal. What fences them is the
   * blocklist; but NVMeofGwMon blocklists nobody when a group goes *back* to its owner.
   */
  hangsAtStore?: true;
  consequences: FaultConsequences;
}

const failback = { when: 'heal', bound: 'failbackStall', reason: 'failback has a designed window with no optimized path, and the host reconnects to the returned gateway only after its reconnect delay' } as const;

const silentOverlap = { when: 'inject', bound: 'silentOverlap', reason: 'nobody resets the host’s connections: it takes the silent gateway’s paths for optimized until it misses a keep-alive, while another gateway may be optimized already' } as const;

export const faultSpecs: Record<FaultName, FaultSpec> = {
  ...cephadmFaultSpecs,
  'gateway.kill': {
    name: 'gateway.kill',
    title: 'gateway process killed (SIGKILL)',
    description: 'SIGKILL to the gateway process: target, agent and monitor client die at once and the kernel resets their connections. Healed by starting it again as a new incarnation.',
    requires: ['gateway.kill'],
    target: 'out',
    consequences: {
      stalls: [
        { when: 'inject', bound: 'failoverStall', reason: 'the monitor has to miss beacons for the grace, blocklist the old owner and promote another gateway' },
        failback,
      ],
      overlaps: [],
      takeover: { expected: true, reason: 'a gateway that sends no beacons is declared down after the grace' },
      takeoverBound: 'takeoverAwait',
    },
  },
  'gateway.power-off': {
    name: 'gateway.power-off',
    title: 'gateway machine switched off',
    description: 'The gateway’s machine loses its power: nothing ends its connections, packets to it vanish, and host and monitor find out by their timers alone. Healed by switching it on again, which boots it and starts a new incarnation of the gateway.',
    requires: ['gateway.power'],
    target: 'out',
    consequences: {
      stalls: [
        { when: 'inject', bound: 'silentLossStall', reason: 'nobody resets the host’s connections: it has to miss keep-alives or time its commands out, while the monitor misses beacons' },
        failback,
      ],
      overlaps: [silentOverlap],
      takeover: { expected: true, reason: 'a gateway that sends no beacons is declared down after the grace' },
      takeoverBound: 'silentLossAwait',
      boots: true,
    },
  },
  'gateway.remove': {
    name: 'gateway.remove',
    title: 'gateway removed from the group',
    description: 'What cephadm does to remove a gateway: `nvme-gw delete` at the monitor, then the daemon is stopped. (The monitor’s part and the stop are real; cephadm itself is not involved: that is cephadm.remove.) Healed by `nvme-gw create` and a start.',
    requires: ['monitor.command', 'gateway.stop'],
    target: 'out',
    removes: true,
    consequences: {
      stalls: [
        { when: 'inject', bound: 'removalStall', reason: 'after a delete the monitor suppresses failovers of the group before it moves the deleted gateway’s ANA group' },
        failback,
      ],
      overlaps: [],
      takeover: { expected: true, reason: 'the deleted gateway’s ANA group has to be served by another gateway until it is created again' },
      takeoverBound: 'removalAwait',
    },
  },
  'gateway.listeners': {
    name: 'gateway.listeners',
    title: 'all listeners of a gateway removed',
    description: 'Every listener of the gateway is deleted by its control interface; its connections are reset and its beacons carry no listener any more. Healed by adding them again.',
    requires: ['gateway.listeners'],
    target: 'out',
    consequences: {
      stalls: [
        { when: 'inject', bound: 'listenerStall', reason: 'the monitor sees a beacon without listeners and hands the group over at its next tick' },
        failback,
      ],
      overlaps: [],
      takeover: { expected: true, reason: 'a gateway without any listener counts as not available' },
      takeoverBound: 'takeoverAwait',
    },
  },
  'gateway.pause': {
    name: 'gateway.pause',
    title: 'gateway process stopped (SIGSTOP)',
    description: 'SIGSTOP to the gateway process: it stands still with its sockets open and whatever they had taken in. The host finds it silent, the monitor misses its beacons. Healed by SIGCONT: it goes on where it was, and has to find out that it was failed over before it does any harm; then it ends itself and is started as a new incarnation.',
    requires: ['gateway.pause'],
    target: 'out',
    holdsWrites: true,
    consequences: {
      stalls: [
        { when: 'inject', bound: 'silentStall', reason: 'the host leaves the path when its keep-alive is not answered, the monitor promotes another gateway when it misses beacons' },
        failback,
      ],
      overlaps: [silentOverlap, { when: 'heal', bound: 'zombieOverlap', reason: 'the gateway goes on as it was stopped, optimized, until it hears from the store or the monitor' }],
      takeover: { expected: true, reason: 'a gateway that sends no beacons is declared down after the grace' },
      takeoverBound: 'silentAwait',
    },
  },
  'gateway.reboot': {
    name: 'gateway.reboot',
    title: 'gateway process killed and started again at once',
    description: 'SIGKILL, and a new incarnation right away: back before the monitor misses its beacons, if the machine is fast enough. The monitor then suppresses failovers of the whole group, and gives the group to its owner again.',
    requires: ['gateway.kill'],
    target: 'back',
    consequences: {
      stalls: [{ when: 'inject', bound: 'rebootStall', reason: 'the gateway has to start, to be counted in again, and the host reconnects only after its reconnect delay' }],
      overlaps: [],
      takeover: null,
      takeoverBound: 'rebootStall',
    },
  },
  'partition.store': {
    name: 'partition.store',
    title: 'gateway cut off from the store only',
    description: 'No byte passes between the gateway and the store, in either direction; its beacons still reach the monitor. NVMeofGwMon does not look at a gateway’s store connection: no failover is expected, and I/O hangs until the heal. A known gap of the design, recorded as it is.',
    requires: ['link.gateway-store'],
    target: 'hangs',
    hangsAtStore: true,
    consequences: {
      stalls: [
        { when: 'inject', bound: 'storeResume', untilHeal: true, reason: 'a gateway that still sends beacons stays the owner, so that I/O waits for the store to come back (ceph-nvmeof: no failover for an OSD-only partition)' },
      ],
      overlaps: [],
      takeover: { expected: false, reason: 'availability reflects the gateway’s control plane only' },
      takeoverBound: 'takeoverAwait',
    },
  },
  'partition.monitor': {
    name: 'partition.monitor',
    title: 'gateway cut off from the monitor only',
    description: 'No byte passes between the gateway and the monitor; the store can be reached. The monitor blocklists the gateway and promotes another; until the gateway finds itself fenced, the host may see two optimized paths, and only the blocklist protects the data.',
    requires: ['link.gateway-monitor'],
    target: 'out',
    consequences: {
      stalls: [
        { when: 'inject', bound: 'failoverStall', reason: 'the old owner serves until it is blocklisted; then the host has to find the promoted path' },
        failback,
      ],
      overlaps: [{ when: 'inject', bound: 'monitorSilenceOverlap', reason: 'a gateway that the monitor cannot reach does not learn that its group moved: it ends when the store refuses it, at the latest at its disconnect panic' }],
      takeover: { expected: true, reason: 'no beacons reach the monitor' },
      takeoverBound: 'takeoverAwait',
    },
  },
  'partition.store-and-monitor': {
    name: 'partition.store-and-monitor',
    title: 'gateway cut off from the store and the monitor',
    description: 'No byte passes between the gateway and either of store and monitor; host connections stay up. The group moves, but commands already sent hang in the old gateway until the host times them out.',
    requires: ['link.gateway-store', 'link.gateway-monitor'],
    target: 'out',
    consequences: {
      stalls: [
        { when: 'inject', bound: 'ioTimeoutStall', reason: 'the old path still looks live and optimized; the host leaves it only when its commands time out' },
        failback,
      ],
      overlaps: [{ when: 'inject', bound: 'monitorSilenceOverlap', reason: 'the cut-off gateway cannot learn that its group moved before the heal or its disconnect panic' }],
      takeover: { expected: true, reason: 'no beacons reach the monitor' },
      takeoverBound: 'ioTimeoutAwait',
    },
  },
  'partition.host': {
    name: 'partition.host',
    title: 'gateway cut off from the host only',
    description: 'No byte passes between the host and the gateway, in either direction; the gateway’s store and monitor are reached. NVMeofGwMon does not cover this (the design assumes redundant links): no failover is expected, and I/O of the gateway’s group waits for the heal.',
    requires: ['link.host-gateway'],
    target: 'hangs',
    consequences: {
      stalls: [{ when: 'inject', bound: 'linkResume', untilHeal: true, reason: 'the gateway stays the owner, so that I/O waits for the host’s link and its next connect attempt' }],
      overlaps: [],
      takeover: { expected: false, reason: 'the monitor does not look at the links between hosts and gateways' },
      takeoverBound: 'takeoverAwait',
    },
  },
  'host.hold-write': {
    name: 'host.hold-write',
    title: 'data phase of writes withheld by the host',
    description: 'The host sends the commands of some writes through the target, gets their R2Ts and sends no data. When they time out it gives the path up and sends them elsewhere, but its old connections stay open, as if the network still carried what was on its way; the heal sends the withheld data on them. Only a userspace host can do that.',
    requires: ['host.hold-write'],
    target: 'serves',
    holdsWrites: true,
    consequences: {
      stalls: [{ when: 'inject', bound: 'heldWriteStall', reason: 'the held writes time out, and then all commands of that controller fail over at once' }],
      overlaps: [],
      takeover: null,
      takeoverBound: 'takeoverAwait',
    },
  },
  'store.hold-write': {
    name: 'store.hold-write',
    title: 'writes of a gateway held in the store',
    description: 'The store takes the gateway’s writes in and does not execute them, as a slow OSD would; reads go on. Healed by letting it execute what it holds, in order: if the gateway was blocklisted meanwhile, none of it may land.',
    requires: ['store.hold'],
    target: 'hangs',
    hangsAtStore: true,
    holdsWrites: true,
    consequences: {
      stalls: [{ when: 'inject', bound: 'storeResume', untilHeal: true, reason: 'a gateway that still sends beacons stays the owner, so that writes wait for the store' }],
      overlaps: [],
      takeover: null,
      takeoverBound: 'takeoverAwait',
    },
  },
};
