import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { AddressType, addressText, sameEndpoint } from './address.js';
import type { EntityAddress } from './address.js';
import {
  authBadMethod, authDone, authReplyMore, authRequest, authRequestMore, authSignature, AuthMethod, clientIdent, ConMode, EntityType, hello,
  identFlagLossy, identMissingFeatures, serverIdent,
} from './control.js';
import { authRequestPayload, decodeCephxDone, proveKey, serverChallenge } from './cephx.js';
import type { EntityName, TicketBlob } from './cephx.js';
import { CephError } from './errors.js';
import { Msgr2Feature, requiredFeatures, supportedFeatures } from './features.js';
import { crcEncoder } from './frame-crc.js';
import { encodeBanner, FrameReader } from './frame-reader.js';
import type { ReceivedFrame } from './frame-reader.js';
import { secureCodec } from './frame-secure.js';
import { Tag, tagName } from './frame.js';
import type { Frame, FrameEncoder } from './frame.js';
import type { CephKey } from './keyring.js';
import { Limit, Size } from './limits.js';

/** What a client keeps from one connection to ask for the same global_id on the next. */
export interface Reclaim {
  globalId: bigint;
  /** With cephx: the ticket to show, and the session key that the new ticket's blob is sealed with. */
  cephx?: { ticket: TicketBlob; sessionKey: CephKey };
}

export interface HandshakeOptions {
  entity: EntityName;
  /** Absent: method none. */
  key?: CephKey;
  /** Connection modes in order of preference: the monitor takes the first that it allows. */
  modes: readonly number[];
  /** Exactly an address that the monitor has in its monmap: it closes the connection otherwise. */
  target: Pick<EntityAddress, 'host' | 'port'>;
  /** Nonce of our entity address: what the monitor tells our incarnations apart by. */
  nonce: number;
  globalSeq: bigint;
  reclaim?: Reclaim;
  /** Injectable for tests. Default: node's. */
  random?: (bytes: number) => Buffer;
}

export interface HandshakeResult {
  globalId: bigint;
  mode: number;
  /** Feature bits that both sides have. */
  features: bigint;
  /** Our own address as the monitor knows us. */
  address: EntityAddress;
  reclaim: Reclaim;
  encoder: FrameEncoder;
  /** Holds the bytes that came behind the handshake. */
  reader: FrameReader;
}

type Step = 'banner' | 'hello' | 'auth' | 'signature' | 'ident' | 'ready';

/** POSIX values in AUTH_BAD_METHOD. */
const eacces = -13;

/**
 * The client's half of a msgr2.1 handshake (facts: msgr2.md §3), without a socket: received bytes go into `push`,
 * which returns the bytes to send. Any CephError that it throws ends the connection.
 *
 *     banner ▶ hello ▶ auth (request … done) ▶ signature ▶ ident ▶ ready
 */
export class ClientHandshake {
  readonly #o: HandshakeOptions;
  readonly #random: (bytes: number) => Buffer;
  readonly #reader = new FrameReader();
  #encoder: FrameEncoder = crcEncoder;
  #step: Step = 'banner';
  #reclaim: Reclaim | undefined;
  #serverSaw: EntityAddress | undefined;
  /** All bytes from the first banner byte on, each direction, until the signatures have been made. */
  #received: Buffer[] = [];
  #sent: Buffer[] = [];
  #expectedSignature: Buffer = Buffer.alloc(Size.signature);
  #auth: { globalId: bigint; mode: number; reclaim: Reclaim } | undefined;
  #result: HandshakeResult | undefined;

  constructor(options: HandshakeOptions) {
    this.#o = options;
    this.#random = options.random ?? randomBytes;
    this.#reclaim = options.reclaim;
  }

  get result(): HandshakeResult | undefined {
    return this.#result;
  }

  get step(): Step {
    return this.#step;
  }

  /** The first bytes to send. */
  start(): Buffer {
    // Without bit 0 the monitor would fall back to msgr2.0 framing; without bit 1 there is no compression to negotiate.
    const banner = encodeBanner({ supported: Msgr2Feature.revision1, required: 0n });
    this.#sent.push(banner);
    return banner;
  }

