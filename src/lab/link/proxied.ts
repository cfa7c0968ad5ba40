import net, { type Socket } from 'node:net';
import { Pipe } from './pipe.js';
import type { Valve } from './valve.js';

export interface Target { host: string; port: number }

/** What a proxied connection tells its link. */
export interface ProxiedOwner {
  readonly forward: Valve;
  readonly backward: Valve;
  target(): Target;
  /** An RST was passed on, or the target refused the connection. */
  reset(reason: 'propagated' | 'target-failed'): void;
  gone(connection: Proxied): void;
}

/**
 * One connection through a link: the client's socket, the one to the target, and a pipe each way.
 *
 * A client that arrives during a `drop` cut is accepted (the kernel has done that already) but not
 * read, and the target does not hear of it until the heal: the nearest thing to a lost SYN that a
 * proxy can do. The client cannot tell it from a handshake whose later packets are lost.
 */
export class Proxied {
  readonly #client: Socket;
  readonly #owner: ProxiedOwner;
  #server: Socket | null = null;
  #forward: Pipe | null = null;
  #backward: Pipe | null = null;
  #open = 1;

  constructor(client: Socket, owner: ProxiedOwner) {
    this.#client = client;
    this.#owner = owner;
    client.on('error', () => this.#clientReset());
    client.on('close', () => this.#closed());
    this.update();
  }

  /** Waiting for the heal of a cut before it even reaches the target. */
  get waiting(): boolean {
    return this.#server === null;
  }

  /** To be called after each change of a valve. */
  update(): void {
    const { forward, backward } = this.#owner;
    // A handshake needs both directions.
    if (this.#server === null && !forward.cut && !backward.cut && !this.#client.destroyed) this.#connect();
    this.#forward?.update();
    this.#backward?.update();
  }

  /** Ends both sides with RST. */
  reset(): void {
    this.#forward?.sinkGone();
    this.#backward?.sinkGone();
    this.#client.resetAndDestroy();
    this.#server?.resetAndDestroy();
  }

  #connect(): void {
    const server = net.connect({ ...this.#owner.target(), noDelay: true, allowHalfOpen: true });
    this.#server = server;
    this.#open++;
    let connected = false;
    server.on('connect', () => {
      connected = true;
      if (this.#client.destroyed) {
        server.resetAndDestroy();
        return;
      }
      this.#forward = new Pipe(this.#client, server, this.#owner.forward, () => this.#passReset());
      this.#backward = new Pipe(server, this.#client, this.#owner.backward, () => this.#passReset());
    });
    server.on('error', () => {
      if (connected) this.#serverReset();
      else this.#targetFailed();
    });
    server.on('close', () => this.#closed());
  }

  #targetFailed(): void {
    if (this.#client.destroyed) return;
    this.#owner.reset('target-failed');
    this.#client.resetAndDestroy();
  }

  // The RST of one side travels in that side's direction, and so does not pass if that is cut. Until
  // it has passed, the other side writes into nothing.
  #clientReset(): void {
    this.#backward?.sinkGone();
    if (this.#forward !== null) this.#forward.sourceReset();
    else this.#server?.destroy();
  }
  #serverReset(): void {
    this.#forward?.sinkGone();
    this.#backward?.sourceReset();
  }

  #passReset(): void {
    this.#owner.reset('propagated');
    this.reset();
  }

  #closed(): void {
    if (--this.#open === 0) {
      this.#forward?.sinkGone();
      this.#backward?.sinkGone();
      this.#owner.gone(this);
    }
  }
}
