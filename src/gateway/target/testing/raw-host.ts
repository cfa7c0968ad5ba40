import {
  asyncEventCommand, ControllerConfig, decodeAnaLog, encodeConnectData, encodeConnectSqe, encodePropertyGetSqe, encodePropertySetSqe,
  flushCommand, getLogCommand, identifyCommand, IoOpcode, keepAliveCommand, LogId, Property, rwCommand,
} from '../../../nvme/index.js';
import type { AnaLog, IcReqPdu } from '../../../nvme/index.js';
import type { SocketAddress } from '../../control.js';
import { RawQueue } from './raw-queue.js';
import type { CommandResult } from './raw-queue.js';

export interface RawHostOptions {
  hostNqn?: string;
  hostId?: Buffer;
  subNqn: string;
  katoMs?: number;
  cattr?: number;
  ic?: Partial<IcReqPdu>;
}

export const testHostNqn = 'nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555';
export const testHostId = Buffer.from('11111111222233334444555555555555', 'hex');
export const blockSize = 512;

/** Sends Connect on a fresh queue. */
export function sendConnect(queue: RawQueue, o: RawHostOptions & { qid: number; cntlid: number; sqSize?: number; recfmt?: number }): Promise<CommandResult> {
  const data = encodeConnectData({ hostId: o.hostId ?? testHostId, cntlid: o.cntlid, subNqn: o.subNqn, hostNqn: o.hostNqn ?? testHostNqn });
  const sqe = encodeConnectSqe({
    cid: queue.cid, qid: o.qid, sqSize: o.sqSize ?? 32, cattr: o.cattr ?? 0, katoMs: o.katoMs ?? 0, ...(o.recfmt === undefined ? {} : { recfmt: o.recfmt }),
  });
  return queue.command(sqe, { payload: data });
}

/** A host with one admin queue and any I/O queues, without any behaviour of its own. */
export class RawHost {
  readonly admin: RawQueue;
  readonly cntlid: number;
  readonly #address: SocketAddress;
  readonly #o: RawHostOptions;

  private constructor(admin: RawQueue, cntlid: number, address: SocketAddress, o: RawHostOptions) {
    this.admin = admin;
    this.cntlid = cntlid;
    this.#address = address;
    this.#o = o;
  }

  /** Connected and enabled (CSTS.RDY). */
  static async connect(address: SocketAddress, o: RawHostOptions, enable = true): Promise<RawHost> {
    const admin = await RawQueue.connect(address, o.ic);
    const connect = await sendConnect(admin, { ...o, qid: 0, cntlid: 0xffff });
    if (connect.status !== 0) throw new Error(`Connect: ${connect.status.toString(16)} dw0 ${connect.dw0.toString(16)}`);
    const host = new RawHost(admin, connect.dw0 & 0xffff, address, o);
    if (enable) await host.setCc(ControllerConfig.enabled);
    return host;
  }

  setCc(value: number): Promise<CommandResult> {
    return this.admin.command(encodePropertySetSqe({ cid: this.admin.cid, size8: false, offset: Property.cc, value: BigInt(value) }));
  }

  property(offset: number, size8 = false): Promise<CommandResult> {
    return this.admin.command(encodePropertyGetSqe({ cid: this.admin.cid, offset, size8 }));
  }

  async io(qid = 1, o: { sqSize?: number; cattr?: number } = {}): Promise<RawIo> {
    const queue = await RawQueue.connect(this.#address, this.#o.ic);
    const connect = await sendConnect(queue, { ...this.#o, ...o, qid, cntlid: this.cntlid });
    if (connect.status !== 0) throw new Error(`I/O Connect: ${connect.status.toString(16)} dw0 ${connect.dw0.toString(16)}`);
    return new RawIo(queue);
  }

  identify(cns: number, nsid = 0): Promise<CommandResult> {
    return this.admin.command(identifyCommand({ cid: this.admin.cid, cns, nsid }));
  }

  log(lid: number, bytes: number, o: { offset?: number; lsp?: number; rae?: boolean } = {}): Promise<CommandResult> {
    return this.admin.command(getLogCommand({ cid: this.admin.cid, lid, bytes, ...o }));
  }

  async ana(o: { rae?: boolean; lsp?: number } = {}): Promise<AnaLog> {
    const { data, status } = await this.log(LogId.ana, 4096, o);
    if (status !== 0) throw new Error(`ANA log: ${status.toString(16)}`);
    return decodeAnaLog(data);
  }

  event(): Promise<CommandResult> {
    return this.admin.command(asyncEventCommand({ cid: this.admin.cid }));
  }

  keepAlive(): Promise<CommandResult> {
    return this.admin.command(keepAliveCommand({ cid: this.admin.cid }));
  }
}

/** An I/O queue with the common commands, 512-byte blocks. */
export class RawIo {
  readonly queue: RawQueue;

  constructor(queue: RawQueue) {
    this.queue = queue;
  }

  read(nsid: number, slba: number, nlb: number): Promise<CommandResult> {
    return this.queue.command(rwCommand({ opcode: IoOpcode.read, cid: this.queue.cid, nsid, slba, nlb, transportBytes: nlb * blockSize }));
  }

  /** In-capsule. */
  write(nsid: number, slba: number, data: Buffer): Promise<CommandResult> {
    return this.send(IoOpcode.write, nsid, slba, data);
  }

  /** By R2T. */
  writeByR2t(nsid: number, slba: number, data: Buffer): Promise<CommandResult> {
    const sqe = rwCommand({ opcode: IoOpcode.write, cid: this.queue.cid, nsid, slba, nlb: data.length / blockSize, transportBytes: data.length });
    return this.queue.command(sqe, { later: data });
  }

  compare(nsid: number, slba: number, data: Buffer): Promise<CommandResult> {
    return this.send(IoOpcode.compare, nsid, slba, data);
  }

  flush(nsid: number): Promise<CommandResult> {
    return this.queue.command(flushCommand({ cid: this.queue.cid, nsid }));
  }

  writeZeroes(nsid: number, slba: number, nlb: number): Promise<CommandResult> {
    return this.queue.command(rwCommand({ opcode: IoOpcode.writeZeroes, cid: this.queue.cid, nsid, slba, nlb }));
  }

  send(opcode: number, nsid: number, slba: number, data: Buffer): Promise<CommandResult> {
    const sqe = rwCommand({ opcode, cid: this.queue.cid, nsid, slba, nlb: data.length / blockSize, inCapsuleBytes: data.length });
    return this.queue.command(sqe, { payload: data });
  }
}
