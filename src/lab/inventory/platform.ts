import { abilities, type Ability } from '../../fault/specs.js';
import type { LabPlatform } from '../../plan/types.js';
import { withoutUndefined } from '../../util/defined.js';
import { allows, hasExistingGateways, withRole, type Inventory, type Permission } from './file.js';

/** An emulated processor takes so many times longer until a run has measured it. */
const usualEmulationFactor = 15;

/** Which permission an ability stands for. The listeners of gateways that we start ourselves are ours. */
const permissionFor: Partial<Record<Ability, Permission | undefined>> = {
  'gateway.kill': 'kill', 'gateway.stop': 'kill', 'gateway.power': 'powerOff', 'monitor.command': 'cephadm',
  'link.gateway-store': 'network', 'link.gateway-monitor': 'network', 'link.host-gateway': 'network',
};
const always: readonly Ability[] = ['gateway.listeners'];

/** The same for gateways that cephadm has deployed: what it does not know of it would undo, or be confused by. */
const existingPermissionFor: typeof permissionFor = { ...permissionFor, 'monitor.command': undefined, cephadm: 'cephadm', 'gateway.listeners': 'kill' };
const existingReasons: Partial<Record<Ability, string>> = {
  'monitor.command': 'cephadm has these gateways created and deleted at the monitor: cephadm.remove is the fault for that',
};

/** What the plan of a run on these hosts has to know of them. */
export function platformOf(inventory: Inventory): LabPlatform {
  const gateways = withRole(inventory, 'gateway');
  const lacks: Partial<Record<Ability, string>> = {};
  for (const ability of abilities) {
    const reason = reasonAgainst(inventory, ability);
    if (reason !== undefined) lacks[ability] = reason;
  }
  return {
    accel: inventory.accel, emulationFactor: inventory.accel === 'tcg' ? usualEmulationFactor : 1, fabrics: gateways[0]!.fabrics!.length,
    inventory: {
      name: inventory.name, abilities: abilities.filter((ability) => lacks[ability] === undefined), lacks,
      pool: inventory.cluster.pool, group: inventory.cluster.group, gateways: gateways.length, hosts: withRole(inventory, 'host').length,
      namespaces: inventory.namespaces.map(({ image, mebibytes, nsid, uuid, nguid, anaGroup }) => ({
        image, mebibytes,
        ...(!hasExistingGateways(inventory) ? {} : { identity: { nsid: nsid!, uuid: uuid!, nguid: nguid ?? uuid!.replaceAll('-', ''), anaGroup: anaGroup! } }),
      })),
      ...(!hasExistingGateways(inventory) ? {} : { subsystem: {
        nqn: inventory.gateways.subsystem!, timers: withoutUndefined(inventory.gateways.timers),
        hostNqns: Object.fromEntries(withRole(inventory, 'host').flatMap(({ name, nqn }) => (nqn === undefined ? [] : [[name, nqn]]))),
      } }),
    },
  };
}

function reasonAgainst(inventory: Inventory, ability: Ability): string | undefined {
  const existing = hasExistingGateways(inventory);
  if (!existing && always.includes(ability)) return undefined;
  const permission = (existing ? existingPermissionFor : permissionFor)[ability];
  if (permission === undefined) return (existing ? existingReasons[ability] : undefined) ?? 'no inventory can do that';
  if (!allows(inventory, permission)) return `the inventory does not allow ${permission}`;
  if (ability === 'link.gateway-store' || ability === 'link.gateway-monitor') {
    const { mons, osds } = inventory.cluster;
    if (osds.length === 0) return 'the inventory does not name the OSDs';
    const shared = osds.find((osd) => mons.some((mon) => mon.startsWith(`${osd}:`)));
    // By its address alone nobody can tell whether a packet is for the one or the other.
    if (shared !== undefined) return `a monitor and an OSD share the address ${shared}`;
  }
  return undefined;
}
