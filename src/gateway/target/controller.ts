import { AsyncEvents, ControllerConfig, ControllerStatus } from '../../nvme/index.js';
import { AsyncEventQueue } from './async-event-queue.js';
import type { Connection } from './connection.js';
import { KeepAlive } from './keep-alive.js';
import type { ControllerEndCause, TargetSettings } from './options.js';
import type { Subsystem } from './subsystem.js';

/** CC fields that this target has one value for: I/O command set NVM, 4 KiB pages; entry sizes 2^6 and 2^4. */
const cssAndMpsMask = 0x0000_07f0;
const entrySizesMask = 0x00ff_0000;
const entrySizes = ControllerConfig.enabled & entrySizesMask;

/** OAES and the default of feature 0Bh: events are on until the host says otherwise, as with SPDK. */
export const oaesOf = { nvm: AsyncEvents.namespaceAttributes + AsyncEvents.ana, discovery: AsyncEvents.discovery } as const;

/** One controller: what a host created with its admin Connect, and all queues that belong to it. */
export class Controller {
  readonly cntlid: number;
  readonly subsystem: Subsystem;
  readonly hostNqn: string;
  readonly hostId: Buffer;
  readonly settings: TargetSettings;
  /** qid → connection; 0 is the admin queue. */
  readonly queues = new Map<number, Connection>();
  readonly events: AsyncEventQueue;
  readonly keepAlive: KeepAlive;
  /** Content of the Changed Namespace List log. */
  readonly changedNamespaces = new Set<number>();
  /** Granted by feature 07h. */
  ioQueues: number;
  #cc = 0;
  #csts = 0;
  #ended = false;

  constructor(o: { cntlid: number; subsystem: Subsystem; hostNqn: string; hostId: Buffer; katoMs: number; settings: TargetSettings }) {
    this.cntlid = o.cntlid;
    this.subsystem = o.subsystem;
    this.hostNqn = o.hostNqn;
    this.hostId = o.hostId;
    this.settings = o.settings;
    this.ioQueues = o.settings.ioQueuesMax;
    this.events = new AsyncEventQueue(o.settings.asyncEventsMax, oaesOf[o.subsystem.kind]);
    this.keepAlive = new KeepAlive(() => this.end('keep-alive-timeout'));
    this.keepAlive.setKato(o.katoMs);
  }

  get cc(): number {
    return this.#cc;
  }

  get csts(): number {
    return this.#csts;
  }

  /** CSTS.RDY: commands other than Fabrics ones are executed. */
  get ready(): boolean {
    return (this.#csts & ControllerStatus.ready) !== 0;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** A Property Set of CC. Changes take effect at once, so CSTS follows in the same turn. */
  setConfig(value: number): void {
    const before = this.#cc;
    this.#cc = value;
    const enabled = (value & ControllerConfig.enable) !== 0;
    const wasEnabled = (before & ControllerConfig.enable) !== 0;
    if (enabled && !wasEnabled) this.#csts = this.#supports(value) ? ControllerStatus.ready : ControllerStatus.fatal;
    if (!enabled && wasEnabled) this.#reset();
    if ((value & ControllerConfig.shutdownMask) !== 0) {
      this.#csts = (this.#csts & ~ControllerStatus.shutdownMask) | ControllerStatus.shutdownComplete;
    }
  }

  /**
   * The end: all its connections are reset. Commands that the backend has at this moment are not called
   * back; they may still take effect, but nobody is told (nvme-tcp.md §6, pitfall 1).
   */
  end(cause: ControllerEndCause): void {
    if (this.#ended) return;
    this.#ended = true;
    this.keepAlive.stop();
    this.subsystem.controllers.delete(this.cntlid);
    const connections = [...this.queues.values()];
    this.queues.clear();
    for (const connection of connections) connection.reset();
    this.settings.onEvent({ type: 'controller-ended', nqn: this.subsystem.nqn, cntlid: this.cntlid, hostNqn: this.hostNqn, cause });
  }

  /** Without its admin queue a controller is gone; an I/O queue may be lost alone. */
  queueClosed(qid: number, connection: Connection): void {
    if (this.queues.get(qid) !== connection) return;
    this.queues.delete(qid);
    const shutDown = (this.#csts & ControllerStatus.shutdownMask) !== 0;
    if (qid === 0) this.end(shutDown ? 'shutdown' : 'admin-queue-lost');
  }

  #supports(cc: number): boolean {
    if ((cc & cssAndMpsMask) !== 0) return false;
    // Only I/O controllers have I/O queue entries.
    return this.subsystem.kind === 'discovery' || (cc & entrySizesMask) === entrySizes;
  }

  /** Controller level reset: I/O queues are deleted, the admin queue stays. */
  #reset(): void {
    this.#csts = 0;
    this.events.reset();
    this.changedNamespaces.clear();
    for (const [qid, connection] of this.queues) if (qid !== 0) connection.reset();
  }
}
