import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { BackendError, type BlockBackend } from '../backend.js';
import { nbdBackend } from '../nbd/backend.js';
import { NbdClient } from '../nbd/client.js';
import { StorageDaemon, type ExportedDevice } from './daemon.js';
import { RadosClient } from '../rados/client.js';
import { aFewAtOnce, neighbours } from './turns.js';
import { rbdDevices, writeRbdConf, type RbdCluster } from './rbd-devices.js';

export interface QsdImage {
  /** RBD image in the pool. */
  name: string;
  /** Bytes of a logical block. */
  blockSize: number;
}

export interface QsdStoreOptions {
  images: readonly QsdImage[];
  cluster: RbdCluster;
  log: (line: string) => void;
  /** Default `qemu-storage-daemon`. */
  program?: string;
  /** Default: a little more than librados waits for its monitors (client_mount_timeout, 300 s). */
  openMaxMs?: number;
}

/** The store side of a gateway: its images, the clients that do their I/O, and what becomes of them. */
export interface QsdStore {
  /** Of the client that does an image's I/O: `ip:0/nonce`, what a beacon carries and a blocklist names. */
  addressOf(image: string): string;
  /** Of all its clients, one for each image. */
  addresses: readonly string[];
  openImage(image: string): Promise<BlockBackend>;
  /** The oldest osdmap epoch that one of the clients may still have. */
  currentEpoch(): number;
  /** Resolves when every client has this epoch; rejects when `close` is called before. While no OSD answers it waits. */
  waitForEpoch(epoch: number): Promise<void>;
  /** Called once, when the cluster has refused something because a client is on its blocklist. */
  onFenced(listener: () => void): void;
  /** Settles with the reason when the storage daemon has ended and nobody meant it. */
  readonly lost: Promise<string>;
  /** Process id of the storage daemon, while it runs. */
  readonly pid: number | undefined;
  /** Ends the storage daemon, orderly within this many milliseconds (0: at once), and removes what belongs to it. */
  close(graceMs?: number): Promise<void>;
}

const openMaxDefaultMs = 330_000;
/** There may be hundreds of clients: no more of them are asked at the same time than can answer within their limits. */
const askedAtOnce = 16;
/** Between two looks at the epochs while one is waited for, milliseconds. */
const lookMs = 20;
/** Between two probes of one client, milliseconds: an OSD that has not got the map itself yet will have it soon. */
const probeAgainMs = 100;
/** A gateway without I/O finds out after this long that it is fenced: as often as librbd asks after its watches. */
const idleProbeMs = 5_000;

interface Opened { image: QsdImage; client: RadosClient; nbd: NbdClient; backend: BlockBackend }

