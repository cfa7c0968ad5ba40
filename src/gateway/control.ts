import type { AnaStateName } from '../history/events.js';

/**
 * What the gateway agent needs from a gateway's data plane, whichever it is: our userspace target, the
 * Linux kernel target (nvmet configfs) or SPDK's (JSON-RPC). A driver translates; it decides nothing.
 *
 * Calls take effect in the order in which they were made, even if an earlier one has not settled yet:
 * an `inaccessible` must overtake a promotion that is still under way, never the other way round.
 */
export interface GatewayControl {
  /** The data plane as it is now. A rejection means that the data plane does not answer (availability UNAVAILABLE). */
  describe(): Promise<GatewayDescription>;
  /** Every ANA group of a new subsystem is `inaccessible` until `setAnaState` says otherwise (SPDK issue 3154). */
  addSubsystem(subsystem: ControlSubsystem): Promise<void>;
  /** Also ends its controllers. */
  removeSubsystem(nqn: string): Promise<void>;
  addNamespace(nqn: string, namespace: ControlNamespace): Promise<void>;
  removeNamespace(nqn: string, nsid: number): Promise<void>;
  /** Resolves with the address that is really bound (port 0 asks for any free port). */
  addListener(nqn: string, listener: ControlListener): Promise<SocketAddress>;
  /** `address` as `addListener` returned it. Its connections to this subsystem are reset, never closed gently. */
  removeListener(nqn: string, address: SocketAddress): Promise<void>;
  /**
   * Sets one ANA group of one subsystem, or of all (`nqn` null). New commands see the state at once; the
   * promise resolves when no command that was admitted under an accessible state is still at the backend.
   */
  setAnaState(nqn: string | null, group: number, state: ControlAnaState): Promise<void>;
}

/** `unknown` is what a host without knowledge has; a target always has a state. */
export type ControlAnaState = Exclude<AnaStateName, 'unknown'>;

export interface SocketAddress { host: string; port: number }

export interface ControlSubsystem {
  nqn: string;
  /** Identify Controller SN, 1–20 printable ASCII characters. Equal at every gateway of the group. */
  serial: string;
  /** 0-based index of this gateway in its group: it owns cntlids index*2040+1 … (index+1)*2040 (ceph-nvmeof). */
  groupIndex: number;
  /** Host NQNs that may connect. Absent: any. */
  hosts?: readonly string[];
}

export interface ControlNamespace {
  nsid: number;
  /** RFC 4122 text form. */
  uuid: string;
  /** 32 hexadecimal digits. */
  nguid: string;
  /** 1-based. */
  anaGroup: number;
  /** Name of the image (RBD or lab store) that it is stored on. */
  image: string;
}

export interface ControlListener extends SocketAddress {
  /** The address that hosts can reach, where a link or NAT sits in between. Default: the bound one. */
  advertised?: SocketAddress;
}

export interface ListenerDescription { bound: SocketAddress; advertised: SocketAddress }

export interface SubsystemDescription {
  nqn: string;
  listeners: ListenerDescription[];
  namespaces: { nsid: number; uuid: string; anaGroup: number }[];
  /** Key: 1-based ANA group. */
  ana: Record<number, ControlAnaState>;
}

export interface GatewayDescription {
  /** `userspace`, `nvmet`, `spdk`. */
  driver: string;
  subsystems: SubsystemDescription[];
}

/** Identify Controller MN, as ceph-nvmeof's gateways have it. */
export const modelNumber = 'Ceph bdev Controller';

/** From the most to the least that a host may do. */
export const anaStatesByAccess: readonly ControlAnaState[] = ['optimized', 'non-optimized', 'change', 'inaccessible', 'persistent-loss'];

/** Equal for equal addresses. */
export function addressKey({ host, port }: SocketAddress): string {
  return `${host} ${port}`;
}

/** Width of the controller id range of one gateway (ceph-nvmeof: CNTLID_RANGE_SIZE by gateway index). */
export const cntlidsPerGateway = 2040;

/** The controller ids that the gateway with this 0-based index may hand out, both ends included. */
export function cntlidRange(groupIndex: number): { min: number; max: number } {
  return { min: groupIndex * cntlidsPerGateway + 1, max: (groupIndex + 1) * cntlidsPerGateway };
}
