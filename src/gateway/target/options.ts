import type { BlockBackend } from '../backend.js';
import type { ControlListener, SocketAddress } from '../control.js';
import type { TargetHooks } from './hooks.js';

/** What the target tells about itself, for logs. */
export type TargetEvent =
  | { type: 'controller-connected'; nqn: string; cntlid: number; hostNqn: string; katoMs: number }
  | { type: 'controller-ended'; nqn: string; cntlid: number; hostNqn: string; cause: ControllerEndCause }
  /** The peer broke the transport protocol; its connection was answered with a TermReq and closed. */
  | { type: 'protocol-error'; remote: string; code: string; message: string }
  /** Not a BackendError: a bug in a backend or hook. The host got Internal Error. */
  | { type: 'internal-error'; message: string }
  | { type: 'ana-state'; nqn: string; group: number; state: string };

export type ControllerEndCause =
  | 'keep-alive-timeout' | 'admin-queue-lost' | 'shutdown' | 'listener-removed' | 'subsystem-removed' | 'target-closed';

/** Everything that a test or a lab may want to change about the target. */
export interface NvmeTcpTargetOptions {
  /** Digests that the target agrees to when a host asks. Default both. */
  allowHeaderDigest?: boolean;
  allowDataDigest?: boolean;
  /** Entries of one queue, 2–1024 (CAP.MQES + 1). Default 128, as SPDK. */
  queueEntriesMax?: number;
  /** I/O queues of one controller, 1–64. Default 16. */
  ioQueuesMax?: number;
  /** Data that an I/O command capsule may carry, bytes, a multiple of 16. Default 8192, as ceph-nvmeof. */
  inCapsuleBytes?: number;
  /** Maximum data transfer size: 4 KiB << mdts. Default 5 (128 KiB), as SPDK. */
  mdts?: number;
  /** MAXH2CDATA, bytes: multiple of 4, at least 4096 (Linux refuses less). Default 128 KiB. */
  maxH2cDataBytes?: number;
  /** Data asked for by one R2T, bytes. Default 128 KiB. */
  r2tBytes?: number;
  /** R2Ts outstanding for one command, as far as the host's MAXR2T allows. Default 4. */
  r2tOutstandingMax?: number;
  /** Payload of one C2HData PDU, bytes. Default 64 KiB. */
  c2hDataBytes?: number;
  /** ANAGRPMAX and NANAGRPID. Default 16: the gateways that one (pool, group) can have. */
  anaGroups?: number;
  /** ANATT, seconds. Default 10, as SPDK. */
  anattS?: number;
  /** NN and MNAN. Default 1024. */
  namespacesMax?: number;
  /** Async event requests that one controller may have outstanding (AERL + 1). Default 4. */
  asyncEventsMax?: number;
  /** A connection without a successful Connect for this long is closed, milliseconds. Default 10 000. */
  connectTimeoutMs?: number;
  /** How long the peer has to take a TermReq before the connection is destroyed, milliseconds. Default 500. */
  termReqLingerMs?: number;
  hooks?: TargetHooks;
  onEvent?: (event: TargetEvent) => void;
}

export interface TargetSubsystemOptions {
  nqn: string;
  /** 1–20 printable ASCII characters. */
  serial: string;
  /** Up to 40 printable ASCII characters. Default "pathproof userspace target". */
  model?: string;
  /** Controller ids that this target may hand out, both ends included, 1–0xFFEF. */
  cntlidMin: number;
  cntlidMax: number;
  /** Host NQNs that may connect. Default: any. */
  allowedHosts?: readonly string[];
}

export interface TargetNamespaceOptions {
  /** 1 … namespacesMax. */
  nsid: number;
  /** RFC 4122 text form. */
  uuid: string;
  /** 32 hexadecimal digits; dashes are ignored. */
  nguid: string;
  /** 1 … anaGroups. */
  anaGroup: number;
  /** `blockSize` a power of two, 512–4096. */
  backend: BlockBackend;
}

export interface TargetConnection {
  /** Undefined before Connect. */
  nqn: string | undefined;
  cntlid: number | undefined;
  qid: number | undefined;
  hostNqn: string | undefined;
  local: SocketAddress;
  /** `host:port`. */
  remote: string;
  /** Commands received and not yet completed. */
  outstanding: number;
  /** R2Ts whose data has not come yet. */
  awaitingData: number;
}

export type ListenerOptions = ControlListener;

/** The options with every default filled in. */
export type TargetSettings = Required<Omit<NvmeTcpTargetOptions, 'hooks' | 'onEvent'>> & {
  hooks: TargetHooks;
  onEvent: (event: TargetEvent) => void;
};

/** Fills in the defaults and refuses values that cannot work. Throws RangeError that names the option. */
export function settingsOf(o: NvmeTcpTargetOptions): TargetSettings {
  const integer = (name: string, value: number, min: number, max: number, multiple = 1): number => {
    if (!Number.isInteger(value) || value < min || value > max || value % multiple !== 0) {
      throw new RangeError(`${name} = ${value}: expected ${min}–${max}${multiple === 1 ? '' : `, a multiple of ${multiple}`}`);
    }
    return value;
  };
  return {
    allowHeaderDigest: o.allowHeaderDigest ?? true,
    allowDataDigest: o.allowDataDigest ?? true,
    queueEntriesMax: integer('queueEntriesMax', o.queueEntriesMax ?? 128, 2, 1024),
    ioQueuesMax: integer('ioQueuesMax', o.ioQueuesMax ?? 16, 1, 64),
    inCapsuleBytes: integer('inCapsuleBytes', o.inCapsuleBytes ?? 8192, 0, 64 * 1024, 16),
    mdts: integer('mdts', o.mdts ?? 5, 1, 10),
    maxH2cDataBytes: integer('maxH2cDataBytes', o.maxH2cDataBytes ?? 128 * 1024, 4096, 4 * 1024 * 1024, 4),
    r2tBytes: integer('r2tBytes', o.r2tBytes ?? 128 * 1024, 512, 4 * 1024 * 1024, 4),
    r2tOutstandingMax: integer('r2tOutstandingMax', o.r2tOutstandingMax ?? 4, 1, 64),
    c2hDataBytes: integer('c2hDataBytes', o.c2hDataBytes ?? 64 * 1024, 4, 4 * 1024 * 1024, 4),
    anaGroups: integer('anaGroups', o.anaGroups ?? 16, 1, 1024),
    anattS: integer('anattS', o.anattS ?? 10, 1, 255),
    namespacesMax: integer('namespacesMax', o.namespacesMax ?? 1024, 1, 16_384),
    asyncEventsMax: integer('asyncEventsMax', o.asyncEventsMax ?? 4, 1, 256),
    connectTimeoutMs: integer('connectTimeoutMs', o.connectTimeoutMs ?? 10_000, 1, 600_000),
    termReqLingerMs: integer('termReqLingerMs', o.termReqLingerMs ?? 500, 1, 60_000),
    hooks: o.hooks ?? {},
    onEvent: o.onEvent ?? (() => undefined),
  };
}

/** Most bytes of one data transfer. CAP.MPSMIN is 0, so MDTS counts 4 KiB pages. */
export function mdtsBytes(settings: Pick<TargetSettings, 'mdts'>): number {
  return 4096 << settings.mdts;
}
