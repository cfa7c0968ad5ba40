import type { Socket } from 'node:net';
import type { CapsuleCmdPdu, Digests, H2cDataPdu, Pdu, Sqe } from '../../../nvme/index.js';
import {
  AdminOpcode, Cns, decodeConnectData, decodeFabricsSqe, decodeGetLog, decodeIdentify, decodeRw, decodeDsmRanges, decodeSqe, encodeActiveNsList, encodeCap,
  encodeConnectResult, encodeIdentifyController, encodeIdentifyNamespace, encodeNsDescriptors, encodePdu, FeatureId, IoOpcode, LogId, makeCqe,
  PduReader, Property, Status, discoveryNqn,
} from '../../../nvme/index.js';
import type { FakeNamespace } from './fake-subsystem.js';
import type { FakeAnswer, FakeCommand, FakeController, FakeTarget } from './fake-target.js';

interface PendingWrite { sqe: Sqe; ns: FakeNamespace; data: Buffer; asked: number; received: number; outstanding: number }

/** The target's end of one queue. */
export class FakeConnection {
  readonly target: FakeTarget;
  readonly socket: Socket;
  qid = -1;
  controller: FakeController | undefined;
  digests: Digests = { header: false, data: false };
  maxR2t = 1;
  /** H2CData PDUs that arrived. */
  readonly h2c: { cid: number; ttag: number; offset: number; length: number; last: boolean }[] = [];
  /** Most R2Ts of one command that were outstanding at once. */
  r2tsPeak = 0;
  /** Reads H2CData without looking at it. */
  discard = false;
  terminated: { fes: number; fei: number } | undefined;
  readonly #reader: PduReader;
  readonly #writes = new Map<number, PendingWrite>();
  #corked = false;

