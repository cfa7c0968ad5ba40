import { readFileSync } from 'node:fs';
import { askAdminSocket } from './admin-socket.js';

/** One librados client of a process that does I/O for us, known by its admin socket `DIR/ID.asok` and its log `DIR/ID.log`. */
export class RadosClient {
  /** `ip:0/nonce`: what a beacon carries and a blocklist names. */
  readonly address: string;
  /** `POOL/IMAGE`; of several, one. */
  readonly image: string;
  readonly #socket: string;
  #epoch: number;

  private constructor(socket: string, address: string, image: string, epoch: number) {
    this.#socket = socket;
    this.address = address;
    this.image = image;
    this.#epoch = epoch;
  }

  /**
   * Asks the client itself who it is. Whoever else watches the same image, another gateway on this very address or one that
   * is just leaving, has another process and so another socket: unlike the watchers of an image it cannot be mistaken for ours.
   * `known`: its address, where its process has told it; then any release of librados will do.
   */
  static async identify(socket: string, known?: string): Promise<RadosClient> {
    const commands = await askAdminSocket(socket, { prefix: 'help' });
    const image = imageOf(commands);
    if (image === undefined) throw new Error(`the client of ${socket} has no image open`);
    const address = known ?? await addressSaid(socket);
    const log = readFileSync(socket.replace(/\.asok$/, '.log'), 'utf8');
    return new RadosClient(socket, address, image, firstEpoch(log));
  }

  /** The newest osdmap epoch that it was known to have when it was last asked. */
  get epoch(): number {
    return this.#epoch;
  }

  async askEpoch(timeoutMs?: number): Promise<number> {
    const { objecter } = await askAdminSocket(this.#socket, { prefix: 'perf dump', logger: 'objecter' }, timeoutMs) as { objecter?: { map_epoch?: number } };
    // The counter counts from the second map on and is 0 before.
    this.#epoch = Math.max(this.#epoch, objecter?.map_epoch ?? 0);
    return this.#epoch;
  }
}

async function addressSaid(socket: string): Promise<string> {
  const { messengers } = await askAdminSocket(socket, { prefix: 'messenger dump' }) as { messengers?: string[] };
  const name = messengers?.find((each) => each.startsWith('radosclient'));
  if (name === undefined) throw new Error(`the client of ${socket} names no messenger`);
  const address = addressOf(await askAdminSocket(socket, { prefix: 'messenger dump', msgr: name }));
  if (address === undefined) throw new Error(`the client of ${socket} does not tell its address`);
  return address;
}

/** The image of `rbd cache flush POOL/IMAGE`, which librbd adds to the commands while the image is open (LibrbdAdminSocketHook). */
export function imageOf(help: unknown): string | undefined {
  return Object.keys(help as Record<string, unknown>).map((command) => /^rbd cache flush (\S+)$/.exec(command)?.[1]).find((image) => image !== undefined);
}

/** `ip:0/nonce` of a `messenger dump`. The address has the port 0: a client binds none. */
export function addressOf(dump: unknown): string | undefined {
  const entry = (dump as { messenger?: { my_addrs?: { addrvec?: { addr: string; nonce: number }[] } } }).messenger?.my_addrs?.addrvec?.[0];
  if (entry === undefined || !entry.addr.endsWith(':0') || /^(0\.0\.0\.0|\[::\]|:):0$/.test(entry.addr)) return undefined;
  return `${entry.addr}/${entry.nonce}`;
}

/**
 * The epoch of a client's first osdmap, from its log (Objecter::handle_osd_map, level 3); 0 if it says none: waiting for
 * an epoch takes until the next map then, and is right all the same.
 */
export function firstEpoch(log: string): number {
  return Number(/handle_osd_map decoding full epoch (\d+)/.exec(log)?.[1] ?? 0);
}
