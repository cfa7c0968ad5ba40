import { addressOf, fabricNames } from '../network.js';
import type { NodeProgress } from '../progress.js';
import { shellQuote, type Ssh } from '../vm/ssh.js';
import { gatewayEntity, type CephCluster } from './ceph.js';
import { Steps } from './steps.js';

export interface GatewaySpec {
  name: string;
  /** 0-based; gives the range of controller ids, as the real gateway does: i·2040+1 … (i+1)·2040. */
  index: number;
  pool: string;
  nqn: string;
  serial: string;
  namespaces: readonly { nsid: number; image: string; uuid: string; anaGroup: number }[];
  anaGroups: number;
  /** The groups that it serves at first; all others are inaccessible. */
  optimized: readonly number[];
}

export interface GatewayReady {
  /** Entity address of the gateway's RADOS client: what a beacon carries and a blocklist names. One per image: krbd with `noshare`. */
  clientAddresses: string[];
  listeners: { address: string; port: number }[];
  times: Record<string, number>;
}

export const gatewayPort = 4_420;
const controllersPerGateway = 2_040;
const configfs = '/sys/kernel/config/nvmet';

/** The kernel modules of a gateway node, to be loaded at boot. */
export const gatewayModules = ['configfs', 'nvmet', 'nvmet-tcp', 'rbd', 'dm-multipath', 'dm-round-robin'] as const;

/** Maps the images by krbd and exports them by nvmet, one port per fabric, with the ANA groups' states set. */
export async function provisionGateway(ssh: Ssh, spec: GatewaySpec, cluster: CephCluster, progress: NodeProgress): Promise<GatewayReady> {
  const steps = new Steps(ssh.node, progress);
  const clientAddresses = await steps.run('gateway: rbd map', () => mapImages(ssh, spec, cluster));
  const script = exportScript(spec);
  await steps.run('gateway: nvmet', () => ssh.exec(script));
  return { clientAddresses, listeners: fabricNames.map((f) => ({ address: addressOf(f, spec.name), port: gatewayPort })), times: steps.times };
}

/**
 * krbd by its own interface, /sys/bus/rbd/add_single_major (Documentation/ABI/testing/sysfs-bus-rbd): the
 * `rbd` program would do the same after half a minute of starting and of waiting for udev.
 */
async function mapImages(ssh: Ssh, spec: GatewaySpec, cluster: CephCluster): Promise<string[]> {
  const entity = cluster.entities.get(gatewayEntity(spec.name));
  if (entity === undefined) throw new Error(`the cluster has no key for ${spec.name}`);
  const options = mapOptions(entity.name, cluster.auth === 'cephx' ? entity.secret : undefined);
  const lines = spec.namespaces.map(({ image }) => (
    `echo ${shellQuote(`${cluster.monHosts.join(',')} ${options} ${spec.pool} ${image} -`)} >/sys/bus/rbd/add_single_major`
  ));
  // Devices are numbered in the order in which they were added.
  const result = await ssh.exec(['set -e', ...lines, 'cat /sys/bus/rbd/devices/*/client_addr'].join('\n'), { timeoutMs: 120_000 });
  return result.stdout.trim().split('\n');
}

export function mapOptions(entity: string, secret: string | undefined): string {
  return [`name=${entity.replace(/^client\./, '')}`, ...(secret === undefined ? [] : [`secret=${secret}`]), 'ms_mode=crc', 'noshare'].join(',');
}

/** The shell commands that export the mapped images (Linux drivers/nvme/target/configfs.c). */
export function exportScript(spec: GatewaySpec): string {
  const subsystem = `${configfs}/subsystems/${spec.nqn}`;
  const firstController = spec.index * controllersPerGateway + 1;
  const set = (path: string, value: string | number): string => `echo ${shellQuote(String(value))} >${path}`;
  const groups = Array.from({ length: spec.anaGroups }, (_, i) => i + 1);
  return [
    'set -e',
    `mkdir -p ${subsystem}`,
    set(`${subsystem}/attr_cntlid_min`, firstController), set(`${subsystem}/attr_cntlid_max`, firstController + controllersPerGateway - 1),
    set(`${subsystem}/attr_allow_any_host`, 1), set(`${subsystem}/attr_serial`, spec.serial), set(`${subsystem}/attr_model`, 'Ceph bdev Controller'),
    ...spec.namespaces.flatMap((ns, at) => {
      const folder = `${subsystem}/namespaces/${ns.nsid}`;
      return [`mkdir -p ${folder}`, set(`${folder}/device_path`, `/dev/rbd${at}`), set(`${folder}/device_uuid`, ns.uuid), set(`${folder}/ana_grpid`, ns.anaGroup), set(`${folder}/enable`, 1)];
    }),
    ...fabricNames.flatMap((fabric, at) => {
      const port = `${configfs}/ports/${at + 1}`;
      return [
        `mkdir -p ${port}`,
        set(`${port}/addr_trtype`, 'tcp'), set(`${port}/addr_adrfam`, 'ipv4'), set(`${port}/addr_traddr`, addressOf(fabric, spec.name)), set(`${port}/addr_trsvcid`, gatewayPort),
        ...groups.flatMap((g) => [`mkdir -p ${port}/ana_groups/${g}`, set(`${port}/ana_groups/${g}/ana_state`, spec.optimized.includes(g) ? 'optimized' : 'inaccessible')]),
        `ln -s ${subsystem} ${port}/subsystems/`,
      ];
    }),
  ].join('\n');
}

/** Sets one ANA group on every port of a gateway. */
export async function setAnaState(ssh: Ssh, group: number, state: 'optimized' | 'inaccessible'): Promise<void> {
  await ssh.exec(`for port in ${configfs}/ports/*; do echo ${state} >"$port/ana_groups/${group}/ana_state"; done`);
}
