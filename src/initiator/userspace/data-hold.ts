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

export interface HoldOptions {
  /**
   * When the host gives up the controller of a held transfer by a decision of its own (a command timed out,
   * a reset was asked for), it does not reset that association's connections but leaves them as they are
   * until the release: as if its FIN and RST were lost in the network, which goes on to deliver what was on
   * its way. Keep-alives go on, too, so that the controller sees nothing amiss. Default false.
   */
  keepAssociation?: boolean;
}

/** After the release, how long a kept association may take to deliver what was sent before it is reset, milliseconds. */
export const keptLingerMs = 1_000;

/**
 * Withholds the data phase of writes: the controller has the command and waits for its data. This is how
 * a test keeps an old write alive across a failover (the ABA problem, nvme-tcp.md §6.1).
 *
 * Only writes that use R2T have a data phase; in-capsule data cannot be held. A transfer whose
 * connection ends while it is held is dropped: its data is never sent.
 */
export class DataHold {
  readonly #predicate: HoldPredicate;
  readonly #keepAssociation: boolean;
  readonly #onRelease: () => void;
  #transfers: { about: HeldTransfer; queue: unknown; send: () => boolean }[] = [];
  #waiters: { count: number; resolve: () => void }[] = [];
  #kept: { queues: readonly unknown[]; close: () => void }[] = [];
  #seen = 0;
  #released = false;

  constructor(predicate: HoldPredicate, onRelease: () => void, options: HoldOptions = {}) {
    this.#predicate = predicate;
    this.#onRelease = onRelease;
    this.#keepAssociation = options.keepAssociation ?? false;
  }

  /** What is held now, oldest first. */
  get held(): readonly HeldTransfer[] {
    return this.#transfers.map((transfer) => transfer.about);
  }

  matches(about: HeldTransfer): boolean {
    return !this.#released && this.#predicate(about);
  }

  /** `queue` is the queue pair that it came in on. `send` puts the data on the wire; false if its connection is gone. */
  add(about: HeldTransfer, queue: unknown, send: () => boolean): void {
    this.#transfers.push({ about, queue, send });
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

  /** Is something of this queue held whose association must outlive the host's interest in it? */
  keeps(queue: unknown): boolean {
    return this.#keepAssociation && this.#transfers.some((transfer) => transfer.queue === queue);
  }

  /** An association with these queue pairs was given up and left open for this hold; `close` resets it. */
  keep(queues: readonly unknown[], close: () => void): void {
    this.#kept.push({ queues, close });
  }

  /**
   * Ends the hold and sends everything in the order in which it was asked for. `late`: which of the transfers whose
   * association was given up, so that their writes were sent again, are sent all the same; default: all. The others are
   * dropped, as if the network had lost them in the end.
   */
  release(late: HoldPredicate = () => true): { sent: number; dropped: number } {
    this.#released = true;
    this.#onRelease();
    const transfers = this.#transfers;
    this.#transfers = [];
    let sent = 0;
    const kept = this.#kept;
    this.#kept = [];
    for (const { about, queue, send } of transfers) {
      const givenUp = kept.some(({ queues }) => queues.includes(queue));
      if ((!givenUp || late(about)) && send()) sent += 1;
    }
    if (kept.length > 0) setTimeout(() => kept.forEach(({ close }) => close()), keptLingerMs).unref();
    return { sent, dropped: transfers.length - sent };
  }

  /** Ends the hold without sending anything: what it kept open is reset. */
  drop(): void {
    this.#released = true;
    this.#onRelease();
    this.#transfers = [];
    for (const { close } of this.#kept.splice(0)) close();
  }
}

/** All holds of a host. */
export class DataHolds {
  readonly #holds = new Set<DataHold>();

  get active(): boolean {
    return this.#holds.size > 0;
  }

  hold(predicate: HoldPredicate, options: HoldOptions = {}): DataHold {
    const hold: DataHold = new DataHold(predicate, () => this.#holds.delete(hold), options);
    this.#holds.add(hold);
    return hold;
  }

  /** The hold that wants this transfer. */
  find(about: HeldTransfer): DataHold | undefined {
    for (const hold of this.#holds) if (hold.matches(about)) return hold;
    return undefined;
  }

  /** The holds for which the association of one of these queues has to stay. */
  keepersOf(queues: readonly unknown[]): DataHold[] {
    return [...this.#holds].filter((hold) => queues.some((queue) => hold.keeps(queue)));
  }

  /** The host closes: nothing that is held is sent any more. */
  dropAll(): void {
    for (const hold of [...this.#holds]) hold.drop();
  }
}
