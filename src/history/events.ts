/**
 * The events of history.ndjson, one JSON object per line, append-only (docs/FORMAT.md, "Events").
 *
 * Every event carries its time in the harness's monotonic clock (already converted from the clock of
 * the node that saw it), the wall time, the node, and the estimate of that node's clock offset with
 * its error, so that a checker can tell what it may and may not order.
 */

/** ANA states as the NVMe base specification names them (ANA log page, LID 0Ch), plus what a host without knowledge has. */
export type AnaStateName = 'optimized' | 'non-optimized' | 'inaccessible' | 'persistent-loss' | 'change' | 'unknown';

/** Controller states with the Linux names (drivers/nvme/host/sysfs.c, nvme_sysfs_show_state); `unknown`: one that this version has no name for. */
export type ControllerStateName = 'new' | 'connecting' | 'live' | 'resetting' | 'deleting' | 'dead' | 'unknown';

/** What a line of the kernel's log is about (src/initiator/kernel/kernel-log-facts.ts). */
export type KernelLogTopic =
  | 'error-recovery' | 'reconnect' | 'reconnected' | 'connect-failed' | 'created' | 'removed' | 'keep-alive' | 'timeout'
  | 'no-path' | 'failfast' | 'io-error' | 'ana' | 'namespaces' | 'target' | 'lost' | 'other';
/** Levels of syslog(3). */
export type KernelLogLevel = 'emerg' | 'alert' | 'crit' | 'err' | 'warning' | 'notice' | 'info' | 'debug';

/** One path's share of the I/O in a stretch of time, by the kernel's own counters. */
export interface PathIo {
  path: string;
  controller: string;
  gateway: string;
  nsUuid: string;
  nsid: number;
  /** Requests that ended on this path. Those that the kernel moved to another path count too: only bytes prove that data went through. */
  reads: number;
  writes: number;
  /** Bytes of the requests that ended here for good. */
  bytesRead: number;
  bytesWritten: number;
  /** Requests that were on the path already when the stretch began. */
  inflightBefore: number;
  /** Commands that ended with an error; null: this kernel does not count them. */
  errors: number | null;
}

/** NVMeofGwMon's availability of a gateway. */
export type AvailabilityName = 'CREATED' | 'AVAILABLE' | 'UNAVAILABLE' | 'DELETING';

/** NVMeofGwMon's state of one gateway for one ANA group, as `ceph nvme-gw show` prints it. */
export type GroupStateName =
  | 'IDLE' | 'STANDBY' | 'ACTIVE' | 'OWNER_FAILBACK_PREPARED' | 'WAIT_FAILBACK_PREPARED' | 'WAIT_BLOCKLIST_CMPL';

/** Where a fault stands. `confirmed` and `heal-confirmed` come from an observer independent of the injector. */
export type FaultPhase =
  | 'injecting' | 'injected' | 'confirmed' | 'unconfirmed' | 'healing' | 'healed' | 'heal-confirmed' | 'heal-unconfirmed';

/** The monitor's view of one gateway. */
export interface MonitorGatewayView {
  id: string;
  /** 1-based ANA group that this gateway owns. */
  anaGroup: number;
  availability: AvailabilityName;
  adminState: 'ENABLED' | 'DISABLED';
  listeners: number;
  namespaces: number;
  /** Key: 1-based ANA group as a decimal string. */
  states: Record<string, GroupStateName>;
}

/** One process of fio: which job of which host, and which of its phases (plan/fio.ts). */
export interface FioProcessId {
  host: string;
  job: string;
  phase: 'prefill' | 'main' | 'verify';
}

/** One namespace as the host identified it. */
export interface InventoryNamespace {
  uuid: string;
  nguid: string;
  nsid: number;
  anaGroup: number;
  blockSize: number;
  blocks: number;
  /** Gateways whose controllers carry a path to it. */
  gateways: string[];
}

