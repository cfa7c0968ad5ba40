import type { EventBody } from '../../../history/events.js';
import { messageOf } from '../../../util/errors.js';

export interface StoreWatchOptions {
  /** `osd blocklist ls --format json`. */
  blocklist: () => Promise<string>;
  /** `osd stat --format json`. */
  osdStat: () => Promise<string>;
  periodMs: number;
  emit: (event: EventBody) => void;
  onError: (message: string) => void;
}

/** What the cluster says about its OSD map and blocklist, asked again and again, and whose clients the addresses are. */
export class StoreWatch {
  readonly #o: StoreWatchOptions;
  readonly #clients = new Map<string, { name: string; anaGroups?: Set<number> }>();
  readonly #running: Promise<void>;
  #stopped = false;
  #wake: () => void = () => undefined;
  #last = '';
  #failing = false;

  constructor(options: StoreWatchOptions) {
    this.#o = options;
    this.#running = this.#run();
  }

  /**
   * The address as which a gateway uses the cluster now, for the images of this ANA group; undefined: for all of them. Earlier
   * ones stay known: the blocklist speaks of them.
   */
  addClient(address: string, gateway: string, anaGroup?: number): void {
    const known = this.#clients.get(address);
    if (known?.name === gateway && (known.anaGroups === undefined || (anaGroup !== undefined && known.anaGroups.has(anaGroup)))) return;
    this.#clients.set(address, { name: gateway, ...(anaGroup === undefined ? {} : { anaGroups: new Set([...(known?.anaGroups ?? []), anaGroup]) }) });
    this.look();
  }

  /** Looks again without waiting for the period. */
  look(): void {
    this.#wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        // The list first: an epoch that is newer than the list claims nothing.
        const blocklist = parseBlocklist(await this.#o.blocklist());
        const epoch = parseOsdEpoch(await this.#o.osdStat());
        this.#failing = false;
        this.#report(epoch, blocklist);
      } catch (error) {
        if (!this.#failing) this.#o.onError(`the OSD map cannot be read: ${messageOf(error)}`);
        this.#failing = true;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, this.#stopped ? 0 : this.#o.periodMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #report(epoch: number, blocklist: string[]): void {
    const clients = [...this.#clients].map(([address, { name, anaGroups }]) => ({ address, name, fenced: blocklist.includes(address), ...(anaGroups === undefined ? {} : { anaGroups: [...anaGroups].sort((a, b) => a - b) }) }));
    const event: EventBody = { type: 'store.state', epoch, blocklist, clients };
    const text = JSON.stringify(event);
    // The same again is told, too: a checker needs a look that is younger than what it judges.
    if (text === this.#last && !this.#stopped && Date.now() - this.#toldMs < repeatMs) return;
    this.#last = text;
    this.#toldMs = Date.now();
    this.#o.emit(event);
  }

  #toldMs = 0;
}

const repeatMs = 1_000;

/** Addresses of `osd blocklist ls`: two JSON arrays back to back in Ceph 20 (addresses, then ranges), one in older releases. */
export function parseBlocklist(text: string): string[] {
  const first = /^\s*(\[[^[\]]*\])/.exec(text)?.[1];
  if (first === undefined) throw new Error(`no list: ${text.slice(0, 100)}`);
  return (JSON.parse(first) as { addr: string }[]).map(({ addr }) => addr);
}

/** A real cluster's answer to StoreNode.state. */
export async function storeStateOf(cluster: { must(command: Record<string, unknown>): Promise<string> }): Promise<{ epoch: number; blocklist: string[] }> {
  const epoch = parseOsdEpoch(await cluster.must({ prefix: 'osd stat', format: 'json' }));
  return { epoch, blocklist: parseBlocklist(await cluster.must({ prefix: 'osd blocklist ls', format: 'json' })) };
}

export function parseOsdEpoch(text: string): number {
  const { epoch } = JSON.parse(text) as { epoch?: unknown };
  if (typeof epoch !== 'number') throw new Error(`no epoch: ${text.slice(0, 100)}`);
  return epoch;
}
