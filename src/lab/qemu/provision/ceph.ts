import { randomUUID } from 'node:crypto';
import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { addressOf, networkOf } from '../network.js';
import type { NodeProgress } from '../progress.js';
import { shellQuote, type Ssh } from '../vm/ssh.js';
import { keyringText, newSecret, secretType, type CephEntity, type SecretType } from './keyring.js';
import { MonShell } from './mon-shell.js';
import { Steps } from './steps.js';

export type CephAuth = 'cephx' | 'none';

export interface CephSpec {
  auth: CephAuth;
  /** Monitors, all of them processes of the one node, each with an address of its own. Default: 1. */
  mons?: number;
  objectStore: 'memstore' | 'bluestore';
  /** Size of the OSD's store; both kinds keep it in the guest's memory. */
  storeMb: number;
  pool: string;
  group: string;
  gateways: readonly string[];
  images: readonly { name: string; megabytes: number }[];
  /** More lines for the [global] section, e.g. a timer under test. */
  settings?: Record<string, string>;
}

/** A running cluster, and what others need to reach it. */
export interface CephCluster {
  fsid: string;
  auth: CephAuth;
  /** The monitors' msgr2 addresses, `ip:port`. */
  monHosts: readonly string[];
  entities: ReadonlyMap<string, CephEntity>;
  shell: MonShell;
  times: Record<string, number>;
}

const cleanMaxMs = 180_000;
const monPort = 3_300;
const osdId = 0;
/** Real clusters have their monitors and OSDs on different machines; here a busy OSD must not silence the monitor. */
export const monNice = -10;
export const osdNice = 5;
const monNames = ['a', 'b', 'c', 'd', 'e'] as const;
/** Python modules of the mgr that it always loads unless told not to; the lab needs its statistics only, and each costs an emulated CPU seconds. */
const disabledMgrModules = 'balancer crash devicehealth orchestrator pg_autoscaler progress rbd_support status telemetry volumes';

/** The monitor's and the OSD's own addresses: both on one node, yet a fault can tell them apart. */
export const monAddress = addressOf('a', 'mon');
export const osdAddress = addressOf('a', 'osd');

/** The entity as which a gateway uses the cluster, as cephadm names it. */
export function gatewayEntity(gateway: string): string {
  return `client.nvmeof.${gateway}`;
}

/** Everyone who uses the cluster, each with a fresh secret. */
export function makeEntities(spec: CephSpec, type: SecretType): CephEntity[] {
  const all = { mon: 'allow *', osd: 'allow *', mgr: 'allow *' };
  return [
    { name: 'mon.', secret: newSecret(type), caps: { mon: 'allow *' } },
    { name: 'client.admin', secret: newSecret(type), caps: all },
    { name: 'mgr.x', secret: newSecret(type), caps: { mon: 'allow profile mgr', osd: 'allow *' } },
    { name: `osd.${osdId}`, secret: newSecret(type), caps: { mon: 'allow profile osd', mgr: 'allow profile osd', osd: 'allow *' } },
    ...spec.gateways.map((g) => ({ name: gatewayEntity(g), secret: newSecret(type), caps: { mon: 'profile rbd', osd: 'profile rbd' } })),
  ];
}

export interface Mon { name: string; address: string; addresses: string }

/** The monitors of a cluster, with their addresses as a monmap has them. */
export function monsOf({ mons = 1 }: CephSpec): Mon[] {
  return monNames.slice(0, mons).map((name, index) => {
    const address = addressOf('a', `mon${index + 1}`);
    return { name, address, addresses: `[v2:${address}:${monPort},v1:${address}:6789]` };
  });
}

