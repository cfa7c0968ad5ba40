import { isPathError } from '../../nvme/index.js';

export type Disposition = 'ok' | 'complete' | 'failover' | 'retry';

/**
 * What to do with an answered I/O, in the order of the Linux host (nvme_decide_disposition):
 *
 * 1. success;
 * 2. DNR: complete with the error, even if another path could serve it (nvme-tcp.md §6.15);
 * 3. path error (SCT 3): another path. Unlike Linux, also after `maxLocalRetries` retries on this one;
 * 4. anything else: again on the same path, after CRDT[crd − 1], up to `maxLocalRetries` times. A generic
 *    error never moves to another path (§6.16).
 *
 * An I/O that is pinned to one controller has no other path to go to.
 */
export function decideDisposition(
  answer: { status: number; dnr: boolean },
  io: { localRetries: number; pinned: boolean },
  maxLocalRetries: number,
): Disposition {
  if (answer.status === 0) return 'ok';
  if (answer.dnr) return 'complete';
  if (isPathError(answer.status)) return io.pinned ? 'complete' : 'failover';
  return io.localRetries >= maxLocalRetries ? 'complete' : 'retry';
}
