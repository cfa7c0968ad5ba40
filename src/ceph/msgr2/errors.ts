/** Stable codes of {@link CephError}. */
export type CephErrorCode =
  /** A structure is shorter than its contents claim. */
  | 'MSGR_TRUNCATED'
  /** A field has a value outside its range (encode: the caller's; decode: the peer's). */
  | 'MSGR_FIELD'
  /** A versioned structure that only newer code may read (struct_compat). */
  | 'MSGR_COMPAT'
  /** More than a limit of this client; see limits.ts. */
  | 'MSGR_LIMIT'
  /** The peer's first bytes are not a msgr2 banner. */
  | 'MSGR_BANNER'
  /** A frame preamble that contradicts itself. */
  | 'MSGR_PREAMBLE'
  /** A checksum of a frame does not match. */
  | 'MSGR_CRC'
  /** A frame epilogue whose late status is neither complete nor aborted, or with set reserved bytes. */
  | 'MSGR_EPILOGUE'
  /** A frame of secure mode that does not authenticate. */
  | 'MSGR_TAMPERED'
  /** A frame that has no place in this state of the connection. */
  | 'MSGR_UNEXPECTED'
  /** The peer requires a feature that this client does not have. */
  | 'MSGR_FEATURES'
  /** The peer is not who it should be: no monitor, or not the address that was asked for. */
  | 'MSGR_IDENT'
  /** Not a Ceph key: base64, structure, type or length. */
  | 'AUTH_KEY_FORMAT'
  /** The monitor refused entity or key (EACCES). */
  | 'AUTH_DENIED'
  /** The monitor does not allow the authentication method or the connection mode. */
  | 'AUTH_METHOD'
  /** Something that only the holder of our key can have encrypted does not decrypt. */
  | 'AUTH_DECRYPT'
  /** The monitor's signature of the handshake does not match: bytes were changed on the way. */
  | 'AUTH_SIGNATURE'
  | 'MON_UNREACHABLE'
  | 'MON_HANDSHAKE_TIMEOUT'
  /** No KEEPALIVE2_ACK for too long. */
  | 'MON_KEEPALIVE'
  | 'MON_NOT_CONNECTED'
  /** The connection ended before the answer came: the command may have been executed. */
  | 'MON_DISCONNECTED'
  | 'MON_TIMEOUT'
  | 'MON_TOO_MANY_COMMANDS'
  /** The monitor belongs to a cluster with another fsid. */
  | 'MON_WRONG_CLUSTER'
  | 'MON_CLOSED';

/** Any failure of the msgr2 codec or of a session with a monitor, with a stable `code`. */
export class CephError extends Error {
  readonly code: CephErrorCode;
  constructor(code: CephErrorCode, message: string, cause?: unknown) {
    super(`${code}: ${message}`, cause === undefined ? undefined : { cause });
    this.name = 'CephError';
    this.code = code;
  }
}

/** Trying the same again cannot help: someone has to change a key, a setting or an address. */
export function isPermanent(error: CephError): boolean {
  return permanentCodes.has(error.code);
}

const permanentCodes: ReadonlySet<CephErrorCode> = new Set([
  'AUTH_KEY_FORMAT', 'AUTH_DENIED', 'AUTH_METHOD', 'AUTH_DECRYPT', 'MSGR_FEATURES', 'MON_WRONG_CLUSTER',
]);
