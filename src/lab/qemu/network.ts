/**
 * The lab's own networks. They exist only inside the switch process: no interface of this machine is on
 * them. The addresses are from the blocks for documentation (RFC 5737), which no real network uses.
 *
 * | Fabric | Network | Carries |
 * |---|---|---|
 * | a, b | 192.0.2.0/24, 198.51.100.0/24 | NVMe/TCP, Ceph; two, since the design asks for redundant links |
 *
 * Management (SSH) is a third card with QEMU's user-mode network, closed to the outside.
 */
export const fabricNames = ['a', 'b'] as const;
export type FabricName = (typeof fabricNames)[number];

const prefixes: Record<FabricName, string> = { a: '192.0.2', b: '198.51.100' };
export const prefixLength = 24;

/**
 * The host part of a node's address, from its name: `ceph` 10, `mon2`… 12…, `gw1` 101, `host1` 201.
 * Mon and OSD of the `ceph` node have addresses of their own (11 and 31), so that a fault can cut off the one and not the other.
 */
export function hostNumber(node: string): number {
  const match = /^([a-z]+)(\d*)$/.exec(node);
  const base = match === null ? undefined : { ceph: 9, mon: 10, osd: 30, gw: 100, host: 200 }[match[1]!];
  const index = match?.[2] === '' ? 1 : Number(match?.[2]);
  if (base === undefined || index < 1 || index > 16) throw new RangeError(`${node} is no node name of the lab`);
  return base + index;
}

/** A node's IPv4 address in a fabric. */
export function addressOf(fabric: FabricName, node: string): string {
  return `${prefixes[fabric]}.${hostNumber(node)}`;
}

export function networkOf(fabric: FabricName): string {
  return `${prefixes[fabric]}.0/${prefixLength}`;
}

/** A node's Ethernet address in a fabric, or of its management card: locally administered, and readable in a capture. */
export function macOf(card: FabricName | 'mgmt', node: string): string {
  const byte = { a: 'fa', b: 'fb', mgmt: 'f0' }[card];
  return `52:54:00:00:${byte}:${hostNumber(node).toString(16).padStart(2, '0')}`;
}

/** Fixed inside QEMU's user-mode network; every VM has one of its own. */
export const managementAddress = '10.0.2.15/24';

/** `ip:port` in parts. */
export function parseEndpoint(text: string): { host: string; port: number } {
  const match = /^([\d.]+):(\d+)$/.exec(text);
  if (match === null) throw new RangeError(`${text} is no ip:port`);
  return { host: match[1]!, port: Number(match[2]) };
}
