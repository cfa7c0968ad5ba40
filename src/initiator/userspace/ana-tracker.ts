import type { AnaLog, AnaStateName } from '../../nvme/index.js';
import type { HostCounters } from './counters.js';
import { HostLimit } from './limits.js';
import { ConnectionLost } from './loss.js';

export interface AnaTrackerOptions {
  /** 0: the controller gives no bound for a transition. */
  anattMs: number;
  onUpdate(): void;
  /** Some group has been in `change` for 2 × ANATT. */
  onExpired(): void;
}

/**
 * What a controller says about its ANA groups. Reads are serialized and numbered: a request made while a
 * read is under way is satisfied only by the next one, because the answer may already be older than the
 * reason to ask. Change counts are ignored: SPDK leaves them 0 (nvme-tcp.md §6.11).
 */
export class AnaTracker {
  /** Successful reads so far; equals the number that `request` returned once that request is satisfied. */
  reads = 0;
  readonly #read: () => Promise<AnaLog>;
  readonly #counters: HostCounters;
  readonly #o: AnaTrackerOptions;
  /** Of the last log. */
  changeCount = 0;
  #states = new Map<number, AnaStateName>();
  #groupOfNsid = new Map<number, number>();
  #reading = false;
  #wanted = 0;
  #retryMs: number = HostLimit.anaRetryMinMs;
  #retryTimer: NodeJS.Timeout | undefined;
  #anattTimer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(read: () => Promise<AnaLog>, counters: HostCounters, options: AnaTrackerOptions) {
    this.#read = read;
    this.#counters = counters;
    this.#o = options;
  }

  /** The first read, part of connecting: rejects if it fails. */
  async first(): Promise<void> {
    this.#apply(await this.#read());
    this.#wanted = this.reads;
  }

  /**
   * Group and state of a namespace; undefined if the log does not say: pending, never optimized. The log's
   * own namespace lists count more than the group that Identify Namespace named: they are newer.
   */
  lookup(nsid: number, groupId: number): { group: number; state: AnaStateName } | undefined {
    const group = this.#groupOfNsid.get(nsid) ?? groupId;
    const state = this.#states.get(group);
    return state === undefined ? undefined : { group, state };
  }

  /** Group → state, of the last log. */
  get states(): ReadonlyMap<number, AnaStateName> {
    return this.#states;
  }

  /** Asks for a read that starts after now; returns the value that `reads` has when it is done. */
  request(): number {
    const satisfiedBy = this.reads + (this.#reading ? 2 : 1);
    this.#wanted = Math.max(this.#wanted, satisfiedBy);
    this.#pump();
    return satisfiedBy;
  }

  /** As `request`, but later, and ever later until a log answers what the last one left open. */
  requestLater(): void {
    if (this.#retryTimer !== undefined || this.#stopped) return;
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = undefined;
      this.request();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, HostLimit.anaRetryMaxMs);
  }

  /** The last log answered everything: the next trouble starts with a short wait again. */
  settled(): void {
    this.#retryMs = HostLimit.anaRetryMinMs;
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#anattTimer);
  }

  #pump(): void {
    if (this.#reading || this.#stopped || this.reads >= this.#wanted) return;
    this.#reading = true;
    this.#read().then(
      (log) => {
        this.#reading = false;
        if (this.#stopped) return;
        this.#apply(log);
        this.#pump();
        this.#o.onUpdate();
      },
      (error: unknown) => {
        this.#reading = false;
        if (this.#stopped || error instanceof ConnectionLost) return;
        // States stay as they are: a wrong one shows by path errors. Assuming `optimized`, as SPDK's host does, would be worse.
        this.#counters.anaLogErrors += 1;
        this.requestLater();
      },
    );
  }

  #apply(log: AnaLog): void {
    this.reads += 1;
    this.#counters.anaLogReads += 1;
    this.changeCount = log.changeCount;
    this.#states = new Map(log.groups.map((group) => [group.id, group.state]));
    this.#groupOfNsid = new Map(log.groups.flatMap((group) => group.nsids.map((nsid) => [nsid, group.id] as const)));
    const changing = log.groups.some((group) => group.state === 'change');
    clearTimeout(this.#anattTimer);
    this.#anattTimer = undefined;
    if (changing && this.#o.anattMs > 0) this.#anattTimer = setTimeout(() => this.#o.onExpired(), 2 * this.#o.anattMs);
  }
}
