import type { Ability } from '../fault/specs.js';
import type { EventBody, NodeEvent } from '../history/events.js';
import type { CommandReply } from '../monitor/client.js';

/** Direction of a link, seen from the side that opens connections. */
export type LinkDirection = 'both' | 'forward' | 'backward';
export type LinkCutMode = 'drop' | 'reset';

/** Counters of one link since the lab came up; what a fault's confirmation looks at. */
export interface LinkStats {
  name: string;
  cut: { mode: LinkCutMode; direction: LinkDirection } | null;
  connections: number;
  bytesForward: number;
  bytesBackward: number;
}

/** One gateway node. A method that its lab cannot offer is absent from `Lab.abilities`. */
export interface GatewayNode {
  readonly name: string;
  /** Pid of the running process, undefined while it is down. */
  readonly pid: number | undefined;
  /** SIGKILL. Resolves when the process was reaped. */
  kill(): Promise<void>;
  /** Does its operating system still know a process with this pid (of this gateway, now or earlier)? */
  alive(pid: number): Promise<boolean>;
  /** The machine is off: its packets vanish, nobody gets a reset. Only with the ability `gateway.power`. */
  powerOff?(): Promise<void>;
  /** Does the machine run, by the word of whoever runs it? */
  powered?(): boolean;
  /** Orderly end of the daemon (SIGTERM). */
  stop(): Promise<void>;
  /** SIGSTOP: nothing of it runs any more, but its sockets stay. Ability `gateway.pause`. */
  pause?(): Promise<void>;
  /** SIGCONT. Harmless when it is not paused or no longer runs. */
  resume?(): Promise<void>;
  /** A new incarnation, with a new store client address; a machine that is off is switched on first. Resolves when the process runs, not when it serves. */
  start(): Promise<void>;
  /** The addresses of its own listeners, by its own word. */
  listeners(): Promise<string[]>;
  /** Asks its process whether the store answers it. */
  reachesStore?(): Promise<boolean>;
  removeListeners(): Promise<void>;
  addListeners(): Promise<void>;
}

/** fio on one host (workload/fio): the jobs of the plan that name it. Each wait has a limit, milliseconds. */
export interface FioNode {
  /** Finds out what this fio can do and fills the regions that jobs verify. */
  prepare(prefillLimitMs: number): Promise<void>;
  /** Starts the jobs' load. False: one did no I/O within the limit; it goes on. */
  start(limitMs: number): Promise<boolean>;
  /** Waits for the jobs that end by themselves: for their runtime, or for this long. */
  finish(passesLimitMs: number): Promise<void>;
  /** Ends the jobs that run. */
  stop(): Promise<void>;
  /** Reads every region that jobs verify. False: not within the limit. */
  verify(limitMs: number): Promise<boolean>;
  /** Ends everything at once; nothing starts afterwards. */
  kill(): Promise<void>;
}

/** What a lab has under test. `components`: further parts and their versions, e.g. kernel, nvme-cli, fio. */
export interface Product {
  name: string;
  version: string;
  components: Record<string, string>;
}

/** One initiator: it has paths to everything, and does I/O on the namespaces that the plan gives it (plan/hosts.ts). */
export interface HostNode {
  readonly name: string;
  /** Absent where the host has no block devices that fio could open. */
  readonly fio?: FioNode;
  /**
   * Connects every path; resolves when all namespaces have a usable path, or with those that got none in time:
   * gateways that serve and a host that finds nothing there are a finding, not a broken lab.
   */
  connect(): Promise<void | { missing: string[] }>;
  /** Emits a host.inventory event with this label. */
  inventory(label: string): Promise<void>;
  startLoad(): Promise<void>;
  stopLoad(): Promise<void>;
  reread(pass: 'at-once' | 'delayed'): Promise<void>;
  /** Reads on every path that is inaccessible now and must refuse it. Absent where a host cannot choose its paths. */
  audit?(): Promise<{ answered: number; refused: number }>;
  /**
   * Withholds the data phase of up to `perNamespace` writes to each of these namespaces that go through the
   * gateway, and keeps their association open even when the host gives it up. Resolves with those held once
   * there are as many, or when no more came in time. Ability `host.hold-write`.
   */
  holdWrites?(gateway: string, nsids: readonly number[], perNamespace: number): Promise<HeldWrite[]>;
  /**
   * Sends what was held. `dropped`: its connection was gone. With `unserved` those are dropped, too, that the host has sent
   * again meanwhile and whose gateway serves the namespace: whose access nobody has taken away.
   */
  releaseWrites?(which?: { unserved?: boolean }): Promise<{ sent: number; dropped: number }>;
}

