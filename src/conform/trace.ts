import type { MonitorGatewayView } from '../history/events.js';

/** What `nvme-gw show` said of one (pool, group) at one moment. */
export interface Snapshot {
  /** Milliseconds since the schedule began on this side. */
  atMs: number;
  /** Global epoch of the map: one per commit. */
  epoch: number;
  gwEpoch: number;
  gateways: MonitorGatewayView[];
}

export interface ExecutedStep {
  index: number;
  text: string;
  atMs: number;
  /** Of a monitor command: what it returned. */
  code?: number;
}

/** A gateway was told to serve a group, with or without an epoch of the store to wait for. */
export interface ToldToServe { atMs: number; gateway: string; group: number; waits: boolean }

/** One schedule on one monitor. */
export interface Trace {
  side: string;
  steps: ExecutedStep[];
  snapshots: Snapshot[];
  promotions: ToldToServe[];
  /** The `until` that was given up, if one was. Nothing after it has happened. */
  stuckAt?: number;
  /** Why this is no evidence: the monitor could not be asked, a session never came up. */
  broken?: string;
  /** Commits of the group between two snapshots that nobody has seen: states may have come and gone in them. */
  missedCommits: number;
  /** Longest time without a look at the monitor, milliseconds. 0 for a monitor that tells of each commit. */
  sampleGapMaxMs: number;
  /** Longest delay of the harness's own event loop meanwhile, milliseconds. */
  stallMaxMs: number;
  endMs: number;
}
