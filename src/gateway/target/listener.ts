import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { SocketAddress } from '../control.js';
import type { Connection } from './connection.js';
import { TargetError } from './errors.js';
import { messageOf } from '../../util/errors.js';

/** Connections that wait to be accepted. A whole lab reconnects at once. */
const backlog = 512;

/** One bound address and the subsystems that can be reached through it. */
export class Listener {
  readonly portId: number;
  /** NQN → the address that hosts reach it at. */
  readonly subsystems = new Map<string, SocketAddress>();
  readonly connections = new Set<Connection>();
  readonly bound: SocketAddress;
  readonly #server: Server;

  private constructor(server: Server, portId: number, bound: SocketAddress) {
    this.#server = server;
    this.portId = portId;
    this.bound = bound;
  }

  /** Rejects with `TARGET_LISTEN_FAILED`. `onSocket` gets each connection that comes in. */
  static async open(address: SocketAddress, portId: number, onSocket: (listener: Listener, socket: Socket) => void): Promise<Listener> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error): void =>
        reject(new TargetError('TARGET_LISTEN_FAILED', `${address.host}:${address.port}: ${messageOf(error)}`, { cause: error }));
      server.once('error', failed);
      server.listen({ host: address.host, port: address.port, backlog, exclusive: true }, () => {
        server.off('error', failed);
        // Later errors (accept: too many files) lose one connection, which the host will try again.
        server.on('error', () => undefined);
        resolve();
      });
    });
    const listener = new Listener(server, portId, { host: address.host, port: (server.address() as AddressInfo).port });
    server.on('connection', (socket) => onSocket(listener, socket));
    return listener;
  }

  /** Stops listening and resets every connection. Resolves when the address is free again. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of [...this.connections]) connection.reset();
    await closed;
  }
}
