import { Fes } from '../../nvme/index.js';

export type ProtocolErrorCode =
  | 'TARGET_PDU_SEQUENCE' | 'TARGET_UNSUPPORTED_PARAMETER' | 'TARGET_R2T_UNKNOWN' | 'TARGET_H2C_RANGE'
  | 'TARGET_H2C_LIMIT' | 'TARGET_H2C_LAST' | 'TARGET_QUEUE_OVERRUN';

/** A PDU that is well-formed but not allowed at this point: the connection ends with a TermReq. */
export class ProtocolError extends Error {
  readonly code: ProtocolErrorCode;
  /** Fatal Error Status. */
  readonly fes: number;
  /** Offset of the offending field in the PDU header, bytes. */
  readonly fei: number;

  constructor(code: ProtocolErrorCode, message: string, fes: number = Fes.pduSequenceError, fei = 0) {
    super(`${code}: ${message}`);
    this.name = 'ProtocolError';
    this.code = code;
    this.fes = fes;
    this.fei = fei;
  }
}
