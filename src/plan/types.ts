/**
 * The words of a scenario and of the plan that it resolves to (docs/ARCHITECTURE.md, "Plan").
 *
 * A scenario is what a person writes; a plan is a pure function of (scenario, seed, lab kind) with
 * nothing symbolic left in it. The plan is stored with each run and is all that a checker needs to know
 * about what was meant to happen.
 */

import type { Ability } from '../fault/specs.js';
import type { FioJobPlan } from './fio.js';
import type { Threshold } from './thresholds.js';

export const labKinds = ['loopback', 'qemu', 'vagrant', 'native', 'native-linux', 'inventory'] as const;
export type LabKind = (typeof labKinds)[number];

/** Path selection policies, named and meant as in Linux (drivers/nvme/host/multipath.c). */
export const pathPolicies = ['numa', 'round-robin', 'queue-depth'] as const;
export type PathPolicy = (typeof pathPolicies)[number];

/**
 * Every timer of the system under test, in milliseconds. The loopback lab scales Ceph's and Linux's
 * defaults by `scale`; bounds are derived from these values, never from copied numbers.
 */
export interface LabTimers {
  /** Factor by which the defaults below were scaled (1 = as in production). */
  scale: number;
  /** nvmeof_mon_client_tick_period. */
  beaconMs: number;
  /** mon_nvmeofgw_beacon_grace. */
  beaconGraceMs: number;
  /** mon_tick_interval. */
  monTickMs: number;
  /** mon_nvmeofgw_skip_failovers_interval. */
  skipFailoversMs: number;
  /** Failover suppression after `nvme-gw delete|disable` of an available gateway (5 s in NVMeofGwMon). */
  deleteSuppressMs: number;
  /** The failback preparation timer (3 s, hard-coded in NVMeofGwMon). */
  failbackMs: number;
  /** The blocklist-wait timer (30 s, hard-coded in NVMeofGwMon). */
  blocklistWaitMs: number;
  /** mon_nvmeofgw_delete_grace: after it a DELETING gateway is a health warning. */
  deleteGraceMs: number;
  /** A gateway that gets no first map for this long ends itself. */
  connectPanicMs: number;
  /** A gateway that hears nothing from the monitor for this long ends itself. */
  disconnectPanicMs: number;
  /** Host: keep-alive timeout. */
  katoMs: number;
  /** Host: nvme_core.io_timeout. */
  ioTimeoutMs: number;
  /** Host: nvme_core.admin_timeout. */
  adminTimeoutMs: number;
  /** Host: delay before each connect attempt after a loss. */
  reconnectDelayMs: number;
  /** Host: ctrl_loss_tmo; as in Linux it is an attempt count, ceil(ctrlLossTmoMs / reconnectDelayMs). -1: never give up. */
  ctrlLossTmoMs: number;
  /** Host: fast_io_fail_tmo. -1: off. */
  fastIoFailTmoMs: number;
  /** ANA transition time reported by the target, milliseconds (a multiple of 1000 on the wire). */
  anattMs: number;
}

export interface LabShape {
  /** 1–16 gateways; gateway i owns ANA group i + 1. */
  gateways: number;
  /** 1–8 hosts, each with paths to everything and namespaces of its own to load. Absent in plans that were stored before there could be several: 1. */
  hosts?: number;
  /** Number of namespaces of the one subsystem. */
  namespaces: number;
  /** ANA groups that the namespaces are spread over, ≤ gateways. */
  anaGroups: number;
  /** Logical block size in bytes: 512 or 4096. */
  blockSize: number;
  /** Size of each namespace in MiB. */
  namespaceMiB: number;
  policy: PathPolicy;
  /** I/O queues per controller, each a TCP connection. */
  ioQueues: number;
  headerDigest: boolean;
  dataDigest: boolean;
  /** What a blocklisted gateway does: `end` itself (the default), or `stay` and answer every I/O with a path error until the monitor tells it to go. */
  onFenced?: 'end' | 'stay';
  timers: LabTimers;
}