/** Opens the images in a storage daemon of this gateway's own. Rejects with QSD, QSD_CLIENT. */
export async function openQsdStore(options: QsdStoreOptions): Promise<QsdStore> {
  const { images, cluster, log, program, openMaxMs = openMaxDefaultMs } = options;
  const dir = mkdtempSync(join(tmpdir(), 'ppgw-'));
  let daemon: StorageDaemon | undefined;
  try {
    const conf = writeRbdConf(cluster, dir);
    const devices = rbdDevices(cluster, images.map(({ name }) => name), conf);
    daemon = await StorageDaemon.start({ dir, devices, openMaxMs, log: (line) => log(`storage daemon: ${line}`), ...(program === undefined ? {} : { program }) });
    const clients = await identifyAll(dir);
    const opened: Opened[] = [];
    for (const [index, image] of images.entries()) {
      const name = `${cluster.pool}/${image.name}`;
      const own = clients.filter((client) => client.image === name);
      if (own.length !== 1) throw infraError('QSD_CLIENT', `${own.length} RADOS clients of the storage daemon have ${name} open, not one`);
      opened.push(await openExport(daemon, devices[index]!, image, own[0]!));
    }
    log(`store clients: ${opened.map(({ image, client }) => `${image.name}=${client.address} (osdmap ${client.epoch})`).join(' ')}`);
    return new OpenedStore(dir, daemon, opened, log);
  } catch (error) {
    await daemon?.kill();
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

async function identifyAll(dir: string): Promise<RadosClient[]> {
  const sockets = readdirSync(dir).filter((name) => name.endsWith('.asok'));
  try {
    const clients: RadosClient[] = [];
    await aFewAtOnce(sockets, askedAtOnce, async (name) => void clients.push(await RadosClient.identify(join(dir, name))));
    return clients;
  } catch (error) {
    throw infraError('QSD_CLIENT', `which RADOS clients do the I/O is not known: ${messageOf(error)}`, { hint: 'the admin socket of librados must have "messenger dump": Ceph 20 and later' });
  }
}

async function openExport(daemon: StorageDaemon, { name }: ExportedDevice, image: QsdImage, client: RadosClient): Promise<Opened> {
  const nbd = await NbdClient.open(daemon.socket, name);
  return { image, client, nbd, backend: nbdBackend(nbd, image.blockSize) };
}

class OpenedStore implements QsdStore {
  readonly lost: Promise<string>;
  readonly addresses: readonly string[];
  readonly #dir: string;
  readonly #daemon: StorageDaemon;
  readonly #opened: ReadonlyMap<string, Opened>;
  readonly #log: (line: string) => void;
  readonly #closed = new AbortController();
  readonly #fencedListeners: (() => void)[] = [];
  readonly #probing = new Set<Opened>();
  #fenced = false;

  constructor(dir: string, daemon: StorageDaemon, opened: readonly Opened[], log: (line: string) => void) {
    this.#dir = dir;
    this.#daemon = daemon;
    this.#opened = new Map(opened.map((each) => [each.image.name, each]));
    this.#log = log;
    this.addresses = opened.map(({ client }) => client.address);
    this.lost = new Promise((resolve) => {
      const tell = (why: string): void => {
        if (!this.#closed.signal.aborted) resolve(why);
      };
      void daemon.ended.then(tell);
      // A connection that is gone is as good as a daemon that is: nobody opens it again.
      for (const { image, nbd } of opened) void nbd.lost.then((error) => tell(`the export of ${image.name} is gone: ${error.message}`));
    });
    void this.#probeIdle();
  }

  get pid(): number | undefined {
    return this.#daemon.pid;
  }

  addressOf(image: string): string {
    return this.#get(image).client.address;
  }

  async openImage(image: string): Promise<BlockBackend> {
    const { backend } = this.#get(image);
    const watched = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        if (error instanceof BackendError && error.kind === 'fenced') this.#setFenced(image, error.message);
        throw error;
      }
    };
    return {
      blockSize: backend.blockSize, blocks: backend.blocks,
      read: (slba, nlb) => watched(backend.read(slba, nlb)),
      write: (slba, data) => watched(backend.write(slba, data)),
      flush: () => watched(backend.flush()),
      writeZeroes: (slba, nlb) => watched(backend.writeZeroes(slba, nlb)),
      deallocate: (slba, nlb) => watched(backend.deallocate(slba, nlb)),
    };
  }

  currentEpoch(): number {
    return Math.min(...[...this.#opened.values()].map(({ client }) => client.epoch));
  }

  /**
   * What a client sends carries its epoch, and no OSD executes an operation before it has that map itself: so once every client
   * has the epoch of a blocklist entry, what the blocklisted one still sends cannot come after what these have done. An OSD that
   * gets an operation of a client with an older map sends it the newer one: hence the reads.
   */
  async waitForEpoch(epoch: number): Promise<void> {
    await aFewAtOnce([...this.#opened.values()], askedAtOnce, async (each) => {
      let probeAtMs = 0;
      while (each.client.epoch < epoch) {
        if (this.#closed.signal.aborted) throw new Error(`closed while waiting for osdmap epoch ${epoch}`);
        if (performance.now() >= probeAtMs) {
          probeAtMs = performance.now() + probeAgainMs;
          void this.#probe(each);
        }
        await each.client.askEpoch().catch(() => undefined);
        if (each.client.epoch < epoch) await sleep(lookMs, this.#closed.signal);
      }
    });
  }

  onFenced(listener: () => void): void {
    if (this.#fenced) queueMicrotask(listener);
    else this.#fencedListeners.push(listener);
  }

  async close(graceMs = 0): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    if (graceMs > 0) await this.#daemon.stop(graceMs);
    else await this.#daemon.kill();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Reads one block; one probe of a client at a time: its OSD may not answer. Never rejects. */
  async #probe(each: Opened): Promise<void> {
    if (this.#probing.has(each)) return;
    this.#probing.add(each);
    try {
      await each.backend.read(0, 1);
    } catch (error) {
      if (error instanceof BackendError && error.kind === 'fenced') this.#setFenced(each.image.name, error.message);
    } finally {
      this.#probing.delete(each);
    }
  }

  /**
   * Neighbours in the order of the images, each time the next ones: a monitor that blocklists does so with all clients of an ANA group, and
   * among neighbours there are some of each group.
   */
  async #probeIdle(): Promise<void> {
    const { signal } = this.#closed;
    const all = [...this.#opened.values()];
    for (let at = 0; ; at = (at + askedAtOnce) % all.length) {
      await sleep(idleProbeMs, signal);
      if (signal.aborted) return;
      await Promise.all(neighbours(all, at, askedAtOnce).map(async (each) => {
        void this.#probe(each);
        await each.client.askEpoch().catch(() => undefined);
      }));
    }
  }

  #setFenced(image: string, why: string): void {
    if (this.#fenced) return;
    this.#fenced = true;
    this.#log(`fenced: the cluster refuses ${image}'s client ${this.addressOf(image)}: ${why}`);
    for (const listener of this.#fencedListeners) listener();
  }

  #get(image: string): Opened {
    const found = this.#opened.get(image);
    if (found === undefined) throw new RangeError(`the image ${image} was not opened`);
    return found;
  }
}
