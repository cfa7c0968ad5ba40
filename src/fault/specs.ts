import type { OverlapAllowance, StallAllowance } from '../plan/types.js';

/**
 * The catalog, as data: what each fault is, what ability of the lab it needs, and which consequences a
 * correct system shows. How it is done to a lab is in drivers.ts; this file must stay free of labs, since
 * planning imports it.
 */
export const faultNames = [
  'gateway.kill', 'gateway.power-off', 'gateway.remove', 'gateway.listeners', 'partition.store', 'partition.monitor', 'partition.store-and-monitor',
] as const;
export type FaultName = (typeof faultNames)[number];

/** What a lab must be able to do for a fault. */
export const abilities = ['gateway.kill', 'gateway.stop', 'gateway.power', 'monitor.command', 'gateway.listeners', 'link.gateway-store', 'link.gateway-monitor'] as const;
export type Ability = (typeof abilities)[number];

/** The consequences of one injected fault in a correct system, by names of bounds (plan/bounds.ts). */
export interface FaultConsequences {
  stalls: Omit<StallAllowance, 'fault' | 'groups'>[];
  overlaps: Omit<OverlapAllowance, 'fault' | 'groups'>[];
  takeover: { expected: boolean; reason: string };
  /** Name of the bound on `await takeover`. */
  takeoverBound: string;
}
export interface FaultSpec {
  name: FaultName;
  title: string;
  /** What really happens to the system, honestly: also what this is not. */
  description: string;
  requires: readonly Ability[];
  consequences: FaultConsequences;
}

const failback = { when: 'heal', bound: 'failbackStall', reason: 'failback has a designed window with no optimized path, and the host reconnects to the returned gateway only after its reconnect delay' } as const;

export const faultSpecs: Record<FaultName, FaultSpec> = {
  'gateway.kill': {
    name: 'gateway.kill',
    title: 'gateway process killed (SIGKILL)',
    description: 'SIGKILL to the gateway process: target, agent and monitor client die at once and the kernel resets their connections. Healed by starting it again as a new incarnation.',
    requires: ['gateway.kill'],
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
    consequences: {
      stalls: [
        { when: 'inject', bound: 'silentLossStall', reason: 'nobody resets the host’s connections: it has to miss keep-alives or time its commands out, while the monitor misses beacons' },
        failback,
      ],
      overlaps: [],
      takeover: { expected: true, reason: 'a gateway that sends no beacons is declared down after the grace' },
      takeoverBound: 'silentLossAwait',
    },
  },
  'gateway.remove': {
    name: 'gateway.remove',
    title: 'gateway removed from the group',
    description: 'What cephadm does to remove a gateway: `nvme-gw delete` at the monitor, then the daemon is stopped. (The monitor’s part and the stop are real; cephadm itself is not involved on this lab.) Healed by `nvme-gw create` and a start.',
    requires: ['monitor.command', 'gateway.stop'],
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
  'partition.store': {
    name: 'partition.store',
    title: 'gateway cut off from the store only',
    description: 'No byte passes between the gateway and the store, in either direction; its beacons still reach the monitor. NVMeofGwMon does not look at a gateway’s store connection: no failover is expected, and I/O hangs until the heal. A known gap of the design, recorded as it is.',
    requires: ['link.gateway-store'],
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
};
