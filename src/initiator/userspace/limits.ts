/** Bounds of the userspace host that no option can raise. */
export const HostLimit = {
  /** Cids are generation << 12 | slot, and cid FFFFh means "no command" in an error log entry. */
  queueEntriesMax: 4_000,
  /** Entries of an admin queue, as Linux has them (NVME_AQ_DEPTH). */
  adminQueueEntries: 32,
  ioQueuesMax: 64,
  /** Commands that wait for a free slot of one queue; more end with `QUEUE_FULL`. */
  waitingPerQueueMax: 65_536,
  /** Payload of one C2HData PDU. MDTS bounds a read; a controller without MDTS is bounded by this. */
  pduDataMaxBytes: 16 * 1024 * 1024,
  /** The largest single I/O of a controller that reports no MDTS. */
  transferMaxBytes: 8 * 1024 * 1024,
  /** ANA log, changed-namespace list and namespace list together never need more: 16 groups, thousands of namespaces. */
  logPageMaxBytes: 4 * 1024 * 1024,
  /** Namespaces that are scanned per controller. */
  namespacesMax: 4_096,
  /** Log pages that are read in pieces are read again when they changed under way, this often. */
  logRestartsMax: 5,
  /** Records of "set namespace active" kept per head. */
  activationsKept: 32,
  controllersMax: 256,
  /** First and longest wait before an ANA log that did not help (failed, or a group is missing in it) is read again. */
  anaRetryMinMs: 50,
  anaRetryMaxMs: 1_000,
  /** A controller that is removed on request gets this long for its shutdown notification. */
  shutdownMaxMs: 1_000,
} as const;
