import { ByteQueue } from './byte-queue.js';
import { crc32c } from './crc32c.js';
import { Fes, NvmeCodecError, requireRange } from './errors.js';
import { Limit, Size } from './limits.js';
import type { Digests, Pdu, PduDirection } from './pdu.js';
import { checkSpecificHeader, decodePdu, readerFailed } from './pdu-decode.js';
import { layoutOf } from './pdu-header.js';
import type { LayoutLimits, PduLayout } from './pdu-header.js';

export interface PduReaderOptions {
  /** Who is reading: a host accepts only what controllers send, and the other way round. */
  role: 'host' | 'controller';
  /** Default: none, as before ICReq/ICResp. */
  digests?: Digests;
  /** Payload limit of one H2CData or C2HData PDU, bytes. Default `Limit.pduDataMaxBytes`. */
  maxDataBytes?: number;
  /** Limit of in-capsule data, bytes. Default: `maxDataBytes`. */
  maxInCapsuleBytes?: number;
  /** What this side announced as (HPDA + 1) * 4 or (CPDA + 1) * 4. Default 4. */
  alignBytes?: number;
}

/**
 * Turns the byte stream of one connection into PDUs.
 *
 *     common header (8) → rest of header, digest, padding → payload, digest → PDU → …
 *     each arrow: wait for that many bytes, check them, and only then ask for more
 *
 * Each part is checked as soon as it is complete, so a damaged header is found before its payload is
 * waited for. Memory: what has arrived, plus one copy of a payload that came in several chunks.
 *
 * It does not know the order that PDUs must come in (IC first, R2T before H2CData): that is the queue's
 * business. Set `digests` when the IC exchange is done; no peer may send anything between the two.
 */
export class PduReader {
  digests: Digests;
  readonly #direction: PduDirection;
  readonly #limits: LayoutLimits;
  readonly #queue = new ByteQueue();
  /** Set once the common header of the PDU at hand is there and passed its checks. */
  #layout: PduLayout | undefined;
  /** The whole header with its digest and padding, once it is there and passed its checks. */
  #header: Buffer | undefined;
  #failure: NvmeCodecError | undefined;
  #offendingHeader: Buffer = Buffer.alloc(0);

  constructor(o: PduReaderOptions) {
    const dataMaxBytes = requireRange('maxDataBytes', o.maxDataBytes ?? Limit.pduDataMaxBytes, 0, 0xffff_ffff);
    const alignBytes = requireRange('alignBytes', o.alignBytes ?? 4, 4, Limit.alignMaxBytes);
    if (alignBytes % 4 !== 0) throw new NvmeCodecError('FIELD_RANGE', `alignBytes = ${alignBytes} is not a multiple of 4`);
    this.digests = o.digests ?? { header: false, data: false };
    this.#direction = o.role === 'host' ? 'c2h' : 'h2c';
    this.#limits = {
      dataMaxBytes,
      inCapsuleMaxBytes: requireRange('maxInCapsuleBytes', o.maxInCapsuleBytes ?? dataMaxBytes, 0, 0xffff_ffff),
      alignBytes,
    };
  }

  /** Bytes received that no returned PDU accounts for yet. 0: the stream stands between two PDUs. */
  get pendingBytes(): number {
    return this.#queue.length + (this.#header === undefined ? 0 : this.#layout!.dataAt);
  }

  /** After a throw: what there is of the offending PDU's header, at most 128 bytes, for a TermReq. Else empty. */
  get offendingHeader(): Buffer {
    return this.#offendingHeader;
  }

  /**
   * The PDUs that `chunk` completes, in order. The reader keeps `chunk` until it is consumed, and PDUs share
   * its memory: it must not be changed afterwards.
   *
   * Throws NvmeCodecError on the first thing that makes the stream useless; PDUs that the same chunk completed
   * before it are then lost with it (`pushInto` keeps them). Every later push throws `READER_FAILED`.
   */
  push(chunk: Buffer): Pdu[] {
    const out: Pdu[] = [];
    this.pushInto(chunk, (pdu) => out.push(pdu));
    return out;
  }

  /** As `push`, but hands each PDU over as soon as it is complete, also those before the one that throws. */
  pushInto(chunk: Buffer, take: (pdu: Pdu) => void): void {
    if (this.#failure !== undefined) throw readerFailed(this.#failure);
    this.#queue.push(chunk);
    for (let pdu = this.#next(); pdu !== undefined; pdu = this.#next()) take(pdu);
  }

  #next(): Pdu | undefined {
    try {
      return this.#parse();
    } catch (error) {
      if (error instanceof NvmeCodecError) this.#fail(error);
      throw error;
    }
  }

  #parse(): Pdu | undefined {
    const queue = this.#queue;
    if (this.#layout === undefined) {
      if (queue.length < Size.commonHeader) return undefined;
      this.#layout = this.#readLayout();
    }
    const layout = this.#layout;
    if (this.#header === undefined) {
      if (queue.length < layout.dataAt) return undefined;
      const header = queue.take(layout.dataAt);
      this.#header = header;
      if (layout.headerDigest) checkHeaderDigest(layout, header);
      checkSpecificHeader(layout, header);
    }
    const digestBytes = layout.dataDigest ? Size.digest : 0;
    if (queue.length < layout.dataBytes + digestBytes) return undefined;
    const data = queue.take(layout.dataBytes);
    const digestError = layout.dataDigest && queue.take(Size.digest).readUInt32LE(0) !== crc32c(data);
    const pdu = decodePdu(layout, this.#header, data, digestError);
    this.#layout = undefined;
    this.#header = undefined;
    return pdu;
  }

  /** Checks the common header where it lies; only one that is cut by a chunk's end is copied. */
  #readLayout(): PduLayout {
    const { front, frontAt } = this.#queue;
    return front.length - frontAt >= Size.commonHeader
      ? layoutOf(front, frontAt, this.#direction, this.digests, this.#limits)
      : layoutOf(this.#queue.peek(Size.commonHeader), 0, this.#direction, this.digests, this.#limits);
  }

  #fail(error: NvmeCodecError): void {
    this.#failure = error;
    const known = this.#header ?? this.#queue.peek(Math.min(this.#queue.length, Limit.termReqHeaderMaxBytes));
    // HLEN may be the very field that is wrong, but it is the best there is to tell header from data.
    const headerBytes = Math.min(Math.max(known[2] ?? 0, Size.commonHeader), Limit.termReqHeaderMaxBytes);
    this.#offendingHeader = Buffer.from(known.subarray(0, headerBytes));
    this.#queue.clear();
    this.#layout = undefined;
    this.#header = undefined;
  }
}

function checkHeaderDigest(layout: PduLayout, header: Buffer): void {
  const at = layout.shape.headerBytes;
  const received = header.readUInt32LE(at);
  const computed = crc32c(header.subarray(0, at));
  if (received !== computed) {
    throw new NvmeCodecError(
      'PDU_HEADER_DIGEST',
      `${layout.shape.name}: header digest ${received.toString(16)} received, ${computed.toString(16)} computed`,
      Fes.headerDigestError,
      received,
    );
  }
}
