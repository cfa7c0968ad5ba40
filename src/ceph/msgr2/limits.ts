/** Sizes that msgr2.1 fixes, bytes (ceph/src/msg/async/frames_v2.h). */
export const Size = {
  banner: 26,
  preamble: 32,
  crc: 4,
  /** Late status and three segment checksums. */
  epilogueCrc: 13,
  /** Late status and fifteen zero bytes: one AES block. */
  epilogueSecure: 16,
  gcmTag: 16,
  gcmNonce: 12,
  aesBlock: 16,
  /** Part of segment 0 that secure mode encrypts together with the preamble. */
  inlineSecure: 48,
  messageHeader: 41,
  signature: 32,
  /** AES-128-GCM key and two nonces are its first 40 bytes. */
  connectionSecret: 64,
  fsid: 16,
} as const;

/** Limits of this client. What exceeds one ends the connection with MSGR_LIMIT and is never allocated. */
export const Limit = {
  /** One frame from an authenticated monitor. The largest that occurs is a full osdmap; 10,000 OSDs make about 10 MiB. */
  frameBytesMax: 64 * 1024 * 1024,
  /** One frame before the peer has authenticated. The largest is AUTH_DONE: 1 KiB with three tickets. */
  handshakeFrameBytesMax: 64 * 1024,
  /** An entity id, pool, group, gateway id or key of a map. */
  nameBytesMax: 4096,
  /** Monitors of a monmap. */
  monsMax: 64,
  /** Addresses of one entity. */
  addressesMax: 16,
  /** Subsystems, listeners and namespaces of a beacon; gateways of a map. */
  subsystemsMax: 4096,
  listenersMax: 1024,
  namespacesMax: 65_536,
  gatewaysMax: 4096,
  anaGroupsMax: 4096,
  /** Requests (commands, versions) of one session that are not answered yet. */
  openRequestsMax: 256,
  /** Bytes queued towards a monitor that does not read; a message beyond is not sent. */
  outputBytesMax: 1024 * 1024,
  subscriptionsMax: 32,
} as const;

/** Timers of a session, milliseconds. Each is the C++ client's default (ceph/src/common/options/global.yaml.in). */
export const Timer = {
  /** mon_client_hunt_interval: one round of connection attempts; grows by the backoff factor with each round. */
  huntMs: 3_000,
  /** mon_client_hunt_interval_backoff. */
  backoffFactor: 1.5,
  /** ms_connection_ready_timeout: the monitor itself gives up a handshake after this. */
  huntMaxMs: 10_000,
  /** mon_client_ping_interval. */
  keepaliveMs: 10_000,
  /** mon_client_ping_timeout. */
  keepaliveTimeoutMs: 30_000,
  /** Pause before a round after the first failed one; grows by the backoff factor. Ours: the C++ client has none. */
  reconnectMs: 100,
  reconnectMaxMs: 2_000,
  /** Ours; rados_mon_op_timeout is unlimited. An election can keep a monitor silent for 15 s (facts: msgr2.md §12.13). */
  commandMs: 60_000,
  /** Between two questions for the newest osdmap while an epoch is waited for. */
  osdEpochPollMs: 100,
} as const;

/** mon_client_hunt_parallel: monitors that one round tries at the same time. */
export const huntParallel = 3;
