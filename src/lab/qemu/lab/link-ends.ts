import type { LinkDirection } from '../../types.js';
import { addressOf, fabricNames, type FabricName } from '../network.js';

/** What has to be stopped for a link to be cut: packets between a node and a peer's address on one fabric; `from`: those that the node sends. */
export interface LinkEnd { fabric: FabricName; node: string; peer: string; direction: 'both' | 'from' | 'to' }

export interface LinkShape { fabrics: number; mons: number }

/**
 * The lab's links by the names that faults use:
 *
 * | name | packets between |
 * |---|---|
 * | `gw1-store` | the gateway and the OSD |
 * | `gw1-monitor` | the gateway and every monitor |
 * | `host1-gw1` | the host and the gateway, on all fabrics |
 * | `host1-gw1-a` | the same, on one fabric |
 *
 * A link is named from the end that opens connections, and `forward` is away from it. All ends of a link are at one node.
 * Throws for any other name.
 */
export function linkEnds(link: string, direction: LinkDirection, shape: LinkShape): LinkEnd[] {
  const side = direction === 'both' ? 'both' : direction === 'forward' ? 'from' : 'to';
  const gatewayTo = /^(gw\d+)-(store|monitor)$/.exec(link);
  if (gatewayTo !== null) {
    const peers = gatewayTo[2] === 'store' ? ['osd'] : Array.from({ length: shape.mons }, (_, i) => `mon${i + 1}`);
    return peers.map((peer) => ({ fabric: 'a', node: gatewayTo[1]!, peer: addressOf('a', peer), direction: side }));
  }
  const hostTo = /^(host\d+)-(gw\d+)(?:-([a-z]))?$/.exec(link);
  const fabrics = fabricNames.slice(0, shape.fabrics).filter((fabric) => hostTo?.[3] === undefined || fabric === hostTo[3]);
  if (hostTo === null || fabrics.length === 0) throw new Error(`no link is named ${link}`);
  return fabrics.map((fabric) => ({ fabric, node: hostTo[1]!, peer: addressOf(fabric, hostTo[2]!), direction: side }));
}