export function cephConfig(spec: CephSpec, fsid: string): string {
  const mons = monsOf(spec);
  const global: Record<string, string> = {
    fsid,
    mon_host: mons.map(({ addresses }) => addresses).join(','),
    mon_initial_members: mons.map(({ name }) => name).join(','),
    public_network: networkOf('a'),
    auth_cluster_required: spec.auth, auth_service_required: spec.auth, auth_client_required: spec.auth,
    osd_pool_default_size: '1', osd_pool_default_min_size: '1', mon_allow_pool_size_one: 'true', mon_warn_on_pool_no_redundancy: 'false',
    osd_pool_default_pg_autoscale_mode: 'off', mon_allow_pool_delete: 'true',
    // Class libraries are looked for relative to the folder in which the OSD was started.
    osd_class_dir: '/usr/lib/x86_64-linux-gnu/rados-classes',
    osd_objectstore: spec.objectStore, memstore_device_bytes: String(spec.storeMb * 1024 ** 2), bluestore_block_size: String(spec.storeMb * 1024 ** 2),
    osd_memory_target: String(512 * 1024 ** 2), mon_memory_target: String(512 * 1024 ** 2),
    mgr_disabled_modules: disabledMgrModules,
    osd_crush_chooseleaf_type: '0', auth_allow_insecure_global_id_reclaim: 'false',
    log_to_stderr: 'false', log_flush_on_exit: 'true',
    ...spec.settings,
  };
  const sections = { global, ...Object.fromEntries(mons.map(({ name, address }) => [`mon.${name}`, { public_addr: address }])), [`osd.${osdId}`]: { public_addr: osdAddress, cluster_addr: osdAddress } };
  return Object.entries(sections).map(([name, values]) => [`[${name}]`, ...Object.entries(values).map(([k, v]) => `${k} = ${v}`), ''].join('\n')).join('\n');
}

/**
 * Brings up a cluster on a node: its monitors, mgr, one OSD, a pool with its images, and the gateways
 * known to NVMeofGwMon. The node needs the further names `mon` (`mon2` …) and `osd` (nodes.ts).
 *
 * ```
 *   config ─▶ mon ─▶ session ─┬─▶ mgr ────────────────╮
 *            osd mkfs ────────┴─▶ osd ─▶ pool, gateways ─▶ active+clean ─▶ images
 * ```
 */
export async function provisionCeph(ssh: Ssh, spec: CephSpec, progress: NodeProgress): Promise<CephCluster> {
  const steps = new Steps(ssh.node, progress);
  const fsid = randomUUID();
  const osdUuid = randomUUID();
  const logs = (daemon: string) => async (): Promise<string[]> => (await ssh.exec(`tail -n 12 /var/log/ceph/ceph-${daemon}.log`, { okCodes: 'any' })).stdout.split('\n');

  const entities = await steps.run('ceph: configuration', async () => {
    // Which kind of secrets this release makes is its own to say.
    const sample = await ssh.exec('ceph-authtool --gen-print-key');
    const made = new Map(makeEntities(spec, secretType(sample.stdout.trim())).map((e) => [e.name, e]));
    await ssh.exec(configurationScript(spec, fsid, made));
    return made;
  });
  // Both only write files; the OSD's does not need a monitor.
  const osdMade = ssh.exec(`ceph-osd --mkfs -i ${osdId} --osd-uuid ${osdUuid}`, { timeoutMs: 120_000 });
  osdMade.catch(() => undefined);
  const mons = monsOf(spec);
  await steps.run('ceph: mon', () => ssh.exec([
    `monmaptool --create --clobber --enable-all-features --fsid ${fsid} ${mons.map(({ name, addresses }) => `--addv ${name} '${addresses}'`).join(' ')} /etc/ceph/monmap >/dev/null`,
    ...mons.map(({ name }) => `ceph-mon --mkfs -i ${name} --monmap /etc/ceph/monmap --keyring /etc/ceph/mkfs.keyring`),
    ...mons.map(({ name }) => `nice -n ${monNice} ceph-mon -i ${name}`),
  ].join(' && '), { timeoutMs: 60_000 + 60_000 * mons.length }), logs('mon.a'));
  const shell = await steps.run('ceph: session', () => MonShell.open(ssh), logs('mon.a'));
  const mgrStarted = ssh.exec('ceph-mgr -i x', { timeoutMs: 120_000 });
  mgrStarted.catch(() => undefined);
  await steps.run('ceph: osd', async () => {
    await osdMade;
    await shell.must({ prefix: 'osd new', uuid: osdUuid, id: osdId });
    await ssh.exec(`nice -n ${osdNice} ceph-osd -i ${osdId}`, { timeoutMs: 120_000 });
  }, logs(`osd.${osdId}`));
  await steps.run('ceph: pool and gateways', async () => {
    await shell.must({ prefix: 'osd pool create', pool: spec.pool, pg_num: 8, pgp_num: 8 });
    await shell.must({ prefix: 'osd pool application enable', pool: spec.pool, app: 'rbd' });
    // Said of the modules switched off above; a health check of a test must not have to know them.
    await shell.must({ prefix: 'health mute', code: 'MGR_MODULE_ERROR', sticky: true });
    for (const id of spec.gateways) await shell.must({ prefix: 'nvme-gw create', id, pool: spec.pool, group: spec.group });
  });
  await steps.run('ceph: active+clean', async () => {
    await mgrStarted;
    await untilClean(shell);
  }, logs('mgr.x'));
  await steps.run('ceph: images', () => ssh.exec(spec.images.map((image) => (
    // exclusive-lock would let two gateways fight for an image; fencing here is the blocklist alone.
    `rbd create ${shellQuote(`${spec.pool}/${image.name}`)} --size ${image.megabytes}M --image-feature layering`
  )).join(' && '), { timeoutMs: 120_000 }));
  return { fsid, auth: spec.auth, monHosts: mons.map(({ address }) => `${address}:${monPort}`), entities, shell, times: steps.times };
}

