/**
 * The events of history.ndjson, one JSON object per line, append-only (docs/FORMAT.md, "Events").
 *
 * Every event carries its time in the harness's monotonic clock (already converted from the clock of
 * the node that saw it), the wall time, the node, and the estimate of that node's clock offset with
 * its error, so that a checker can tell what it may and may not order.
 */

/** ANA states as the NVMe base specification names them (ANA log page, LID 0Ch), plus what a host without knowledge has. */
export type AnaStateName = 'optimized' | 'non-optimized' | 'inaccessible' | 'persistent-loss' | 'change' | 'unknown';

/** Controller states with the Linux names (drivers/nvme/host/core.c, nvme_sysfs_show_state). */
export type ControllerStateName = 'new' | 'connecting' | 'live' | 'resetting' | 'deleting' | 'dead';

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
  | { type: 'log'; level: 'info' | 'warn' | 'error'; message: string }
  | { type: 'node'; name: string; role: string; state: 'started' | 'ready' | 'exited' | 'killed' | 'paused' | 'resumed'; pid?: number; exitCode?: number | null; signal?: string | null; expected?: boolean; detail?: string }
  /** A host controller changed its state. `cause`: e.g. keep-alive-timeout, transport-reset, io-timeout, requested. */
  | { type: 'host.controller'; host: string; controller: string; gateway: string; address: string; cntlid: number; state: ControllerStateName; cause?: string }
  /** A path (controller × namespace) changed. `usable`: the head may send I/O on it now. */
  | { type: 'host.path'; host: string; path: string; controller: string; gateway: string; nsUuid: string; nsid: number; anaGroup: number; ana: AnaStateName; controllerState: ControllerStateName; usable: boolean; cause?: string }
  | { type: 'host.path-gone'; host: string; path: string; controller: string; gateway: string; nsUuid: string; nsid: number; cause?: string }
  /** The head moved I/O of a namespace from one path to another. */
  | { type: 'host.failover'; host: string; nsUuid: string; nsid: number; from: string | null; to: string | null; cause: string; inflight: number }
  /** The head's requeue list: no usable path (`queueing`) or drained again. */
  | { type: 'host.queue'; host: string; nsUuid: string; nsid: number; state: 'queueing' | 'drained'; depth: number; oldestUs: number }
  /** An ANA log as the host read it, where its initiator tells. `states`: key: 1-based group. */
  | { type: 'host.ana-log'; host: string; controller: string; gateway: string; cntlid: number; changeCount: number; states: Record<string, AnaStateName> }
  | { type: 'host.aen'; host: string; controller: string; gateway: string; result: number }
  /** What the host sees at a named moment; `label`: start | end | …. */
  | { type: 'host.inventory'; host: string; label: string; controllers: { controller: string; gateway: string; address: string; cntlid: number; subnqn: string; state: ControllerStateName }[]; namespaces: InventoryNamespace[] }
  /** Cumulative counters of the initiator (late completions ignored, replays, suppressed failovers…). */
  | { type: 'host.counters'; host: string; counters: Record<string, number> }
  | { type: 'mon.map'; epoch: number; gwEpoch: number; pool: string; group: string; gateways: MonitorGatewayView[] }
  /** The target's own word about its ANA groups (key: 1-based group) and listeners. */
  | { type: 'gw.state'; gateway: string; ana: Record<string, AnaStateName>; listeners: string[]; namespaces: number; serving: boolean; storeEpoch: number; monSilentMs: number; /** R2Ts whose data has not come yet. */ awaitingData?: number }
  | { type: 'store.state'; epoch: number; blocklist: string[]; clients: { address: string; name: string; fenced: boolean }[]; droppedWrites: number }
  | { type: 'fault'; id: string; fault: string; target: string; phase: FaultPhase; observer?: string; evidence?: string }
  /** How densely an observer looked since its last coverage event. `maxGapUs`: the longest time without a look. */
  | { type: 'observe.coverage'; observer: string; fromUs: number; toUs: number; samples: number; maxGapUs: number }
  /** I/O of one namespace since the last such event. Latencies are invoke → completion, in microseconds. */
  | { type: 'io.stats'; host: string; nsUuid: string; nsid: number; fromUs: number; toUs: number; reads: number; writes: number; bytesRead: number; bytesWritten: number; failed: number; info: number; latencyMeanUs: number; latencyP99Us: number; latencyMaxUs: number; inflight: number; queued: number }
  /** Re-read of blocks after the workload. `pass`: at-once | delayed. */
  | { type: 'reread'; pass: string; state: 'begin' | 'end'; nsUuid: string; nsid: number; blocks: number; path?: string }
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
