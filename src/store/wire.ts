import { StoreError } from './errors.js';
import { StoreLimit } from './limits.js';

/**
 * The store's wire protocol. All integers little-endian, u48 as in `readU48`; reserved bytes are zero.
 *
 * ```text
 * request                                response
 *  0 u32 bytes after this field           0 u32 bytes after this field
 *  4 u16 magic 5053h                      4 u16 magic 5054h
 *  6 u8  op                               6 u8  op (of the request; notice = 64)
 *  7 u8  reserved                         7 u8  status (errors.ts)
 *  8 u48 request id, 1 …                  8 u48 request id, 0 in a notice
 * 14 u16 image handle                    14 u16 reserved
 * 16 u48 answers confirmed, up to         16 u48 answer number, 1 … per session
 * 22 u16 reserved                        22 u16 reserved
 * 24 u48 first block                     24 u32 store epoch
 * 30 u16 reserved                        28 payload: read data, JSON, or an error's text
 * 32 u32 blocks
 * 36 payload: write data or JSON
 * ```
 *
 * Request ids are given once per session and kept when a request is re-sent on a new connection. The
 * answer number lets the store forget an answer once the client has it: until then a re-sent write
 * whose effect is already on disk is answered from memory, never applied again.
 */
export const requestMagic = 0x5053;
export const responseMagic = 0x5054;
export const requestHeaderBytes = 36;
export const responseHeaderBytes = 28;
export const protocolVersion = 1;

export const StoreOp = {
  hello: 1,
  openImage: 2,
  admin: 3,
  read: 16,
  write: 17,
  flush: 18,
  writeZeroes: 19,
  deallocate: 20,
  /** Sent by the store without a request: its status says what the client must know at once. */
  notice: 64,
} as const;
export type StoreOp = (typeof StoreOp)[keyof typeof StoreOp];

export const isDataOp = (op: number): boolean => op >= StoreOp.read && op <= StoreOp.deallocate;
export const isMutation = (op: number): boolean =>
  op === StoreOp.write || op === StoreOp.writeZeroes || op === StoreOp.deallocate;

const two32 = 2 ** 32;
export const u48Max = 2 ** 48 - 1;

export function readU48(buffer: Buffer, at: number): number {
  return buffer.readUInt32LE(at) + buffer.readUInt16LE(at + 4) * two32;
}
export function writeU48(buffer: Buffer, value: number, at: number): void {
  const low = value >>> 0;
  buffer.writeUInt32LE(low, at);
  buffer.writeUInt16LE((value - low) / two32, at + 4);
}

export interface RequestFields {
  op: number;
  id: number;
  handle: number;
  slba: number;
  nlb: number;
}

/** The 36 header bytes of a request whose payload of `payloadBytes` follows separately. */
export function encodeRequest(request: RequestFields, confirmed: number, payloadBytes: number): Buffer {
  const header = Buffer.allocUnsafe(requestHeaderBytes);
  header.writeUInt32LE(requestHeaderBytes - 4 + payloadBytes, 0);
  header.writeUInt16LE(requestMagic, 4);
  header.writeUInt16LE(request.op, 6);
  writeU48(header, request.id, 8);
  header.writeUInt16LE(request.handle, 14);
  writeU48(header, confirmed, 16);
  header.writeUInt16LE(0, 22);
  writeU48(header, request.slba, 24);
  header.writeUInt16LE(0, 30);
  header.writeUInt32LE(request.nlb, 32);
  return header;
}

/** Writes a response header into the first 28 bytes of `into`, which already holds (or is followed by) the payload. */
export function fillResponse(
  into: Buffer, op: number, status: number, id: number, answer: number, epoch: number, payloadBytes: number,
): void {
  into.writeUInt32LE(responseHeaderBytes - 4 + payloadBytes, 0);
  into.writeUInt16LE(responseMagic, 4);
  into[6] = op;
  into[7] = status;
  writeU48(into, id, 8);
  into.writeUInt16LE(0, 14);
  writeU48(into, answer, 16);
  into.writeUInt16LE(0, 22);
  into.writeUInt32LE(epoch, 24);
}

export interface FrameRules {
  magic: number;
  headerBytes: number;
  frameBytesMax: number;
}
export const requestRules: FrameRules = {
  magic: requestMagic, headerBytes: requestHeaderBytes, frameBytesMax: requestHeaderBytes + StoreLimit.payloadBytesMax,
};
export const responseRules: FrameRules = {
  magic: responseMagic, headerBytes: responseHeaderBytes, frameBytesMax: responseHeaderBytes + StoreLimit.payloadBytesMax,
};

/** `[start, end)` of one whole frame, length field included, in `buffer`. */
export type FrameListener = (buffer: Buffer, start: number, end: number) => void;

const prefixBytes = 8;

/**
 * Cuts a byte stream into frames. A frame that lies inside one chunk is not copied; one that crosses
 * chunks is gathered in a buffer of its own size, allocated only after length and magic were checked.
 * Throws StoreError STORE_PROTOCOL on a bad frame; the stream cannot be used after that.
 */
export class FrameReader {
  readonly #rules: FrameRules;
  readonly #onFrame: FrameListener;
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixHave = 0;
  #partial: Buffer | null = null;
  #partialHave = 0;

  constructor(rules: FrameRules, onFrame: FrameListener) {
    this.#rules = rules;
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial !== null) {
        at += this.#fillPartial(chunk, at);
      } else if (this.#prefixHave > 0 || chunk.length - at < prefixBytes) {
        at += this.#fillPrefix(chunk, at);
      } else {
        const total = this.#frameBytes(chunk, at);
        if (chunk.length - at < total) {
          this.#partial = Buffer.allocUnsafe(total);
          this.#partialHave = 0;
        } else {
          at += total;
          this.#onFrame(chunk, at - total, at);
        }
      }
    }
  }

  #fillPartial(chunk: Buffer, at: number): number {
    const partial = this.#partial!;
    const copied = chunk.copy(partial, this.#partialHave, at);
    this.#partialHave += copied;
    if (this.#partialHave === partial.length) {
      this.#partial = null;
      this.#onFrame(partial, 0, partial.length);
    }
    return copied;
  }

  #fillPrefix(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#prefix, this.#prefixHave, at);
    this.#prefixHave += copied;
    if (this.#prefixHave === prefixBytes) {
      this.#partial = Buffer.allocUnsafe(this.#frameBytes(this.#prefix, 0));
      this.#prefix.copy(this.#partial);
      this.#partialHave = prefixBytes;
      this.#prefixHave = 0;
    }
    return copied;
  }

  #frameBytes(buffer: Buffer, at: number): number {
    const total = buffer.readUInt32LE(at) + 4;
    if (buffer.readUInt16LE(at + 4) !== this.#rules.magic) throw protocolError('bad magic');
    if (total < this.#rules.headerBytes) throw protocolError(`frame of ${total} bytes is shorter than its header`);
    if (total > this.#rules.frameBytesMax) throw protocolError(`frame of ${total} bytes exceeds ${this.#rules.frameBytesMax}`);
    return total;
  }
}

export function protocolError(message: string): StoreError {
  return new StoreError('STORE_PROTOCOL', 'io', message);
}