/** What the nodes of the lab run on, as far as bounds and topology depend on it. */
export interface LabPlatform {
  /** `native`: processes of this machine. */
  accel: 'native' | 'kvm' | 'tcg';
  /** How many times longer a node's processor takes than this machine's (util/cpu-speed.ts); 1: no emulation. */
  emulationFactor: number;
  /** Redundant networks between hosts and gateways: so many controllers a host has at each gateway. */
  fabrics: number;
  /** Labs of virtual machines only: what is installed on them, and how. */
  machines?: VirtualMachines;
  /** The hosts are Linux kernels in virtual machines, to which `accel` and `emulationFactor` apply; all else runs on this machine. */
  kernelHosts?: true;
  /** Labs of hosts that exist already only: what the inventory has and allows. */
  inventory?: InventoryPlatform;
}

/** What a plan has to know of an inventory (lab/inventory/file.ts). How to get at the hosts is not part of a plan. */
export interface InventoryPlatform {
  name: string;
  /** What the inventory lets a run do. */
  abilities: readonly Ability[];
  /** What it does not, or what it lacks, in words: for the reason of a skip. */
  lacks: Readonly<Partial<Record<Ability, string>>>;
  pool: string;
  group: string;
  gateways: number;
  hosts: number;
  namespaces: readonly { image: string; mebibytes: number; /** Of gateways that are there already. */ identity?: NamespaceIdentity }[];
  /** Gateways that are there already, which serve a subsystem that somebody else has made: gwN has ANA group N. */
  subsystem?: {
    nqn: string;
    /** NQNs by which hosts may use it; a host that is not named uses one of pathproof's. */
    hostNqns: Readonly<Record<string, string>>;
    timers: Readonly<Partial<LabTimers>>;
  };
}

/** As whom a namespace is known to hosts. */
export interface NamespaceIdentity { nsid: number; uuid: string; /** 32 hexadecimal digits. */ nguid: string; anaGroup: number }

export interface VirtualMachines {
  /** Debian suite of the image: with it comes the release under test. */
  debianSuite: string;
  /** The Ceph major version that the image must have; null: whatever the suite has. */
  cephMajor: number | null;
  auth: 'none' | 'cephx';
  /** Monitors of the cluster, 1, 3 or 5. */
  mons: number;
  /** They boot systemd from disks of their own, as Vagrant's do; absent: a small init from a shared image. */
  disks?: true;
}

export interface StampWorkload {
  kind: 'stamp';
  /** Outstanding operations per namespace. */
  queueDepth: number;
  /** 0–100. */
  readPercent: number;
  /** I/O sizes in bytes, chosen with equal probability; multiples of the block size. */
  ioBytes: number[];
  /** Blocks of each namespace that the workload uses, from LBA 0. Small enough to be overwritten often. */
  workingSetBlocks: number;
  /** Upper limit per namespace, operations per second. 0: none. */
  maxIops: number;
  /** The last this many namespaces carry no load but are probed with one read each probe period. */
  idleNamespaces: number;
  probePeriodMs: number;
  /** Wait between the re-read at once and the delayed one, milliseconds. */
  delayedRereadMs: number;
  /** The delayed re-read is repeated, each time after `delayedRereadMs`, until this much time has passed. Default 0: once. */
  rereadForMs?: number;
}

export interface TopologyNamespace {
  nsid: number;
  uuid: string;
  nguid: string;
  /** 1-based. */
  anaGroup: number;
  blockSize: number;
  blocks: number;
  /** Probed only. */
  idle: boolean;
  /** Whose I/O it gets; every host sees it. Absent in plans that were stored before there could be several (`hostOf`). */
  host?: string;
  /** Name of the image in the store. */
  image: string;
}
export interface Topology {
  pool: string;
  group: string;
  nqn: string;
  gateways: { name: string; index: number; anaGroup: number }[];
  namespaces: TopologyNamespace[];
  hosts: { name: string; hostNqn: string; hostId: string }[];
}

