import { createServer, type Server, type Socket } from 'node:net';
import { nowUs, sleep } from '../util/clock.js';
import { messageOf } from '../util/errors.js';
import type { CommandReply } from './client.js';
import { answerCommand, type BlocklistStore, type MonitorCommand } from './commands.js';
import { GatewayMonitorModel, type MonitorModel } from './model/model.js';
import { Errno, type MonitorEffect, type MonitorTimers } from './model/types.js';
import {
  clientMessageSchema, encodeMessage, MessageReader, MonitorError, MonitorLimit, protocolVersion,
  type ClientMessage, type ServerMessage,
} from './protocol.js';

export interface MonitorServerOptions {
  /** Port 0: the kernel chooses. */
  listen: { host: string; port: number };
  timers: MonitorTimers;
  store: BlocklistStore;
  /** Puts something between the server and its model; the model's own rules stay as they are. */
  wrapModel?: (model: MonitorModel) => MonitorModel;
  /** Pause before a blocklist request that failed is tried again, milliseconds. Default 100. */
  blocklistRetryMs?: number;
  /** Called after each change of the map, with the new global epoch. */
  onCommit?: (epoch: number) => void;
  log?: (line: string) => void;
}

const defaultBlocklistRetryMs = 100;
/** A store that keeps failing is logged at its first failure and then this often. */
const logEveryFailures = 50;

interface Session {
  socket: Socket;
  /** Entity address from the hello; undefined: not said yet. */
  entity: string | undefined;
  openCommands: number;
}

/**
 * The embedded monitor as a TCP server: sessions, the tick, and the blocklist around the pure model. A
 * session is the entity address that its hello announced; maps go to the newest connection with that
 * address. A lost connection means nothing to the model, as in Ceph: only beacons count.
 */
export class MonitorServer {
  readonly model: MonitorModel;
  private readonly options: MonitorServerOptions;
  private readonly server: Server;
  /** Every open socket, of refused connections too. */
  private readonly sockets = new Set<Socket>();
  private readonly byEntity = new Map<string, Session>();
  private readonly stopped = new AbortController();
  private readonly log: (line: string) => void;
  private tickTimer: NodeJS.Timeout | undefined;

