import { StoreStatus } from './errors.js';
import type { Fence } from './fence.js';
import type { Image } from './image.js';
import { errorOfIo } from './image-catalog.js';
import {
  ackBeforeWriteDelayMs, InjectionGate, loseWritesEvery, type Gated, type StoreDefect,
} from './injection.js';
import type { RangeTicket } from './range-lock.js';
import type { Session } from './session.js';
import { isMutation, responseHeaderBytes, StoreOp } from './wire.js';

/** One data operation, from its arrival to its answer. */
export interface DataOperation extends Gated {
  readonly session: Session;
  readonly image: Image;
  readonly op: number;
  readonly id: number;
  readonly slba: number;
  readonly nlb: number;
  readonly payload: Buffer | null;
  /** Set once it has been answered ahead of its execution (a defect). */
  answeredEarly: boolean;
}

/** Cumulative since the store's start. */
export interface StoreCounters {
  reads: number;
  writesApplied: number;
  /** Mutations of fenced clients that were refused on arrival or dropped after a hold, a delay or a wait. */
  droppedWrites: number;
  /** Re-sent mutations answered from memory. */
  replays: number;
  /** Re-sent operations whose first sending is still under way. */
  duplicates: number;
  protocolErrors: number;
  connections: number;
}

/**
 * Takes data operations through injection, the order of their image, the fence, and the file.
 *
 * ```text
 * arrive ─▶ fenced? ─▶ held / delayed ─▶ overlapping operations done? ─▶ fenced? ─▶ pwrite ─▶ answer
 * ```
 *
 * The second look at the fence and the start of the pwrite happen in one turn of the event loop, so
 * nothing can be blocklisted between them (fence.ts says why that suffices).
 */
export class Executor {
  readonly #fence: Fence;
  readonly #counters: StoreCounters;
  readonly #defects: ReadonlySet<StoreDefect>;
  readonly #onDrop: () => void;
  readonly gate = new InjectionGate<DataOperation>((operation) => this.#pass(operation));
  #writesSeen = 0;
  #running = 0;
  #idle: (() => void) | null = null;

  constructor(fence: Fence, counters: StoreCounters, defects: ReadonlySet<StoreDefect>, onDrop: () => void) {
    this.#fence = fence;
    this.#counters = counters;
    this.#defects = defects;
    this.#onDrop = onDrop;
  }

  /** Takes an operation whose fields have been checked against its image. */
  arrive(operation: DataOperation): void {
    operation.session.underWay.add(operation.id);
    if (operation.op === StoreOp.read) operation.session.promisedBytes += operation.nlb * operation.image.blockSize;
    if (this.#fence.isFenced(operation.address) && !this.#defects.has('ignore-blocklist')) {
      return this.#refuse(operation);
    }
    this.gate.enter(operation);
  }

  /** Resolves when no file operation is running. */
  idle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => (this.#idle = resolve));
  }

  #pass(operation: DataOperation): void {
    if (operation.mutation && this.#defects.size > 0 && this.#misbehave(operation)) return;
    this.#order(operation);
  }

  #order(operation: DataOperation): void {
    if (operation.op === StoreOp.flush) {
      // A completed write needs no flush: its acknowledgement already promised all that the store can.
      if (this.#judgesLate && this.#fence.isFenced(operation.address)) return this.#refuse(operation);
      return this.#finish(operation, StoreStatus.ok, null);
    }
    const { image, slba, nlb, mutation } = operation;
    image.order.acquire(slba, slba + nlb, mutation, (ticket) => this.#execute(operation, ticket));
  }

  #execute(operation: DataOperation, ticket: RangeTicket): void {
    const counted = this.#judgesLate;
    if (counted && !this.#fence.enter(operation.address)) {
      this.#refuse(operation);
      operation.image.order.release(ticket);
      return;
    }
    this.#running++;
    const { image, slba, nlb } = operation;
    const bytes = nlb * image.blockSize;
    const framed = operation.op === StoreOp.read ? Buffer.allocUnsafe(responseHeaderBytes + bytes) : null;
    let cutShort = false;
    const done = (error: NodeJS.ErrnoException | null): void => {
      if (cutShort) this.#refuse(operation);
      else if (error !== null) this.#finish(operation, errorOfIo(error).kind === 'no-space' ? StoreStatus.noSpace : StoreStatus.io, Buffer.from(error.message));
      else this.#applied(operation, framed);
      if (counted) this.#fence.leave(operation.address);
      image.order.release(ticket);
      if (--this.#running === 0) this.#idle?.();
    };
    if (framed !== null) image.read(slba, framed, responseHeaderBytes, bytes, done);
    else if (operation.op === StoreOp.write) image.write(slba, operation.payload!, done);
    else image.zero(slba, nlb, () => (cutShort = counted && this.#fence.isFenced(operation.address)), done);
  }

  /** An honest store looks at the fence again when an operation is about to touch the image. */
  get #judgesLate(): boolean {
    return this.#defects.size === 0
      || !(this.#defects.has('ignore-blocklist') || this.#defects.has('fence-on-arrival-only'));
  }

  #applied(operation: DataOperation, framed: Buffer | null): void {
    if (operation.mutation) this.#counters.writesApplied++;
    else this.#counters.reads++;
    this.#finish(operation, StoreStatus.ok, framed, framed !== null);
  }

  #refuse(operation: DataOperation): void {
    if (operation.mutation) {
      this.#counters.droppedWrites++;
      this.#onDrop();
    }
    this.#finish(operation, StoreStatus.fenced, null);
  }

  #finish(operation: DataOperation, status: number, payload: Buffer | null, framed = false): void {
    if (operation.answeredEarly) return;
    if (operation.op === StoreOp.read) operation.session.promisedBytes -= operation.nlb * operation.image.blockSize;
    operation.session.answer(operation.op, status, operation.id, isMutation(operation.op), payload, framed);
  }

  /** True: a defect has taken over this mutation. */
  #misbehave(operation: DataOperation): boolean {
    if (this.#defects.has('lose-writes') && ++this.#writesSeen % loseWritesEvery === 0) {
      this.#finish(operation, StoreStatus.ok, null);
      return true;
    }
    if (this.#defects.has('ack-before-write')) {
      this.#finish(operation, StoreStatus.ok, null);
      operation.answeredEarly = true;
      setTimeout(() => this.#order(operation), ackBeforeWriteDelayMs);
      return true;
    }
    return false;
  }
}
