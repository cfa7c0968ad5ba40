import { connect, type Socket } from 'node:net';
import { PathproofError } from '../../util/errors.js';

/** SPDK's word for a request that it could not carry out: its JSON-RPC error code (spdk/jsonrpc.h) and message. */
export class SpdkRpcError extends PathproofError {
  readonly rpcCode: number;
  constructor(method: string, rpcCode: number, message: string) {
    super('SPDK_RPC', `${method}: ${message} (${rpcCode})`);
    this.rpcCode = rpcCode;
  }

  /** This SPDK has no such method. */
  get unknownMethod(): boolean {
    return this.rpcCode === -32_601;
  }
}

interface Request { method: string; params: Record<string, unknown> | undefined; timeoutMs: number; resolve: (result: unknown) => void; reject: (error: Error) => void }

const timeoutDefaultMs = 10_000;

/**
 * A connection to SPDK's JSON-RPC 2.0 server, the one that SPDK's scripts/rpc.py speaks to (spdk/doc/jsonrpc.md): requests over a unix
 * socket, without any framing but the JSON itself.
 *
 * One request at a time: SPDK begins them in order but may end them in another, and a gateway's orders may not overtake each other.
 * A request that is not answered in time ends the connection, for nobody could tell its late answer from the next one's: those that wait fail, too.
 */
export class JsonRpcClient {
  readonly #path: string;
  readonly #waiting: Request[] = [];
  #socket: Socket | undefined;
  #current: { request: Request; id: number; timer: NodeJS.Timeout } | undefined;
  #received = '';
  #nextId = 1;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Rejects with SpdkRpcError for what SPDK refuses, with the code SPDK for a connection that is lost or an answer that does not come. */
  call<T = unknown>(method: string, params?: Record<string, unknown>, timeoutMs = timeoutDefaultMs): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(lost('was closed'));
      this.#waiting.push({ method, params, timeoutMs, resolve: resolve as (result: unknown) => void, reject });
      this.#next();
    });
  }

  /** Fails what is under way. */
  close(): void {
    this.#closed = true;
    this.#fail(lost('was closed'));
  }

  #next(): void {
    if (this.#current !== undefined) return;
    const request = this.#waiting.shift();
    if (request === undefined) return;
    const id = this.#nextId++;
    const { method, params, timeoutMs } = request;
    this.#current = { request, id, timer: setTimeout(() => this.#fail(lost(`does not answer ${method} within ${timeoutMs} ms`)), timeoutMs) };
    this.#open().write(JSON.stringify({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) }));
  }

  #open(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    const socket = this.#socket = connect({ path: this.#path }).setEncoding('utf8');
    let failure: Error | undefined;
    socket.on('data', (text: string) => {
      if (socket === this.#socket) this.#take(text);
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      if (socket === this.#socket) this.#fail(lost(failure?.message ?? 'was closed by SPDK'));
    });
    return socket;
  }

  #take(text: string): void {
    this.#received += text;
    // An answer is one object: without a brace at its end it is not whole, and most parts of a long one have none there.
    if (this.#current === undefined || !this.#received.trimEnd().endsWith('}')) return;
    let answer: { id?: unknown; result?: unknown; error?: { code: number; message: string } };
    try {
      answer = JSON.parse(this.#received) as typeof answer;
    } catch {
      return;
    }
    const { request, id, timer } = this.#current;
    if (answer.id !== id) return this.#fail(lost(`answers request ${String(answer.id)} instead of ${id}`));
    clearTimeout(timer);
    this.#current = undefined;
    this.#received = '';
    if (answer.error === undefined) request.resolve(answer.result);
    else request.reject(new SpdkRpcError(request.method, answer.error.code, answer.error.message));
    this.#next();
  }

  /** Lets go of the connection; the next call makes another. */
  #fail(error: Error): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#received = '';
    socket?.destroy();
    const all = [...(this.#current === undefined ? [] : [this.#current.request]), ...this.#waiting.splice(0)];
    clearTimeout(this.#current?.timer);
    this.#current = undefined;
    for (const { reject } of all) reject(error);
  }
}

function lost(what: string): PathproofError {
  return new PathproofError('SPDK', `the connection to SPDK ${what}`);
}
