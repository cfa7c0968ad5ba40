import { sleep } from '../../../util/clock.js';
import { statusSchema } from '../scratch.js';

/** A client that has an image open: `ADDRESS:PORT/NONCE`, as the blocklist has it, too. */
export interface ImageClient { image: string; address: string }

/** What `watchersCommand` has printed: a line each, the image's name and `rbd status` as JSON. */
export function parseWatchers(text: string): ImageClient[] {
  return text.split('\n').flatMap((line) => {
    const [, image, json] = /^(\S+) (\{.*\})\s*$/.exec(line) ?? [];
    return image === undefined ? [] : statusSchema.parse(JSON.parse(json!)).watchers.map(({ address }) => ({ image, address }));
  });
}

/** The IP address in `ADDRESS:PORT/NONCE`. */
export function ipOf(address: string): string {
  return address.replace(/:\d+\/\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

export interface StoreClientsOptions {
  /** Prints the watchers of each image (`watchersCommand`). */
  look: () => Promise<string>;
  images: readonly string[];
  /** The gateway whose host has this IP address; undefined: none. */
  gatewayAt: (ip: string) => string | undefined;
  onClient: (gateway: string, client: ImageClient) => void;
  onError: (message: string) => void;
}

const pollMs = 1_000;
/** A new incarnation that has not opened all images by then is looked for no longer. */
const lookMaxMs = 120_000;

/**
 * Which clients of the cluster do a gateway's I/O, for gateways that do not say it: those that watch an image's header from an
 * address of its host (librbd does for as long as it has an image open). The watch of a dead client stays for
 * osd_client_watch_timeout (30 s), so that a new incarnation is looked for until each image has a client that was not known before.
 */
export class StoreClients {
  readonly #o: StoreClientsOptions;
  readonly #known = new Set<string>();
  /** Gateways with a new incarnation: the images of it that were not seen yet, and until when they are looked for. */
  readonly #wanted = new Map<string, { images: Set<string>; untilMs: number }>();
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(options: StoreClientsOptions) {
    this.#o = options;
  }

  /** A gateway has begun to run. */
  expect(gateway: string): void {
    this.#wanted.set(gateway, { images: new Set(this.#o.images), untilMs: Date.now() + lookMaxMs });
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#looking;
  }

  async #look(): Promise<void> {
    while (!this.#stopped && this.#wanted.size > 0) {
      try {
        for (const client of parseWatchers(await this.#o.look())) this.#onClient(client);
      } catch (error) {
        this.#o.onError(error instanceof Error ? error.message : String(error));
      }
      for (const [gateway, { images, untilMs }] of this.#wanted) {
        if (images.size > 0 && Date.now() < untilMs) continue;
        if (images.size > 0) this.#o.onError(`${gateway} has not opened ${[...images].join(', ')}, as far as \`rbd status\` shows`);
        this.#wanted.delete(gateway);
      }
      if (this.#wanted.size > 0 && !this.#stopped) await sleep(pollMs);
    }
  }

  #onClient(client: ImageClient): void {
    const gateway = this.#o.gatewayAt(ipOf(client.address));
    const key = `${client.image} ${client.address}`;
    if (gateway === undefined || this.#known.has(key)) return;
    this.#known.add(key);
    this.#wanted.get(gateway)?.images.delete(client.image);
    this.#o.onClient(gateway, client);
  }
}
