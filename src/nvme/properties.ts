import { requireRange } from './errors.js';

/** Controller Capabilities, the fields that matter to a fabrics host. */
export interface Capabilities {
  /** Entries of the largest I/O queue; the wire value is one less. */
  maxQueueEntries: number;
  /** Worst case of CSTS.RDY changes, milliseconds; the wire counts 500 ms. */
  readyTimeoutMs: number;
  /** Contiguous queues required: fabrics controllers set it. */
  contiguousQueues: boolean;
  /** The NVM command set is supported. */
  nvmCommandSet: boolean;
}

const readyUnitMs = 500;

/** The value of CAP. Rounds the timeout up to its unit. */
export function encodeCap(c: { maxQueueEntries: number; readyTimeoutMs: number }): bigint {
  const mqes = requireRange('maxQueueEntries', c.maxQueueEntries, 2, 0x1_0000) - 1;
  const to = requireRange('readyTimeoutMs / 500', Math.ceil(c.readyTimeoutMs / readyUnitMs), 0, 0xff);
  return BigInt(mqes) | (1n << 16n) | (BigInt(to) << 24n) | (1n << 37n);
}

export function decodeCap(cap: bigint): Capabilities {
  return {
    maxQueueEntries: Number(cap & 0xffffn) + 1,
    readyTimeoutMs: Number((cap >> 24n) & 0xffn) * readyUnitMs,
    contiguousQueues: (cap & (1n << 16n)) !== 0n,
    nvmCommandSet: (cap & (1n << 37n)) !== 0n,
  };
}

/** CC fields. 00460001h enables: 64-byte SQEs (2^6), 16-byte CQEs (2^4), 4 KiB pages, NVM command set. */
export const ControllerConfig = {
  enable: 1 << 0,
  enabled: 0x0046_0001,
  /** SHN, bits 15:14. */
  shutdownMask: 3 << 14,
  shutdownNormal: 1 << 14,
  shutdownAbrupt: 2 << 14,
} as const;

export const ControllerStatus = {
  ready: 1 << 0,
  /** Controller Fatal Status. */
  fatal: 1 << 1,
  /** SHST, bits 3:2. */
  shutdownMask: 3 << 2,
  shutdownOccurring: 1 << 2,
  shutdownComplete: 2 << 2,
} as const;

/** VS of an NVMe 1.4 controller. */
export const version14 = 0x0001_0400;

/** NSSR starts a subsystem reset when this ("NVMe") is written to it. */
export const subsystemResetMagic = 0x4e56_4d65;
