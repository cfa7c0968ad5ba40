import net, { type Socket } from 'node:net';
import { LinkFabric } from './fabric.js';

/** One end of a connection, with all that has happened to it. */
export class End {
  readonly socket: Socket;
  received = Buffer.alloc(0);
  fin = false;
  closed = false;
  /** `ECONNRESET` for an RST. */
  error: string | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    socket.on('end', () => (this.fin = true));
    socket.on('close', () => (this.closed = true));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message));
  }
  get text(): string {
    return this.received.toString();
  }
  get reset(): boolean {
    return this.closed && this.error === 'ECONNRESET';
  }
}

/** A target behind a link that keeps its ends for the test to look at and use. */
export class Target {
  readonly ends: End[] = [];
  readonly server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.ends.push(new End(socket)));
  get port(): number {
    return (this.server.address() as net.AddressInfo).port;
  }
}

/** A fabric with one link `a`, a target behind it, and connections to it. */
export class Bench {
  readonly fabric: LinkFabric;
  readonly target = new Target();
  port = 0;
  readonly #clients: End[] = [];
  readonly #targets: Target[] = [this.target];

  constructor(seed = '1') {
    this.fabric = new LinkFabric(seed);
  }
  static async open(): Promise<Bench> {
    const bench = new Bench();
    await bench.listen(bench.target);
    bench.port = (await bench.fabric.addLink('a', { host: '127.0.0.1', port: bench.target.port })).port;
    return bench;
  }
  listen(target: Target): Promise<void> {
    if (!this.#targets.includes(target)) this.#targets.push(target);
    return new Promise((resolve) => target.server.listen(0, '127.0.0.1', resolve));
  }
  /** A client's end, connected as far as the kernel is concerned. */
  async dial(): Promise<End> {
    const end = new End(net.connect({ port: this.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }));
    this.#clients.push(end);
    await until(() => !end.socket.connecting);
    return end;
  }
  /** A client's end and the target's end of the same connection. */
  async pair(): Promise<{ client: End; server: End }> {
    const before = this.target.ends.length;
    const client = await this.dial();
    await until(() => this.target.ends.length > before);
    return { client, server: this.target.ends[before]! };
  }
  async close(): Promise<void> {
    await this.fabric.close();
    for (const end of [...this.#clients, ...this.#targets.flatMap((target) => target.ends)]) end.socket.destroy();
    for (const target of this.#targets) target.server.close();
  }
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
/** Long enough for bytes that are not held back to pass over loopback. */
export const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));
