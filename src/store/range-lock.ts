/** One holder of (or waiter for) a range of blocks, `[start, end)`. */
export interface RangeTicket {
  readonly start: number;
  readonly end: number;
  readonly exclusive: boolean;
  /** Earlier tickets that must be released first. */
  blockers: number;
  waiters: RangeTicket[] | null;
  run: (ticket: RangeTicket) => void;
  /** Position in the lock's list. */
  index: number;
}

/**
 * First come, first served order among overlapping operations of one image: a write excludes
 * everything that overlaps it, reads share. So no read sees half of a write, and two writes of the
 * same block end in the order in which they came.
 *
 * A linear scan over the operations in flight: they are bounded by the clients' queue depths, and at
 * the tens that occur a scan beats a tree.
 */
export class RangeLock {
  readonly #tickets: RangeTicket[] = [];

  /** Runs `run` (at once, synchronously, if nothing overlaps) when the range is free; the ticket it gets must be released. */
  acquire(start: number, end: number, exclusive: boolean, run: (ticket: RangeTicket) => void): void {
    const ticket: RangeTicket = { start, end, exclusive, blockers: 0, waiters: null, run, index: this.#tickets.length };
    for (const other of this.#tickets) {
      if (other.start < end && start < other.end && (exclusive || other.exclusive)) {
        ticket.blockers++;
        (other.waiters ??= []).push(ticket);
      }
    }
    this.#tickets.push(ticket);
    if (ticket.blockers === 0) run(ticket);
  }

  release(ticket: RangeTicket): void {
    const last = this.#tickets.pop()!;
    if (last !== ticket) {
      this.#tickets[ticket.index] = last;
      last.index = ticket.index;
    }
    for (const waiter of ticket.waiters ?? []) {
      if (--waiter.blockers === 0) waiter.run(waiter);
    }
  }

  /** Operations that hold or wait for a range. */
  get size(): number {
    return this.#tickets.length;
  }
}
