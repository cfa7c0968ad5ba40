import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { clientAddress } from './address.js';
import { runAdmin } from './admin.js';
import { Connection, type ConnectionOwner } from './connection.js';
import { helloSchema, openSchema, parseControl, type Hello, type HelloReply, type OpenReply } from './control.js';
import { readDataRequest, requestConfirmed, requestId, requestOp } from './data-request.js';
import { messageOf } from '../util/errors.js';
import { badRequest, statusOfError, StoreError, StoreStatus } from './errors.js';
import { Executor, type StoreCounters } from './executor.js';
import { Fence } from './fence.js';
import { ImageCatalog, type FileOpener, type ImageSpec } from './image-catalog.js';
import { storeDefects, type StoreDefect } from './injection.js';
import { StoreLimit } from './limits.js';
import { Session } from './session.js';
import { isDataOp, isMutation, protocolError, requestHeaderBytes, StoreOp } from './wire.js';

export interface StoreServerOptions {
  /** Folder of images and state; made if missing. One store at a time. */
  dir: string;
  /** Default 127.0.0.1, any free port. */
  listen?: { host: string; port: number };
  /** Images that must exist once the store is up. */
  images?: readonly ImageSpec[];
  /** For tests: how image files are opened. */
  openFile?: FileOpener;
}

/** The body of a `store.state` event, and more of the same kind. */
export interface StoreState {
  epoch: number;
  blocklist: string[];
  /** Clients that are connected now. */
  clients: { address: string; name: string; fenced: boolean }[];
  droppedWrites: number;
}
export interface StoreInjection { latencyMs: number; held: Record<string, number>; defects: StoreDefect[] }

const stateEventGapMs = 20;

/**
 * The block store of the loopback lab, in the place of RBD on OSDs: images, clients known by address
 * and nonce, a blocklist with an epoch.
 *
 * A write is acknowledged once its pwrite has returned, so what was acknowledged survives a SIGKILL of
 * any process, this one included. A blocklisted client's operations are refused wherever they are; the
 * epoch that `blocklistAdd` returns is the promise that none of its writes will land any more.
 */
