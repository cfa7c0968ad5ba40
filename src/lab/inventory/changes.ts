import type { Inventory } from './file.js';
import { harnessHost, hostNamedRoute, type HostConnections } from './hosts.js';
import type { UndoEntry, UndoJournal } from './journal.js';

/** The only way in which a run changes something on hosts of an inventory: how it is undone is noted first. */
export class Changes {
  readonly #inventory: Inventory;
  readonly #journal: UndoJournal;
  readonly #hosts: Pick<HostConnections, 'run'>;

  #stopped = false;

  constructor(inventory: Inventory, journal: UndoJournal, hosts: Pick<HostConnections, 'run'>) {
    this.#inventory = inventory;
    this.#journal = journal;
    this.#hosts = hosts;
  }

  /** Notes how a change is undone that the caller makes next, by whatever means. */
  note(host: string, what: string, undo: string): UndoEntry {
    if (this.#stopped) throw new Error(`${host}: nothing is changed any more`);
    return this.#journal.note({ host, route: host === harnessHost ? null : hostNamedRoute(this.#inventory, host), what, command: undo });
  }

  /** Makes a change; resolves with what undoes it. */
  async make(host: string, { what, command, undo }: { what: string; command: string; undo: string }, timeoutMs?: number): Promise<UndoEntry> {
    const entry = this.note(host, what, undo);
    await this.#hosts.run(host, entry.route, command, timeoutMs === undefined ? {} : { timeoutMs });
    return entry;
  }

  /** Undoes one change before its turn. */
  async undo(entry: UndoEntry): Promise<void> {
    await this.#hosts.run(entry.host, entry.route, entry.command);
    this.#journal.done(entry);
  }

  /** Whoever is still about to change something gets an error: what was changed is about to be undone. */
  stop(): void {
    this.#stopped = true;
  }

  /** Somebody else has undone it, in a way of his own. */
  undone(entry: UndoEntry): void {
    this.#journal.done(entry);
  }
}
