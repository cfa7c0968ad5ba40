import { IoOpcode } from '../../nvme/index.js';
import type { HostCounters } from './counters.js';
import type { IoRequest } from './io-request.js';

/** Codes of an `IoResult` that is not ok. */
export type IoCode =
  /** Answered with `status`. */
  | 'NVME_STATUS'
  /** No path, and none that may still come. */
  | 'NO_PATH'
  /** Over a bound of the requeue list, or of a queue's waiting list. */
  | 'QUEUE_FULL'
  | 'QUEUE_TIMEOUT'
  | 'FAILOVER_TIMEOUT'
  | 'FAILOVERS_EXHAUSTED'
  /** The AbortSignal fired. */
  | 'ABORTED'
  /** Sent, not answered, and not safe to send again. */
  | 'NOT_REPLAYED'
  /** The connection of an I/O that is pinned to one controller was lost. */
  | 'CONNECTION_LOST'
  /** The host was closed. */
  | 'CLOSED'
  | 'INVALID_ARGUMENT';

/** `label`: the queue that answered. */
export function settleOk(io: IoRequest, label: string, data: Buffer | null, counters: HostCounters): void {
  counters.iosOk += 1;
  if (io.opcode === IoOpcode.write) counters.bytesWritten += io.bytes;
  const base = { outcome: 'ok' as const, status: 0, dnr: false, code: 'OK', path: label, sends: io.sends };
  if (io.readBytes === 0) return io.settle(base);
  counters.bytesRead += io.readBytes;
  io.settle({ ...base, data: data! });
}

/**
 * An end that is no success. It is `info` as soon as one send had no answer, whatever other sends were
 * answered: that one may have been executed, or may still be. A read that was answered at last has failed
 * and nothing else.
 */
export function settleNotOk(io: IoRequest, code: IoCode, counters: HostCounters): void {
  const unknown = io.unanswered > 0 && !(code === 'NVME_STATUS' && !io.mutates);
  if (unknown) counters.iosInfo += 1;
  else counters.iosFailed += 1;
  io.settle({ outcome: unknown ? 'info' : 'fail', status: io.status, dnr: io.dnr, code, path: io.answeredBy, sends: io.sends });
}