/** A write whose command the gateway has and whose data it waits for. */
export interface HeldWrite { nsid: number; slba: number; nlb: number }

/** Administrator's access to the monitor. */
export interface MonitorNode {
  command(command: Record<string, string | number>): Promise<CommandReply>;
}

/** A daemon of the gateways' service, by `ceph orch ps`; `host`: the plan's name of the gateway. */
export interface CephadmDaemon {
  name: string;
  host: string;
  /** `running`, `stopped`, `error`, `unknown` (src/python-common/ceph/deployment, DaemonDescriptionStatus). */
  status: string;
}

/** cephadm and podman, as the administrator of the gateways' service has them. Ability `cephadm`. */
export interface CephadmNode {
  /** Name of the service, `nvmeof.POOL.GROUP`. */
  readonly service: string;
  /** cephadm's name of a gateway's host. */
  hostOf(gateway: string): string;
  /** Runs `ceph orch COMMAND` and returns what it prints. */
  orch(command: string): Promise<string>;
  /** Applies the service with these gateways' hosts as its placement, one more at a time, so that the monitor knows the gateways in this order. */
  place(gateways: readonly string[]): Promise<void>;
  /** The service's daemons, looked at anew. */
  daemons(): Promise<CephadmDaemon[]>;
  /** The group's gateways by the ids that cephadm gave them, by the monitor's word (`ceph nvme-gw show`). */
  gatewayIds(): Promise<{ id: string; host: string; anaGroup: number; availability: string }[]>;
  /** Ids of the gateways' containers that podman runs on a gateway's host. */
  containers(gateway: string): Promise<string[]>;
  killContainer(gateway: string, container: string): Promise<void>;
  /** The commands about gateways in the monitor's audit log, oldest first. */
  audit(): Promise<string[]>;
  /** The next end of this gateway's process is asked for. */
  expectEnd(gateway: string): void;
  /** Resolves when a process of the gateway runs and is reached. An infra error when none is in time. */
  untilRuns(gateway: string): Promise<void>;
}

/** Links have the names `gw1-store`, `gw1-monitor`, `host1-gw1`, `monitor-store`. */
export interface LinkNode {
  cut(link: string, mode: LinkCutMode, direction: LinkDirection): Promise<void>;
  heal(link: string): Promise<void>;
  stats(link: string): Promise<LinkStats>;
}

export interface StoreNode {
  state(): Promise<{ epoch: number; blocklist: string[]; /** Held operations by gateway, where the store can hold any. */ injection?: { held: Record<string, number> } }>;
  /** Holds every mutation of this gateway's present store client from now on, before it is executed. Ability `store.hold`. */
  holdWrites?(gateway: string): Promise<void>;
  /** Lets them go on, in order; returns how many there were. */
  releaseWrites?(gateway: string): Promise<number>;
}

/**
 * The nodes under test. `up` and `down` are idempotent; `down` also undoes a half-done `up`. A lab that
 * cannot be brought up throws an infra error (exit 3) with the last lines of the log of the node to blame.
 */
export interface Lab {
  readonly abilities: ReadonlySet<Ability>;
  readonly gateways: ReadonlyMap<string, GatewayNode>;
  /** By name, in the order of the plan; empty until the lab is up. */
  readonly hosts: ReadonlyMap<string, HostNode>;
  readonly monitor: MonitorNode;
  readonly links: LinkNode;
  readonly store: StoreNode;
  readonly cephadm?: CephadmNode;
  up(progress: (step: string) => void): Promise<void>;
  down(): Promise<void>;
  /** Processes of the lab on this machine that run now; none for a lab whose nodes are elsewhere. */
  processes(): { name: string; pid: number }[];
  /** What is under test, once the lab is up. A run on a lab that does not say it passes no gate that names a product. */
  product?(): Promise<Product>;
  /** Settles with a reason when a node that nobody meant to end ends; the run is `infra` then. */
  readonly broken: Promise<string>;
}

/**
 * What a lab does with what its nodes report. `node` is the name of the reporting node, `errUs` the bound of the error
 * of the event's time, microseconds (0: the node shares our clock).
 */
export type LabEventSink = (node: string, event: NodeEvent | EventBody, errUs?: number) => void;
