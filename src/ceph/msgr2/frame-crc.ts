import { cephCrc32c, segmentCrcSeed } from './crc.js';
import { CephError } from './errors.js';
import { decodePreamble, encodePreamble, isComplete, LateStatus, segmentsMax, sentSegments, sum } from './frame.js';
import type { Frame, FrameDecoder, FrameEncoder, Preamble } from './frame.js';
import { Size } from './limits.js';

/**
 * msgr2.1 frames in crc mode:
 *
 *     preamble 32 | segment 0 | its crc | segment 1 | segment 2 | segment 3 | epilogue 13
 *                                         └────── only with more than one segment ─────┘
 *
 * A segment 0 of length 0 has no crc. Epilogue: late status, then the checksums of segments 1..3 (0 for
 * those that are not there).
 */
export const crcEncoder: FrameEncoder = {
  encode(frame: Frame): Buffer {
    const [first, ...others] = sentSegments(frame) as [Buffer, ...Buffer[]];
    const parts = [encodePreamble(frame.tag, [first, ...others]), first];
    if (first.length > 0) parts.push(checksum(first));
    if (others.length > 0) {
      const epilogue = Buffer.alloc(Size.epilogueCrc);
      epilogue.writeUInt8(LateStatus.complete, 0);
      others.forEach((segment, i) => epilogue.writeUInt32LE(cephCrc32c(segment, segmentCrcSeed), 1 + 4 * i));
      parts.push(...others, epilogue);
    }
    return Buffer.concat(parts);
  },
};

export const crcDecoder: FrameDecoder = {
  headBytes: Size.preamble,

  begin(head: Buffer): { preamble: Preamble; totalBytes: number } {
    const preamble = decodePreamble(head);
    const { lengths } = preamble;
    const checksums = (lengths[0]! > 0 ? Size.crc : 0) + (lengths.length > 1 ? Size.epilogueCrc : 0);
    return { preamble, totalBytes: Size.preamble + sum(lengths) + checksums };
  },

  finish({ tag, lengths }: Preamble, bytes: Buffer): Frame | undefined {
    let at: number = Size.preamble;
    const segments: Buffer[] = [];
    const take = (length: number): Buffer => bytes.subarray(at, (at += length));
    lengths.forEach((length, i) => {
      const segment = take(length);
      segments.push(segment);
      if (i === 0 && length > 0) verify(segment, take(Size.crc).readUInt32LE(0), 0);
    });
    if (lengths.length === 1) return { tag, segments };
    const epilogue = take(Size.epilogueCrc);
    // An aborted frame's segments are filled with anything: no checksum can be expected of them.
    if (!isComplete(epilogue.readUInt8(0))) return undefined;
    for (let i = 1; i < segmentsMax; i += 1) {
      const crc = epilogue.readUInt32LE(4 * i - 3);
      const segment = segments[i];
      if (segment !== undefined) verify(segment, crc, i);
      else if (crc !== 0) throw new CephError('MSGR_EPILOGUE', `a checksum for segment ${i}, which is not there`);
    }
    return { tag, segments };
  },
};

function checksum(segment: Buffer): Buffer {
  const out = Buffer.allocUnsafe(Size.crc);
  out.writeUInt32LE(cephCrc32c(segment, segmentCrcSeed), 0);
  return out;
}

function verify(segment: Buffer, crc: number, index: number): void {
  if (cephCrc32c(segment, segmentCrcSeed) !== crc) throw new CephError('MSGR_CRC', `checksum of segment ${index}`);
}