export class StoreServer implements ConnectionOwner {
  readonly #fence: Fence;
  readonly #catalog: ImageCatalog;
  readonly #executor: Executor;
  readonly #server: net.Server;
  readonly #connections = new Set<Connection>();
  readonly #sessions = new Map<string, Session>();
  readonly #defects = new Set<StoreDefect>();
  readonly #counters: StoreCounters = {
    reads: 0, writesApplied: 0, droppedWrites: 0, replays: 0, duplicates: 0, protocolErrors: 0, connections: 0,
  };
  readonly #stateListeners: ((state: StoreState) => void)[] = [];
  readonly #problemListeners: ((text: string) => void)[] = [];
  #stateTimer: NodeJS.Timeout | null = null;
  #closing: Promise<void> | null = null;

  private constructor(options: StoreServerOptions) {
    fs.mkdirSync(options.dir, { recursive: true });
    this.#fence = new Fence(path.join(options.dir, 'state.json'));
    this.#catalog = new ImageCatalog(options.dir, options.openFile);
    for (const image of options.images ?? []) this.#catalog.create(image);
    this.#executor = new Executor(this.#fence, this.#counters, this.#defects, () => this.#stateChanged());
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Opens (or makes) the folder, creates missing images, and listens. Throws StoreError or the listen error. */
  static async start(options: StoreServerOptions): Promise<StoreServer> {
    const store = new StoreServer(options);
    const { host, port } = options.listen ?? { host: '127.0.0.1', port: 0 };
    await new Promise<void>((resolve, reject) => {
      store.#server.once('error', reject);
      store.#server.listen(port, host, resolve);
    });
    return store;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }
  get epoch(): number {
    return this.#fence.epoch;
  }

  state(): StoreState {
    const clients = new Map<string, StoreState['clients'][number]>();
    for (const { address, name, sink } of this.#sessions.values()) {
      if (sink !== null) clients.set(address, { address, name, fenced: this.#fence.isFenced(address) });
    }
    return {
      epoch: this.#fence.epoch, blocklist: this.#fence.list(), clients: [...clients.values()],
      droppedWrites: this.#counters.droppedWrites,
    };
  }
  counters(): StoreCounters {
    return { ...this.#counters };
  }
  injection(): StoreInjection {
    return { latencyMs: this.#executor.gate.latencyMs, held: this.#executor.gate.held(), defects: [...this.#defects] };
  }

  /** Blocklists client addresses; resolves to the epoch from which on nothing of theirs lands (fence.ts). */
  async blocklistAdd(addresses: readonly string[]): Promise<number> {
    const before = this.#fence.epoch;
    const epoch = await this.#fence.add(addresses);
    if (epoch !== before) this.#stateChangedNow();
    if (!this.#defects.has('ignore-blocklist')) {
      for (const session of this.#sessions.values()) {
        if (addresses.includes(session.address)) session.sink?.noticeFenced();
      }
    }
    return epoch;
  }
  async blocklistRm(addresses: readonly string[]): Promise<number> {
    const epoch = await this.#fence.remove(addresses);
    this.#stateChangedNow();
    return epoch;
  }
  blocklistLs(): string[] {
    return this.#fence.list();
  }
  waitForEpoch(epoch: number): Promise<number> {
    return this.#fence.waitForEpoch(epoch);
  }
  createImage(spec: unknown): void {
    this.#catalog.create(spec);
  }
  listImages(): ImageSpec[] {
    return this.#catalog.list();
  }

  /** Delays every data operation that arrives from now on by `ms`. */
  setLatency(ms: number): void {
    this.#executor.gate.setLatency(ms);
  }
  /** Holds the mutations of a client (address, name, or `*`) before their pwrite until `release`. */
  hold(client: string): void {
    this.#executor.gate.hold(client);
  }
  /** Lets held mutations go on (of one hold, or all) and returns their number; a fenced client's are dropped. */
  release(client?: string): number {
    return this.#executor.gate.release(client);
  }
  setDefect(defect: StoreDefect, on: boolean): void {
    if (!storeDefects.includes(defect)) throw badRequest(`unknown defect ${String(defect)}; known: ${storeDefects.join(', ')}`);
    if (on) this.#defects.add(defect);
    else this.#defects.delete(defect);
  }

  /** Called after changes of `state()`: at once for the blocklist, at most every 20 ms for the rest. */
  onState(listener: (state: StoreState) => void): void {
    this.#stateListeners.push(listener);
  }
  /** Called with one line for each connection that was dropped for what it sent. */
  onProblem(listener: (text: string) => void): void {
    this.#problemListeners.push(listener);
  }

  /** Drops all connections, waits for file operations under way, closes the files. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of [...this.#connections]) connection.destroy();
    this.#executor.gate.close();
    if (this.#stateTimer !== null) clearTimeout(this.#stateTimer);
    await closed;
    await this.#executor.idle();
    await this.#catalog.close();
  }

  // ConnectionOwner

  request(connection: Connection, buffer: Buffer, start: number, end: number): void {
    const op = requestOp(buffer, start);
    const id = requestId(buffer, start);
    if (id === 0) throw protocolError('request id 0');
    const session = connection.session;
    if (session === null) {
      if (op !== StoreOp.hello) throw protocolError('a connection must begin with hello');
      return this.#hello(connection, id, buffer.subarray(start + requestHeaderBytes, end));
    }
    const confirmed = requestConfirmed(buffer, start);
    if (confirmed > session.lastNumber) throw protocolError('confirms an answer that was not given');
    session.confirm(confirmed);
    if (session.underWay.has(id)) {
      // Sent again while its first sending is held or being executed: one answer, on this connection.
      this.#counters.duplicates++;
      return;
    }
    if (session.overLimit) throw new StoreError('STORE_LIMIT', 'io', 'too many unanswered or unconfirmed operations');
    if (isDataOp(op)) this.#data(session, op, id, buffer, start, end);
    else if (op === StoreOp.openImage || op === StoreOp.admin) this.#control(session, op, id, buffer.subarray(start + requestHeaderBytes, end));
    else throw protocolError(`unknown operation ${op}`);
  }

  failed(connection: Connection, error: StoreError): void {
    this.#counters.protocolErrors++;
    const who = connection.session === null ? 'a connection without hello' : `${connection.session.name} ${connection.session.address}`;
    for (const listener of this.#problemListeners) listener(`dropped ${who}: ${error.code} ${error.message}`);
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    const session = connection.session;
    if (session !== null && session.sink === connection) {
      session.sink = null;
      this.#stateChanged();
    }
  }

  #accept(socket: net.Socket): void {
    if (this.#connections.size >= StoreLimit.connectionsMax) {
      socket.resetAndDestroy();
      return;
    }
    this.#counters.connections++;
    this.#connections.add(new Connection(socket, this));
  }

  #hello(connection: Connection, id: number, payload: Buffer): void {
    let session: Session;
    let resumed: boolean;
    try {
      const hello = parseControl(helloSchema, payload);
      session = this.#sessionFor(hello);
      if (hello.connectSeq <= session.connectSeq) throw new StoreError('STORE_STALE_SESSION', 'unreachable', 'a newer connection of this client exists');
      resumed = session.connectSeq > 0;
      session.connectSeq = hello.connectSeq;
      session.sink?.replaced();
      session.sink = connection;
      connection.adopt(session);
      this.#openImages(session, hello);
    } catch (error) {
      connection.answer(StoreOp.hello, statusOfError(error), id, 0, Buffer.from(messageOf(error)), false);
      connection.end();
      return;
    }
    const status = this.#refuses(session) ? StoreStatus.fenced : StoreStatus.ok;
    const reply: HelloReply = { address: session.address, resumed };
    session.answer(StoreOp.hello, status, id, false, Buffer.from(JSON.stringify(reply)));
    this.#stateChanged();
  }

  #sessionFor(hello: Hello): Session {
    const address = clientAddress(hello.nonce);
    const key = `${address} ${hello.instance}`;
    let session = this.#sessions.get(key);
    if (session === undefined) {
      this.#makeRoom();
      session = new Session(address, hello.name, hello.instance);
      this.#sessions.set(key, session);
    }
    return session;
  }

  #makeRoom(): void {
    if (this.#sessions.size < StoreLimit.sessionsMax) return;
    for (const [key, session] of this.#sessions) {
      if (session.sink === null && session.underWay.size === 0) {
        this.#sessions.delete(key);
        return;
      }
    }
    throw new StoreError('STORE_LIMIT', 'io', `at most ${StoreLimit.sessionsMax} client sessions`);
  }

  /** After a restart of the store its sessions know no handles; the client says in its hello what it had open. */
  #openImages(session: Session, hello: Hello): void {
    for (const { handle, image } of hello.images) session.images.set(handle, this.#catalog.get(image));
  }

  #refuses(session: Session): boolean {
    return this.#fence.isFenced(session.address) && !this.#defects.has('ignore-blocklist');
  }

  #data(session: Session, op: number, id: number, buffer: Buffer, start: number, end: number): void {
    if (isMutation(op)) {
      const status = session.answered(id);
      if (status !== undefined) {
        this.#counters.replays++;
        session.answer(op, status, id, true);
        return;
      }
    }
    try {
      this.#executor.arrive(readDataRequest(session, buffer, start, end));
    } catch (error) {
      if (error instanceof StoreError && error.code === 'STORE_PROTOCOL') throw error;
      session.answer(op, statusOfError(error), id, false, Buffer.from(messageOf(error)));
    }
  }

  #control(session: Session, op: number, id: number, payload: Buffer): void {
    session.underWay.add(id);
    const work = async (): Promise<unknown> => {
      if (this.#refuses(session)) throw new StoreError('STORE_FENCED', 'fenced', `${session.address} is blocklisted`);
      if (op === StoreOp.admin) return runAdmin(this, payload);
      const { handle, image: name } = parseControl(openSchema, payload);
      const image = this.#catalog.get(name);
      session.images.set(handle, image);
      return { blockSize: image.blockSize, blocks: image.blocks } satisfies OpenReply;
    };
    work().then(
      (reply) => session.answer(op, StoreStatus.ok, id, false, Buffer.from(JSON.stringify(reply ?? null))),
      (error: unknown) => session.answer(op, statusOfError(error), id, false, Buffer.from(messageOf(error))),
    );
  }

  #stateChanged(): void {
    this.#stateTimer ??= setTimeout(() => this.#stateChangedNow(), stateEventGapMs);
  }

  #stateChangedNow(): void {
    if (this.#stateTimer !== null) clearTimeout(this.#stateTimer);
    this.#stateTimer = null;
    const state = this.state();
    for (const listener of this.#stateListeners) listener(state);
  }
}