function configurationScript(spec: CephSpec, fsid: string, entities: ReadonlyMap<string, CephEntity>): string {
  const write = (path: string, text: string): string => `cat >${path} <<'PATHPROOF_END'\n${text}\nPATHPROOF_END\nchmod 600 ${path}`;
  const keyring = (name: string): string => keyringText([entities.get(name)!]);
  return [
    'set -e',
    `mkdir -p /etc/ceph /var/log/ceph /run/ceph ${monsOf(spec).map(({ name }) => `/var/lib/ceph/mon/ceph-${name}`).join(' ')} /var/lib/ceph/mgr/ceph-x /var/lib/ceph/osd/ceph-${osdId}`,
    write('/etc/ceph/ceph.conf', cephConfig(spec, fsid)),
    // The monitor takes over every entity of this keyring when it makes its store.
    write('/etc/ceph/mkfs.keyring', keyringText([...entities.values()])),
    write('/etc/ceph/ceph.client.admin.keyring', keyring('client.admin')),
    write('/var/lib/ceph/mgr/ceph-x/keyring', keyring('mgr.x')),
    write(`/var/lib/ceph/osd/ceph-${osdId}/keyring`, keyring(`osd.${osdId}`)),
  ].join('\n');
}

/** Resolves when every placement group is active+clean; an infra error with the cluster's health otherwise. */
export async function untilClean(shell: MonShell): Promise<void> {
  const deadline = Date.now() + cleanMaxMs;
  for (;;) {
    const text = await shell.must({ prefix: 'status', format: 'json' });
    if (isClean(text)) return;
    if (Date.now() >= deadline) {
      const health = await shell.command({ prefix: 'health', detail: 'detail' });
      throw infraError('CEPH_NOT_CLEAN', `the cluster is not active+clean within ${cleanMaxMs / 1_000} s`, { details: health.out.split('\n').slice(0, 20) });
    }
    await sleep(200);
  }
}

/** Pure: does `ceph status --format json` say that there are placement groups and all of them are active+clean? */
export function isClean(statusJson: string): boolean {
  const status = JSON.parse(statusJson) as { pgmap?: { num_pgs?: number; pgs_by_state?: { state_name: string; count: number }[] } };
  const { num_pgs: total = 0, pgs_by_state: states = [] } = status.pgmap ?? {};
  return total > 0 && states.filter((s) => s.state_name === 'active+clean').reduce((sum, s) => sum + s.count, 0) === total;
}
