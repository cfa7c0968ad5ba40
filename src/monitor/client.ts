import type { AvailabilityName } from '../history/events.js';

/**
 * What a gateway agent needs from a monitor, whichever it is: the embedded model over its own JSON
 * protocol, or a real ceph-mon over msgr2. The fields mirror MNVMeofGwBeacon and MNVMeofGwMap
 * (ceph/src/messages/MNVMeofGwBeacon.h, MNVMeofGwMap.h).
 */
export interface BeaconListener { adrfam: 'IPv4' | 'IPv6'; traddr: string; trsvcid: string }
export interface BeaconNamespace {
  /** 1-based ANA group. */
  anaGroup: number;
  /** Address of the RADOS (store) client that does this namespace's I/O: `ip:port/nonce`. What the monitor blocklists. */
  nonce: string;
}
export interface BeaconSubsystem { nqn: string; listeners: BeaconListener[]; namespaces: BeaconNamespace[] }

export interface Beacon {
  gwId: string;
  pool: string;
  group: string;
  subsystems: BeaconSubsystem[];
  availability: Exclude<AvailabilityName, 'DELETING'>;
  /** The newest store (osdmap) epoch that this gateway has waited for. */
  lastOsdEpoch: number;
  /** The group epoch of the last map received. */
  lastGwmapEpoch: number;
}

/** Exported ANA state of a group at this gateway; `osdEpoch` ≠ 0: be at that store epoch before you serve. */
export interface MapAnaState { state: 'OPTIMIZED' | 'INACCESSIBLE'; osdEpoch: number }

export interface GatewayMapEntry {
  gwId: string;
  /** 0-based: this gateway's own ANA group is groupIndex + 1; cntlid range is groupIndex*2040+1 …. */
  groupIndex: number;
  availability: AvailabilityName;
  /** ana[i] is ANA group i + 1. */
  subsystems: { nqn: string; ana: MapAnaState[] }[];
}

/** A unicast map: `entry` is undefined when the monitor does not (or no longer) count this gateway in. */
export interface GatewayMap { epoch: number; entry: GatewayMapEntry | undefined }

export interface CommandReply { code: number; status: string; output: string }

/** One gateway's session with the monitor. It reconnects by itself; beacons while disconnected are dropped. */
export interface MonitorClient {
  onMap(listener: (map: GatewayMap) => void): void;
  onConnection(listener: (connected: boolean) => void): void;
  sendBeacon(beacon: Beacon): void;
  /** A monitor command, e.g. {prefix: 'nvme-gw show', pool, group}. Rejects when not connected. */
  command(command: Record<string, string | number>): Promise<CommandReply>;
  close(): Promise<void>;
}
