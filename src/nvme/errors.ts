/** Fatal Error Status values of a TermReq PDU (NVMe/TCP transport specification, "Fatal Error Status"). */
export const Fes = {
  none: 0,
  invalidPduHeaderField: 1,
  pduSequenceError: 2,
  headerDigestError: 3,
  dataTransferOutOfRange: 4,
  /** H2CTermReq: R2T limit exceeded. C2HTermReq: data transfer limit exceeded. */
  limitExceeded: 5,
  unsupportedParameter: 6,
} as const;

/** Stable codes of {@link NvmeCodecError}. */
export type NvmeCodecErrorCode =
  /** Unknown PDU type. */
  | 'PDU_TYPE_UNKNOWN'
  /** A PDU type that the reader's side never receives, e.g. R2T at a controller. */
  | 'PDU_TYPE_ROLE'
  /** HLEN is not the length that the PDU type has. */
  | 'PDU_HLEN'
  /** PLEN too small for the header, over a limit, or not the sum of the PDU's parts. */
  | 'PDU_PLEN'
  /** PDO inside the header, behind the end, or not a multiple of the alignment. */
  | 'PDU_PDO'
  /** Digest flags that contradict what was negotiated, or SUCCESS without LAST. */
  | 'PDU_FLAGS'
  /** DATAL or R2TL is zero, or DATAL does not match PLEN. */
  | 'PDU_DATA_LENGTH'
  /** More payload than this reader's limit. */
  | 'PDU_DATA_LIMIT'
  /** The header digest does not match: nothing in the header can be trusted. */
  | 'PDU_HEADER_DIGEST'
  /** Bytes arrived after an earlier fatal error. */
  | 'READER_FAILED'
  /** A structure is shorter than its contents claim. */
  | 'TRUNCATED'
  /** A field has a value outside its range (encode: the caller's; decode: the peer's). */
  | 'FIELD_RANGE'
  /** A string is too long, not terminated, or has bytes that its field does not allow. */
  | 'STRING_FIELD'
  /** A namespace list is not strictly ascending, or has an invalid NSID in it. */
  | 'NSID_LIST'
  /** An ANA log contradicts itself: group id 0 or twice, or an undefined state. */
  | 'ANA_LOG'
  /** A namespace identification descriptor with a wrong length or type. */
  | 'NS_DESCRIPTOR'
  /** Not the command (opcode or fctype) that the decoder is for. */
  | 'WRONG_COMMAND';

/**
 * Bytes that are not what they should be, or values that cannot be put on the wire.
 *
 * `fes` and `fei` are ready for a TermReq: Fatal Error Status (0: the error is not one that ends a
 * connection) and Fatal Error Information, a byte offset in the offending PDU; for a header digest
 * error it is the digest that was received.
 */
export class NvmeCodecError extends Error {
  readonly code: NvmeCodecErrorCode;
  readonly fes: number;
  readonly fei: number;

  constructor(code: NvmeCodecErrorCode, message: string, fes: number = Fes.none, fei = 0) {
    super(`${code}: ${message}`);
    this.name = 'NvmeCodecError';
    this.code = code;
    this.fes = fes;
    this.fei = fei;
  }
}

/** Throws `FIELD_RANGE` unless `value` is an integer in `min..max`; returns it. */
export function requireRange(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new NvmeCodecError('FIELD_RANGE', `${name} = ${value} is not an integer in ${min}..${max}`);
  }
  return value;
}

/** Throws `TRUNCATED` unless `buffer` has at least `bytes` bytes. */
export function requireBytes(what: string, buffer: Uint8Array, bytes: number): void {
  if (buffer.length < bytes) {
    throw new NvmeCodecError('TRUNCATED', `${what} needs ${bytes} bytes, got ${buffer.length}`);
  }
}
