import type { PathPolicy } from '../../plan/types.js';
import { pathPolicies } from '../../plan/types.js';
import { usageError } from '../../util/errors.js';
import { HostLimit } from './limits.js';
import type { ActivateHook } from './activation.js';

/**
 * What must pass before a command whose outcome is unknown (its connection was lost) is replayed on
 * another path.
 *
 * - `none`: at once, as Linux does. The old controller may still execute the old command.
 * - `{ ms }`: only after this time, which should cover the old controller's keep-alive expiry and its
 *   command quiesce time. TP4129 asks for (TBKAS ? 3 : 2) × KATO + CQT. Reads are never held.
 * - `ccr`: TP8028 Cross-Controller Reset. Known, but no target that we support offers it: refused.
 */
export type FailoverHold = 'none' | { ms: number } | 'ccr';

/** Timers are milliseconds; a default is the Linux host's unless its comment says otherwise. */
export interface HostOptions {
  /** Name of this host in events. */
  name: string;
  subNqn: string;
  hostNqn: string;
  /** UUID text or 32 hexadecimal digits. */
  hostId: string;

  /** Path selection, as `iopolicy` of nvme-subsystem. Default `numa`. */
  policy?: PathPolicy;
  /** Controller or gateway name of the path to prefer among paths of the same ANA class (policy `numa`). */
  preferred?: string | null;
  /** Return to the preferred path when it becomes usable again. Default true. Needs `preferred`. */
  autoFailback?: boolean;

  /** I/O queues per controller to ask for. Default 1. */
  ioQueues?: number;
  /** Entries of each I/O queue; one less can be in flight. Default 128. */
  queueSize?: number;
  headerDigest?: boolean;
  dataDigest?: boolean;
  /** R2Ts that a controller may have outstanding per command. Default 1: older nvmet refuses more. */
  maxR2t?: number;
  /** CATTR bit 2 of Connect: lets an SPDK target use the SUCCESS flag. Default false. */
  disableSqFlow?: boolean;

  /** Keep-alive timeout; 0 disables it. Default 5,000. */
  katoMs?: number;
  /** nvme_core.io_timeout: an unanswered I/O resets the controller. Default 30,000. */
  ioTimeoutMs?: number;
  /** nvme_core.admin_timeout; also bounds CSTS.RDY. Default 60,000. */
  adminTimeoutMs?: number;
  /** TCP connect and, separately, ICResp. Default 3,000 (Linux leaves both to TCP). */
  connectTimeoutMs?: number;
  /** Before each connect attempt after a loss. Default 10,000. */
  reconnectDelayMs?: number;
  /** An attempt count in disguise: ceil(ctrlLossTmoMs / reconnectDelayMs). −1: try forever. Default 600,000. */
  ctrlLossTmoMs?: number;
  /** I/O stops waiting for a controller that has been reconnecting this long. −1: off. Default −1. */
  fastIoFailTmoMs?: number;
  /** Treat a failed first connect like a lost connection (Linux gives up at once). Default true. */
  retryFirstConnect?: boolean;
  /** Read the ANA log this often although no event asked for it. 0: never. Default 0. */
  anaRefreshMs?: number;

  /** Retries on the same path after a retryable error that is no path error (nvme_core.max_retries). Default 5. */
  maxLocalRetries?: number;
  /** Moves of one I/O to another path. −1: unbounded. Default −1. */
  maxFailovers?: number;
  /** Longest stay in the requeue list. 0: unbounded. Default 0. */
  queueTimeoutMs?: number;
  /** From the first failover of an I/O to its success. 0: unbounded. Default 0. */
  failoverTimeoutMs?: number;
  /** Least time between two moves of a namespace of which the second is voluntary. Default 0. */
  minFailoverIntervalMs?: number;
  failoverHold?: FailoverHold;
  /** How long a path that answered with a path error, although its ANA state did not change, is avoided. Default 100. */
  pathCooldownMs?: number;
  /** How long the head of a namespace queues after its last path was removed. 0: fail at once. Default 0. */
  delayedRemovalMs?: number;
  /** Bounds of the requeue list of each namespace; an I/O over one ends with `QUEUE_FULL`. */
  requeueMaxIos?: number;
  requeueMaxBytes?: number;

  /** "Set namespace active" towards the target, see activation.ts. */
  activateHook?: ActivateHook | null;
  /** How long an activation may take until the path is optimized. Default 10,000. */
  activateTimeoutMs?: number;
}

export type ResolvedHostOptions = Required<HostOptions> & { hostIdBytes: Buffer };

type NumberOption = {
  [K in keyof HostOptions]-?: NonNullable<HostOptions[K]> extends number ? K : never;
}[keyof HostOptions];