  push(chunk: Buffer): Buffer[] {
    this.#reader.push(chunk);
    const out: Buffer[] = [];
    if (this.#step === 'banner') {
      const banner = this.#reader.banner();
      if (banner === undefined) return out;
      this.#received.push(banner.bytes);
      this.#onBanner(banner.supported, banner.required, out);
    }
    while (this.#step !== 'ready') {
      const received = this.#reader.next();
      if (received === undefined) break;
      this.#onFrame(received, out);
    }
    return out;
  }

  #onBanner(supported: bigint, required: bigint, out: Buffer[]): void {
    const missing = required & ~Msgr2Feature.revision1;
    if (missing !== 0n) throw new CephError('MSGR_FEATURES', `the monitor requires msgr2 features 0x${missing.toString(16)}`);
    if ((supported & Msgr2Feature.revision1) === 0n) throw new CephError('MSGR_FEATURES', 'the monitor only speaks msgr2.0');
    this.#step = 'hello';
    this.#send(hello.encode({ entityType: EntityType.client, peerAddress: this.#target() }), out);
  }

  #onFrame({ frame, bytes }: ReceivedFrame, out: Buffer[]): void {
    if (this.#auth === undefined) this.#received.push(bytes);
    switch (this.#step) {
      case 'hello':
        return this.#onHello(frame, out);
      case 'auth':
        return this.#onAuth(frame, out);
      case 'signature':
        return this.#onSignature(frame, out);
      case 'ident':
        return this.#onIdent(frame);
      case 'banner':
      case 'ready':
        throw new CephError('MSGR_UNEXPECTED', `${tagName(frame.tag)} in step ${this.#step}`);
    }
  }

  #onHello(frame: Frame, out: Buffer[]): void {
    const { entityType, peerAddress } = hello.decode(frame);
    if (entityType !== EntityType.mon) throw new CephError('MSGR_IDENT', `the peer is no monitor: entity type ${entityType}`);
    this.#serverSaw = peerAddress;
    this.#step = 'auth';
    this.#request(out);
  }

  #request(out: Buffer[]): void {
    this.#send(authRequest.encode({
      method: this.#o.key === undefined ? AuthMethod.none : AuthMethod.cephx,
      modes: [...this.#o.modes],
      payload: authRequestPayload.encode(this.#o.entity, this.#reclaim?.globalId ?? 0n),
    }), out);
  }

  #onAuth(frame: Frame, out: Buffer[]): void {
    switch (frame.tag) {
      case Tag.authReplyMore: {
        const { key } = this.#o;
        if (key === undefined) break;
        const proof = proveKey(key, serverChallenge.decode(authReplyMore.decode(frame)), this.#random(8).readBigUInt64LE(0), this.#reclaim?.cephx?.ticket);
        return this.#send(authRequestMore.encode(proof), out);
      }
      case Tag.authBadMethod:
        return this.#onBadMethod(frame, out);
      case Tag.authDone:
        return this.#onAuthDone(frame, out);
      default:
    }
    throw new CephError('MSGR_UNEXPECTED', `${tagName(frame.tag)} during authentication`);
  }

  #onBadMethod(frame: Frame, out: Buffer[]): void {
    const { result, allowedMethods, allowedModes } = authBadMethod.decode(frame);
    if (result === eacces && this.#reclaim !== undefined) {
      // The old ticket may have expired with its rotating secret: ask for a new id, once, on the same connection.
      this.#reclaim = undefined;
      return this.#request(out);
    }
    const { entity, key, modes } = this.#o;
    if (result === eacces) throw new CephError('AUTH_DENIED', `the monitor refused client.${entity.id}: unknown entity or wrong key`);
    throw new CephError('AUTH_METHOD', `the monitor refused ${key === undefined ? 'auth none' : 'cephx'} with modes [${modes.join()}] (${result}); `
      + `it allows methods [${allowedMethods.join()}], modes [${allowedModes.join()}] (methods: 1 none, 2 cephx; modes: 1 crc, 2 secure)`);
  }

  #onAuthDone(frame: Frame, out: Buffer[]): void {
    const { globalId, mode, payload } = authDone.decode(frame);
    if (!this.#o.modes.includes(mode)) throw new CephError('AUTH_METHOD', `the monitor chose connection mode ${mode}, which was not offered`);
    const { key } = this.#o;
    let signature: Buffer = Buffer.alloc(Size.signature);
    if (key === undefined) {
      if (mode !== ConMode.crc) throw new CephError('AUTH_METHOD', 'secure mode needs cephx');
      this.#auth = { globalId, mode, reclaim: { globalId } };
    } else {
      const done = decodeCephxDone(payload, key, this.#reclaim?.cephx?.sessionKey);
      const hmac = (parts: readonly Buffer[]): Buffer => {
        const h = createHmac('sha256', done.sessionKey.secret);
        for (const part of parts) h.update(part);
        return h.digest();
      };
      signature = hmac(this.#received);
      this.#expectedSignature = hmac(this.#sent);
      this.#auth = { globalId, mode, reclaim: { globalId, cephx: { ticket: done.ticket, sessionKey: done.sessionKey } } };
      if (mode === ConMode.secure) {
        // From here on every frame, beginning with the signatures.
        const codec = secureCodec(done.connectionSecret, 'client');
        this.#reader.use({ decoder: codec.decoder });
        this.#encoder = codec.encoder;
      }
    }
    this.#received = [];
    this.#sent = [];
    this.#step = 'signature';
    this.#send(authSignature.encode(signature), out);
  }

  #onSignature(frame: Frame, out: Buffer[]): void {
    if (!timingSafeEqual(authSignature.decode(frame), this.#expectedSignature)) {
      throw new CephError('AUTH_SIGNATURE', 'the monitor saw another handshake than we did');
    }
    this.#step = 'ident';
    this.#send(clientIdent.encode({
      addresses: [this.#address()],
      target: this.#target(),
      gid: this.#auth!.globalId,
      globalSeq: this.#o.globalSeq,
      supported: supportedFeatures,
      required: requiredFeatures,
      flags: identFlagLossy,
      cookie: 0n,
    }), out);
  }

  #onIdent(frame: Frame): void {
    if (frame.tag === Tag.identMissingFeatures) {
      throw new CephError('MSGR_FEATURES', `the monitor demands features that this client lacks: 0x${identMissingFeatures.decode(frame).toString(16)}`);
    }
    const ident = serverIdent.decode(frame);
    const target = this.#target();
    if (!ident.addresses.some((address) => sameEndpoint(address, target))) {
      throw new CephError('MSGR_IDENT', `asked for ${addressText(target)}, met ${ident.addresses.map(addressText).join(', ')}`);
    }
    const missing = ident.required & ~supportedFeatures;
    if (missing !== 0n) throw new CephError('MSGR_FEATURES', `the monitor requires features 0x${missing.toString(16)}`);
    this.#step = 'ready';
    this.#reader.use({ frameBytesMax: Limit.frameBytesMax });
    const { globalId, mode, reclaim } = this.#auth!;
    this.#result = {
      globalId, mode, reclaim,
      features: supportedFeatures & ident.supported,
      address: this.#address(),
      encoder: this.#encoder,
      reader: this.#reader,
    };
  }

  #send(frame: Frame, out: Buffer[]): void {
    const bytes = this.#encoder.encode(frame);
    if (this.#auth === undefined) this.#sent.push(bytes);
    out.push(bytes);
  }

  #target(): EntityAddress {
    const { host, port } = this.#o.target;
    return { type: AddressType.msgr2, nonce: 0, host, port };
  }

  /** Port 0: a client does not listen. The host is how the monitor sees us. */
  #address(): EntityAddress {
    return { type: AddressType.msgr2, nonce: this.#o.nonce, host: this.#serverSaw!.host, port: 0 };
  }
}
