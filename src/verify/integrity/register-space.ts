/**
 * Linearizability of many registers with unique written values, decided online.
 *
 * Per value v of one block, let
 *   settled(v) = the earliest completion of any operation that wrote or returned v (Gibbons & Korach: the
 *                low end of its zone), and
 *   newest(v)  = the latest invocation of any operation that wrote or returned v (the high end).
 * The history of the block is linearizable exactly if no read returns a value before its write was invoked
 * and no two values u, v have settled(u) < newest(v) and settled(v) < newest(u) (Gibbons &
 * Korach 1997, "Testing shared memories", SIAM J. Comput. 26(4): forward zones do not overlap, and no
 * backward zone lies inside a forward one).
 *
 * Online, with completions visited in time order: settled(v) is fixed by the first completion, and only the
 * completion of a read can make the condition false. A read of v, invoked at i, that finds v settled does so
 * exactly if some u ≠ v has settled(u) < i and settled(v) < newest(u).
 *
 * Memory: let L be a lower bound of the invocation time of every read that has yet to complete. A value u is
 * dead once some w ≠ u has settled(w) < L and settled(u) < newest(w): any further read of u is a violation. A
 * dead u with settled(u) < L constrains no living value either (if it did, that value would be dead too), so
 * it is forgotten; a read that returns a value that is not in the table is then a violation by itself. A dead value
 * whose write has not ended stays, marked, because that write may yet turn out never to have been sent. What stays
 * are mutually concurrent values and writes without an end, which is bounded by what was in flight.
 */

/** What a completed read did to a block's history. */
export const ReadResult = {
  consistent: 0,
  /** It contradicts another value of the table. */
  conflict: 1,
  /** The value is not in the table: forgotten as dead, or never written here. */
  unknownValue: 2,
} as const;
export type ReadResult = (typeof ReadResult)[keyof typeof ReadResult];

/** Slots handed out at a time: one page of consecutive LBAs. */
export const pageBlocks = 1024;
/**
 * Flags of a slot, for the coverage of the final re-reads. A re-read counts only if no write of the block was
 * invoked since the re-read itself was, so its begin is flagged too.
 */
export const SlotFlag = { written: 1, rereadAtOnce: 2, rereadDelayed: 4, beganAtOnce: 8, beganDelayed: 16 } as const;
export const rereadMask = SlotFlag.rereadAtOnce | SlotFlag.rereadDelayed | SlotFlag.beganAtOnce | SlotFlag.beganDelayed;

const none = -1;
/** States of a value: its write has not ended; any further read of it is a violation. */
const openBit = 1;
const deadBit = 2;

function grown<T extends Float64Array | Int32Array | Uint8Array>(old: T, make: (length: number) => T): T {
  const bigger = make(old.length * 2);
  bigger.set(old);
  return bigger;
}
const float64 = (length: number): Float64Array => new Float64Array(length);
const int32 = (length: number): Int32Array => new Int32Array(length);
const uint8 = (length: number): Uint8Array => new Uint8Array(length);

export class RegisterSpace {
  /** Called when a value is forgotten; `killer` is a value that makes any further read of it a violation. */
  onForget: ((slot: number, version: number, killer: number) => void) | undefined;

  // Values that still matter: a struct of arrays, chained per slot.
  #version: Float64Array = float64(4096);
  #settled: Float64Array = float64(4096);
  #newest: Float64Array = float64(4096);
  #next: Int32Array = int32(4096);
  #state: Uint8Array = uint8(4096);
  #firstFree = none;
  #used = 0;
  #free = 0;
  #livePeak = 0;

  // Blocks. `#head` is the first value; reads in flight are counted in two generations, so that the older
  // one drains even where reads always overlap: its first invocation is the lower bound L.
  #head: Int32Array = int32(pageBlocks);
  #olderReads: Int32Array = int32(pageBlocks);
  #youngerReads: Int32Array = int32(pageBlocks);
  #olderSince: Float64Array = float64(pageBlocks);
  #youngerSince: Float64Array = float64(pageBlocks);
  #flags: Uint8Array = uint8(pageBlocks);
  #slots = 0;

  readonly #pages = new Map<number, number>();
  #lastPage = none;
  #lastBase = 0;

