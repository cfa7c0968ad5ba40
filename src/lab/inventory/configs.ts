import { serialOf } from '../../gateway/userspace-gateway.js';
import type { Plan } from '../../plan/types.js';
import type { HostGuestConfig } from '../guest/host-config.js';
import { setupPolicy, uuidForm } from '../qemu/design.js';
import type { ClusterAccess } from '../qemu/lab/cluster.js';
import { parseEndpoint } from '../qemu/network.js';
import { hostNamed, spdkOf, withRole, type Inventory } from './file.js';

/** Where a gateway is asked whether it reaches the store. */
export function storeAddressOf({ cluster }: Inventory): string {
  return cluster.osds[0] ?? parseEndpoint(cluster.mons[0]!).host;
}

/** As whom a gateway uses the cluster. */
export function gatewayEntityOf(inventory: Inventory, name: string): string {
  return inventory.gateways.entity.replaceAll('{name}', name);
}

/** What the program of a gateway is told. `secret`: of its entity; undefined: the cluster authenticates nobody. */
export function gatewayConfig(inventory: Inventory, plan: Plan, name: string, access: ClusterAccess, secret: string | undefined): Record<string, unknown> {
  const { topology, shape } = plan;
  const spdk = spdkOf(inventory);
  return {
    name, pool: topology.pool, group: topology.group, nqn: topology.nqn, serial: serialOf(topology.nqn),
    namespaces: topology.namespaces.map(({ nsid, uuid, nguid, anaGroup, image }) => ({ nsid, uuid, nguid, anaGroup, image })),
    monHosts: access.monHosts, auth: secret === undefined ? { kind: 'none' } : { kind: 'cephx', entity: gatewayEntityOf(inventory, name), secret },
    listeners: hostNamed(inventory, name).fabrics!.map((host) => ({ host, port: inventory.gateways.port })), timers: shape.timers, onFenced: shape.onFenced ?? 'end',
    ...(spdk === undefined ? {} : { spdk }),
  };
}

/** What the program of a host is told. The fabrics have letters, in the order of each gateway's addresses. */
export function hostConfig(inventory: Inventory, plan: Plan, name: string): HostGuestConfig {
  const { topology, shape } = plan;
  const { hostNqn, hostId } = topology.hosts.find((host) => host.name === name)!;
  return {
    name, hostNqn, hostId: uuidForm(hostId), nqn: topology.nqn, policy: setupPolicy, ioQueues: shape.ioQueues, timers: shape.timers, digests: { header: shape.headerDigest, data: shape.dataDigest },
    controllers: withRole(inventory, 'gateway').flatMap((gateway) => gateway.fabrics!.map((traddr, index) => ({ gateway: gateway.name, fabric: String.fromCharCode(97 + index), traddr, trsvcid: String(inventory.gateways.port) }))),
  };
}
