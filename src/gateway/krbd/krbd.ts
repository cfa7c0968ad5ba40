import { constants, readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PathproofError } from '../../util/errors.js';
import { mapLine, type CephAuth } from './map-options.js';

export interface KrbdOptions {
  monHosts: readonly string[];
  /** `client.ID`. */
  entity: string;
  auth: CephAuth;
  pool: string;
  /** See `MapRequest`. */
  incarnation: number;
  /** Where sysfs is mounted. Default /sys. */
  sysfs?: string;
  /** Writes a line to add_single_major; for tests. */
  add?: (line: string) => Promise<void>;
}

/** An image that the kernel has mapped as /dev/rbd`id`. */
export interface MappedImage {
  image: string;
  id: number;
  /** `MAJOR:MINOR`. */
  device: string;
  /** Of 512 bytes. */
  sectors: number;
  /** `ip:0/nonce`: the RADOS client that does its I/O. */
  clientAddress: string;
  /** `FSID.clientID`: the name of that client in debugfs. */
  clientName: string;
}

/** What the error numbers of a mapping mean to the person who set it up. */
const reasons: Record<string, string> = {
  ENOENT: 'there is no such pool or image',
  EPERM: 'the cluster refuses this entity', EACCES: 'the cluster refuses this entity',
  EINVAL: 'the kernel knows no such option, or cannot map an image with these features',
  ETIMEDOUT: 'no monitor answers', EIO: 'no monitor answers, or not as a monitor of Ceph does',
  ESHUTDOWN: 'this client is on the blocklist',
};

/** Images of one pool, mapped by the kernel's rbd driver (drivers/block/rbd.c), all by one RADOS client. */
export class Krbd {
  readonly #o: KrbdOptions;
  readonly #sysfs: string;
  readonly #add: (line: string) => Promise<void>;

  constructor(options: KrbdOptions) {
    this.#o = options;
    this.#sysfs = options.sysfs ?? '/sys';
    this.#add = options.add ?? ((line) => writeTo(join(this.#sysfs, 'bus/rbd/add_single_major'), line));
  }

  /**
   * Rejects with RBD_MAP. Needs a monitor and the OSD that has the image's header; waits for either, the
   * OSD without a limit.
   */
  async map(image: string): Promise<MappedImage> {
    const known = this.#find(image);
    if (known !== undefined) throw new PathproofError('RBD_MAP', `${this.#o.pool}/${image} is mapped already, as rbd${known.id}`, { hint: 'an earlier gateway has not been cleaned up' });
    try {
      await this.#add(mapLine({ ...this.#o, image }));
    } catch (error) {
      // The line has the secret in it: not even the cause may be shown as it is.
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
      throw new PathproofError('RBD_MAP', `cannot map ${this.#o.pool}/${image}: ${code}`, reasons[code] === undefined ? {} : { hint: reasons[code] });
    }
    const mapped = this.#find(image);
    if (mapped === undefined) throw new PathproofError('RBD_MAP', `the kernel took the mapping of ${this.#o.pool}/${image} but shows none`);
    return mapped;
  }

  #find(image: string): MappedImage | undefined {
    const base = join(this.#sysfs, 'bus/rbd/devices');
    const read = (...parts: string[]): string => readFileSync(join(base, ...parts), 'utf8').trim();
    const id = readdirSync(base).find((each) => read(each, 'name') === image && read(each, 'pool') === this.#o.pool);
    if (id === undefined) return undefined;
    return {
      image, id: Number(id), device: `${read(id, 'major')}:${read(id, 'minor')}`,
      sectors: Number(read(id, 'size')) / 512,
      clientAddress: read(id, 'client_addr'), clientName: `${read(id, 'cluster_fsid')}.${read(id, 'client_id')}`,
    };
  }
}

/** Opened for writing only: the kernel lets nobody read it. */
async function writeTo(path: string, line: string): Promise<void> {
  const file = await open(path, constants.O_WRONLY);
  try {
    await file.write(line);
  } finally {
    await file.close();
  }
}