  /** The slot of one logical block. `namespace` < 1024; blocks of one page have consecutive slots. */
  slotOf(namespace: number, lba: number): number {
    const page = namespace * 2 ** 42 + Math.floor(lba / pageBlocks);
    if (page !== this.#lastPage) {
      let base = this.#pages.get(page);
      if (base === undefined) {
        base = this.#addPage();
        this.#pages.set(page, base);
      }
      this.#lastPage = page;
      this.#lastBase = base;
    }
    return this.#lastBase + (lba % pageBlocks);
  }

  /** Visits every slot that was handed out: (namespace, lba, slot). */
  forEachSlot(visit: (namespace: number, lba: number, slot: number) => void): void {
    for (const [page, base] of this.#pages) {
      const namespace = Math.floor(page / 2 ** 42);
      const firstLba = (page % 2 ** 42) * pageBlocks;
      for (let i = 0; i < pageBlocks; i += 1) visit(namespace, firstLba + i, base + i);
    }
  }

  /** Values in the table now and at most, for the memory bound. */
  get liveValues(): number {
    return this.#used - this.#free;
  }
  get liveValuesPeak(): number {
    return this.#livePeak;
  }
  /** False: no operation has touched the block. */
  touched(slot: number): boolean {
    return this.#head[slot]! !== none;
  }

  flags(slot: number): number {
    return this.#flags[slot]!;
  }
  setFlags(slot: number, flags: number): void {
    this.#flags[slot]! |= flags;
  }
  clearFlags(slot: number, flags: number): void {
    this.#flags[slot]! &= ~flags;
  }

