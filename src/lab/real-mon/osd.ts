import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import type { RealMonCluster } from './cluster.js';

export interface MemoryOsdOptions {
  /** Pools to make, each of 8 placement groups and for RBD. */
  pools: readonly string[];
}

/** What `RealMonCluster.start` has to be given as `config` for an OSD to start in it. */
export const memoryOsdConfig: readonly string[] = [
  'osd_objectstore = memstore', `memstore_device_bytes = ${1024 ** 3}`, `osd_memory_target = ${512 * 1024 ** 2}`,
  'osd_crush_chooseleaf_type = 0', 'osd_pool_default_min_size = 1', 'mon_allow_pool_size_one = true', 'osd_pool_default_pg_autoscale_mode = off',
  // Class libraries are looked for relative to the folder in which the OSD was started.
  'osd_class_dir = /usr/lib/x86_64-linux-gnu/rados-classes',
];

const bootMaxMs = 60_000;
const logLines = 15;

/**
 * Adds an OSD that keeps its objects in memory to a cluster of monitors, and pools in it. A mgr is not needed: without it there
 * are no statistics, but I/O, RBD and blocklists are complete.
 *
 * Resolves when the monitors count it up. Rejects with an infra error: CEPH_OSD with its last words, TOOL_FAILED, CEPH_COMMAND.
 */
export async function startMemoryOsd(cluster: RealMonCluster, { pools }: MemoryOsdOptions): Promise<void> {
  const uuid = randomUUID();
  const { osdid: id } = JSON.parse(await cluster.command({ prefix: 'osd new', uuid, format: 'json' })) as { osdid: number };
  const data = `osd-${id}`;
  mkdirSync(cluster.outside(data));
  const key = await cluster.user(`osd.${id}`, ['mon', 'allow profile osd', 'osd', 'allow *', 'mgr', 'allow profile osd']);
  writeFileSync(cluster.outside(`${data}/keyring`), key === undefined ? '' : `[osd.${id}]\n\tkey = ${key}\n`, { mode: 0o600 });
  const args = ['-i', String(id), '-c', cluster.inside('ceph.conf'), '--osd-data', cluster.inside(data), '--keyring', cluster.inside(`${data}/keyring`)];
  await cluster.run('ceph-osd', [...args, '--mkfs', '--osd-uuid', uuid]);
  const child = cluster.startDaemon(`osd.${id}`, 'ceph-osd', [...args, '-f']);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`ended with ${code === null ? String(signal) : `exit code ${code}`}`));
  });
  const deadline = Date.now() + bootMaxMs;
  const isUp = async (): Promise<boolean> => (JSON.parse(await cluster.command({ prefix: 'osd stat', format: 'json' })) as { num_up_osds: number }).num_up_osds > 0;
  for (;;) {
    const why = await Promise.race([ended, sleep(100).then(() => undefined)]);
    if (why !== undefined) throw osdError(cluster, id, why);
    if (await isUp()) break;
    if (Date.now() >= deadline) throw osdError(cluster, id, `not up within ${bootMaxMs / 1_000} s`);
  }
  for (const pool of pools) {
    await cluster.command({ prefix: 'osd pool create', pool, pg_num: 8, pgp_num: 8 });
    await cluster.command({ prefix: 'osd pool application enable', pool, app: 'rbd' });
  }
}

function osdError(cluster: RealMonCluster, id: number, why: string): Error {
  const details = [`osd.${id}.out`, `osd.${id}.log`].flatMap((name) => {
    try {
      return readFileSync(cluster.outside(name), 'utf8').trimEnd().split('\n').slice(-logLines);
    } catch (error) {
      return [messageOf(error)];
    }
  });
  return infraError('CEPH_OSD', `osd.${id}: ${why}`, { details });
}
