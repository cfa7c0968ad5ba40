import { connect, type Socket } from 'node:net';
import { ByteQueue } from '../../nvme/byte-queue.js';
import {
  Command, CommandFlag, goMessage, greetingBytes, HandshakeFlag, optionReplyBytes, readGreeting, readOptionReply, readSimpleReply, requestHeader, silentServer,
  simpleReplyBytes, takeOptionReply, TransmissionFlag, type ExportInfo, type OptionReply,
} from './wire.js';

/** An answer of the server that says that a command failed. */
export class NbdError extends Error {
  /** Linux's number, see `Errno`. */
  readonly errno: number;
  constructor(what: string, errno: number) {
    super(`${what}: NBD error ${errno}`);
    this.name = 'NbdError';
    this.errno = errno;
  }
}

/** The connection is gone. What had no answer may have been done, or may still be done. */
export class NbdLost extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'NbdLost';
  }
}

interface Pending { what: string; readBytes: number; resolve: (data: Buffer) => void; reject: (error: Error) => void }

/**
 * One connection to one export of an NBD server on a unix socket, any number of commands under way. It does not connect
 * again: a server in front of RBD that is gone has lost its RADOS client, and who comes after it is somebody else to the
 * monitor's blocklist. Commands have no time limit; like librados they wait for the storage as long as it takes.
 */
export class NbdClient {
  readonly info: ExportInfo;
  readonly #socket: Socket;
  readonly #queue: ByteQueue;
  readonly #pending = new Map<bigint, Pending>();
  #lastCookie = 0n;
  #reply: { pending: Pending; cookie: bigint } | undefined;
  #lost: NbdLost | undefined;
  #tellLost: (error: NbdLost) => void = () => undefined;
  /** Settles when the connection is gone. */
  readonly lost: Promise<NbdLost>;

  private constructor(socket: Socket, queue: ByteQueue, info: ExportInfo) {
    this.#socket = socket;
    this.#queue = queue;
    this.info = info;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
    socket.on('data', (chunk: Buffer) => {
      this.#queue.push(chunk);
      this.#take();
    });
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('the server closed the connection'));
    this.#take();
  }

  /** Rejects when there is no server, it has no such export, or it is not heard of within `timeoutMs`. */
  static async open(path: string, exportName: string, timeoutMs = 10_000): Promise<NbdClient> {
    const socket = connect({ path });
    const queue = new ByteQueue();
    const timer = setTimeout(() => socket.destroy(new Error(`no NBD handshake within ${timeoutMs} ms`)), timeoutMs);
    try {
      const info = await negotiate(socket, queue, exportName);
      return new NbdClient(socket, queue, info);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  read(offset: number, length: number): Promise<Buffer> {
    return this.#command(`read of ${length} bytes at ${offset}`, Command.read, offset, length, undefined, 0);
  }

  /** `data` must not change until it settles. `fua`: it is durable when it resolves; only if the server can (`can`). */
  async write(offset: number, data: Buffer, { fua = false }: { fua?: boolean } = {}): Promise<void> {
    await this.#command(`write of ${data.length} bytes at ${offset}`, Command.write, offset, data.length, data, fua ? CommandFlag.fua : 0);
  }

  async flush(): Promise<void> {
    await this.#command('flush', Command.flush, 0, 0, undefined, 0);
  }

  async trim(offset: number, length: number): Promise<void> {
    await this.#command(`trim of ${length} bytes at ${offset}`, Command.trim, offset, length, undefined, 0);
  }

  async writeZeroes(offset: number, length: number, { fua = false }: { fua?: boolean } = {}): Promise<void> {
    await this.#command(`zeroes of ${length} bytes at ${offset}`, Command.writeZeroes, offset, length, undefined, fua ? CommandFlag.fua : 0);
  }

  can(flag: keyof typeof TransmissionFlag): boolean {
    return (this.info.flags & TransmissionFlag[flag]) !== 0;
  }

  /** Says good-bye. What is under way ends with NbdLost. */
  async close(): Promise<void> {
    if (this.#lost === undefined) this.#socket.end(requestHeader({ type: Command.disconnect, cookie: 0n, offset: 0, length: 0 }));
    await this.lost;
  }

  #command(what: string, type: number, offset: number, length: number, data: Buffer | undefined, flags: number): Promise<Buffer> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    const cookie = ++this.#lastCookie;
    return new Promise((resolve, reject) => {
      this.#pending.set(cookie, { what, readBytes: type === Command.read ? length : 0, resolve, reject });
      this.#socket.cork();
      this.#socket.write(requestHeader({ type, flags, cookie, offset, length }));
      if (data !== undefined) this.#socket.write(data);
      this.#socket.uncork();
    });
  }

  #take(): void {
    try {
      for (;;) {
        if (this.#reply === undefined) {
          if (this.#queue.length < simpleReplyBytes) return;
          const { errno, cookie } = readSimpleReply(this.#queue.take(simpleReplyBytes));
          const pending = this.#pending.get(cookie);
          if (pending === undefined) throw new Error(`an answer to nothing (cookie ${cookie})`);
          if (errno !== 0) {
            this.#pending.delete(cookie);
            pending.reject(new NbdError(pending.what, errno));
            continue;
          }
          this.#reply = { pending, cookie };
        }
        const { pending, cookie } = this.#reply;
        if (this.#queue.length < pending.readBytes) return;
        this.#reply = undefined;
        this.#pending.delete(cookie);
        // A copy: what the socket has read into may be used again.
        pending.resolve(Buffer.from(this.#queue.take(pending.readBytes)));
      }
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
      this.#socket.destroy();
    }
  }

  #end(why: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new NbdLost(why);
    for (const pending of this.#pending.values()) pending.reject(this.#lost);
    this.#pending.clear();
    this.#tellLost(this.#lost);
  }
}

/** From the greeting to the first command. Leaves the socket without listeners. */
function negotiate(socket: Socket, queue: ByteQueue, exportName: string): Promise<ExportInfo> {
  return new Promise((resolve, reject) => {
    const info: Partial<ExportInfo> = { ...silentServer };
    let greeted = false;
    let reply: OptionReply | undefined;
    const step = (): boolean => {
      if (!greeted) {
        if (queue.length < greetingBytes) return false;
        const flags = readGreeting(queue.take(greetingBytes));
        if ((flags & HandshakeFlag.fixedNewstyle) === 0) throw new Error('an NBD server without fixed newstyle negotiation');
        greeted = true;
        socket.write(goMessage(flags, exportName));
        return true;
      }
      if (reply === undefined) {
        if (queue.length < optionReplyBytes) return false;
        reply = readOptionReply(queue.take(optionReplyBytes));
      }
      if (queue.length < reply.length) return false;
      const agreed = takeOptionReply(reply, queue.take(reply.length), info);
      reply = undefined;
      if (!agreed) return true;
      if (info.sizeBytes === undefined || info.flags === undefined) throw new Error('the server did not say what the export is');
      done(() => resolve(info as ExportInfo));
      return false;
    };
    const done = (settle: () => void): void => {
      for (const name of ['data', 'error', 'close'] as const) socket.removeAllListeners(name);
      settle();
    };
    socket.on('error', (error) => done(() => reject(error)));
    socket.on('close', () => done(() => reject(new Error('the NBD server closed the connection'))));
    socket.on('data', (chunk: Buffer) => {
      queue.push(chunk);
      try {
        while (step());
      } catch (error) {
        done(() => reject(error instanceof Error ? error : new Error(String(error))));
      }
    });
  });
}