/** default, smallest, largest. */
const numbers: Record<NumberOption, readonly [number, number, number]> = {
  ioQueues: [1, 1, HostLimit.ioQueuesMax],
  queueSize: [128, 2, HostLimit.queueEntriesMax],
  maxR2t: [1, 1, 65_536],
  katoMs: [5_000, 0, 3_600_000],
  ioTimeoutMs: [30_000, 1, 86_400_000],
  adminTimeoutMs: [60_000, 1, 86_400_000],
  connectTimeoutMs: [3_000, 1, 600_000],
  reconnectDelayMs: [10_000, 1, 3_600_000],
  ctrlLossTmoMs: [600_000, -1, 2 ** 31],
  fastIoFailTmoMs: [-1, -1, 2 ** 31],
  anaRefreshMs: [0, 0, 3_600_000],
  maxLocalRetries: [5, 0, 255],
  maxFailovers: [-1, -1, 2 ** 31],
  queueTimeoutMs: [0, 0, 2 ** 31],
  failoverTimeoutMs: [0, 0, 2 ** 31],
  minFailoverIntervalMs: [0, 0, 3_600_000],
  pathCooldownMs: [100, 0, 3_600_000],
  delayedRemovalMs: [0, 0, 2 ** 31],
  requeueMaxIos: [65_536, 1, 10_000_000],
  requeueMaxBytes: [256 * 1024 * 1024, 1, 2 ** 40],
  activateTimeoutMs: [10_000, 1, 3_600_000],
};

/**
 * Fills in the defaults. Throws a usage error (`HOST_OPTION`, or `FAILOVER_HOLD_CCR`) that names the
 * option and what it accepts.
 */
export function resolveOptions(options: HostOptions): ResolvedHostOptions {
  const resolvedNumbers = {} as Record<NumberOption, number>;
  for (const name of Object.keys(numbers) as NumberOption[]) {
    const [fallback, min, max] = numbers[name];
    const value = options[name] ?? fallback;
    if (!Number.isInteger(value) || value < min || value > max) {
      throw usageError('HOST_OPTION', `${name} = ${value} is not an integer in ${min}..${max}`);
    }
    resolvedNumbers[name] = value;
  }
  const policy = options.policy ?? 'numa';
  if (!pathPolicies.includes(policy)) {
    throw usageError('HOST_OPTION', `policy = ${String(policy)} is none of ${pathPolicies.join(', ')}`);
  }
  for (const name of ['name', 'subNqn', 'hostNqn'] as const) {
    if (typeof options[name] !== 'string' || options[name].length === 0) throw usageError('HOST_OPTION', `${name} is missing`);
  }
  return {
    ...resolvedNumbers,
    name: options.name,
    subNqn: options.subNqn,
    hostNqn: options.hostNqn,
    hostId: options.hostId,
    hostIdBytes: hostIdBytes(options.hostId),
    policy,
    preferred: options.preferred ?? null,
    autoFailback: options.autoFailback ?? true,
    headerDigest: options.headerDigest ?? false,
    dataDigest: options.dataDigest ?? false,
    disableSqFlow: options.disableSqFlow ?? false,
    retryFirstConnect: options.retryFirstConnect ?? true,
    failoverHold: resolveHold(options.failoverHold),
    activateHook: options.activateHook ?? null,
  };
}

function resolveHold(hold: FailoverHold | undefined): FailoverHold {
  if (hold === undefined || hold === 'none') return 'none';
  if (hold === 'ccr') {
    throw usageError(
      'FAILOVER_HOLD_CCR',
      'failoverHold = ccr: no supported target offers Cross-Controller Reset (TP8028)',
      "use 'none', or { ms } of at least 2 × KATO + CQT (3 × KATO + CQT with traffic based keep-alive)",
    );
  }
  if (typeof hold !== 'object' || !Number.isInteger(hold.ms) || hold.ms < 0 || hold.ms > 3_600_000) {
    throw usageError('HOST_OPTION', "failoverHold is none of 'none', { ms: 0..3600000 }");
  }
  return { ms: hold.ms };
}

/** `ceil(tmo / delay)`, as NVMf counts reconnects; −1: unbounded. */
export function maxReconnects(ctrlLossTmoMs: number, reconnectDelayMs: number): number {
  return ctrlLossTmoMs < 0 ? -1 : Math.ceil(ctrlLossTmoMs / reconnectDelayMs);
}

function hostIdBytes(hostId: string): Buffer {
  const hex = typeof hostId === 'string' ? hostId.replaceAll('-', '') : '';
  if (!/^[0-9a-fA-F]{32}$/.test(hex)) throw usageError('HOST_OPTION', `hostId = ${String(hostId)} is not a UUID or 32 hexadecimal digits`);
  return Buffer.from(hex, 'hex');
}
