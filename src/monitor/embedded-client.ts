import { connect, type Socket } from 'node:net';
import type { Beacon, CommandReply, GatewayMap, MonitorClient } from './client.js';
import {
  encodeMessage, MessageReader, MonitorError, MonitorLimit, protocolVersion, serverMessageSchema,
  type ClientMessage, type ServerMessage,
} from './protocol.js';

export interface EmbeddedMonitorOptions {
  host: string;
  port: number;
  /** This incarnation's entity address, `ip:port/nonce`: what the monitor addresses its maps to. Unique per process. */
  entity: string;
  /** First pause before a new connection attempt, milliseconds; doubles up to eight times that. Default 50. */
  reconnectMs?: number;
  log?: (line: string) => void;
}

const defaultReconnectMs = 50;
const backoffFactorMax = 8;

interface OpenCommand {
  resolve: (reply: CommandReply) => void;
  reject: (error: MonitorError) => void;
}

/**
 * A session with the embedded monitor. Connecting begins at once and is repeated, with backoff, whenever
 * the socket closes; the new connection announces the same entity address, and so subscribes again.
 *
 * There is no heartbeat. A peer that has silently vanished (a cut link) is noticed by the gateway agent,
 * whose panic timers count the time without a map, not here; only a handshake that is not answered is
 * given up, after `MonitorLimit.handshakeMsMax`.
 */
export function connectEmbeddedMonitor(options: EmbeddedMonitorOptions): EmbeddedMonitorClient {
  return new EmbeddedMonitorClient(options);
}

export class EmbeddedMonitorClient implements MonitorClient {
  private readonly options: EmbeddedMonitorOptions;
  private readonly mapListeners: ((map: GatewayMap) => void)[] = [];
  private readonly connectionListeners: ((connected: boolean) => void)[] = [];
  private readonly open = new Map<number, OpenCommand>();
  private socket: Socket | undefined;
  private welcomed = false;
  private closed = false;
  private nextId = 1;
  private backoffMs: number;
  private retryTimer: NodeJS.Timeout | undefined;
  private lastProblem = '';

  constructor(options: EmbeddedMonitorOptions) {
    this.options = options;
    this.backoffMs = options.reconnectMs ?? defaultReconnectMs;
    this.connect();
  }

  get connected(): boolean {
    return this.welcomed;
  }

  onMap(listener: (map: GatewayMap) => void): void {
    this.mapListeners.push(listener);
  }

  /** Called at each change. A session that is already up is announced to a new listener, too. */
  onConnection(listener: (connected: boolean) => void): void {
    this.connectionListeners.push(listener);
    if (this.welcomed) queueMicrotask(() => this.welcomed && listener(true));
  }

  sendBeacon(beacon: Beacon): void {
    if (this.welcomed) this.send({ type: 'beacon', beacon });
  }

  /** Rejects with MON_NOT_CONNECTED, or with MON_DISCONNECTED when the connection ends first: it may have been executed then. */
  command(command: Record<string, string | number>): Promise<CommandReply> {
    if (!this.welcomed) return Promise.reject(new MonitorError('MON_NOT_CONNECTED', `the monitor is not connected${this.lastProblem}`));
    if (this.open.size >= MonitorLimit.openCommandsMax) {
      return Promise.reject(new MonitorError('MON_TOO_MANY_COMMANDS', `${this.open.size} commands without an answer`));
    }
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.open.set(id, { resolve, reject });
      this.send({ type: 'command', id, command });
    });
  }

  /** Ends the session for good; open commands reject with MON_CLOSED. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.retryTimer);
    const { socket } = this;
    if (socket === undefined || socket.destroyed) return;
    const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.destroy();
    await ended;
  }

  private connect(): void {
    const { host, port, entity } = this.options;
    const socket = connect({ host, port, noDelay: true });
    this.socket = socket;
    const reader = new MessageReader(serverMessageSchema);
    const handshakeTimer = setTimeout(() => {
      this.lastProblem = ': the monitor did not answer';
      socket.destroy();
    }, MonitorLimit.handshakeMsMax);
    socket.on('connect', () => this.send({ type: 'hello', version: protocolVersion, entity }));
    socket.on('error', (error) => {
      this.lastProblem = `: ${error.message}`;
    });
    socket.on('data', (chunk: Buffer) => {
      if (socket.destroyed) return;
      try {
        for (const message of reader.push(chunk)) {
          if (message.type === 'welcome') clearTimeout(handshakeTimer);
          this.handle(message);
          if (this.closed) return;
        }
      } catch (error) {
        // Only what the peer sent; an error of a listener is not the connection's fault.
        if (!(error instanceof MonitorError)) throw error;
        this.lastProblem = `: ${error.message}`;
        socket.destroy();
      }
    });
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(handshakeTimer);
      this.disconnected();
    });
  }

  private handle(message: ServerMessage): void {
    switch (message.type) {
      case 'welcome':
        this.backoffMs = this.options.reconnectMs ?? defaultReconnectMs;
        this.lastProblem = '';
        this.setConnected(true);
        return;
      case 'map':
        for (const listener of this.mapListeners) listener(message.map);
        return;
      case 'reply':
        this.open.get(message.id)?.resolve(message.reply);
        this.open.delete(message.id);
        return;
      case 'error':
        this.options.log?.(`the monitor ended the connection: ${message.code}: ${message.message}`);
        this.lastProblem = `: ${message.code}: ${message.message}`;
        return;
    }
  }

  private disconnected(): void {
    this.setConnected(false);
    const error = this.closed
      ? new MonitorError('MON_CLOSED', 'the session was closed')
      : new MonitorError('MON_DISCONNECTED', `the connection to the monitor ended${this.lastProblem}`);
    for (const { reject } of this.open.values()) reject(error);
    this.open.clear();
    if (this.closed) return;
    this.retryTimer = setTimeout(() => this.connect(), this.backoffMs);
    this.backoffMs = Math.min(this.backoffMs * 2, (this.options.reconnectMs ?? defaultReconnectMs) * backoffFactorMax);
  }

  private setConnected(connected: boolean): void {
    if (this.welcomed === connected) return;
    this.welcomed = connected;
    for (const listener of this.connectionListeners) listener(connected);
  }

  private send(message: ClientMessage): void {
    const { socket } = this;
    if (socket === undefined || socket.destroyed) return;
    // A peer that takes nothing (cut link): old beacons would only mislead when they came at last.
    if (message.type === 'beacon' && socket.writableLength > MonitorLimit.frameBytesMax) return;
    socket.write(encodeMessage(message));
  }
}
