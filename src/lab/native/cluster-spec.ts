import { stringify } from 'yaml';
import { addressOf } from '../qemu/network.js';
import { daemonImage, gatewayImage } from './host-files.js';

/** Everything of a native lab's cluster that a plan decides. */
export interface ClusterSpec {
  pool: string;
  group: string;
  /** Names of the hosts on which gateways are placed. */
  gatewayHosts: readonly string[];
  images: readonly { name: string; megabytes: number }[];
  /** Size of the only OSD's file, MB; sparse. */
  osdMegabytes: number;
  /** Options of the monitors. */
  settings: Readonly<Record<string, string>>;
}

/** The host of monitor, manager and OSD. */
export const cephHost = 'ceph';

/** What cephadm bootstrap takes up by --config: without `use_repo_digest` off it would ask a registry for an image that is only here. */
export function bootstrapConfig(settings: Readonly<Record<string, string>>): string {
  return [
    '[global]', 'osd_pool_default_size = 1', 'osd_pool_default_min_size = 1', 'mon_allow_pool_size_one = true', 'osd_pool_default_pg_num = 8', 'osd_pool_default_pg_autoscale_mode = off',
    '[mon]', 'mon_data_avail_warn = 1', 'mon_data_avail_crit = 1', ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
    '[mgr]', 'mgr/cephadm/use_repo_digest = false', `mgr/cephadm/container_image_nvmeof = ${gatewayImage}`,
    '[osd]', 'osd_memory_target = 1073741824', '',
  ].join('\n');
}

export function bootstrapCommand(configFile: string): string {
  return `cephadm --image ${daemonImage} bootstrap --mon-ip ${addressOf('a', cephHost)} --config ${configFile} --skip-pull --skip-monitoring-stack --skip-dashboard --skip-firewalld --no-cleanup-on-failure`;
}

/** Name of the orchestrator's service, and the beginning of its daemons' names. */
export function serviceName(spec: Pick<ClusterSpec, 'pool' | 'group'>): string {
  return `nvmeof.${spec.pool}.${spec.group}`;
}

/**
 * A group's gateways move namespaces to other ANA groups when one is removed or their numbers differ, so that nobody knows any more which gateway a
 * namespace is to be at. Once a day, and not never: cephadm neither stores nor exports a 0 (ServiceSpec.to_json), and the next gateway has the usual 7 s.
 */
export const rebalancePeriodS = 86_400;

/**
 * The service's specification. `spdk_mem_size` keeps cephadm from asking the host for huge pages and VFIO, which our
 * target has no use for; the mounts carry the program, what it shall serve, and its control socket. With
 * `unmanaged` cephadm leaves the daemons that there are alone.
 */
export function gatewayServiceYaml(spec: Pick<ClusterSpec, 'pool' | 'group'>, hosts: readonly string[], options: { unmanaged?: boolean } = {}): string {
  return serviceYaml(spec, hosts, {
    ...(options.unmanaged === true ? { unmanaged: true } : {}),
    extra_container_args: ['--volume=/opt/pathproof:/opt/pathproof:ro', '--volume=/etc/pathproof:/etc/pathproof:ro', '--volume=/run/pathproof:/run/pathproof'],
  }, { spdk_mem_size: 1024 });
}

/** The specification of a service of the real ceph-nvmeof; `more`: further fields of it (NvmeofServiceSpec). */
export function cephNvmeofServiceYaml(spec: Pick<ClusterSpec, 'pool' | 'group'>, hosts: readonly string[], more: Readonly<Record<string, unknown>> = {}): string {
  return serviceYaml(spec, hosts, {}, more);
}

function serviceYaml({ pool, group }: Pick<ClusterSpec, 'pool' | 'group'>, hosts: readonly string[], service: object, fields: object): string {
  return stringify({ service_type: 'nvmeof', service_id: `${pool}.${group}`, placement: { hosts: [...hosts] }, ...service, spec: { pool, group, rebalance_period_sec: rebalancePeriodS, ...fields } });
}
