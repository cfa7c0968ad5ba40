import type { CommandReply, MonitorClient } from '../monitor/index.js';
import type { MonitorGatewayView } from '../history/events.js';

/** A look at one group, as it comes from a monitor. */
export interface GroupLook {
  /** Monotonic, milliseconds. */
  nowMs: number;
  epoch: number;
  gwEpoch: number;
  gateways: MonitorGatewayView[];
  /** Were there commits of this group since the last look that no look has shown? */
  missed: boolean;
}

/** One incarnation's way to the monitor and to the store. */
export interface GatewaySession {
  client: MonitorClient;
  waitForStoreEpoch: (epoch: number) => Promise<void>;
}

/** A monitor that schedules are run on: the model, or a real ceph-mon. */
export interface MonitorSide {
  readonly name: string;
  /** Longest time between a decision of the monitor and the commit that shows it, milliseconds. */
  readonly commitMs: number;
  /** A session of its own for a new incarnation of a gateway. Closed by its client's `close`. */
  connect(gateway: string): GatewaySession;
  /** As an administrator. */
  command(command: Record<string, string | number>): Promise<CommandReply>;
  /** Tells of every state of the group from now on; the function ends it. Rejects if the monitor cannot be asked at all. */
  observe(group: string, onLook: (look: GroupLook) => void): () => void;
  /** Why the group cannot be observed any more; undefined if it can. */
  readonly failure: string | undefined;
  /** Longest time between two looks since `sinceMs` of the monotonic clock, milliseconds. 0: it tells of every commit itself. */
  sampleGapMaxMs(sinceMs: number): number;
  /** Kills the monitor and brings it back after `downMs`. Absent: it cannot be done here. */
  restart?: (downMs: number) => Promise<void>;
  close(): Promise<void>;
}
