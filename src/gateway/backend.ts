/**
 * What a namespace of the userspace target is stored on. Offsets and counts are logical blocks.
 *
 * Every method rejects with a `BackendError`; its `kind` decides the NVMe status that the host gets.
 */
export interface BlockBackend {
  readonly blockSize: number;
  readonly blocks: number;
  read(slba: number, nlb: number): Promise<Buffer>;
  /** `data` belongs to the backend until the promise settles. Resolves only once the data is durable. */
  write(slba: number, data: Buffer): Promise<void>;
  flush(): Promise<void>;
  writeZeroes(slba: number, nlb: number): Promise<void>;
  deallocate(slba: number, nlb: number): Promise<void>;
}

/**
 * - `fenced`: the store has blocklisted this client: nothing it still holds can land. A retryable path
 *   status must reach the host (ceph-nvmeof #193), never success and never a media error.
 * - `unreachable`: connection to the store lost and given up.
 * - `io`: a genuine media error. `range`: outside the image.
 */
export type BackendErrorKind = 'fenced' | 'unreachable' | 'io' | 'range' | 'no-space';

export class BackendError extends Error {
  readonly kind: BackendErrorKind;
  constructor(kind: BackendErrorKind, message: string) {
    super(message);
    this.name = 'BackendError';
    this.kind = kind;
  }
}
