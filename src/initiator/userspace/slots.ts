import type { QueuedCommand } from './command.js';

/** Where one command of a queue is kept while it is in flight. */
export class Slot {
  readonly index: number;
  /** generation << 12 | index, as the Linux host tags its commands (nvme_cid). */
  cid = 0;
  busy = false;
  /** Null while busy: its owner gave up waiting; the answer is awaited only to reuse the slot. */
  command: QueuedCommand | null = null;
  payload: Buffer | null = null;
  inCapsule = false;
  readBytes = 0;
  /** Read data: the one PDU's own buffer, or one that collects several. */
  data: Buffer | null = null;
  /** Bytes of C2HData so far; the next must start here. */
  received = 0;
  dataDigestError = false;
  /** Bytes that R2Ts have asked for so far; the next must start here. */
  requested = 0;
  r2tsOutstanding = 0;
  deadlineUs = Infinity;
  /** Position in the queue's byte stream behind the last payload byte of this command. */
  payloadEnd = 0;

  constructor(index: number) {
    this.index = index;
  }
}

const slotBits = 12;
const slotMask = (1 << slotBits) - 1;
const generationMask = 0xf;

export type SlotLookup = Slot | 'stale' | 'out-of-range';

/**
 * The command slots of one queue. Each use of a slot has a new 4-bit generation in its cid, so an answer
 * to an earlier use is recognized as stale.
 */
export class SlotTable {
  readonly slots: readonly Slot[];
  readonly #generations: Uint8Array;
  readonly #free: Slot[];

  constructor(count: number) {
    this.slots = Array.from({ length: count }, (_, index) => new Slot(index));
    this.#generations = new Uint8Array(count);
    this.#free = [...this.slots].reverse();
  }

  get busyCount(): number {
    return this.slots.length - this.#free.length;
  }

  /** Undefined: all in flight. */
  take(): Slot | undefined {
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    const generation = (this.#generations[slot.index]! + 1) & generationMask;
    this.#generations[slot.index] = generation;
    slot.cid = (generation << slotBits) | slot.index;
    slot.busy = true;
    return slot;
  }

  release(slot: Slot): void {
    slot.busy = false;
    slot.command = null;
    slot.payload = null;
    slot.inCapsule = false;
    slot.readBytes = 0;
    slot.data = null;
    slot.received = 0;
    slot.dataDigestError = false;
    slot.requested = 0;
    slot.r2tsOutstanding = 0;
    slot.deadlineUs = Infinity;
    slot.payloadEnd = 0;
    this.#free.push(slot);
  }

  find(cid: number): SlotLookup {
    const slot = this.slots[cid & slotMask];
    if (slot === undefined) return 'out-of-range';
    return slot.busy && slot.cid === cid ? slot : 'stale';
  }
}
