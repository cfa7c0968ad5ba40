import { createHmac, randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { AddressType, sameEndpoint } from '../address.js';
import type { EntityAddress } from '../address.js';
import { authRequestPayload, serverChallenge } from '../cephx.js';
import {
  authBadMethod, authDone, authReplyMore, authRequest, authRequestMore, authSignature, AuthMethod, clientIdent, ConMode, EntityType, hello,
  identMissingFeatures, keepalive2, keepalive2Ack, serverIdent,
} from '../control.js';
import type { ClientIdent } from '../control.js';
import { supportedFeatures } from '../features.js';
import { crcEncoder } from '../frame-crc.js';
import { encodeBanner, FrameReader } from '../frame-reader.js';
import { secureCodec } from '../frame-secure.js';
import { Tag } from '../frame.js';
import type { Frame, FrameEncoder } from '../frame.js';
import { parseKey } from '../keyring.js';
import type { CephKey } from '../keyring.js';
import { Size } from '../limits.js';
import { decodeMessage, encodeMessage, MessageType } from '../message.js';
import type { Message } from '../message.js';
import { monMapMessage, monSubscribe } from '../mon-messages.js';
import type { Subscription } from '../mon-messages.js';
import { FakeTickets } from './fake-cephx.js';
import { encodeMonMap } from './mon-map.js';

export interface FakeMonOptions {
  /** Keys by entity id (without `client.`). Absent: auth none. */
  keys?: Record<string, string>;
  modes?: readonly number[];
  fsid?: Buffer;
  tickets?: FakeTickets;
}

/** Faults that a test switches on and off. */
export interface FakeMonFaults {
  /** Accepts connections and says nothing. */
  mute?: boolean;
  /** Answers no KEEPALIVE2. */
  noKeepalive?: boolean;
  /** Shakes hands, then keeps what it gets, as a monitor outside of the quorum does. */
  noMonMap?: boolean;
  /** Sends a wrong AUTH_SIGNATURE. */
  wrongSignature?: boolean;
  /** Answers CLIENT_IDENT with this IDENT_MISSING_FEATURES mask. */
  missingFeatures?: bigint;
  /** Chooses this connection mode, whatever was offered. */
  forceMode?: number;
  bannerRequired?: bigint;
  bannerSupported?: bigint;
  /** Glues frames together instead of writing each at once. */
  coalesce?: boolean;
}

/** The server's half of msgr2.1, as far as a client can tell, on a port of 127.0.0.1. Never touches a real cluster. */
export class FakeMon {
  readonly faults: FakeMonFaults = {};
  readonly connections: FakeConnection[] = [];
  readonly fsid: Buffer;
  readonly tickets: FakeTickets;
  readonly keys: Map<string, CephKey> | undefined;
  readonly modes: readonly number[];
  /** What the monmap lists besides this monitor. */
  peers: { host: string; port: number }[] = [];
  monMapEpoch = 1;
  nextGlobalId = 4100n;
  onMessage: (connection: FakeConnection, message: Message) => void = () => undefined;
  readonly #server: Server;
  #waiters: (() => void)[] = [];

  private constructor(o: FakeMonOptions) {
    this.fsid = o.fsid ?? Buffer.alloc(Size.fsid, 0xab);
    this.tickets = o.tickets ?? new FakeTickets();
    this.keys = o.keys === undefined ? undefined : new Map(Object.entries(o.keys).map(([id, key]) => [id, parseKey(key)]));
    this.modes = o.modes ?? (o.keys === undefined ? [ConMode.crc] : [ConMode.secure, ConMode.crc]);
    this.#server = createServer((socket) => this.connections.push(new FakeConnection(this, socket)));
  }

  static async listen(o: FakeMonOptions = {}): Promise<FakeMon> {
    const mon = new FakeMon(o);
    await mon.listen(0);
    return mon;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => this.#server.once('error', reject).listen(port, '127.0.0.1', () => resolve()));
  }

  get endpoint(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  /** Connections that have asked for the monmap, which is when the client counts them, and are still there. */
  get open(): FakeConnection[] {
    return this.connections.filter((connection) => connection.open);
  }

  /** Resolves when `check` gives something; looked at after every frame and every change of a connection. */
  async until<T>(check: () => T | undefined | false): Promise<T> {
    for (;;) {
      const value = check();
      if (value !== undefined && value !== false) return value;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  /** The newest open connection, as soon as there is one. */
  connected(): Promise<FakeConnection> {
    return this.until(() => this.open.at(-1));
  }

  changed(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  monMap(): Message {
    const mons = [this.endpoint, ...this.peers].map(({ host, port }, i) => ({
      name: `m${i}`, addresses: [{ type: AddressType.msgr2, nonce: 0, host, port }],
    }));
    return monMapMessage.encode(encodeMonMap({ fsid: this.fsid, epoch: this.monMapEpoch, mons }));
  }

  /** Resets every connection; the port stays open. */
  dropAll(): void {
    for (const connection of this.connections) connection.drop();
  }

  async close(): Promise<void> {
    this.dropAll();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

export class FakeConnection {
  readonly subscriptions = new Map<string, Subscription>();
  readonly received: Message[] = [];
  ident: ClientIdent | undefined;
  globalIdAsked = 0n;
  globalId = 0n;
  mode = 0;
  keepalives = 0;
  readonly #mon: FakeMon;
  readonly #socket: Socket;
  readonly #reader = new FrameReader({ frameBytesMax: 1 << 20 });
  #encoder: FrameEncoder = crcEncoder;
  #banner = false;
  #key: CephKey | undefined;
  #challenge = 0n;
  #sessionKey: CephKey | undefined;
  #signature: Buffer = Buffer.alloc(Size.signature);
  #log: { received: Buffer[]; sent: Buffer[] } | undefined = { received: [], sent: [] };
  #sendSeq = 0n;
  #receivedSeq = 0n;
  #gone = false;
  /** Why it was closed by this side. */
  problem: unknown;

  constructor(mon: FakeMon, socket: Socket) {
    this.#mon = mon;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#gone = true;
      mon.changed();
    });
    socket.on('data', (chunk: Buffer) => {
      if (mon.faults.mute === true) return;
      try {
        if (mon.faults.coalesce === true) socket.cork();
        this.#onData(chunk);
        socket.uncork();
      } catch (error) {
        this.problem = error;
        this.drop();
      }
      mon.changed();
    });
    if (mon.faults.mute !== true) {
      this.#write(encodeBanner({ supported: mon.faults.bannerSupported ?? 3n, required: mon.faults.bannerRequired ?? 0n }));
    }
    mon.changed();
  }

  get open(): boolean {
    return this.ident !== undefined && this.subscriptions.size > 0 && !this.#gone;
  }

  get gone(): boolean {
    return this.#gone;
  }

  send(message: Message): void {
    this.#sendSeq += 1n;
    this.sendFrame(encodeMessage(message, { seq: this.#sendSeq, ackSeq: this.#receivedSeq }));
  }

  /** Sends a message with the number of the last one again. */
  sendAgain(message: Message): void {
    this.sendFrame(encodeMessage(message, { seq: this.#sendSeq, ackSeq: this.#receivedSeq }));
  }

  sendFrame(frame: Frame): void {
    this.#write(this.#encoder.encode(frame));
  }

  sendRaw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  drop(): void {
    this.#socket.resetAndDestroy();
  }

  #write(bytes: Buffer): void {
    this.#log?.sent.push(bytes);
    this.#socket.write(bytes);
  }

  #onData(chunk: Buffer): void {
    this.#reader.push(chunk);
    if (!this.#banner) {
      const banner = this.#reader.banner();
      if (banner === undefined) return;
      this.#banner = true;
      this.#log?.received.push(banner.bytes);
      this.sendFrame(hello.encode({ entityType: EntityType.mon, peerAddress: this.#peer() }));
    }
    for (let next = this.#reader.next(); next !== undefined; next = this.#reader.next()) {
      if (next.frame.tag !== Tag.authSignature) this.#log?.received.push(next.bytes);
      this.#onFrame(next.frame);
    }
  }

  #onFrame(frame: Frame): void {
    switch (frame.tag) {
      case Tag.hello:
        return void hello.decode(frame);
      case Tag.authRequest:
        return this.#onAuthRequest(frame);
      case Tag.authRequestMore:
        return this.#onAuthRequestMore(frame);
      case Tag.authSignature:
        if (!authSignature.decode(frame).equals(this.#signature)) throw new Error('wrong client signature');
        return;
      case Tag.clientIdent:
        return this.#onIdent(frame);
      case Tag.keepalive2:
        this.keepalives += 1;
        if (this.#mon.faults.noKeepalive !== true) this.sendFrame(keepalive2Ack.encode(keepalive2.decode(frame)));
        return;
      case Tag.keepalive2Ack:
        return;
      case Tag.message:
        return this.#onMessage(decodeMessage(frame));
      default:
        throw new Error(`unexpected tag ${frame.tag}`);
    }
  }

  #onAuthRequest(frame: Frame): void {
    const request = authRequest.decode(frame);
    const wanted = this.#mon.keys === undefined ? AuthMethod.none : AuthMethod.cephx;
    const mode = this.#mon.faults.forceMode ?? request.modes.find((each) => this.#mon.modes.includes(each));
    if (request.method !== wanted || mode === undefined) return this.#badMethod(request.method, -95);
    this.mode = mode;
    const { name, globalId } = authRequestPayload.decode(request.payload);
    this.globalIdAsked = globalId;
    if (wanted === AuthMethod.none) {
      this.globalId = globalId === 0n ? this.#mon.nextGlobalId++ : globalId;
      return this.#authDone(Buffer.alloc(0));
    }
    this.#key = this.#mon.keys!.get(name.id);
    this.#challenge = randomBytes(8).readBigUInt64LE(0);
    this.sendFrame(authReplyMore.encode(serverChallenge.encode(this.#challenge)));
  }

  #onAuthRequestMore(frame: Frame): void {
    const connectionSecret = this.mode === ConMode.secure ? randomBytes(Size.connectionSecret) : Buffer.alloc(0);
    const answer = this.#key === undefined ? undefined : this.#mon.tickets.answer({
      key: this.#key, challenge: this.#challenge, request: authRequestMore.decode(frame), globalId: this.globalIdAsked, connectionSecret,
    });
    if (answer === undefined) return this.#badMethod(AuthMethod.cephx, -13);
    this.#sessionKey = answer.sessionKey;
    this.globalId = answer.globalId;
    this.#authDone(answer.payload, connectionSecret);
  }

  #badMethod(method: number, result: number): void {
    const allowedMethods = [this.#mon.keys === undefined ? AuthMethod.none : AuthMethod.cephx];
    this.sendFrame(authBadMethod.encode({ method, result, allowedMethods, allowedModes: [...this.#mon.modes] }));
  }

  #authDone(payload: Buffer, connectionSecret?: Buffer): void {
    this.sendFrame(authDone.encode({ globalId: this.globalId, mode: this.mode, payload }));
    const log = this.#log!;
    this.#log = undefined;
    const hmac = (parts: Buffer[]): Buffer => (this.#sessionKey === undefined
      ? Buffer.alloc(Size.signature)
      : createHmac('sha256', this.#sessionKey.secret).update(Buffer.concat(parts)).digest());
    this.#signature = hmac(log.sent);
    if (this.mode === ConMode.secure && connectionSecret !== undefined) {
      const codec = secureCodec(connectionSecret, 'server');
      this.#encoder = codec.encoder;
      this.#reader.use({ decoder: codec.decoder });
    }
    const signature = hmac(log.received);
    this.sendFrame(authSignature.encode(this.#mon.faults.wrongSignature === true ? randomBytes(Size.signature) : signature));
  }

  #onIdent(frame: Frame): void {
    const ident = clientIdent.decode(frame);
    if (this.#mon.faults.missingFeatures !== undefined) return this.sendFrame(identMissingFeatures.encode(this.#mon.faults.missingFeatures));
    // A real monitor closes without a word if it is not the one that was asked for.
    if (!sameEndpoint(ident.target, this.#mon.endpoint)) return this.drop();
    this.ident = ident;
    const address: EntityAddress = { type: AddressType.msgr2, nonce: 0, ...this.#mon.endpoint };
    this.sendFrame(serverIdent.encode({
      addresses: [address], gid: 0n, globalSeq: 1n, supported: supportedFeatures, required: 0n, flags: 1n, cookie: 77n,
    }));
  }

  #onMessage(message: Message & { seq: bigint }): void {
    if (message.seq !== this.#receivedSeq + 1n) throw new Error(`message ${message.seq} after ${this.#receivedSeq}`);
    this.#receivedSeq = message.seq;
    this.received.push(message);
    if (message.type === MessageType.monSubscribe) {
      for (const subscription of monSubscribe.decode(message).subscriptions) {
        this.subscriptions.set(subscription.what, subscription);
        if (subscription.what === 'monmap' && this.#mon.faults.noMonMap !== true) this.send(this.#mon.monMap());
      }
    }
    this.#mon.onMessage(this, message);
  }

  #peer(): EntityAddress {
    return { type: AddressType.msgr2, nonce: 0, host: '127.0.0.1', port: this.#socket.remotePort ?? 0 };
  }
}