  constructor(target: FakeTarget, socket: Socket) {
    this.target = target;
    this.socket = socket;
    this.#reader = new PduReader({ role: 'controller', alignBytes: ((target.o.cpda ?? 0) + 1) * 4 });
    socket.on('data', (chunk: Buffer) => this.#reader.pushInto(chunk, (pdu) => this.#onPdu(pdu)));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      target.connections.delete(this);
      if (this.qid === 0 && this.controller !== undefined) target.controllers.delete(this.controller.cntlid);
    });
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  send(pdu: Pdu): void {
    if (this.socket.destroyed) return;
    if (!this.#corked) {
      this.#corked = true;
      this.socket.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.socket.uncork();
      });
    }
    const buffers = encodePdu(pdu, this.digests);
    for (const buffer of this.target.mangle?.(pdu, buffers) ?? buffers) this.socket.write(buffer);
  }

  respond(answer: FakeAnswer): void {
    this.send({ type: 'CapsuleResp', cqe: makeCqe(answer) });
  }

  #onPdu(pdu: Pdu): void {
    switch (pdu.type) {
      case 'ICReq':
        this.send({
          type: 'ICResp', pfv: 0, cpda: this.target.o.cpda ?? 0, headerDigest: pdu.headerDigest, dataDigest: pdu.dataDigest, maxH2cData: this.target.o.maxH2cData ?? 131_072,
        });
        this.digests = { header: pdu.headerDigest, data: pdu.dataDigest };
        this.#reader.digests = this.digests;
        this.maxR2t = pdu.maxR2t;
        return;
      case 'CapsuleCmd':
        return this.#onCommand(pdu);
      case 'H2CData':
        return this.#onData(pdu);
      case 'H2CTermReq':
        this.terminated = { fes: pdu.fes, fei: pdu.fei };
        return;
      default:
        throw new Error(`fake target got ${pdu.type}`);
    }
  }

  #onCommand(pdu: CapsuleCmdPdu): void {
    const sqe = decodeSqe(pdu.sqe);
    const fabrics = sqe.opcode === AdminOpcode.fabrics;
    const command: FakeCommand = {
      target: this.target, connection: this, qid: this.qid, sqe, fctype: fabrics ? pdu.sqe[4]! : null, kind: fabrics ? 'fabrics' : this.qid > 0 ? 'io' : 'admin',
    };
    if (this.target.keepCommands) this.target.seen.push(command);
    const { cid } = sqe;
    const serve = (): void => (fabrics ? this.#fabrics(pdu) : this.qid === 0 ? this.#admin(sqe) : this.#io(sqe, pdu));
    const action = this.target.script(command);
    if (action === undefined) return serve();
    if (action === 'drop') return;
    if (action === 'reset') return this.reset();
    if ('wait' in action) void action.wait.then(serve);
    else if ('delayMs' in action) setTimeout(serve, action.delayMs);
    else if ('raw' in action) action.raw(this, cid);
    else this.respond({ cid, ...action });
  }

  #fabrics(pdu: CapsuleCmdPdu): void {
    const command = decodeFabricsSqe(pdu.sqe);
    const { cid } = command;
    switch (command.fctype) {
      case 'connect': {
        const data = decodeConnectData(pdu.data);
        if (data.subNqn !== this.target.nqn && data.subNqn !== discoveryNqn) return this.respond({ cid, status: Status.connectInvalidParameters, dnr: true });
        this.qid = command.qid;
        this.controller = command.qid === 0 ? this.target.newController(this) : this.target.controllers.get(data.cntlid);
        if (this.controller === undefined) return this.respond({ cid, status: Status.connectInvalidParameters, dnr: true });
        return this.respond({ cid, dw0: encodeConnectResult({ cntlid: this.controller.cntlid }) });
      }
      case 'property-get':
        return this.respond({ cid, result: this.#property(command.offset) });
      case 'property-set':
        if (command.offset === Property.cc) {
          this.controller!.cc = Number(command.value);
          this.controller!.enabledAt = performance.now() + (this.target.o.readyMs ?? 0);
        }
        return this.respond({ cid });
      default:
        return this.respond({ cid, status: Status.invalidOpcode, dnr: true });
    }
  }

  #property(offset: number): bigint {
    if (offset === Property.cap) return encodeCap({ maxQueueEntries: 128, readyTimeoutMs: 1_000 });
    if (offset === Property.vs) return 0x1_0400n;
    if (offset !== Property.csts) return 0n;
    const { cc, enabledAt } = this.controller!;
    return (cc & 1) === 1 && performance.now() >= enabledAt ? 1n : 0n;
  }

  #admin(sqe: Sqe): void {
    const { cid } = sqe;
    const controller = this.controller!;
    switch (sqe.opcode) {
      case AdminOpcode.identify:
        return this.#identify(sqe);
      case AdminOpcode.getLogPage:
        return this.#getLog(sqe);
      case AdminOpcode.setFeatures:
        return this.respond({ cid, dw0: (sqe.cdw10 & 0xff) === FeatureId.numberOfQueues ? sqe.cdw11 : 0 });
      case AdminOpcode.keepAlive:
        return this.respond({ cid });
      case AdminOpcode.asyncEventRequest: {
        const event = controller.events.shift();
        if (event === undefined) controller.aers.push(cid);
        else this.respond({ cid, dw0: event });
        return;
      }
      default:
        return this.respond({ cid, status: Status.invalidOpcode, dnr: true });
    }
  }

  #identify(sqe: Sqe): void {
    const { cns } = decodeIdentify(sqe);
    const { cid, nsid } = sqe;
    const ns = this.target.namespaces.find((candidate) => candidate.nsid === nsid);
    if (cns === Cns.controller) return this.#answerRead(sqe, encodeIdentifyController(this.target.identify(this.controller!.cntlid)));
    if (cns === Cns.activeNamespaces) {
      return this.#answerRead(sqe, encodeActiveNsList(this.target.namespaces.map((candidate) => candidate.nsid).filter((candidate) => candidate > nsid).slice(0, 1_024)));
    }
    if (ns === undefined) return this.respond({ cid, status: Status.invalidNamespace, dnr: true });
    if (cns === Cns.namespaceDescriptors) return this.#answerRead(sqe, encodeNsDescriptors({ uuid: ns.uuid, nguid: ns.nguid }));
    return this.#answerRead(sqe, encodeIdentifyNamespace({
      nsze: ns.blocks, ncap: ns.blocks, nuse: ns.blocks, nmic: ns.shared ? 1 : 0, anagrpid: ns.anaGroup, nguid: ns.nguid, lbaf: [{ ms: 0, lbads: Math.log2(ns.blockSize), rp: 0 }],
    }));
  }

  #getLog(sqe: Sqe): void {
    const { lid, bytes, offset, rae } = decodeGetLog(sqe);
    const log = lid === LogId.ana ? this.target.anaLog() : lid === LogId.discovery ? this.target.discoveryLog() : Buffer.alloc(4_096);
    if (!rae) this.target.logRead(this.controller!, lid);
    if (offset > log.length) return this.respond({ cid: sqe.cid, status: Status.invalidField, dnr: true });
    const out = Buffer.alloc(bytes);
    log.copy(out, 0, offset, offset + bytes);
    this.#answerRead(sqe, out);
  }

  #io(sqe: Sqe, pdu: CapsuleCmdPdu): void {
    const { cid } = sqe;
    const ns = this.target.namespaces.find((candidate) => candidate.nsid === sqe.nsid);
    if (ns === undefined) return this.respond({ cid, status: Status.invalidNamespace, dnr: true });
    const ana = this.target.ana.get(ns.anaGroup);
    if (ana === 'inaccessible') return this.respond({ cid, status: Status.anaInaccessible });
    if (ana === 'change') return this.respond({ cid, status: Status.anaTransition });
    if (ana === 'persistent-loss') return this.respond({ cid, status: Status.anaPersistentLoss });
    if (sqe.opcode === IoOpcode.flush) return this.respond({ cid });
    if (sqe.opcode === IoOpcode.datasetManagement) return this.#receive(sqe, ns, pdu.data);
    const { slba, nlb } = decodeRw(sqe);
    const from = slba * ns.blockSize;
    const to = from + nlb * ns.blockSize;
    if (to > ns.data.length) return this.respond({ cid, status: Status.lbaOutOfRange, dnr: true });
    if (sqe.opcode === IoOpcode.read) return this.#answerRead(sqe, ns.data.subarray(from, to));
    if (sqe.opcode === IoOpcode.writeZeroes) {
      ns.data.fill(0, from, to);
      return this.respond({ cid });
    }
    this.#receive(sqe, ns, pdu.data);
  }

  #receive(sqe: Sqe, ns: FakeNamespace, data: Buffer): void {
    const write: PendingWrite = { sqe, ns, data, asked: 0, received: 0, outstanding: 0 };
    if (sqe.sgl.kind === 'in-capsule') return this.#written(write);
    write.data = Buffer.alloc(sqe.sgl.length);
    this.#writes.set(sqe.cid, write);
    this.askFor(sqe.cid);
  }

  /** Sends R2Ts for the write as far as the limits allow. */
  askFor(cid: number): void {
    const write = this.#writes.get(cid)!;
    const { r2tBytes = write.data.length, r2tsAtOnce = 1 } = this.target.o;
    while (write.asked < write.data.length && write.outstanding < Math.min(r2tsAtOnce, this.maxR2t)) {
      const length = Math.min(r2tBytes, write.data.length - write.asked);
      this.send({ type: 'R2T', cid, ttag: write.asked / r2tBytes, offset: write.asked, length });
      write.asked += length;
      write.outstanding += 1;
      this.r2tsPeak = Math.max(this.r2tsPeak, write.outstanding);
    }
  }

  #onData(pdu: H2cDataPdu): void {
    const { cid, ttag, offset, data, last } = pdu;
    this.h2c.push({ cid, ttag, offset, length: data.length, last });
    if (this.discard) return;
    const write = this.#writes.get(cid)!;
    data.copy(write.data, offset);
    write.received += data.length;
    if (last) write.outstanding -= 1;
    if (write.received < write.data.length) return this.askFor(cid);
    this.#writes.delete(cid);
    // The state may have changed since the command came: what a target with late data must look at.
    if (this.target.ana.get(write.ns.anaGroup) === 'inaccessible') return this.respond({ cid, status: Status.anaInaccessible });
    this.#written(write);
  }

  #written({ sqe, ns, data }: PendingWrite): void {
    if (sqe.opcode === IoOpcode.datasetManagement) {
      for (const range of decodeDsmRanges(data)) ns.data.fill(0, range.slba * ns.blockSize, (range.slba + range.nlb) * ns.blockSize);
      return this.respond({ cid: sqe.cid });
    }
    const at = decodeRw(sqe).slba * ns.blockSize;
    if (sqe.opcode === IoOpcode.compare) {
      const same = ns.data.subarray(at, at + data.length).equals(data);
      return this.respond({ cid: sqe.cid, status: same ? 0 : Status.compareFailure, dnr: !same });
    }
    data.copy(ns.data, at);
    this.respond({ cid: sqe.cid });
  }

  #answerRead(sqe: Sqe, data: Buffer): void {
    const { successFlag = false, c2hBytes = data.length } = this.target.o;
    for (let offset = 0; offset < data.length; offset += c2hBytes) {
      const to = Math.min(data.length, offset + c2hBytes);
      const last = to === data.length;
      this.send({ type: 'C2HData', cid: sqe.cid, offset, data: data.subarray(offset, to), last, success: last && successFlag });
    }
    if (!successFlag) this.respond({ cid: sqe.cid });
  }
}
