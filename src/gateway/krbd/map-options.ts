/** How a gateway's kernel client presents itself to the cluster. */
export type CephAuth = { kind: 'none' } | { kind: 'cephx'; secret: string };

export interface MapRequest {
  /** `ADDRESS:PORT` of each monitor's msgr2 address. */
  monHosts: readonly string[];
  /** `client.ID`. */
  entity: string;
  auth: CephAuth;
  pool: string;
  image: string;
  /**
   * 0–65,535, another one for each incarnation. Mappings share a kernel client if all their options are
   * equal, and a new incarnation may not get the client of an old one whose mappings are not gone yet.
   */
  incarnation: number;
}

/** Longest wait for a monitor, seconds; a signal ends it sooner. */
const mountTimeoutS = 30;
/** Ceph's default: an OSD session that nobody uses is closed after this time, seconds. */
const osdIdleTtlS = 60;

/**
 * The line for /sys/bus/rbd/add_single_major (Documentation/ABI/testing/sysfs-bus-rbd; options:
 * net/ceph/ceph_common.c). `ms_mode=crc` because the default is msgr1. No `noshare`: one kernel client, so
 * one address to blocklist, does the I/O of all images. The time after which unused OSD sessions close is
 * what tells incarnations apart: the only option that changes nothing else.
 */
export function mapLine({ monHosts, entity, auth, pool, image, incarnation }: MapRequest): string {
  const options = [
    `name=${entity.replace(/^client\./, '')}`,
    ...(auth.kind === 'cephx' ? [`secret=${auth.secret}`] : []),
    'ms_mode=crc', `mount_timeout=${mountTimeoutS}`, `osd_idle_ttl=${osdIdleTtlS + incarnation}`,
  ];
  return `${monHosts.join(',')} ${options.join(',')} ${pool} ${image} -`;
}
