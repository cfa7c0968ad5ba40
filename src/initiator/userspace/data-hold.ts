import type { CommandDescription } from './command.js';

/** One R2T whose H2CData is withheld. */
export interface HeldTransfer extends CommandDescription {
  controller: string;
  qid: number;
  cid: number;
  /** Bytes, from the start of the command's data. */
  offset: number;
  length: number;
}

export type HoldPredicate = (transfer: HeldTransfer) => boolean;

/**
 * Withholds the data phase of writes: the controller has the command and waits for its data. This is how
 * a test keeps an old write alive across a failover (the ABA problem, nvme-tcp.md §6.1).
 *
 * Only writes that use R2T have a data phase; in-capsule data cannot be held. A transfer whose
 * connection ends while it is held is dropped: its data is never sent.
 */
export class DataHold {
  readonly #predicate: HoldPredicate;
  readonly #onRelease: () => void;
  #transfers: { about: HeldTransfer; send: () => boolean }[] = [];
  #waiters: { count: number; resolve: () => void }[] = [];
  #seen = 0;
  #released = false;

  constructor(predicate: HoldPredicate, onRelease: () => void) {
    this.#predicate = predicate;
    this.#onRelease = onRelease;
  }

  /** What is held now, oldest first. */
  get held(): readonly HeldTransfer[] {
    return this.#transfers.map((transfer) => transfer.about);
  }

  matches(about: HeldTransfer): boolean {
    return !this.#released && this.#predicate(about);
  }

  /** `send` puts the data on the wire; false if its connection is gone. */
  add(about: HeldTransfer, send: () => boolean): void {
    this.#transfers.push({ about, send });
    this.#seen += 1;
    this.#waiters = this.#waiters.filter((waiter) => {
      if (waiter.count > this.#seen) return true;
      waiter.resolve();
      return false;
    });
  }

  /** Resolves once `count` transfers have been held, counted from the start. */
  whenHeld(count = 1): Promise<void> {
    if (this.#seen >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ count, resolve }));
  }

  /** Ends the hold and sends everything in the order in which it was asked for. */
  release(): { sent: number; dropped: number } {
    this.#released = true;
    this.#onRelease();
    const transfers = this.#transfers;
    this.#transfers = [];
    let sent = 0;
    for (const transfer of transfers) if (transfer.send()) sent += 1;
    return { sent, dropped: transfers.length - sent };
  }
}

/** All holds of a host. */
export class DataHolds {
  readonly #holds = new Set<DataHold>();

  get active(): boolean {
    return this.#holds.size > 0;
  }

  hold(predicate: HoldPredicate): DataHold {
    const hold: DataHold = new DataHold(predicate, () => this.#holds.delete(hold));
    this.#holds.add(hold);
    return hold;
  }

  /** The hold that wants this transfer. */
  find(about: HeldTransfer): DataHold | undefined {
    for (const hold of this.#holds) if (hold.matches(about)) return hold;
    return undefined;
  }
}
