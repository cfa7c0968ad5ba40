import { createCipheriv, createDecipheriv } from 'node:crypto';
import { CephError } from './errors.js';
import { decodePreamble, encodePreamble, isComplete, LateStatus, sentSegments } from './frame.js';
import type { Frame, FrameDecoder, FrameEncoder, Preamble } from './frame.js';
import { Size } from './limits.js';

/**
 * msgr2.1 frames in secure mode (ceph/src/msg/async/crypto_onwire.cc, frames_v2.cc; facts: msgr2.md §8):
 * AES-128-GCM without additional data, one to three operations per frame.
 *
 *     1  preamble 32 + first 48 bytes of segment 0, zero-padded          → 96 bytes
 *     2  rest of segment 0, if padded to 16 it is longer than 48         → rest + tag
 *     3  segments 1.., each padded to 16, + epilogue 16, if there are any → all of it + tag
 *
 * Each operation has its own nonce: 4 fixed bytes and a u64 counter that starts at a secret value.
 */
export interface SecureKeys { encoder: FrameEncoder; decoder: FrameDecoder }

/** @param side 'client' if we connected: each side's receive nonce is the other's transmit nonce. */
export function secureCodec(connectionSecret: Buffer, side: 'client' | 'server'): SecureKeys {
  if (connectionSecret.length !== Size.connectionSecret) {
    throw new CephError('MSGR_FIELD', `connection secret of ${connectionSecret.length} bytes`);
  }
  const key = connectionSecret.subarray(0, 16);
  const toClient = connectionSecret.subarray(16, 28);
  const toServer = connectionSecret.subarray(28, 40);
  const [receive, transmit] = side === 'client' ? [toClient, toServer] : [toServer, toClient];
  return { encoder: new SecureEncoder(key, transmit), decoder: new SecureDecoder(key, receive) };
}

const headWireBytes = Size.preamble + Size.inlineSecure + Size.gcmTag;

class NonceCounter {
  readonly #nonce: Buffer;

  constructor(start: Buffer) {
    this.#nonce = Buffer.from(start);
  }

  /** The nonce for one operation. */
  next(): Buffer {
    const nonce = Buffer.from(this.#nonce);
    this.#nonce.writeBigUInt64LE(BigInt.asUintN(64, this.#nonce.readBigUInt64LE(4) + 1n), 4);
    return nonce;
  }
}

class SecureEncoder implements FrameEncoder {
  readonly #key: Buffer;
  readonly #nonce: NonceCounter;

  constructor(key: Buffer, nonce: Buffer) {
    this.#key = key;
    this.#nonce = new NonceCounter(nonce);
  }

  encode(frame: Frame): Buffer {
    const segments = sentSegments(frame);
    const first = padded(segments[0]!);
    const inline = Buffer.alloc(Size.inlineSecure);
    first.copy(inline);
    const parts = this.#seal([encodePreamble(frame.tag, segments), inline]);
    if (first.length > Size.inlineSecure) parts.push(...this.#seal([first.subarray(Size.inlineSecure)]));
    if (segments.length > 1) {
      const epilogue = Buffer.alloc(Size.epilogueSecure);
      epilogue.writeUInt8(LateStatus.complete, 0);
      parts.push(...this.#seal([...segments.slice(1).map(padded), epilogue]));
    }
    return Buffer.concat(parts);
  }

  #seal(plain: readonly Buffer[]): Buffer[] {
    const cipher = createCipheriv('aes-128-gcm', this.#key, this.#nonce.next());
    return [...plain.map((part) => cipher.update(part)), cipher.final(), cipher.getAuthTag()];
  }
}

class SecureDecoder implements FrameDecoder {
  readonly headBytes = headWireBytes;
  readonly #key: Buffer;
  readonly #nonce: NonceCounter;
  /** The plain first 48 bytes of segment 0 of the frame at hand. */
  #inline: Buffer = Buffer.alloc(0);

  constructor(key: Buffer, nonce: Buffer) {
    this.#key = key;
    this.#nonce = new NonceCounter(nonce);
  }

  begin(head: Buffer): { preamble: Preamble; totalBytes: number } {
    const plain = this.#open(head);
    const preamble = decodePreamble(plain.subarray(0, Size.preamble));
    this.#inline = plain.subarray(Size.preamble);
    return { preamble, totalBytes: headWireBytes + restBytes(preamble.lengths) + laterBytes(preamble.lengths) };
  }

  finish({ tag, lengths }: Preamble, bytes: Buffer): Frame | undefined {
    const restEnd = headWireBytes + restBytes(lengths);
    const rest = restEnd > headWireBytes ? this.#open(bytes.subarray(headWireBytes, restEnd)) : Buffer.alloc(0);
    const segments: Buffer[] = [Buffer.concat([this.#inline, rest]).subarray(0, lengths[0])];
    if (lengths.length === 1) return { tag, segments };
    const later = this.#open(bytes.subarray(restEnd));
    if (!isComplete(later.readUInt8(later.length - Size.epilogueSecure))) return undefined;
    let at = 0;
    for (const length of lengths.slice(1)) {
      segments.push(later.subarray(at, at + length));
      at += paddedLength(length);
    }
    return { tag, segments };
  }

  #open(sealed: Buffer): Buffer {
    const body = sealed.length - Size.gcmTag;
    const decipher = createDecipheriv('aes-128-gcm', this.#key, this.#nonce.next());
    decipher.setAuthTag(sealed.subarray(body));
    const plain = decipher.update(sealed.subarray(0, body));
    try {
      decipher.final();
    } catch (error) {
      throw new CephError('MSGR_TAMPERED', 'a frame of secure mode does not authenticate', error);
    }
    return plain;
  }
}

function restBytes(lengths: readonly number[]): number {
  const rest = paddedLength(lengths[0]!) - Size.inlineSecure;
  return rest > 0 ? rest + Size.gcmTag : 0;
}

function laterBytes(lengths: readonly number[]): number {
  if (lengths.length === 1) return 0;
  return lengths.slice(1).reduce((total, length) => total + paddedLength(length), Size.epilogueSecure + Size.gcmTag);
}

function paddedLength(length: number): number {
  return Math.ceil(length / Size.aesBlock) * Size.aesBlock;
}

function padded(segment: Buffer): Buffer {
  const length = paddedLength(segment.length);
  return length === segment.length ? segment : Buffer.concat([segment], length);
}