  private constructor(options: MonitorServerOptions) {
    this.options = options;
    this.log = options.log ?? (() => undefined);
    const model = new GatewayMonitorModel({ timers: options.timers, nowMs: nowMs() });
    this.model = options.wrapModel?.(model) ?? model;
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  /** Rejects with MON_LISTEN if the address cannot be had. */
  static async start(options: MonitorServerOptions): Promise<MonitorServer> {
    const monitor = new MonitorServer(options);
    await new Promise<void>((resolve, reject) => {
      const { host, port } = options.listen;
      monitor.server.once('error', (error) => reject(new MonitorError('MON_LISTEN', `cannot listen on ${host}:${port}: ${error.message}`, error)));
      monitor.server.listen(port, host, resolve);
    });
    monitor.server.on('error', (error) => monitor.log(`server: ${error.message}`));
    monitor.tickTimer = setInterval(() => monitor.apply(monitor.model.tick(nowMs())), options.timers.monTickMs);
    return monitor;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** A command, as if it had come from a client. */
  async command(command: MonitorCommand): Promise<CommandReply> {
    const context = { model: this.model, store: this.options.store, nowMs, apply: (effects: MonitorEffect[]) => this.apply(effects) };
    return answerCommand(context, command);
  }

  /** Ends all sessions. A blocklist request under way is given up. */
  async close(): Promise<void> {
    clearInterval(this.tickTimer);
    this.stopped.abort();
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private accept(socket: Socket): void {
    const session: Session = { socket, entity: undefined, openCommands: 0 };
    socket.on('error', () => undefined); // 'close' follows
    if (this.sockets.size >= MonitorLimit.connectionsMax) {
      socket.destroy();
      this.log(`connection refused: MON_TOO_MANY_CONNECTIONS: more than ${MonitorLimit.connectionsMax}`);
      return;
    }
    this.sockets.add(socket);
    const reader = new MessageReader(clientMessageSchema);
    const helloTimer = setTimeout(
      () => this.refuse(session, new MonitorError('MON_HANDSHAKE_TIMEOUT', 'no hello')), MonitorLimit.handshakeMsMax,
    );
    socket.on('data', (chunk: Buffer) => {
      if (socket.destroyed || socket.writableEnded) return;
      try {
        for (const message of reader.push(chunk)) {
          this.handle(session, message);
          if (session.entity !== undefined) clearTimeout(helloTimer);
          if (socket.writableEnded) return;
        }
      } catch (error) {
        // Anything else is a bug of this program and must not pass for a bad client.
        if (!(error instanceof MonitorError)) throw error;
        this.refuse(session, error);
      }
    });
    socket.on('close', () => {
      clearTimeout(helloTimer);
      this.sockets.delete(socket);
      if (session.entity === undefined || this.byEntity.get(session.entity) !== session) return;
      this.byEntity.delete(session.entity);
      this.model.unsubscribe(session.entity);
    });
  }

  private handle(session: Session, message: ClientMessage): void {
    if (message.type === 'hello') return this.hello(session, message.version, message.entity);
    if (session.entity === undefined) throw new MonitorError('MON_BAD_HELLO', `${message.type} before hello`);
    if (message.type === 'beacon') this.apply(this.model.beacon(nowMs(), session.entity, message.beacon));
    else this.answer(session, message.id, message.command);
  }

  private hello(session: Session, version: number, entity: string): void {
    if (session.entity !== undefined) throw new MonitorError('MON_BAD_HELLO', 'a second hello');
    if (version !== protocolVersion) throw new MonitorError('MON_BAD_HELLO', `protocol version ${version}, not ${protocolVersion}`);
    const older = this.byEntity.get(entity);
    this.byEntity.set(entity, session);
    session.entity = entity;
    // The old connection is half open, or a second process has the same nonce: maps can go to one only.
    if (older !== undefined) this.refuse(older, new MonitorError('MON_SUPERSEDED', `${entity} has connected anew`));
    this.send(session, { type: 'welcome', version: protocolVersion });
    this.apply(this.model.subscribe(entity));
  }

  private answer(session: Session, id: number, command: MonitorCommand): void {
    if (session.openCommands >= MonitorLimit.openCommandsMax) {
      throw new MonitorError('MON_TOO_MANY_COMMANDS', `more than ${MonitorLimit.openCommandsMax} commands without an answer`);
    }
    session.openCommands += 1;
    void this.command(command)
      .catch((error: unknown): CommandReply => ({ code: Errno.io, status: messageOf(error), output: '' }))
      .then((reply) => {
        session.openCommands -= 1;
        this.send(session, { type: 'reply', id, reply });
      });
  }

  private apply(effects: readonly MonitorEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'map') {
        const session = this.byEntity.get(effect.address);
        if (session !== undefined) this.send(session, { type: 'map', map: effect.map });
      } else if (effect.kind === 'blocklist') {
        void this.blocklist(effect.token, effect.addresses);
      } else {
        this.options.onCommit?.(effect.epoch);
      }
    }
  }

  /** Tries until the store has done it: nobody may serve the groups of a gateway that could still write. */
  private async blocklist(token: number, addresses: string[]): Promise<void> {
    this.log(`blocklist ${addresses.join(' ')}`);
    for (let failures = 0; !this.stopped.signal.aborted; failures++) {
      try {
        const epoch = await this.options.store.blocklist(addresses);
        if (this.stopped.signal.aborted) return;
        this.log(`blocklisted at store epoch ${epoch}: ${addresses.join(' ')}`);
        this.apply(this.model.blocklistDone(nowMs(), token, epoch));
        return;
      } catch (error) {
        if (failures % logEveryFailures === 0) this.log(`the store has not blocklisted ${addresses.join(' ')} yet: ${messageOf(error)}`);
      }
      await sleep(this.options.blocklistRetryMs ?? defaultBlocklistRetryMs, this.stopped.signal);
    }
  }

  private send(session: Session, message: ServerMessage): void {
    const { socket } = session;
    if (socket.destroyed || socket.writableEnded) return;
    if (socket.writableLength > MonitorLimit.outputBytesMax) {
      this.log(`${session.entity} does not read: connection ended`);
      socket.destroy();
      return;
    }
    socket.write(encodeMessage(message));
  }

  /** Tells the peer why and closes; what it sends from now on is not read. */
  private refuse(session: Session, error: MonitorError): void {
    this.log(`connection ${session.entity ?? '(no hello)'} ended: ${error.code}: ${error.message}`);
    this.send(session, { type: 'error', code: error.code, message: error.message });
    session.socket.end();
    session.socket.resume();
    // A peer that does not close in turn is not waited for.
    setTimeout(() => session.socket.destroy(), MonitorLimit.handshakeMsMax).unref();
  }
}

function nowMs(): number {
  return nowUs() / 1_000;
}
