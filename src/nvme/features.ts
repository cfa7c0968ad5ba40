import { requireRange } from './errors.js';

/** Feature 07h. Real counts; on the wire (cdw11 of Set Features, dw0 of the answer) both are one less. */
export interface NumberOfQueues {
  submission: number;
  completion: number;
}

export function encodeNumberOfQueues(q: NumberOfQueues): number {
  const nsq = requireRange('submission', q.submission, 1, 0xffff) - 1;
  const ncq = requireRange('completion', q.completion, 1, 0xffff) - 1;
  return nsq + ncq * 0x1_0000;
}

export function decodeNumberOfQueues(value: number): NumberOfQueues {
  return { submission: (value & 0xffff) + 1, completion: (value >>> 16) + 1 };
}

/** Feature 0Bh: which events may complete an Asynchronous Event Request. The bits are those of OAES, plus the SMART warnings. */
export interface AsyncEventConfig {
  /** Namespace attribute notices (bit 8). */
  namespaceAttributes: boolean;
  /** ANA change notices (bit 11). */
  ana: boolean;
  /** Discovery log change notices (bit 31). */
  discovery: boolean;
  /** SMART critical warnings (bits 7:0). */
  smartCritical: number;
}

/** Bits of OAES (Identify Controller) and of feature 0Bh. */
export const AsyncEvents = { namespaceAttributes: 0x100, ana: 0x800, discovery: 0x8000_0000 } as const;

export function encodeAsyncEventConfig(c: Partial<AsyncEventConfig>): number {
  return (
    requireRange('smartCritical', c.smartCritical ?? 0, 0, 0xff) +
    (c.namespaceAttributes === true ? AsyncEvents.namespaceAttributes : 0) +
    (c.ana === true ? AsyncEvents.ana : 0) +
    (c.discovery === true ? AsyncEvents.discovery : 0)
  );
}

export function decodeAsyncEventConfig(value: number): AsyncEventConfig {
  return {
    namespaceAttributes: (value & AsyncEvents.namespaceAttributes) !== 0,
    ana: (value & AsyncEvents.ana) !== 0,
    discovery: value >>> 31 === 1,
    smartCritical: value & 0xff,
  };
}

const kasUnitMs = 100;

/**
 * The keep alive timeout that a controller with granularity `kas` (Identify Controller, 100 ms units) really
 * uses: feature 0Fh rounds up to it. 0 (no keep alive) stays 0, and KAS 0 means no support: 0.
 */
export function effectiveKatoMs(katoMs: number, kas: number): number {
  if (kas === 0) return 0;
  const unitMs = kas * kasUnitMs;
  return Math.ceil(katoMs / unitMs) * unitMs;
}
