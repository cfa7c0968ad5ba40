import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { encodePdu, PduReader } from '../../../nvme/index.js';
import type { C2hDataPdu, CapsuleRespPdu, Cqe, Digests, IcReqPdu, IcRespPdu, Pdu, R2tPdu, TermReqPdu } from '../../../nvme/index.js';
import type { SocketAddress } from '../../control.js';

export interface CommandResult {
  /** SCT << 8 | SC. */
  status: number;
  dnr: boolean;
  dw0: number;
  result: bigint;
  /** Undefined when a C2HData with SUCCESS stood for the completion. */
  cqe: Cqe | undefined;
  data: Buffer;
  c2h: C2hDataPdu[];
  r2ts: R2tPdu[];
}

interface Pending {
  result: Pick<CommandResult, 'c2h' | 'r2ts'>;
  payload: Buffer;
  resolve: (result: CommandResult) => void;
  reject: (error: Error) => void;
}

/** One NVMe/TCP connection at codec level: no policy, everything that comes back is kept for the test to look at. */
export class RawQueue {
  readonly received: Pdu[] = [];
  /** Resolves when the connection is gone: by FIN or by RST. */
  readonly closed: Promise<'end' | 'reset'>;
  /** Replaces the answer to R2Ts (all of what was asked for, in one H2CData). */
  onR2t: ((r2t: R2tPdu, payload: Buffer) => void) | undefined;
  maxH2cData = 0;
  digests: Digests = { header: false, data: false };
  readonly #socket: Socket;
  readonly #reader = new PduReader({ role: 'host' });
  readonly #pending = new Map<number, Pending>();
  #waiters: (() => void)[] = [];
  #nextCid = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    let reset = false;
    this.closed = new Promise((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => { if (error.code === 'ECONNRESET' || error.code === 'EPIPE') reset = true; });
      socket.on('close', () => {
        for (const pending of this.#pending.values()) pending.reject(new Error('connection closed'));
        this.#pending.clear();
        this.#wake();
        resolve(reset ? 'reset' : 'end');
      });
    });
    socket.on('data', (chunk) => this.#reader.pushInto(chunk, (pdu) => this.#onPdu(pdu)));
  }

  /** A TCP connection, nothing sent. */
  static async open(address: SocketAddress): Promise<RawQueue> {
    const socket = connect(address);
    const queue = new RawQueue(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.setNoDelay(true);
    return queue;
  }

  /** With the IC exchange done. */
  static async connect(address: SocketAddress, o: Partial<IcReqPdu> = {}): Promise<RawQueue> {
    const queue = await RawQueue.open(address);
    await queue.initialize(o);
    return queue;
  }

  async initialize(o: Partial<IcReqPdu> = {}): Promise<IcRespPdu> {
    this.send({ type: 'ICReq', pfv: 0, hpda: 0, headerDigest: false, dataDigest: false, maxR2t: 1, ...o });
    const resp = await this.next('ICResp');
    this.digests = { header: resp.headerDigest, data: resp.dataDigest };
    this.#reader.digests = this.digests;
    this.maxH2cData = resp.maxH2cData;
    return resp;
  }

  send(pdu: Pdu): void {
    this.write(...encodePdu(pdu, this.digests));
  }

  write(...buffers: Buffer[]): void {
    this.#socket.write(Buffer.concat(buffers));
  }

  destroy(): void {
    this.#socket.destroy();
  }

  get cid(): number {
    return this.#nextCid++ & 0xffff;
  }

  /** Sends a command and resolves with its completion. `payload`: in-capsule data; `later`: data to be fetched by R2T. */
  command(sqe: Buffer, o: { payload?: Buffer; later?: Buffer } = {}): Promise<CommandResult> {
    const cid = sqe.readUInt16LE(2);
    const done = new Promise<CommandResult>((resolve, reject) => {
      this.#pending.set(cid, { result: { c2h: [], r2ts: [] }, payload: o.later ?? Buffer.alloc(0), resolve, reject });
    });
    // A test may look at it only after the connection died.
    done.catch(() => undefined);
    this.send({ type: 'CapsuleCmd', sqe, data: o.payload ?? Buffer.alloc(0) });
    return done;
  }

  /** The first PDU of this type that no earlier call has taken; rejects when the connection closes first. */
  async next<T extends Pdu['type']>(type: T): Promise<Extract<Pdu, { type: T }>> {
    for (;;) {
      const at = this.received.findIndex((pdu) => pdu.type === type);
      if (at >= 0) return this.received.splice(at, 1)[0] as Extract<Pdu, { type: T }>;
      if (this.#socket.destroyed) throw new Error(`connection closed while waiting for ${type}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  termReq(): Promise<TermReqPdu> {
    return this.next('C2HTermReq');
  }

  #onPdu(pdu: Pdu): void {
    if (pdu.type === 'CapsuleResp' && this.#pending.has(pdu.cqe.cid)) return this.#finish(pdu.cqe.cid, pdu);
    if (pdu.type === 'C2HData' && this.#pending.has(pdu.cid)) {
      this.#pending.get(pdu.cid)!.result.c2h.push(pdu);
      if (pdu.success) this.#finish(pdu.cid, undefined);
      return;
    }
    if (pdu.type === 'R2T' && this.#pending.has(pdu.cid)) {
      const pending = this.#pending.get(pdu.cid)!;
      pending.result.r2ts.push(pdu);
      if (this.onR2t !== undefined) return this.onR2t(pdu, pending.payload);
      return this.answerR2t(pdu, pending.payload);
    }
    this.received.push(pdu);
    this.#wake();
  }

  /** All that the R2T asks for, in H2CData PDUs of at most `stepBytes`. */
  answerR2t(r2t: R2tPdu, payload: Buffer, stepBytes = this.maxH2cData): void {
    const end = r2t.offset + r2t.length;
    for (let offset = r2t.offset; offset < end; offset += stepBytes) {
      const to = Math.min(end, offset + stepBytes);
      this.send({ type: 'H2CData', cid: r2t.cid, ttag: r2t.ttag, offset, data: payload.subarray(offset, to), last: to === end });
    }
  }

  #finish(cid: number, resp: CapsuleRespPdu | undefined): void {
    const pending = this.#pending.get(cid)!;
    this.#pending.delete(cid);
    const { c2h, r2ts } = pending.result;
    pending.resolve({
      status: resp?.cqe.status ?? 0, dnr: resp?.cqe.dnr ?? false, dw0: resp?.cqe.dw0 ?? 0, result: resp?.cqe.result ?? 0n,
      cqe: resp?.cqe, data: Buffer.concat(c2h.map((pdu) => pdu.data)), c2h, r2ts,
    });
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