export type EventBody =
  | { type: 'run.start'; runId: string; suite: string; scenario: string; seed: string; lab: string; git: string; argv: string[]; version: string; planSha256: string; defects: string[] }
  | { type: 'run.phase'; phase: string; detail?: string }
  /** `infra`: the lab broke; the message says how. */
  | { type: 'run.end'; reason: 'completed' | 'interrupted' | 'infra'; message?: string }
  /** What is under test, by the lab's word, once it is up. `components`: further parts and their versions. */
  | { type: 'run.product'; name: string; version: string; components: Record<string, string> }
  | { type: 'log'; level: 'info' | 'warn' | 'error'; message: string }
  | { type: 'node'; name: string; role: string; state: 'started' | 'ready' | 'exited' | 'killed' | 'paused' | 'resumed' | 'stopping'; pid?: number; exitCode?: number | null; signal?: string | null; expected?: boolean; detail?: string }
  /** A host controller changed its state. `cause`: e.g. keep-alive-timeout, transport-reset, io-timeout, requested. */
  | { type: 'host.controller'; host: string; controller: string; gateway: string; address: string; cntlid: number; state: ControllerStateName; cause?: string }
  /** A path (controller × namespace) changed. `usable`: the head may send I/O on it now. */
  | { type: 'host.path'; host: string; path: string; controller: string; gateway: string; nsUuid: string; nsid: number; anaGroup: number; ana: AnaStateName; controllerState: ControllerStateName; usable: boolean; cause?: string }
  | { type: 'host.path-gone'; host: string; path: string; controller: string; gateway: string; nsUuid: string; nsid: number; cause?: string }
  /** The head moved I/O of a namespace from one path to another. */
  | { type: 'host.failover'; host: string; nsUuid: string; nsid: number; from: string | null; to: string | null; cause: string; inflight: number }
  /** The head's requeue list: no usable path (`queueing`) or drained again. */
  | { type: 'host.queue'; host: string; nsUuid: string; nsid: number; state: 'queueing' | 'drained'; depth: number; oldestUs: number }
  /** What an ANA log said that the host has read, where its initiator tells. `states`: key: 1-based group. */
  | { type: 'host.ana-states'; host: string; controller: string; gateway: string; cntlid: number; changeCount: number; states: Record<string, AnaStateName> }
  | { type: 'host.aen'; host: string; controller: string; gateway: string; result: number }
  /** The host has read the ANA log page of a controller; at `tUs` it was there, `tookUs` after it was asked for. `status`: SCT << 8 | SC. */
  | { type: 'host.ana-log'; host: string; controller: string; gateway: string; tookUs: number; status: number }
  /** Which path carried I/O, for a host that cannot say it of each operation. All paths that were there at both ends of the stretch. */
  | { type: 'host.path-io'; host: string; fromUs: number; toUs: number; paths: PathIo[] }
  /** A line of a node's kernel log that matters. `clockErrUs`: how far `tUs` may be off, besides the error of the node's clock. */
  | { type: 'kernel.log'; level: KernelLogLevel; message: string; topic: KernelLogTopic; device?: string; gateway?: string; clockErrUs: number }
  /** What the host sees at a named moment; `label`: start | end | …. */
  | { type: 'host.inventory'; host: string; label: string; controllers: { controller: string; gateway: string; address: string; cntlid: number; subnqn: string; state: ControllerStateName }[]; namespaces: InventoryNamespace[] }
  /** Cumulative counters of the initiator (late completions ignored, replays, suppressed failovers…). */
  | { type: 'host.counters'; host: string; counters: Record<string, number> }
  | { type: 'mon.map'; epoch: number; gwEpoch: number; pool: string; group: string; gateways: MonitorGatewayView[] }
  /** The target's own word about its ANA groups (key: 1-based group) and listeners. `storeAddress`: the client that does its I/O, where the lab cannot know it otherwise. */
  | { type: 'gw.state'; gateway: string; ana: Record<string, AnaStateName>; listeners: string[]; namespaces: number; serving: boolean; /** The OSD map that it waits for at least, and how long the monitor has been silent to it: where its program tells. */ storeEpoch?: number; monSilentMs?: number; storeAddress?: string; /** R2Ts whose data has not come yet. */ awaitingData?: number }
  | { type: 'store.state'; epoch: number; blocklist: string[]; clients: { address: string; name: string; fenced: boolean; /** ANA groups whose images it has open, where that is known; absent: all. */ anaGroups?: number[] }[]; droppedWrites?: number }
  /** A node's clock as measured: ours minus its monotonic clock, with the bound of the error of its events' times. */
  | { type: 'clock'; of: string; shiftUs: number; clockErrUs: number }
  | { type: 'fault'; id: string; fault: string; target: string; phase: FaultPhase; observer?: string; evidence?: string }
  /** How densely an observer looked since its last coverage event. `maxGapUs`: the longest time without a look. */
  | { type: 'observe.coverage'; observer: string; fromUs: number; toUs: number; samples: number; maxGapUs: number }
  /** I/O of one namespace since the last such event. Latencies are invoke → completion, in microseconds. */
  | { type: 'io.stats'; host: string; nsUuid: string; nsid: number; fromUs: number; toUs: number; reads: number; writes: number; bytesRead: number; bytesWritten: number; failed: number; info: number; latencyMeanUs: number; latencyP99Us: number; latencyMaxUs: number; inflight: number; queued: number }
  /** Re-read of blocks after the workload. `pass`: at-once | delayed. */
  | { type: 'reread'; pass: string; state: 'begin' | 'end'; nsUuid: string; nsid: number; blocks: number; path?: string }
  /**
   * A process of fio. `dir`: its artifacts, relative to the run's folder. `devices`: NSID → block device. `ended`: how;
   * `endedBy` tells whether the harness stopped or killed it. `failed`: it never ran.
   */
  | { type: 'fio.process'; state: 'started' | 'ended' | 'failed'; dir: string; version: string; devices: Record<string, string>; exitCode?: number | null; signal?: string | null; endedBy?: 'itself' | 'stop' | 'kill'; message?: string } & FioProcessId
  /**
   * Anchor of a fio log's clock: the harness time of its zero, and the error of that, microseconds. Looked at when
   * the process starts and when it has ended; the later one counts, its error contains the drift between the two.
   */
  | { type: 'fio.clock'; zeroUs: number; zeroErrUs: number; clock: 'monotonic' | 'realtime' | 'start' } & FioProcessId
  /** Rates of a running process over the last second, all namespaces together. */
  | { type: 'fio.stats'; readIops: number; writeIops: number } & FioProcessId
  /** What fio said at its end; what a checker finds in the artifacts counts, this is for people and scripts. */
  | { type: 'fio.result'; meaning: string; complete: boolean; reads: number; writes: number; bytesRead: number; bytesWritten: number; ioErrors: number; verifyErrors: number; messages: string[] } & FioProcessId
  /** How long the main threads of the test's processes on the harness's machine were runnable and waited for a processor. Only where the kernel tells. */
  | { type: 'machine.waits'; fromUs: number; toUs: number; waitsUs: Record<string, number> }
  /** `process` = `ps:<name>`: seen from outside, where event-loop delays cannot be measured (−1). */
  | { type: 'self.watch'; process: string; pid: number; loopDelayMaxUs: number; loopDelayP99Us: number; cpuPercent: number; rssBytes: number; fromUs: number; toUs: number };

/** What the writer adds to each event. */
export interface EventStamp {
  /** 1-based, no holes: a gap in a stored history means that lines were lost or removed. */
  seq: number;
  /** Monotonic time in the harness's clock domain, microseconds. */
  tUs: number;
  /** Wall-clock time, milliseconds since 1970 UTC. */
  wallMs: number;
  /** The node that observed it; `harness` for the harness itself. */
  node: string;
  /** Estimated offset (node clock − harness clock) that was already subtracted from tUs, microseconds. */
  offUs: number;
  /** Bound of the error of that estimate, microseconds. 0: the same clock. */
  errUs: number;
}

export type HistoryEvent = EventStamp & EventBody;
export type EventType = EventBody['type'];
export type EventOf<T extends EventType> = Extract<HistoryEvent, { type: T }>;

/** An event as a node reports it, before the harness's writer has stamped it. */
export type NodeEvent = EventBody & { tUs: number };
