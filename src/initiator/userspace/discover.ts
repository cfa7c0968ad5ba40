import { randomBytes } from 'node:crypto';
import type { DiscoveryEntry } from '../../nvme/index.js';
import { decodeDiscoveryHeader, decodeDiscoveryLog, discoveryLogBytes, discoveryNqn, formatUuid, LogId, Size } from '../../nvme/index.js';
import { infraError } from '../../util/errors.js';
import { HostCounters } from './counters.js';
import { DataHolds } from './data-hold.js';
import { HostLimit } from './limits.js';
import { ConnectionLost } from './loss.js';
import { Session } from './session.js';

export interface DiscoverOptions {
  host: string;
  port: number;
  /** Default: a random one. Targets may show each host only what it may use. */
  hostNqn?: string;
  /** 16 bytes. */
  hostId?: Buffer;
  /** For the TCP connection, the ICResp and each command, milliseconds. Default 5,000. */
  timeoutMs?: number;
}

/**
 * Reads the discovery log of a target, in order, as `nvme discover` does: header, whole log, and the header
 * again until the generation counter stands still.
 *
 * Rejects with `ConnectionLost`, `CommandFailed`, `ControllerRefused`, `NvmeCodecError`, or `DISCOVERY_UNSTABLE`
 * if the log kept changing.
 */
export async function discover(options: DiscoverOptions): Promise<DiscoveryEntry[]> {
  const hostId = options.hostId ?? randomBytes(16);
  const timeoutMs = options.timeoutMs ?? 5_000;
  const session: Session = new Session(
    {
      subNqn: discoveryNqn, hostNqn: options.hostNqn ?? `nqn.2014-08.org.nvmexpress:uuid:${formatUuid(hostId)}`, hostId,
      controller: 'discovery', gateway: options.host, host: options.host, port: options.port,
      ioQueues: 0, queueSize: HostLimit.adminQueueEntries, headerDigest: false, dataDigest: false, maxR2t: 1, disableSqFlow: false,
      // No keep-alive: the association lasts for a few commands.
      katoMs: 0, adminTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs,
      counters: new HostCounters(), holds: new DataHolds(), claimCntlid: () => true,
    },
    { onDown: (lost) => session.close(lost), onAna: () => undefined, onAen: () => undefined },
  );
  try {
    await session.openAdmin();
    for (let left: number = HostLimit.logRestartsMax; left > 0; left -= 1) {
      const header = decodeDiscoveryHeader(await session.readLog('discovery log', LogId.discovery, Size.discoveryHeader));
      if (header.numrec === 0) return [];
      const bytes = discoveryLogBytes(header.numrec);
      if (bytes > HostLimit.logPageMaxBytes) throw infraError('DISCOVERY_TOO_LARGE', `${header.numrec} discovery records`);
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes; at += pieces.at(-1)!.length) pieces.push(await session.readLog('discovery log', LogId.discovery, bytes - at, at));
      const log = decodeDiscoveryLog(Buffer.concat(pieces));
      const after = decodeDiscoveryHeader(await session.readLog('discovery log', LogId.discovery, Size.discoveryHeader));
      if (log.genctr === header.genctr && after.genctr === header.genctr) return log.entries;
    }
    throw infraError('DISCOVERY_UNSTABLE', `the discovery log of ${options.host}:${options.port} changed ${HostLimit.logRestartsMax} times while it was read`);
  } finally {
    await session.shutdown(Math.min(timeoutMs, HostLimit.shutdownMaxMs));
    session.close(new ConnectionLost('deleted', 'discovery is done'));
  }
}
