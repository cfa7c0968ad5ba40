import type { Cqe } from '../../nvme/index.js';
import { dsmCommand, encodeSqe, flushCommand, IoOpcode, rwCommand, Size } from '../../nvme/index.js';
import type { IoResult } from '../../workload/device.js';
import type { CommandDescription, QueuedCommand } from './command.js';
import type { ConnectionLost } from './loss.js';
import type { Path } from './path.js';
import type { QueuePair } from './queue-pair.js';
import type { Requeueable } from './requeue-list.js';

/** Who decides about an I/O: the dispatcher of its namespace. */
export interface IoOwner {
  answered(io: IoRequest, cqe: Cqe, data: Buffer | null): void;
  lost(io: IoRequest, lost: ConnectionLost, sent: boolean): void;
  sent(io: IoRequest): void;
}

/** AD, attribute deallocate (cdw11 of Dataset Management). */
const dsmDeallocate = 1 << 2;

/** Where an I/O is between its start and its end. */
export type IoPlace = 'new' | 'path' | 'requeued' | 'held' | 'retry-wait' | 'done';

/**
 * One block operation from the caller's call to its result, through as many sends as it takes. It is its
 * own queued command, so that the hot path allocates one object.
 */
export class IoRequest implements QueuedCommand, Requeueable {
  readonly opcode: number;
  readonly slba: number;
  /** 0 for flush and deallocate. */
  readonly nlb: number;
  readonly payload: Buffer | null;
  readonly readBytes: number;
  readonly exactRead = true;
  readonly timeoutMs: number;
  readonly timeoutCause = 'io-timeout';
  /** Controller to use whatever the policy says; null: any path. */
  readonly pinned: string | null;
  readonly signal: AbortSignal | undefined;
  /** Moved to another path, or asked for one, so often. */
  failovers = 0;
  localRetries = 0;
  /** Times on a wire. */
  sends = 0;
  /** Sends that ended without an answer: each may have been executed. */
  unanswered = 0;
  queuedAtUs = 0;
  /** Start of the first failover; 0: none yet. */
  failoverSinceUs = 0;
  place: IoPlace = 'new';
  path: Path | null = null;
  queue: QueuePair | null = null;
  /** Ends `retry-wait` and `held`. */
  timer: NodeJS.Timeout | undefined;
  /** Of the last answer. */
  status = 0;
  dnr = false;
  /** Whose answer `status` is. */
  answeredBy: string | null = null;
  unlisten: (() => void) | undefined;
  readonly #nsid: number;
  readonly #owner: IoOwner;
  readonly #resolve: (result: IoResult) => void;

  constructor(
    owner: IoOwner,
    command: { opcode: number; nsid: number; slba: number; nlb: number; payload: Buffer | null; readBytes: number; timeoutMs: number; pinned: string | null; signal: AbortSignal | undefined },
    resolve: (result: IoResult) => void,
  ) {
    this.#owner = owner;
    this.#resolve = resolve;
    this.#nsid = command.nsid;
    this.opcode = command.opcode;
    this.slba = command.slba;
    this.nlb = command.nlb;
    this.payload = command.payload;
    this.readBytes = command.readBytes;
    this.timeoutMs = command.timeoutMs;
    this.pinned = command.pinned;
    this.signal = command.signal;
  }

  get bytes(): number {
    return this.payload?.length ?? this.readBytes;
  }

  /** Executing it again after an execution that nobody heard of changes nothing, or writes the same again. */
  get replayable(): boolean {
    return this.opcode !== IoOpcode.compare;
  }

  /** It changes the namespace, so an old execution of it may do harm later. */
  get mutates(): boolean {
    return this.opcode !== IoOpcode.read && this.opcode !== IoOpcode.flush && this.opcode !== IoOpcode.compare;
  }

  encode(cid: number, inCapsule: boolean): Buffer {
    const nsid = this.#nsid;
    const { opcode, slba, nlb } = this;
    switch (opcode) {
      case IoOpcode.flush:
        return flushCommand({ cid, nsid });
      case IoOpcode.datasetManagement:
        return inCapsule ? dsmCommand({ cid, nsid, ranges: this.payload!.length / Size.dsmRange, deallocate: true }) : this.#dsmByTransport(cid);
      case IoOpcode.writeZeroes:
        return rwCommand({ opcode, cid, nsid, slba, nlb });
      default: {
        const bytes = this.bytes;
        return inCapsule ? rwCommand({ opcode, cid, nsid, slba, nlb, inCapsuleBytes: bytes }) : rwCommand({ opcode, cid, nsid, slba, nlb, transportBytes: bytes });
      }
    }
  }

  /** For controllers whose capsules carry no data at all. */
  #dsmByTransport(cid: number): Buffer {
    const { length } = this.payload!;
    return encodeSqe({ opcode: this.opcode, cid, nsid: this.#nsid, sgl: { kind: 'transport', length, offset: 0 }, cdw10: length / Size.dsmRange - 1, cdw11: dsmDeallocate });
  }

  describe(): CommandDescription {
    return { opcode: this.opcode, nsid: this.#nsid, slba: this.slba, nlb: this.nlb };
  }

  onSent(): void {
    this.sends += 1;
    this.#owner.sent(this);
  }

  onAnswer(cqe: Cqe, data: Buffer | null): void {
    this.#owner.answered(this, cqe, data);
  }

  onLost(lost: ConnectionLost, sent: boolean): void {
    this.#owner.lost(this, lost, sent);
  }

  /** The result, once. */
  settle(result: IoResult): void {
    this.place = 'done';
    clearTimeout(this.timer);
    this.unlisten?.();
    this.#resolve(result);
  }
}
