import { CephError } from './errors.js';
import { cephCrc32c } from './crc.js';
import { Size } from './limits.js';

/** Frame tags (ceph/src/msg/async/frames_v2.h). */
export const Tag = {
  hello: 1,
  authRequest: 2,
  authBadMethod: 3,
  authReplyMore: 4,
  authRequestMore: 5,
  authDone: 6,
  authSignature: 7,
  clientIdent: 8,
  serverIdent: 9,
  identMissingFeatures: 10,
  sessionReconnect: 11,
  sessionReset: 12,
  sessionRetry: 13,
  sessionRetryGlobal: 14,
  sessionReconnectOk: 15,
  wait: 16,
  message: 17,
  keepalive2: 18,
  keepalive2Ack: 19,
  ack: 20,
  compressionRequest: 21,
  compressionDone: 22,
} as const;

export function tagName(tag: number): string {
  return Object.entries(Tag).find(([, value]) => value === tag)?.[0] ?? `tag ${tag}`;
}

/** One frame: a tag and 1..4 segments. Control frames have one; a message has header, front, middle, data. */
export interface Frame { tag: number; segments: Buffer[] }

export const segmentsMax = 4;
const alignments = [8, 8, 8, 4096];
const compressedFlag = 1;

/** What a preamble announces. Segment lengths are without padding, checksums and tags. */
export interface Preamble { tag: number; lengths: number[] }

/** How frames are protected on the wire: by checksums, or by AES-GCM in secure mode. One object per direction. */
export interface FrameEncoder { encode(frame: Frame): Buffer }

export interface FrameDecoder {
  /** Bytes from which `begin` can tell how long the frame is. */
  readonly headBytes: number;
  /** Looks at the first `headBytes` bytes of a frame, once per frame. */
  begin(head: Buffer): { preamble: Preamble; totalBytes: number };
  /** The whole frame, head included. Undefined: the sender gave it up half-way, it is to be ignored. */
  finish(preamble: Preamble, bytes: Buffer): Frame | undefined;
}

/**
 * The segments that are sent: empty ones at the end are left out, the first is always there
 * (ceph/src/msg/async/frames_v2.cc, FrameAssembler::assemble_frame).
 */
export function sentSegments(frame: Frame): Buffer[] {
  const { segments } = frame;
  if (segments.length < 1 || segments.length > segmentsMax) throw new CephError('MSGR_FIELD', `a frame with ${segments.length} segments`);
  let count = segments.length;
  while (count > 1 && segments[count - 1]!.length === 0) count -= 1;
  return segments.slice(0, count);
}

export function encodePreamble(tag: number, segments: readonly Buffer[]): Buffer {
  const out = Buffer.alloc(Size.preamble);
  out.writeUInt8(tag, 0);
  out.writeUInt8(segments.length, 1);
  segments.forEach((segment, i) => {
    out.writeUInt32LE(segment.length, 2 + 6 * i);
    out.writeUInt16LE(alignments[i]!, 6 + 6 * i);
  });
  out.writeUInt32LE(cephCrc32c(out.subarray(0, Size.preamble - Size.crc), 0), Size.preamble - Size.crc);
  return out;
}

export function decodePreamble(bytes: Buffer): Preamble {
  const crc = cephCrc32c(bytes.subarray(0, Size.preamble - Size.crc), 0);
  if (bytes.readUInt32LE(Size.preamble - Size.crc) !== crc) throw new CephError('MSGR_CRC', 'preamble checksum');
  const tag = bytes.readUInt8(0);
  const count = bytes.readUInt8(1);
  if (count < 1 || count > segmentsMax) throw new CephError('MSGR_PREAMBLE', `${count} segments`);
  const flags = bytes.readUInt8(26);
  if ((flags & compressedFlag) !== 0) throw new CephError('MSGR_PREAMBLE', 'a compressed frame without negotiation');
  const lengths: number[] = [];
  for (let i = 0; i < segmentsMax; i += 1) {
    const length = bytes.readUInt32LE(2 + 6 * i);
    if (i < count) lengths.push(length);
    else if (length !== 0) throw new CephError('MSGR_PREAMBLE', `${count} segments, but segment ${i} has ${length} bytes`);
  }
  return { tag, lengths };
}

/** Low nibble of the epilogue's first byte. */
export const LateStatus = { aborted: 0x1, complete: 0xe, mask: 0xf } as const;

/** True: complete. False: aborted. Throws MSGR_EPILOGUE for anything else. */
export function isComplete(lateStatus: number): boolean {
  const status = lateStatus & LateStatus.mask;
  if (status === LateStatus.complete) return true;
  if (status === LateStatus.aborted) return false;
  throw new CephError('MSGR_EPILOGUE', `late status ${lateStatus}`);
}

export function sum(lengths: readonly number[]): number {
  return lengths.reduce((total, length) => total + length, 0);
}
