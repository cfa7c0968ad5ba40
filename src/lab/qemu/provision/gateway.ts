import type { GuestBundle } from '../../guest/bundle.js';
import { gatewayConfigText, type GuestGatewayConfig } from '../../guest/gateway-config.js';
import { memberFiles, programPath, startCommand, supervisorPath, supervisorScript } from '../../guest/supervisor.js';
import { addressOf, fabricNames } from '../network.js';
import type { Ssh } from '../vm/ssh.js';
import { gatewayEntity, type CephCluster } from './ceph.js';

export const gatewayPort = 4_420;

/** The kernel modules of a gateway node, to be loaded at boot. */
export const gatewayModules = ['configfs', 'nvmet', 'nvmet-tcp', 'rbd', 'dm-multipath', 'dm-round-robin'] as const;

/** What the lab's shape says about a gateway; the rest follows from the node's name and the cluster. */
export type GatewaySpec = Pick<GuestGatewayConfig, 'name' | 'pool' | 'group' | 'nqn' | 'serial' | 'namespaces' | 'timers' | 'onFenced'>;

/** The config of a gateway that listens on both fabrics and uses the cluster as the entity that was made for it. */
export function gatewayConfig(spec: GatewaySpec, cluster: Pick<CephCluster, 'auth' | 'monHosts' | 'entities'>): GuestGatewayConfig {
  const entity = cluster.entities.get(gatewayEntity(spec.name));
  if (entity === undefined) throw new RangeError(`the cluster has no key for ${spec.name}`);
  return {
    ...spec,
    monHosts: [...cluster.monHosts],
    auth: cluster.auth === 'cephx' ? { kind: 'cephx', entity: entity.name, secret: entity.secret } : { kind: 'none' },
    listeners: fabricNames.map((fabric) => ({ host: addressOf(fabric, spec.name), port: gatewayPort })),
  };
}

/** Puts the program, its supervisor and its config on a node. */
export async function installGateway(ssh: Ssh, config: GuestGatewayConfig, program: GuestBundle): Promise<void> {
  await Promise.all([
    ssh.upload(program.code, programPath('gateway')),
    ssh.upload(supervisorScript, supervisorPath),
    // The key is in it.
    ssh.upload(gatewayConfigText(config), memberFiles(config.name).config, 0o600),
  ]);
}

/** Starts an incarnation of an installed gateway; resolves as soon as it is on its way. */
export async function startGateway(ssh: Ssh, name: string): Promise<void> {
  await ssh.exec(startCommand(name));
}
