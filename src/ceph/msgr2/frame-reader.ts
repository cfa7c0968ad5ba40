import { ByteQueue } from '../../nvme/byte-queue.js';
import { CephError } from './errors.js';
import { crcDecoder } from './frame-crc.js';
import type { Frame, FrameDecoder, Preamble } from './frame.js';
import { Limit, Size } from './limits.js';

/** ASCII "ceph v2\n" in front of the banner payload. */
const bannerPrefix = Buffer.from('ceph v2\n', 'latin1');
const bannerPayloadBytes = 16;

/** Feature bits of a banner; see `Msgr2Feature`. */
export interface Banner { supported: bigint; required: bigint }

export function encodeBanner({ supported, required }: Banner): Buffer {
  const out = Buffer.alloc(Size.banner);
  bannerPrefix.copy(out);
  out.writeUInt16LE(bannerPayloadBytes, 8);
  out.writeBigUInt64LE(supported, 10);
  out.writeBigUInt64LE(required, 18);
  return out;
}

export interface ReceivedFrame {
  frame: Frame;
  /** Its bytes as they came, which the signatures of the handshake cover. */
  bytes: Buffer;
}

/**
 * Turns the byte stream of one connection into a banner and frames. Frames are taken one at a time: AUTH_DONE
 * changes how the next frame is protected, and that next frame may be in the same chunk.
 *
 * After a throw the stream is useless; so are all later calls.
 */
export class FrameReader {
  #queue = new ByteQueue();
  #decoder: FrameDecoder = crcDecoder;
  #begun: { preamble: Preamble; totalBytes: number } | undefined;
  #frameBytesMax: number;

  constructor(o: { frameBytesMax?: number } = {}) {
    this.#frameBytesMax = o.frameBytesMax ?? Limit.handshakeFrameBytesMax;
  }

  /** Received bytes that no returned frame accounts for yet. */
  get pendingBytes(): number {
    return this.#queue.length;
  }

  push(chunk: Buffer): void {
    this.#queue.push(chunk);
  }

  /** From the next frame on; call it between two frames only. */
  use(change: { decoder?: FrameDecoder; frameBytesMax?: number }): void {
    if (this.#begun !== undefined) throw new CephError('MSGR_UNEXPECTED', 'a change of protection within a frame');
    this.#decoder = change.decoder ?? this.#decoder;
    this.#frameBytesMax = change.frameBytesMax ?? this.#frameBytesMax;
  }

  /** The banner, once; undefined while bytes are missing. A wrong byte is found as soon as it is there. */
  banner(): (Banner & { bytes: Buffer }) | undefined {
    const seen = this.#queue.peek(Math.min(this.#queue.length, bannerPrefix.length + 2));
    if (!seen.subarray(0, bannerPrefix.length).equals(bannerPrefix.subarray(0, seen.length))) {
      throw new CephError('MSGR_BANNER', `the peer does not speak msgr2: it begins with ${seen.toString('hex')}`);
    }
    if (seen.length < bannerPrefix.length + 2) return undefined;
    // A longer payload may come one day; it then begins with the two masks that we know.
    const payload = seen.readUInt16LE(bannerPrefix.length);
    if (payload < bannerPayloadBytes || payload > this.#frameBytesMax) throw new CephError('MSGR_BANNER', `a banner payload of ${payload} bytes`);
    if (this.#queue.length < seen.length + payload) return undefined;
    const bytes = this.#queue.take(seen.length + payload);
    return { supported: bytes.readBigUInt64LE(10), required: bytes.readBigUInt64LE(18), bytes };
  }

  /** The next frame; undefined while bytes are missing. Frames that their sender gave up are skipped. */
  next(): ReceivedFrame | undefined {
    for (;;) {
      if (this.#begun === undefined) {
        if (this.#queue.length < this.#decoder.headBytes) return undefined;
        const begun = this.#decoder.begin(this.#queue.peek(this.#decoder.headBytes));
        if (begun.totalBytes > this.#frameBytesMax) {
          throw new CephError('MSGR_LIMIT', `a frame of ${begun.totalBytes} bytes where ${this.#frameBytesMax} are allowed`);
        }
        this.#begun = begun;
      }
      const { preamble, totalBytes } = this.#begun;
      if (this.#queue.length < totalBytes) return undefined;
      const bytes = this.#queue.take(totalBytes);
      this.#begun = undefined;
      const frame = this.#decoder.finish(preamble, bytes);
      if (frame !== undefined) return { frame, bytes };
    }
  }
}
