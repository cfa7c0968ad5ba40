/** Why a connection, and with it a controller, was given up. Appears as `cause` of events. */
export type LossCause =
  | 'connect-failed'
  | 'connect-timeout'
  | 'transport-reset'
  | 'transport-closed'
  | 'protocol-error'
  | 'header-digest'
  | 'term-req'
  | 'io-timeout'
  | 'admin-timeout'
  | 'keep-alive-timeout'
  | 'keep-alive-error'
  | 'anatt-timeout'
  | 'requested'
  | 'deleted';

/** The end of a connection without an answer to what was in flight. */
export class ConnectionLost extends Error {
  readonly reason: LossCause;
  constructor(reason: LossCause, message: string) {
    super(message);
    this.name = 'ConnectionLost';
    this.reason = reason;
  }
}

/** An admin or Fabrics command answered with an error status. */
export class CommandFailed extends Error {
  readonly status: number;
  readonly dnr: boolean;
  constructor(what: string, status: number, statusText: string, dnr: boolean) {
    super(`${what}: ${statusText} (sct ${(status >> 8) & 7} / sc ${(status & 0xff).toString(16)})${dnr ? ' DNR' : ''}`);
    this.name = 'CommandFailed';
    this.status = status;
    this.dnr = dnr;
  }
}

/** The peer is not what it must be; connecting again cannot help unless `permanent` is false. */
export class ControllerRefused extends Error {
  /** Stable code: SUBNQN_MISMATCH, DUPLICATE_CNTLID, AUTH_REQUIRED, UNSUPPORTED, CC_READY. */
  readonly code: string;
  readonly permanent: boolean;
  constructor(code: string, message: string, permanent: boolean) {
    super(message);
    this.name = 'ControllerRefused';
    this.code = code;
    this.permanent = permanent;
  }
}
