import { closeSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { RadosClient } from '../rados/client.js';
import { SpdkRpcError, type JsonRpcClient } from './json-rpc.js';

export interface SpdkCluster {
  /** The monitors' addresses, `ADDRESS:PORT`. */
  monHosts: readonly string[];
  /** `client.ID`. */
  entity: string;
  /** Undefined: the cluster authenticates nobody. */
  secret: string | undefined;
  pool: string;
}

/** The store side of a gateway on SPDK: its images, open as bdevs, and the one RADOS client that does their I/O. */
export interface SpdkStore {
  /** `ip:0/nonce`: what a beacon carries and a blocklist names. */
  address: string;
  /** The bdev that an image is open as. */
  bdevOf(image: string): Promise<string>;
  currentEpoch(): number;
  /** Resolves when the client has this osdmap epoch; rejects when `close` is called before. */
  waitForEpoch(epoch: number): Promise<void>;
  /** Called once, when the cluster has told the client that it is on its blocklist. */
  onFenced(listener: () => void): void;
  close(): void;
}

export interface SpdkStoreOptions {
  rpc: Pick<JsonRpcClient, 'call'>;
  cluster: SpdkCluster;
  images: readonly { name: string; blockSize: number }[];
  /** For the client's configuration, its admin socket and its log; short, as a socket's path has at most 107 bytes. */
  dir: string;
  log: (line: string) => void;
  /** Default: a little more than librados waits for its monitors (client_mount_timeout, 300 s). */
  openMaxMs?: number;
}

/** SPDK's name for the RADOS client. */
const clusterName = 'pathproof';
const openMaxDefaultMs = 330_000;
/** Between two looks at the epoch while one is waited for, milliseconds. */
const lookMs = 20;
/** Between two requests for the newest map, milliseconds. */
const askMapAgainMs = 500;
const followMs = 250;

/**
 * Opens the images by SPDK's rbd bdev (module/bdev/rbd), all with one RADOS client (bdev_rbd_register_cluster). Rejects with SPDK_RBD.
 *
 * The client has an admin socket and a log of its own: they say who it is to the cluster, which osdmap it has, and that it is on the blocklist.
 */
export async function openSpdkStore({ rpc, cluster, images, dir, log, openMaxMs = openMaxDefaultMs }: SpdkStoreOptions): Promise<SpdkStore> {
  const files = { conf: join(dir, 'ceph.conf'), keyring: join(dir, 'keyring'), socket: join(dir, 'rados.asok'), log: join(dir, 'rados.log') };
  writeFileSync(files.conf, confText(cluster, files), { mode: 0o600 });
  if (cluster.secret !== undefined) writeFileSync(files.keyring, `[${cluster.entity}]\n\tkey = ${cluster.secret}\n`, { mode: 0o600 });
  const userId = cluster.entity.replace(/^client\./, '');
  let told: unknown;
  let methods: string[];
  try {
    told = await rpc.call('bdev_rbd_register_cluster', { name: clusterName, user_id: userId, config_file: files.conf }, openMaxMs);
    methods = await rpc.call<string[]>('rpc_get_methods');
  } catch (error) {
    throw infraError('SPDK_RBD', `the cluster cannot be reached: ${messageOf(error)}`, {
      ...(error instanceof SpdkRpcError && error.unknownMethod ? { hint: 'this SPDK was built without RBD: ./configure --with-rbd' } : { details: lastLines(files.log) }),
    });
  }
  const ofCephNvmeof = methods.includes('bdev_rbd_wait_for_latest_osdmap');
  const bdevs = new Map<string, string>();
  for (const { name, blockSize } of images) {
    try {
      bdevs.set(name, await createBdev(rpc, { name: `rbd_${name}`, pool_name: cluster.pool, rbd_name: name, block_size: blockSize, cluster_name: clusterName }, ofCephNvmeof, openMaxMs));
    } catch (error) {
      throw infraError('SPDK_RBD', `${cluster.pool}/${name} cannot be opened: ${messageOf(error)}`, { details: lastLines(files.log) });
    }
  }
  // ceph-nvmeof's SPDK answers with the client's address, another one with a name.
  const known = typeof told === 'string' && /^\S+:0\/\d+$/.test(told) ? told : undefined;
  const client = await RadosClient.identify(files.socket, known).catch((error: unknown) => {
    throw infraError('SPDK_RBD', `which RADOS client does the I/O is not known: ${messageOf(error)}`, { hint: 'the admin socket of librados must have "messenger dump": Ceph 20 and later, unless SPDK is that of ceph-nvmeof' });
  });
  log(`store client ${client.address} (osdmap ${client.epoch}): ${[...bdevs].map(([image, bdev]) => `${image}=${bdev}`).join(' ')}`);
  return new OpenedStore(rpc, client, bdevs, files.log, log);
}

/**
 * SPDK of ceph-nvmeof 1.8 (26.01) dereferences a null pointer in `bdev_rbd_create` unless it is given `passphrase`, a parameter that no other
 * SPDK knows (rpc_bdev_rbd_create in bdev_rbd_rpc.c); those refuse it. It is known by another call that only it has.
 */
async function createBdev(rpc: Pick<JsonRpcClient, 'call'>, params: Record<string, unknown>, ofCephNvmeof: boolean, maxMs: number): Promise<string> {
  try {
    return await rpc.call<string>('bdev_rbd_create', { ...params, ...(ofCephNvmeof ? { passphrase: [] } : {}) }, maxMs);
  } catch (error) {
    if (!ofCephNvmeof || !(error instanceof SpdkRpcError) || !/decode/.test(error.message)) throw error;
    return rpc.call<string>('bdev_rbd_create', params, maxMs);
  }
}

class OpenedStore implements SpdkStore {
  readonly address: string;
  readonly #rpc: Pick<JsonRpcClient, 'call'>;
  readonly #client: RadosClient;
  readonly #bdevs: ReadonlyMap<string, string>;
  readonly #log: (line: string) => void;
  readonly #closed = new AbortController();
  readonly #fencedListeners: (() => void)[] = [];
  #fenced = false;
  /** A request for the newest map is under way, or this SPDK has none. */
  #busyAsking = false;

  constructor(rpc: Pick<JsonRpcClient, 'call'>, client: RadosClient, bdevs: ReadonlyMap<string, string>, logFile: string, log: (line: string) => void) {
    this.address = client.address;
    this.#rpc = rpc;
    this.#client = client;
    this.#bdevs = bdevs;
    this.#log = log;
    void this.#followLog(logFile);
  }

  async bdevOf(image: string): Promise<string> {
    const bdev = this.#bdevs.get(image);
    if (bdev === undefined) throw new RangeError(`the image ${image} was not opened`);
    return bdev;
  }

  currentEpoch(): number {
    return this.#client.epoch;
  }

  /**
   * What the client sends carries its epoch, and no OSD executes an operation before it has that map itself: once it has the epoch of a
   * blocklist entry, what the blocklisted one still sends cannot come after what this one has done.
   *
   * ceph-nvmeof's SPDK can be told to fetch the newest map. With another one this takes until the OSDs answer the next of the client's own
   * pings, up to 5 s (objecter_tick_interval).
   */
  async waitForEpoch(epoch: number): Promise<void> {
    const { signal } = this.#closed;
    while (await this.#client.askEpoch().catch(() => 0) < epoch) {
      if (signal.aborted) throw new Error(`closed while waiting for osdmap epoch ${epoch}`);
      if (!this.#busyAsking) void this.#askMap();
      await sleep(lookMs, signal);
    }
  }

  onFenced(listener: () => void): void {
    if (this.#fenced) queueMicrotask(listener);
    else this.#fencedListeners.push(listener);
  }

  close(): void {
    this.#closed.abort();
  }

  async #askMap(): Promise<void> {
    this.#busyAsking = true;
    try {
      await this.#rpc.call('bdev_rbd_wait_for_latest_osdmap', { name: clusterName });
    } catch (error) {
      // It stays busy for ever.
      if (error instanceof SpdkRpcError && error.unknownMethod) return;
    }
    await sleep(askMapAgainMs, this.#closed.signal);
    this.#busyAsking = false;
  }

  async #followLog(file: string): Promise<void> {
    let at = 0;
    let rest = '';
    const { signal } = this.#closed;
    while (!signal.aborted && !this.#fenced) {
      const { text, end } = readFrom(file, at);
      at = end;
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      const said = lines.find(saysBlocklisted);
      if (said !== undefined) this.#setFenced(said);
      await sleep(followMs, signal);
    }
  }

  #setFenced(line: string): void {
    this.#fenced = true;
    this.#log(`fenced: librbd says: ${line}`);
    for (const listener of this.#fencedListeners) listener();
  }
}

/** librbd's word for it: `client blocklisted` (librbd/Watcher.cc, ImageWatcher.cc), when an OSD has ended its watch and refuses another. */
export function saysBlocklisted(line: string): boolean {
  return /client blocklisted|\(108\) Cannot send after transport endpoint shutdown/.test(line);
}

/** For one client alone: no more threads than a lab's load needs, no cache: what is acknowledged is at the OSDs, and a fence is met at once. */
function confText({ monHosts, entity, secret }: SpdkCluster, files: { keyring: string; socket: string; log: string }): string {
  return [
    '[global]', `mon_host = ${monHosts.map((host) => `v2:${host}`).join(',')}`,
    ...(secret === undefined ? ['auth_cluster_required = none', 'auth_service_required = none', 'auth_client_required = none'] : []),
    `[${entity}]`, ...(secret === undefined ? [] : [`keyring = ${files.keyring}`]), `admin_socket = ${files.socket}`, `log_file = ${files.log}`,
    // Only for the epoch of the first map, see RadosClient.
    'debug_objecter = 3/3', 'rbd_cache = false', 'ms_async_op_threads = 1', 'librados_thread_count = 1', '',
  ].join('\n');
}

const chunkBytes = 65_536;

/** What a file has from a place on; nothing where it is not there yet. */
function readFrom(file: string, start: number): { text: string; end: number } {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch {
    return { text: '', end: start };
  }
  try {
    const parts: Buffer[] = [];
    let end = start;
    for (;;) {
      const buffer = Buffer.alloc(chunkBytes);
      const read = readSync(fd, buffer, 0, chunkBytes, end);
      if (read === 0) return { text: Buffer.concat(parts).toString('utf8'), end };
      parts.push(buffer.subarray(0, read));
      end += read;
    }
  } finally {
    closeSync(fd);
  }
}

function lastLines(file: string): string[] {
  return readFrom(file, 0).text.trimEnd().split('\n').slice(-5).filter((line) => line !== '');
}
