import type { AnaLog, AsyncEvent, Capabilities, IdentifyController } from '../../nvme/index.js';
import {
  anaLogMaxBytes, Cmic, Cns, cntlidDynamic, ConnectAttribute, ControllerConfig, ControllerStatus, Ctratt, decodeAnaLog, decodeCap,
  decodeConnectResult, decodeIdentifyController, decodeNumberOfQueues, encodeAsyncEventConfig, encodeConnectData, encodeConnectSqe,
  encodeNumberOfQueues, encodePropertyGetSqe, encodePropertySetSqe, FeatureId, getLogCommand, identifyCommand, inCapsuleDataBytes,
  adminInCapsuleMaxBytes, AsyncEvents, LogId, maxTransferBytes, NvmeCodecError, Property, setFeaturesCommand, Size,
} from '../../nvme/index.js';
import { sleep } from '../../util/clock.js';
import { AdminCommand } from './command.js';
import type { AdminAnswer, AdminSpec } from './command.js';
import { AsyncEvents as EventRequests } from './async-events.js';
import { AnaTracker } from './ana-tracker.js';
import type { HostCounters } from './counters.js';
import type { DataHolds } from './data-hold.js';
import { KeepAlive } from './keep-alive.js';
import { HostLimit } from './limits.js';
import { ConnectionLost, ControllerRefused } from './loss.js';
import type { LossCause } from './loss.js';
import { scanNamespaces } from './namespace-scan.js';
import type { NamespaceScan } from './namespace-scan.js';
import { QueuePair } from './queue-pair.js';

export interface SessionOptions {
  subNqn: string;
  hostNqn: string;
  hostId: Buffer;
  controller: string;
  gateway: string;
  host: string;
  port: number;
  /** See ConnectionOptions. */
  socketPath?: string;
  /** 0: an admin queue only, as for a discovery controller. */
  ioQueues: number;
  queueSize: number;
  headerDigest: boolean;
  dataDigest: boolean;
  maxR2t: number;
  disableSqFlow: boolean;
  katoMs: number;
  adminTimeoutMs: number;
  connectTimeoutMs: number;
  counters: HostCounters;
  holds: DataHolds;
  /** False: another live controller of the subsystem has this id already. */
  claimCntlid(cntlid: number): boolean;
}

export interface SessionEvents {
  /** Called once, with all queues still holding what was in flight: call `close`. */
  onDown(lost: ConnectionLost): void;
  /** An ANA log was read. `tracker.reads` tells which requests it satisfies. */
  onAna(): void;
  onAen(event: AsyncEvent, dw0: number): void;
}

/**
 * One association with a controller: its admin queue, its I/O queues and what it said about itself. It
 * lives from one connect to the loss of any of its queues; a reconnect makes a new session, so that
 * nothing of the old generation can be mistaken for the new one's.
 */
export class Session {
  readonly io: QueuePair[] = [];
  readonly admin: QueuePair;
  cntlid = cntlidDynamic;
  capabilities!: Capabilities;
  version = 0;
  identify!: IdentifyController;
  /** Bytes of the largest single transfer. */
  transferMaxBytes: number = HostLimit.transferMaxBytes;
  /** Null if the controller has no ANA: all its paths are optimized then. */
  ana: AnaTracker | null = null;
  scan: NamespaceScan = { namespaces: [], skipped: [] };
  readonly #o: SessionOptions;
  readonly #events: SessionEvents;
  readonly #keepAlive: KeepAlive;
  readonly #eventRequests: EventRequests;
  readonly #closing = new AbortController();
  #down = false;
  #nextQueue = 0;

  constructor(options: SessionOptions, events: SessionEvents) {
    this.#o = options;
    this.#events = events;
    this.admin = this.#queue(0, HostLimit.adminQueueEntries);
    this.admin.inCapsuleMaxBytes = adminInCapsuleMaxBytes;
    this.#keepAlive = new KeepAlive(this, options.katoMs, options.counters, (reason, message) => this.fail(reason, message));
    this.#eventRequests = new EventRequests(this, options.counters, (event, dw0) => events.onAen(event, dw0));
  }

  get closed(): boolean {
    return this.#closing.signal.aborted;
  }

  get tbkas(): boolean {
    return (this.identify.ctratt & Ctratt.tbkas) !== 0;
  }