  /** False: the version is already in the table, so versions are not unique. */
  writeInvoked(slot: number, version: number, tUs: number): boolean {
    this.#touch(slot);
    if (this.#find(slot, version) !== none) return false;
    this.#insert(slot, version, Infinity, tUs, openBit);
    return true;
  }

  writeAcknowledged(slot: number, version: number, tUs: number): void {
    const entry = this.#find(slot, version);
    if (entry !== none) {
      if (this.#settled[entry] === Infinity) this.#settled[entry] = tUs;
      this.#closeWrite(slot, entry);
    }
    this.#forgetDead(slot);
  }

  /** The write failed, or ended without an answer, after it was sent: it may land at any time, or never. */
  writeEndedUnknown(slot: number, version: number): void {
    const entry = this.#find(slot, version);
    if (entry !== none) this.#closeWrite(slot, entry);
  }

  /** The write never reached a wire. False: a read has returned its value nevertheless. */
  writeNeverSent(slot: number, version: number): boolean {
    const entry = this.#find(slot, version);
    if (entry === none) return true;
    if (this.#settled[entry] !== Infinity) return false;
    this.#remove(slot, entry);
    return true;
  }

  readInvoked(slot: number, tUs: number): void {
    this.#touch(slot);
    if (this.#olderReads[slot] === 0) {
      this.#olderReads[slot] = 1;
      this.#olderSince[slot] = tUs;
    } else {
      if (this.#youngerReads[slot] === 0) this.#youngerSince[slot] = tUs;
      this.#youngerReads[slot]! += 1;
    }
  }

  /** A read that ended ok returned `version`. A read that contradicts the history changes nothing, so that later ones are judged on their own. */
  readReturned(slot: number, version: number, invokedUs: number, tUs: number): ReadResult {
    const entry = this.#find(slot, version);
    if (entry === none || (this.#state[entry]! & deadBit) !== 0) return ReadResult.unknownValue;
    const settled = this.#settled;
    const newest = this.#newest;
    const settledUs = settled[entry]!;
    if (settledUs === Infinity) {
      settled[entry] = tUs;
    } else {
      for (let other = this.#head[slot]!; other !== none; other = this.#next[other]!) {
        if (other !== entry && settled[other]! < invokedUs && settledUs < newest[other]!) return ReadResult.conflict;
      }
    }
    if (invokedUs > newest[entry]!) newest[entry] = invokedUs;
    return ReadResult.consistent;
  }

  /** The read is over, however it ended. Call it after `readReturned`. */
  readEnded(slot: number, invokedUs: number): void {
    if (this.#youngerReads[slot]! > 0 && invokedUs >= this.#youngerSince[slot]!) {
      this.#youngerReads[slot]! -= 1;
    } else {
      this.#olderReads[slot]! -= 1;
      if (this.#olderReads[slot] === 0) {
        this.#olderReads[slot] = this.#youngerReads[slot]!;
        this.#olderSince[slot] = this.#youngerSince[slot]!;
        this.#youngerReads[slot] = 0;
      }
    }
    this.#forgetDead(slot);
  }

  #addPage(): number {
    const base = this.#slots;
    this.#slots += pageBlocks;
    if (this.#slots > this.#head.length) {
      this.#head = grown(this.#head, int32);
      this.#olderReads = grown(this.#olderReads, int32);
      this.#youngerReads = grown(this.#youngerReads, int32);
      this.#olderSince = grown(this.#olderSince, float64);
      this.#youngerSince = grown(this.#youngerSince, float64);
      this.#flags = grown(this.#flags, uint8);
    }
    this.#head.fill(none, base, this.#slots);
    return base;
  }

  /** The first operation on a block brings in its initial value: version 0, written before everything. */
  #touch(slot: number): void {
    if (this.#head[slot] === none) this.#insert(slot, 0, -Infinity, -Infinity, 0);
  }

  #find(slot: number, version: number): number {
    let entry = this.#head[slot]!;
    while (entry !== none && this.#version[entry] !== version) entry = this.#next[entry]!;
    return entry;
  }

  #insert(slot: number, version: number, settledUs: number, newestUs: number, state: number): void {
    let entry = this.#firstFree;
    if (entry !== none) {
      this.#firstFree = this.#next[entry]!;
      this.#free -= 1;
    } else {
      entry = this.#used;
      this.#used += 1;
      if (entry === this.#version.length) {
        this.#version = grown(this.#version, float64);
        this.#settled = grown(this.#settled, float64);
        this.#newest = grown(this.#newest, float64);
        this.#next = grown(this.#next, int32);
        this.#state = grown(this.#state, uint8);
      }
    }
    this.#version[entry] = version;
    this.#settled[entry] = settledUs;
    this.#newest[entry] = newestUs;
    this.#state[entry] = state;
    this.#next[entry] = this.#head[slot]!;
    this.#head[slot] = entry;
    const live = this.#used - this.#free;
    if (live > this.#livePeak) this.#livePeak = live;
  }

  #closeWrite(slot: number, entry: number): void {
    if ((this.#state[entry]! & deadBit) !== 0) this.#remove(slot, entry);
    else this.#state[entry]! &= ~openBit;
  }

  #remove(slot: number, entry: number): void {
    let before = none;
    for (let each = this.#head[slot]!; each !== entry; each = this.#next[each]!) before = each;
    if (before === none) this.#head[slot] = this.#next[entry]!;
    else this.#next[before] = this.#next[entry]!;
    this.#next[entry] = this.#firstFree;
    this.#firstFree = entry;
    this.#free += 1;
  }

  #forgetDead(slot: number): void {
    const next = this.#next;
    const head = this.#head[slot]!;
    if (head === none || next[head] === none) return;
    const settled = this.#settled;
    const newest = this.#newest;
    // No read in flight: every later one is invoked after now (visitInTimeOrder), and nothing settled after now.
    const boundUs = this.#olderReads[slot]! > 0 ? this.#olderSince[slot]! : Infinity;
    // The two highest `newest` among values settled before the bound: a value cannot kill itself.
    let first = none;
    let second = none;
    for (let entry = head; entry !== none; entry = next[entry]!) {
      if (settled[entry]! >= boundUs) continue;
      if (first === none || newest[entry]! > newest[first]!) {
        second = first;
        first = entry;
      } else if (second === none || newest[entry]! > newest[second]!) {
        second = entry;
      }
    }
    if (second === none) return;
    for (let entry = head; entry !== none; ) {
      const following = next[entry]!;
      const killer = entry === first ? second : first;
      if (settled[entry]! < boundUs && settled[entry]! < newest[killer]!) {
        const state = this.#state[entry]!;
        if ((state & deadBit) === 0) {
          this.onForget?.(slot, this.#version[entry]!, this.#version[killer]!);
          if ((state & openBit) !== 0) this.#state[entry] = state | deadBit;
          else this.#remove(slot, entry);
        }
      }
      entry = following;
    }
  }
}
