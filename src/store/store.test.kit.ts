import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { openBlockFile, type BlockFile } from './block-file.js';
import { StoreClient, type StoreClientOptions } from './client.js';
import type { FileOpener } from './image-catalog.js';
import { StoreServer, type StoreServerOptions } from './server.js';
import {
  encodeRequest, FrameReader, protocolVersion, readU48, responseHeaderBytes, responseRules, StoreOp,
} from './wire.js';

export const blockSize = 4096;
export const testImage = { name: 'rbd/ns1', bytes: 256 * blockSize, blockSize };

/** Everything that a test opens, to be undone in reverse order. */
export class Undo {
  readonly #steps: (() => unknown)[] = [];
  add<T>(value: T, step: (value: T) => unknown): T {
    this.#steps.push(() => step(value));
    return value;
  }
  async run(): Promise<void> {
    const problems: unknown[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step();
      } catch (error) {
        problems.push(error);
      }
    }
    if (problems.length > 0) throw new AggregateError(problems, 'undoing a test failed');
  }
}

export function tempDir(undo: Undo): string {
  return undo.add(fs.mkdtempSync(path.join(os.tmpdir(), 'pathproof-store-')), (dir) => fs.rmSync(dir, { recursive: true, force: true }));
}

export async function startStore(undo: Undo, options: Partial<StoreServerOptions> = {}): Promise<StoreServer> {
  const store = await StoreServer.start({ dir: options.dir ?? tempDir(undo), images: [testImage], ...options });
  return undo.add(store, (it) => it.close());
}

export async function connect(undo: Undo, port: number, nonce: number, options: Partial<StoreClientOptions> = {}): Promise<StoreClient> {
  const client = await StoreClient.connect({ host: '127.0.0.1', port, name: `client${nonce}`, nonce, ...options });
  return undo.add(client, (it) => it.close());
}

export const filled = (value: number, blocks = 1): Buffer => Buffer.alloc(blocks * blockSize, value);

/** Resolves once `condition` holds, looking every few milliseconds; the test's own timeout ends it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 3));
}

/** Image files whose pwrites can be stopped after they have begun, torn in two, or made to fail. */
export class GatedFiles {
  holding = false;
  /** The kernel may do this to a large write; most file systems rarely do. */
  tearing = false;
  failWith: string | null = null;
  readonly begun: (() => void)[] = [];
  pwrites = 0;
  readonly open: FileOpener = (file): BlockFile => {
    const inner = openBlockFile(file);
    return {
      pread: (...args) => inner.pread(...args),
      pwrite: (buffer, at, length, position, done) => {
        this.pwrites++;
        const failure = this.failWith;
        if (failure !== null) return void setImmediate(() => done(Object.assign(new Error(failure), { code: failure })));
        const half = this.tearing ? length / 2 : length;
        const write = (): void => inner.pwrite(buffer, at, half, position, (error) => {
          if (error !== null || half === length) return done(error);
          setTimeout(() => inner.pwrite(buffer, at + half, length - half, position + half, done), 1);
        });
        if (this.holding) this.begun.push(write);
        else write();
      },
      close: () => inner.close(),
    };
  };
  letGo(): void {
    this.holding = false;
    for (const write of this.begun.splice(0)) write();
  }
}

export interface RawAnswer { op: number; status: number; id: number; number: number; epoch: number; payload: Buffer }

/** A client that sends exactly what a test says, for what an honest client never does. */
export class RawClient {
  readonly socket: net.Socket;
  readonly closed: Promise<void>;
  readonly #answers: RawAnswer[] = [];
  #wake: (() => void) | null = null;

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    const reader = new FrameReader(responseRules, (buffer, start, end) => {
      this.#answers.push({
        op: buffer[start + 6]!, status: buffer[start + 7]!, id: readU48(buffer, start + 8), number: readU48(buffer, start + 16),
        epoch: buffer.readUInt32LE(start + 24), payload: buffer.subarray(start + responseHeaderBytes, end),
      });
      this.#wake?.();
    });
    this.socket.on('data', (chunk: Buffer) => reader.push(chunk));
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.on('close', () => resolve()));
  }

  send(op: number, id: number, fields: { handle?: number; slba?: number; nlb?: number; payload?: Buffer; confirmed?: number } = {}): void {
    const { handle = 0, slba = 0, nlb = 0, payload = Buffer.alloc(0), confirmed = 0 } = fields;
    this.socket.write(Buffer.concat([encodeRequest({ op, id, handle, slba, nlb }, confirmed, payload.length), payload]));
  }

  /** Says hello with the test image open under handle 0. */
  async hello(nonce: number, options: { connectSeq?: number; instance?: string; id?: number } = {}): Promise<RawAnswer> {
    const { connectSeq = 1, instance = 'raw', id = 1_000_000 } = options;
    this.send(StoreOp.hello, id, {
      payload: Buffer.from(JSON.stringify({
        version: protocolVersion, name: `raw${nonce}`, nonce, instance, connectSeq, images: [{ handle: 0, image: testImage.name }],
      })),
    });
    return this.next();
  }

  write(id: number, slba: number, value: number, confirmed = 0): void {
    this.send(StoreOp.write, id, { slba, nlb: 1, payload: filled(value), confirmed });
  }

  async next(): Promise<RawAnswer> {
    while (this.#answers.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    return this.#answers.shift()!;
  }
}

/** A TCP proxy that a test can break: all connections at once, or each after a number of bytes. */
export class BreakableProxy {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  connections = 0;
  /** Both sides are reset once this many bytes have passed either way; asked per connection. */
  budgetBytes: () => number = () => Infinity;
  /** Bytes of a connection (1, 2, …) that pass to and from the store; the rest vanishes without a word. */
  swallowAfter: (connection: number) => { upBytes: number; downBytes: number } = () => ({ upBytes: Infinity, downBytes: Infinity });

  private constructor(targetPort: number) {
    this.#server = net.createServer({ noDelay: true }, (client) => {
      const passing = this.swallowAfter(++this.connections);
      const server = net.connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
      let left = this.budgetBytes();
      for (const [from, to] of [[client, server], [server, client]] as const) {
        this.#sockets.add(from);
        let room = from === client ? passing.upBytes : passing.downBytes;
        from.on('data', (received: Buffer) => {
          const chunk = received.subarray(0, room);
          room -= chunk.length;
          if ((left -= chunk.length) > 0) return void to.write(chunk);
          // What fits still passes: the connection breaks inside a frame.
          to.write(chunk.subarray(0, Math.max(0, left + chunk.length)), () => {
            from.destroy();
            to.destroy();
          });
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
      }
    });
  }
  static async open(undo: Undo, targetPort: number): Promise<BreakableProxy> {
    const proxy = new BreakableProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return undo.add(proxy, (it) => {
      it.breakAll();
      it.#server.close();
    });
  }
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }
  breakAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
