/**
 * Every limit of the store and its client in one place. A peer that exceeds a wire limit loses its
 * connection; nothing in the store grows without one of these bounds.
 */
export const StoreLimit = {
  /** Data of one read or write, bytes. Above any MDTS that a gateway of this lab announces. */
  payloadBytesMax: 2 * 1024 * 1024,
  /** JSON of one control message, bytes. */
  controlBytesMax: 256 * 1024,
  /** Connections at once, with or without a hello. */
  connectionsMax: 256,
  /** Sessions remembered; the oldest one without a connection and without work is forgotten beyond it. */
  sessionsMax: 1024,
  /** Operations of one session that have no answer yet (the client's own limit is lower). */
  inflightPerSessionMax: 8192,
  /** Answers kept for a session until it confirms them. */
  unconfirmedAnswersMax: 65_536,
  /** Response bytes promised to one connection before its next requests have to wait. */
  promisedBytesMax: 32 * 1024 * 1024,
  /** A connection that has not said hello by then is dropped. */
  helloTimeoutMs: 10_000,
  imagesMax: 1024,
  imageBytesMax: 2 ** 43,
  handlesPerSessionMax: 1024,
  blocklistMax: 65_536,
  epochWaitersMax: 4096,
  latencyMaxMs: 600_000,
  holdsMax: 256,
  /** Operations that a client has on the wire; more wait in the client (librados: objecter_inflight_ops). */
  clientInflightMax: 1024,
  /** Piece in which a range is zeroed, bytes. */
  zeroChunkBytes: 256 * 1024,
} as const;
