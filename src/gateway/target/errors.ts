export type TargetErrorCode =
  /** A value that the target cannot work with: NQN, serial, cntlid range, nsid, UUID, block size… */
  | 'TARGET_CONFIG'
  | 'TARGET_SUBSYSTEM_EXISTS' | 'TARGET_NO_SUBSYSTEM'
  | 'TARGET_NAMESPACE_EXISTS' | 'TARGET_NO_NAMESPACE'
  | 'TARGET_LISTENER_EXISTS' | 'TARGET_NO_LISTENER'
  /** The address cannot be bound. */
  | 'TARGET_LISTEN_FAILED'
  | 'TARGET_CLOSED';

/** A call on the target that cannot be done. */
export class TargetError extends Error {
  readonly code: TargetErrorCode;

  constructor(code: TargetErrorCode, message: string, options?: { cause: unknown }) {
    super(`${code}: ${message}`, options);
    this.name = 'TargetError';
    this.code = code;
  }
}
