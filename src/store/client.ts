import type { BlockBackend } from '../gateway/backend.js';
import { clientAddress } from './address.js';
import { StoreChannel, type ChannelOptions } from './channel.js';
import type { AdminRequest, OpenReply } from './control.js';
import { StoreError } from './errors.js';
import type { StoreCounters } from './executor.js';
import type { ImageSpec } from './image-catalog.js';
import type { StoreDefect } from './injection.js';
import { StoreLimit } from './limits.js';
import { RemoteImage } from './remote-image.js';
import type { StoreInjection, StoreState } from './server.js';
import { StoreOp } from './wire.js';

export interface StoreClientOptions extends Omit<ChannelOptions, 'images'> {
  /** How long `connect` keeps trying. Default 10 s. */
  connectTimeoutMs?: number;
}

export type StoreReport = StoreState & { counters: StoreCounters; injection: StoreInjection };

/**
 * A client of the store, in the place of librados and librbd: I/O on images and the blocklist.
 *
 * Over a cut link operations hang and then go on; they do not fail. A client that has been blocklisted
 * stays fenced for the rest of its life: take a new one, with a new nonce, to come back.
 * Every rejection is a BackendError (a StoreError, with a stable `code`).
 */
export class StoreClient {
  /** `127.0.0.1:0/nonce`: what a monitor must blocklist to fence this client. */
  readonly address: string;
  readonly #channel: StoreChannel;
  readonly #images: { handle: number; image: string }[];
  #nextHandle = 0;

  private constructor(address: string, channel: StoreChannel, images: { handle: number; image: string }[]) {
    this.address = address;
    this.#channel = channel;
    this.#images = images;
  }

  /** Rejects with STORE_FENCED if the nonce is blocklisted, STORE_UNREACHABLE after `connectTimeoutMs`. */
  static async connect(options: StoreClientOptions): Promise<StoreClient> {
    const address = clientAddress(options.nonce);
    const images: { handle: number; image: string }[] = [];
    const channel = new StoreChannel({ ...options, images: () => images });
    const limitMs = options.connectTimeoutMs ?? 10_000;
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        channel.onReady.push(resolve);
        channel.onRefused.push(reject);
        channel.onFenced.push(() => reject(new StoreError('STORE_FENCED', 'fenced', `${address} is blocklisted`)));
        timer = setTimeout(() => reject(new StoreError(
          'STORE_UNREACHABLE', 'unreachable',
          `no store at ${options.host}:${options.port} within ${limitMs} ms: ${channel.lastProblem}`,
        )), limitMs);
      });
    } catch (error) {
      await channel.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return new StoreClient(address, channel, images);
  }

  /** Rejects with STORE_NO_SUCH_IMAGE if there is none of that name. */
  async openImage(image: string): Promise<BlockBackend> {
    const handle = this.#nextHandle++;
    if (handle >= StoreLimit.handlesPerSessionMax) throw new StoreError('STORE_LIMIT', 'io', `at most ${StoreLimit.handlesPerSessionMax} open images`);
    const entry = { handle, image };
    const payload = Buffer.from(JSON.stringify(entry));
    const reply = JSON.parse((await this.#channel.request(StoreOp.openImage, 0, 0, 0, payload)).toString('utf8')) as OpenReply;
    // From now on every new connection opens it again, in its hello.
    this.#images.push(entry);
    return new RemoteImage(this.#channel, handle, reply.blockSize, reply.blocks);
  }

  /** Creates an image that reads as zeroes; does nothing if it exists with this geometry (else STORE_IMAGE_EXISTS). */
  async createImage(spec: ImageSpec): Promise<void> {
    await this.#admin({ method: 'createImage', name: spec.name, bytes: spec.bytes, blockSize: spec.blockSize });
  }
  listImages(): Promise<ImageSpec[]> {
    return this.#admin({ method: 'listImages' });
  }

  /** Resolves to the store's epoch once it is at least `epoch`. */
  waitForEpoch(epoch: number): Promise<number> {
    return this.#admin({ method: 'waitForEpoch', epoch }, false);
  }
  /** The newest epoch that any answer of the store has carried. `fetchEpoch` asks. */
  currentEpoch(): number {
    return this.#channel.epoch;
  }
  fetchEpoch(): Promise<number> {
    return this.#admin({ method: 'epoch' });
  }

  /**
   * Blocklists client addresses and resolves to the epoch from which on none of their writes lands.
   * Waits for writes of theirs that are in the middle of it.
   */
  blocklist(addresses: readonly string[]): Promise<number> {
    return this.#admin({ method: 'blocklistAdd', addresses: [...addresses] });
  }
  blocklistLs(): Promise<string[]> {
    return this.#admin({ method: 'blocklistLs' });
  }
  blocklistRm(addresses: readonly string[]): Promise<number> {
    return this.#admin({ method: 'blocklistRm', addresses: [...addresses] });
  }

  /** What the store says of itself. */
  storeState(): Promise<StoreReport> {
    return this.#admin({ method: 'state' });
  }
  async setLatency(latencyMs: number): Promise<void> {
    await this.#admin({ method: 'setLatency', latencyMs });
  }
  /** `client`: an address, a client name, or `*`. */
  async hold(client: string): Promise<void> {
    await this.#admin({ method: 'hold', client });
  }
  /** Returns how many held operations went on (or, of fenced clients, were dropped). */
  release(client?: string): Promise<number> {
    return this.#admin({ method: 'release', ...(client === undefined ? {} : { client }) });
  }
  async setDefect(defect: StoreDefect, on: boolean): Promise<void> {
    await this.#admin({ method: 'setDefect', defect, on });
  }

  get fenced(): boolean {
    return this.#channel.fenced;
  }
  get connected(): boolean {
    return this.#channel.ready;
  }

  /** Called once, when this client learns that it is blocklisted (at once if it already has). */
  onFenced(listener: () => void): void {
    if (this.#channel.fenced) queueMicrotask(listener);
    else this.#channel.onFenced.push(listener);
  }
  /** Called whenever an established connection is lost; it will be made again. */
  onDisconnect(listener: (reason: string) => void): void {
    this.#channel.onDisconnect.push(listener);
  }
  onReconnect(listener: () => void): void {
    this.#channel.onReady.push(listener);
  }

  /** Open operations reject with STORE_CLOSED; whether they happened is not known. */
  close(): Promise<void> {
    return this.#channel.close();
  }

  async #admin<T>(request: AdminRequest, mayTimeOut = true): Promise<T> {
    const payload = Buffer.from(JSON.stringify(request));
    return JSON.parse((await this.#channel.request(StoreOp.admin, 0, 0, 0, payload, mayTimeOut)).toString('utf8')) as T;
  }
}
