import { BackendError, type BackendErrorKind } from '../gateway/backend.js';

/**
 * Status byte of a store response and the stable code that stands for it in errors and logs.
 * Values are part of the wire protocol: never renumber.
 */
export const StoreStatus = {
  ok: 0,
  fenced: 1,
  range: 2,
  io: 3,
  noSpace: 4,
  noSuchImage: 5,
  imageExists: 6,
  badRequest: 7,
  staleSession: 8,
  limit: 9,
} as const;
export type StoreStatus = (typeof StoreStatus)[keyof typeof StoreStatus];

export type StoreErrorCode =
  | 'STORE_FENCED' | 'STORE_RANGE' | 'STORE_IO' | 'STORE_NO_SPACE' | 'STORE_NO_SUCH_IMAGE' | 'STORE_IMAGE_EXISTS'
  | 'STORE_BAD_REQUEST' | 'STORE_STALE_SESSION' | 'STORE_LIMIT'
  | 'STORE_PROTOCOL' | 'STORE_STATE_CORRUPT' | 'STORE_UNREACHABLE' | 'STORE_CLOSED' | 'STORE_TIMEOUT';

const codeOfStatus: Record<number, { code: StoreErrorCode; kind: BackendErrorKind }> = {
  [StoreStatus.fenced]: { code: 'STORE_FENCED', kind: 'fenced' },
  [StoreStatus.range]: { code: 'STORE_RANGE', kind: 'range' },
  [StoreStatus.io]: { code: 'STORE_IO', kind: 'io' },
  [StoreStatus.noSpace]: { code: 'STORE_NO_SPACE', kind: 'no-space' },
  [StoreStatus.noSuchImage]: { code: 'STORE_NO_SUCH_IMAGE', kind: 'io' },
  [StoreStatus.imageExists]: { code: 'STORE_IMAGE_EXISTS', kind: 'io' },
  [StoreStatus.badRequest]: { code: 'STORE_BAD_REQUEST', kind: 'io' },
  [StoreStatus.staleSession]: { code: 'STORE_STALE_SESSION', kind: 'unreachable' },
  [StoreStatus.limit]: { code: 'STORE_LIMIT', kind: 'io' },
};

const statusOfCode: Partial<Record<StoreErrorCode, StoreStatus>> = {
  STORE_FENCED: StoreStatus.fenced,
  STORE_RANGE: StoreStatus.range,
  STORE_NO_SPACE: StoreStatus.noSpace,
  STORE_NO_SUCH_IMAGE: StoreStatus.noSuchImage,
  STORE_IMAGE_EXISTS: StoreStatus.imageExists,
  STORE_BAD_REQUEST: StoreStatus.badRequest,
  STORE_STALE_SESSION: StoreStatus.staleSession,
  STORE_LIMIT: StoreStatus.limit,
};

/** Every error of the store and its client: a stable `code`, and the `kind` that decides a gateway's NVMe status. */
export class StoreError extends BackendError {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, kind: BackendErrorKind, message: string) {
    super(kind, message);
    this.name = 'StoreError';
    this.code = code;
  }
}

/** The error that a response's status byte stands for; an unknown status is a protocol error. */
export function errorOfStatus(status: number, message: string): StoreError {
  const known = codeOfStatus[status];
  if (known === undefined) return new StoreError('STORE_PROTOCOL', 'io', `unknown store status ${status}`);
  return new StoreError(known.code, known.kind, message === '' ? known.code : message);
}

/** The status byte that carries `error` to a client; anything without a status of its own is an I/O error. */
export function statusOfError(error: unknown): StoreStatus {
  return error instanceof StoreError ? (statusOfCode[error.code] ?? StoreStatus.io) : StoreStatus.io;
}

export const badRequest = (message: string): StoreError => new StoreError('STORE_BAD_REQUEST', 'io', message);
