import type { MonitorClient } from '../../monitor/client.js';
import type { LabTimers } from '../../plan/types.js';
import type { ControlListener, ControlNamespace, GatewayControl } from '../control.js';

/** A subsystem that the gateway is to serve once the monitor has told it its place in the group. */
export interface AgentSubsystem {
  nqn: string;
  serial: string;
  namespaces: ControlNamespace[];
  listeners: ControlListener[];
  /** Host NQNs that may connect. Absent: any. */
  hosts?: readonly string[];
}

/**
 * Why an agent ended. After any of them nothing is served any more; a restart is a new incarnation, with
 * a new nonce.
 *
 * - `failed-over`: the monitor no longer counts this gateway in, or has given its groups away.
 * - `monitor-silent`: no first map within `connectPanicMs`, or none at all for `disconnectPanicMs`.
 * - `fenced`: the store has blocklisted this gateway's client.
 * - `store-lost`: what does this gateway's I/O has ended, and its client with it.
 * - `control-failed`: the data plane refused the configuration.
 * - `stopped`: `stop()` was called.
 */
export type AgentEndReason = 'failed-over' | 'monitor-silent' | 'fenced' | 'store-lost' | 'control-failed' | 'stopped';

export interface AgentEnd { reason: AgentEndReason; detail: string }

/**
 * - `created`: no usable map yet; CREATED beacons without subsystems.
 * - `configuring`: the first map told the group index; the data plane is being set up.
 * - `serving`: AVAILABLE beacons (or UNAVAILABLE while the data plane does not answer).
 * - `ended`: see `ended`.
 */
export type AgentPhase = 'created' | 'configuring' | 'serving' | 'ended';

export interface AgentState {
  phase: AgentPhase;
  /** What the last beacon said. */
  availability: 'CREATED' | 'AVAILABLE' | 'UNAVAILABLE';
  /** 0-based; undefined before the first usable map. */
  groupIndex: number | undefined;
  /** Newest store epoch that was waited for and applied; goes into beacons. */
  storeEpoch: number;
  /** Group epoch of the last map. */
  gwmapEpoch: number;
  /** Time since the last map (since `start` before the first one), milliseconds. */
  monSilentMs: number;
  monitorConnected: boolean;
  /** ANA promotions that wait for their store epoch. */
  promotionsWaiting: number;
  beaconsSent: number;
  mapsReceived: number;
}

export interface GatewayAgentOptions {
  gwId: string;
  pool: string;
  group: string;
  monitor: MonitorClient;
  control: GatewayControl;
  timers: Pick<LabTimers, 'scale' | 'beaconMs' | 'connectPanicMs' | 'disconnectPanicMs'>;
  /** Resolves once the store client has seen this epoch, so that no write older than its blocklist can land. */
  waitForStoreEpoch: (epoch: number) => Promise<void>;
  /**
   * Address of the store client, `ip:port/nonce`: what the monitor blocklists when it fails this gateway over. A store that has a
   * client for each image names that of the image.
   */
  nonce: string | ((image: string) => string);
  subsystems: AgentSubsystem[];
  /**
   * For this long after `start` one map that would mean "failed over" is ignored: it may be about the
   * previous incarnation. Default: mon_nvmeofgw_wrong_map_ignore_sec (15 s) × `timers.scale`.
   */
  wrongMapIgnoreMs?: number;
  /**
   * What a blocklisted gateway does. `end` (default): it ends, so that hosts lose the path and look for
   * another one. `stay`: it goes on, and every I/O reports a path error (0x300, no DNR); only the
   * monitor's map ends it. Both are honest, neither ever acknowledges what did not land.
   */
  onFenced?: 'end' | 'stay';
  /** Called when it begins to end, before anything is taken down. */
  onEnding?: (end: AgentEnd) => void;
  /** Monotonic time in microseconds. Default `ownNowUs`: a clock that nobody corrects while a time-out runs. */
  clock?: () => number;
  log?: (line: string) => void;
}

/** mon_nvmeofgw_wrong_map_ignore_sec, milliseconds. */
export const wrongMapIgnoreDefaultMs = 15_000;