  /** Delay that `crd` of a completion asks for, milliseconds. */
  retryDelayMs(crd: number): number {
    const { crdt1, crdt2, crdt3 } = this.identify;
    return ([0, crdt1, crdt2, crdt3][crd] ?? 0) * 100;
  }

  /** All queues' answers so far. */
  get answers(): number {
    return this.io.reduce((sum, queue) => sum + queue.answers, this.admin.answers);
  }

  get inflight(): number {
    return this.io.reduce((sum, queue) => sum + queue.inflight + queue.waiting, 0);
  }

  /** The I/O queue for the next command, in turn. */
  ioQueue(): QueuePair {
    this.#nextQueue = (this.#nextQueue + 1) % this.io.length;
    return this.io[this.#nextQueue]!;
  }

  /**
   * Admin queue up to a usable controller. Rejects with `ConnectionLost`, `CommandFailed`, `ControllerRefused`
   * or `NvmeCodecError`; the caller then closes the session.
   */
  async openAdmin(): Promise<void> {
    await this.admin.connect();
    await this.#connectQueue(this.admin, HostLimit.adminQueueEntries);
    this.capabilities = decodeCap(await this.#property('CAP', Property.cap, true));
    this.version = Number(await this.#property('VS', Property.vs, false));
    await this.setProperty('CC', Property.cc, BigInt(ControllerConfig.enabled));
    await this.#waitReady();
    const answer = await this.command({
      what: 'Identify Controller', encode: (cid) => identifyCommand({ cid, cns: Cns.controller }), readBytes: Size.identify, timeoutMs: this.#o.adminTimeoutMs,
    });
    this.identify = decodeIdentifyController(answer.data);
    this.transferMaxBytes = Math.min(maxTransferBytes(this.identify), HostLimit.transferMaxBytes);
  }

  /** The whole bring-up (nvme-tcp.md §1): admin, features, ANA, events, keep-alive, I/O queues, namespaces. */
  async open(): Promise<void> {
    await this.openAdmin();
    const { identify } = this;
    if (identify.subnqn !== this.#o.subNqn) {
      throw new ControllerRefused('SUBNQN_MISMATCH', `Identify Controller names subsystem ${identify.subnqn}`, true);
    }
    if (identify.icdoff !== 0) throw new ControllerRefused('UNSUPPORTED', `in-capsule data offset ${identify.icdoff}`, true);
    const wanted = encodeNumberOfQueues({ submission: this.#o.ioQueues, completion: this.#o.ioQueues });
    const granted = decodeNumberOfQueues((await this.#setFeature('Set Features: queues', FeatureId.numberOfQueues, wanted)).cqe.dw0);
    await this.#configureEvents();
    if ((identify.cmic & Cmic.ana) !== 0) {
      this.ana = new AnaTracker(() => this.readAnaLog(), this.#o.counters, {
        anattMs: identify.anatt * 1_000,
        onUpdate: () => this.#events.onAna(),
        onExpired: () => this.fail('anatt-timeout', `an ANA group is in change for over 2 × ${identify.anatt} s`),
      });
      await this.ana.first();
    }
    this.#eventRequests.start();
    this.#keepAlive.start();
    await this.#openIoQueues(Math.min(this.#o.ioQueues, granted.submission, granted.completion));
    this.scan = await scanNamespaces(this);
  }

  command(spec: AdminSpec): Promise<AdminAnswer> {
    return this.#submit(this.admin, spec);
  }

  /** Reads a log page, or what MDTS allows of it at once. RAE = 0: events of this log are armed again. */
  async readLog(what: string, lid: number, bytes: number, offset = 0): Promise<Buffer> {
    const length = Math.min(this.transferMaxBytes, bytes);
    const { data } = await this.command({
      what, encode: (cid) => getLogCommand({ cid, lid, bytes: length, offset }), readBytes: length, timeoutMs: this.#o.adminTimeoutMs,
    });
    return data;
  }

  /**
   * A log over MDTS is read in pieces, only as many as its descriptors fill (an offset behind the end is an
   * error), and again if it changed under way. Throws `NvmeCodecError`.
   */
  async readAnaLog(): Promise<AnaLog> {
    const maxBytes = Math.min(anaLogMaxBytes(this.identify), HostLimit.logPageMaxBytes);
    for (let left: number = HostLimit.logRestartsMax; ; left -= 1) {
      const first = await this.readLog('ANA log', LogId.ana, maxBytes);
      let whole = first;
      let log = decodeUnlessTruncated(whole, maxBytes);
      while (log === null) {
        whole = Buffer.concat([whole, await this.readLog('ANA log', LogId.ana, maxBytes - whole.length, whole.length)]);
        log = decodeUnlessTruncated(whole, maxBytes);
      }
      if (whole === first || left === 0) return log;
      const again = await this.readLog('ANA log', LogId.ana, this.transferMaxBytes);
      if (again.equals(first)) return log;
    }
  }

  async rescan(): Promise<NamespaceScan> {
    this.scan = await scanNamespaces(this);
    return this.scan;
  }

  /** Identify with a 4096-byte answer. */
  async identifyPage(what: string, cns: number, nsid: number): Promise<Buffer> {
    const answer = await this.command({
      what, encode: (cid) => identifyCommand({ cid, cns, nsid }), readBytes: Size.identify, timeoutMs: this.#o.adminTimeoutMs,
    });
    return answer.data;
  }

  setProperty(name: string, offset: number, value: bigint): Promise<AdminAnswer> {
    return this.command({
      what: `Property Set ${name}`, encode: (cid) => encodePropertySetSqe({ cid, size8: false, offset, value }), timeoutMs: this.#o.adminTimeoutMs,
    });
  }

  /** Tells the controller that the host leaves in good order. Never rejects, takes at most `maxMs`. */
  async shutdown(maxMs: number): Promise<void> {
    if (!this.admin.open) return;
    const value = BigInt(ControllerConfig.enabled | ControllerConfig.shutdownNormal);
    const told = this.setProperty('CC', Property.cc, value).then(() => undefined, () => undefined);
    await Promise.race([told, sleep(maxMs, this.#closing.signal)]);
  }

  /** Gives the association up because of something seen on it. */
  fail(reason: LossCause, message: string): void {
    this.#onDown(new ConnectionLost(reason, `${this.#o.gateway}:${this.#o.controller}: ${message}`));
  }

  /** Resets all connections and ends all commands. */
  close(lost: ConnectionLost): void {
    if (this.closed) return;
    this.#down = true;
    this.#closing.abort();
    this.#keepAlive.stop();
    this.ana?.stop();
    // Every socket first: no queue may still send while commands of another one are replayed elsewhere.
    const queues = [this.admin, ...this.io];
    for (const queue of queues) queue.disconnect(lost);
    for (const queue of queues) queue.destroy(lost);
  }

  /**
   * Ends the association because the host has given it up. It is closed, unless a DataHold needs its
   * connections: then only its commands end, and it goes on unseen until the hold closes it.
   */
  giveUp(lost: ConnectionLost): void {
    const keepers = lost.reason === 'io-timeout' || lost.reason === 'requested' ? this.#o.holds.keepersOf(this.io) : [];
    if (keepers.length === 0) return this.close(lost);
    this.#down = true;
    this.#o.counters.associationsKept += 1;
    this.ana?.stop();
    for (const hold of keepers) hold.keep(this.io, () => this.close(lost));
    for (const queue of this.io) queue.abandon(lost);
  }

  #onDown(lost: ConnectionLost): void {
    if (this.#down) return;
    this.#down = true;
    this.#events.onDown(lost);
  }

  #queue(qid: number, entries: number): QueuePair {
    const { controller, gateway, host, port, socketPath, headerDigest, dataDigest, maxR2t, connectTimeoutMs, counters, holds } = this.#o;
    return new QueuePair({
      qid, entries, label: `${gateway}:${controller}:q${qid}`, controller, host, port, socketPath, headerDigest, dataDigest, maxR2t,
      connectTimeoutMs, counters, holds, onDown: (lost) => this.#onDown(lost),
    });
  }

  #submit(queue: QueuePair, spec: AdminSpec): Promise<AdminAnswer> {
    const command = new AdminCommand(spec);
    const submission = queue.submit(command);
    if (submission === 'down' || submission === 'full') {
      command.onLost(new ConnectionLost('transport-closed', `${queue.label}: ${spec.what} on a queue that is ${submission}`));
    }
    return command.answer;
  }

  async #connectQueue(queue: QueuePair, entries: number): Promise<void> {
    const { hostId, subNqn, hostNqn, disableSqFlow, katoMs, adminTimeoutMs } = this.#o;
    const cattr = disableSqFlow ? ConnectAttribute.disableSqFlow : 0;
    const { qid } = queue;
    const { cqe } = await this.#submit(queue, {
      what: `Connect queue ${qid}`,
      encode: (cid) => encodeConnectSqe({ cid, qid, sqSize: entries, cattr, katoMs: qid === 0 ? katoMs : 0 }),
      payload: encodeConnectData({ hostId, cntlid: this.cntlid, subNqn, hostNqn }),
      timeoutMs: adminTimeoutMs,
    });
    const result = decodeConnectResult(cqe.dw0);
    if (result.atr || result.ascr) throw new ControllerRefused('AUTH_REQUIRED', 'the controller requires in-band authentication', true);
    if (qid !== 0) return;
    this.cntlid = result.cntlid;
    if (!this.#o.claimCntlid(result.cntlid)) {
      throw new ControllerRefused('DUPLICATE_CNTLID', `another controller of the subsystem already has id ${result.cntlid}`, false);
    }
  }

  async #openIoQueues(count: number): Promise<void> {
    const entries = Math.min(this.#o.queueSize, this.capabilities.maxQueueEntries);
    for (let qid = 1; qid <= count; qid += 1) {
      const queue = this.#queue(qid, entries);
      queue.inCapsuleMaxBytes = inCapsuleDataBytes(this.identify);
      this.io.push(queue);
    }
    await Promise.all(this.io.map(async (queue) => {
      await queue.connect();
      // The Connect data goes in the capsule whatever IOCCSZ says: it is a Fabrics command.
      const { inCapsuleMaxBytes } = queue;
      queue.inCapsuleMaxBytes = adminInCapsuleMaxBytes;
      await this.#connectQueue(queue, entries);
      queue.inCapsuleMaxBytes = inCapsuleMaxBytes;
    }));
  }

  async #configureEvents(): Promise<void> {
    const { oaes } = this.identify;
    const value = encodeAsyncEventConfig({
      namespaceAttributes: (oaes & AsyncEvents.namespaceAttributes) !== 0,
      ana: (oaes & AsyncEvents.ana) !== 0,
    });
    if (value !== 0) await this.#setFeature('Set Features: asynchronous events', FeatureId.asyncEventConfig, value);
  }

  #setFeature(what: string, fid: number, value: number): Promise<AdminAnswer> {
    return this.command({ what, encode: (cid) => setFeaturesCommand({ cid, fid, value }), timeoutMs: this.#o.adminTimeoutMs });
  }

  async #property(name: string, offset: number, size8: boolean): Promise<bigint> {
    const { cqe } = await this.command({
      what: `Property Get ${name}`, encode: (cid) => encodePropertyGetSqe({ cid, size8, offset }), timeoutMs: this.#o.adminTimeoutMs,
    });
    return cqe.result;
  }

  /** Bounded by CAP.TO, which Linux reads as (TO + 1) × 500 ms, and by the admin timeout. */
  async #waitReady(): Promise<void> {
    const maxMs = Math.min(this.capabilities.readyTimeoutMs + 500, this.#o.adminTimeoutMs);
    const until = performance.now() + maxMs;
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 2, 100)) {
      const csts = Number(await this.#property('CSTS', Property.csts, false));
      if ((csts & ControllerStatus.fatal) !== 0) throw new ControllerRefused('CC_READY', 'CSTS.CFS: the controller has failed', false);
      if ((csts & ControllerStatus.ready) !== 0) return;
      if (performance.now() >= until) throw new ControllerRefused('CC_READY', `CSTS.RDY not set within ${maxMs} ms`, false);
      await sleep(waitMs, this.#closing.signal);
    }
  }
}

/** Null: there is more to read. */
function decodeUnlessTruncated(bytes: Buffer, maxBytes: number): AnaLog | null {
  try {
    return decodeAnaLog(bytes);
  } catch (error) {
    if (error instanceof NvmeCodecError && error.code === 'TRUNCATED' && bytes.length < maxBytes) return null;
    throw error;
  }
}
