import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExportedDevice } from './daemon.js';

export interface RbdCluster {
  /** The cluster's ceph.conf, and the keyring with the entity's key. */
  cephConf: string;
  keyring: string;
  /** `client.ID`. */
  entity: string;
  pool: string;
}

/**
 * The ceph.conf for librbd in the storage daemon: the cluster's own, and for our entity alone an admin socket and a log for each
 * client ($cctid; QEMU's rbd driver makes one client for each image), and no more threads than a lab's load needs. `dir`: where
 * the file, the sockets and the logs go.
 */
export function writeRbdConf({ cephConf, keyring, entity }: RbdCluster, dir: string): string {
  const file = join(dir, 'ceph.conf');
  writeFileSync(file, [
    readFileSync(cephConf, 'utf8').trimEnd(), '', `[${entity}]`, `keyring = ${keyring}`,
    `admin_socket = ${join(dir, '$cctid.asok')}`, `log_file = ${join(dir, '$cctid.log')}`,
    // Only for the epoch of the first map, see RadosClient.
    'debug_objecter = 3/3',
    'ms_async_op_threads = 1', 'librados_thread_count = 1', '',
  ].join('\n'), { mode: 0o600 });
  return file;
}

/** `direct`: librbd without a cache, so that what is acknowledged is at the OSDs and a fence is met at once. */
export function rbdDevices({ entity, pool }: Pick<RbdCluster, 'entity' | 'pool'>, images: readonly string[], conf: string): ExportedDevice[] {
  return images.map((image, index) => ({
    name: `image${index}`,
    blockdev: { driver: 'rbd', pool, image, conf, user: entity.replace(/^client\./, ''), cache: { direct: true }, discard: 'unmap' },
  }));
}
