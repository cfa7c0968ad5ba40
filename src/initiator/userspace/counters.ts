/**
 * Cumulative counters of one host. Plain fields: the hot path increments them. The names are the keys
 * of the `host.counters` event and, as `pathproof_host_<snake_case>_total`, of the Prometheus text.
 */
export class HostCounters {
  /** Block operations by how they ended. */
  iosOk = 0;
  iosFailed = 0;
  iosInfo = 0;
  bytesRead = 0;
  bytesWritten = 0;
  /** I/O commands put on a wire, replays and retries included. */
  ioSends = 0;

  /** I/Os sent again on the same path after a retryable error. */
  localRetries = 0;
  /** I/Os that left a path because of a path error or a lost connection. */
  failovers = 0;
  /** Changes of the current path of a namespace. */
  pathMoves = 0;
  /** Voluntary moves that `minFailoverIntervalMs` put off. */
  suppressedMoves = 0;
  /** I/Os whose replay waited for `failoverHold`. */
  heldReplays = 0;
  /** Sent commands without an answer that may not be replayed (compare): ended `info`. */
  notReplayed = 0;
  /** Entries into a requeue list. */
  requeued = 0;
  queueFull = 0;
  queueTimeouts = 0;
  failoverTimeouts = 0;
  failoversExhausted = 0;
  noPathFailures = 0;
  aborted = 0;
  pathErrors = 0;
  cooldowns = 0;

  /** Completions or data for a command that had already ended, or from a connection already given up: ignored. */
  lateCompletions = 0;
  /** Write completions delivered only once the socket let go of their buffer. */
  pinnedCompletions = 0;
  ioTimeouts = 0;
  adminTimeouts = 0;
  /** Deadlines that had passed only because this process was stalled: the answer was already there. */
  timeoutsForgiven = 0;
  keepAlivesSent = 0;
  keepAlivesSkipped = 0;
  keepAliveFailures = 0;
  transportErrors = 0;
  protocolErrors = 0;
  headerDigestErrors = 0;
  dataDigestErrors = 0;
  termReqsSent = 0;
  termReqsReceived = 0;
  r2ts = 0;
  r2tsHeld = 0;
  /** Associations that were given up but left open for a held data phase (`HoldOptions.keepAssociation`). */
  associationsKept = 0;

  resets = 0;
  connectAttempts = 0;
  connectFailures = 0;
  reconnects = 0;
  connectDnr = 0;
  controllersRemoved = 0;
  failfastExpired = 0;
  anattTimeouts = 0;

  aens = 0;
  aerErrors = 0;
  anaLogReads = 0;
  anaLogErrors = 0;
  /** Namespaces found without an ANA group descriptor: not used until one appears. */
  anaGroupMissing = 0;
  rescans = 0;
  rescanErrors = 0;
  identityMismatches = 0;
  capacityMismatches = 0;

  activations = 0;
  activationsFailed = 0;
  /** Event listeners that threw. */
  listenerErrors = 0;

  snapshot(): Record<string, number> {
    return { ...(this as unknown as Record<string, number>) };
  }
}