/** A named bound: the sum of its terms, each with its reason. */
export interface Bound {
  name: string;
  ms: number;
  terms: { name: string; ms: number; reason: string }[];
}

/** Conditions that a step can wait for; the bound is how long the wait may take. */
export type AwaitCondition =
  /** The monitor and the host agree that `gateway` serves `group` (optimized there, and I/O completed since). */
  | { kind: 'owner'; group: number; gateway: string }
  /** Any gateway but `not` serves the group. */
  | { kind: 'takeover'; group: number; not: string }
  /** Every group is optimized exactly once, at its own gateway. */
  | { kind: 'home' };

export type PlanStep =
  | { do: 'phase'; name: string }
  | { do: 'run'; forMs: number }
  | { do: 'inject'; id: string; fault: string; target: string; params: Record<string, number | string | boolean>; /** The next step does not wait for the confirmation. */ confirm?: 'later'; /** One of a random schedule: which gateway serves what at its time is not known. */ random?: true }
  /** `bound`: name of the bound after which the wait gives up (and a checker will fail for it). */
  | { do: 'await'; condition: AwaitCondition; bound: string }
  /** `gone`: as `later`, and only that the fault is gone is confirmed, not that the system has recovered. */
  | { do: 'heal'; id: string; confirm?: 'later' | 'gone' };

/** What may be slow or double, for which groups, from when on, and for how long. Everything else may not. */
export interface StallAllowance {
  /** The fault whose injection or heal starts the window. */
  fault: string;
  when: 'inject' | 'heal';
  /** 1-based ANA groups concerned. */
  groups: number[];
  /** Name of the bound of one stall that overlaps the window. */
  bound: string;
  /** The window ends only with the heal, whatever the bound (I/O cannot go on while the fault lasts). */
  untilHeal?: boolean;
  /** The window ends only with this injection or heal of another fault, where that is what lets I/O go on. */
  until?: { fault: string; when: 'inject' | 'heal' };
  reason: string;
}
export interface OverlapAllowance {
  fault: string;
  when: 'inject' | 'heal';
  groups: number[];
  /** Name of the bound of the time with two optimized owners. */
  bound: string;
  reason: string;
}
export interface Expectations {
  /** Name of the bound of a stall outside all windows. */
  quietStall: string;
  stalls: StallAllowance[];
  overlaps: OverlapAllowance[];
  /** Name of the bound within which, after the last heal, every group is optimized at its own gateway. */
  convergence: string;
  /** Does a takeover of the group have to happen (true), or must it not (false)? */
  takeovers: { fault: string; group: number; expected: boolean; reason: string }[];
  /** I/O operations that may end in failure. 0 in every HA scenario. */
  failedIoMax: number;
  /** Limits of metrics, on top of what the checkers demand by themselves; absent: none. */
  thresholds?: Threshold[];
  /** How often a group may become optimized somewhere in the whole run; more is a failover storm. Groups that are not named: never. */
  anaChanges?: { group: number; max: number }[];
  /** Faults that keep writes half-way at a gateway while its path fails over: newer data has to be in their blocks before the heal releases them. */
  heldWrites?: { fault: string; gateway: string; groups: number[] }[];
}

export interface Plan {
  format: 1;
  suite: string;
  scenario: string;
  title: string;
  /** Completes "This scenario will…". */
  description: string;
  seed: string;
  lab: LabKind;
  shape: LabShape;
  platform: LabPlatform;
  topology: Topology;
  workload: StampWorkload;
  /** fio jobs beside the stamp workload; absent: none. */
  fio?: FioJobPlan[];
  steps: PlanStep[];
  bounds: Bound[];
  expect: Expectations;
  /** Defects switched on in the lab, for the detection matrix; empty in every honest run. */
  defects: string[];
}
