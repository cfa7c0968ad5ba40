/**
 * The block device that a workload drives: a namespace head of the userspace initiator, or a kernel
 * block device opened with O_DIRECT. Offsets and counts are logical blocks.
 */
export type IoOutcome =
  /** Completed successfully. */
  | 'ok'
  /** Answered with an error: it did not happen (for a write: its effect is still treated as possible by the checker unless never sent). */
  | 'fail'
  /** Ended without an answer: it may or may not have happened, now or later. */
  | 'info';

export interface IoResult {
  outcome: IoOutcome;
  /** NVMe status field without phase tag and more bits: SCT << 8 | SC. 0 = success. */
  status: number;
  dnr: boolean;
  /** Stable text for `fail` and `info`, e.g. `NVME_STATUS`, `QUEUE_TIMEOUT`, `NO_PATH`, `ABORTED`. */
  code: string;
  /** The path that gave the answer (`gw1:nvme0:q1`), null when none did. */
  path: string | null;
  /** How often the command was put on a wire. 0: never sent, so it cannot have happened. */
  sends: number;
  /** Read data; undefined unless a read ended ok. */
  data?: Buffer;
}

export interface IoOptions {
  signal?: AbortSignal;
  /** Send on this controller only, whatever the policy (re-reads from every path). */
  controller?: string;
}

export interface BlockDevice {
  readonly uuid: string;
  readonly nsid: number;
  readonly blockSize: number;
  readonly blocks: number;
  /** Bytes of the largest read or write, where there is a limit (MDTS). It may change with the paths. */
  readonly transferMaxBytes?: number;
  /** Never rejects: every end of an I/O is an IoResult. */
  read(slba: number, nlb: number, options?: IoOptions): Promise<IoResult>;
  write(slba: number, data: Buffer, options?: IoOptions): Promise<IoResult>;
  flush(options?: IoOptions): Promise<IoResult>;
}
