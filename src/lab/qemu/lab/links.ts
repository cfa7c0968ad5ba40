import type { LinkCutMode, LinkDirection, LinkNode, LinkStats } from '../../types.js';
import { addressOf, fabricNames, type FabricName } from '../network.js';
import type { RuleSpec, SwitchClient } from '../switch/index.js';

/**
 * The lab's links by the names that faults use, as rules of the switch:
 *
 * | name | frames between |
 * |---|---|
 * | `gw1-store` | the gateway and the OSD |
 * | `gw1-monitor` | the gateway and every monitor |
 * | `host1-gw1` | the host and the gateway, on all fabrics |
 * | `host1-gw1-a` | the same, on one fabric |
 */
export class SwitchLinks implements LinkNode {
  readonly #switch: SwitchClient;
  readonly #fabrics: readonly FabricName[];
  readonly #mons: readonly string[];
  readonly #cuts = new Map<string, { mode: LinkCutMode; direction: LinkDirection; rules: number[] }>();

  constructor(client: SwitchClient, o: { fabrics: number; mons: number }) {
    this.#switch = client;
    this.#fabrics = fabricNames.slice(0, o.fabrics);
    this.#mons = Array.from({ length: o.mons }, (_, i) => `mon${i + 1}`);
  }

  async cut(link: string, mode: LinkCutMode, direction: LinkDirection): Promise<void> {
    // A switch forwards frames; only an end of a connection can reset it.
    if (mode !== 'drop') throw new Error(`${link}: a switch can drop frames, it cannot reset connections`);
    if (this.#cuts.has(link)) throw new Error(`${link} is cut already`);
    const rules: number[] = [];
    this.#cuts.set(link, { mode, direction, rules });
    for (const spec of this.#rules(link, direction)) rules.push(await this.#switch.add(spec));
  }

  async heal(link: string): Promise<void> {
    const cut = this.#cuts.get(link);
    if (cut === undefined) return;
    for (const rule of cut.rules) await this.#switch.heal(rule);
    this.#cuts.delete(link);
  }

  /** Bytes of a single link are not counted; the port's are those of the node. */
  async stats(link: string): Promise<LinkStats> {
    const [node] = this.#rules(link, 'both');
    const port = await this.#switch.port(node!.fabric, node!.node);
    const cut = this.#cuts.get(link);
    return {
      name: link, cut: cut === undefined ? null : { mode: cut.mode, direction: cut.direction }, connections: port.connected ? 1 : 0,
      bytesForward: port.fromBytes, bytesBackward: port.toBytes,
    };
  }

  /** Links are named from the end that opens connections; rules are set at the gateway's port, whose direction `from` is towards the peer. */
  #rules(link: string, direction: LinkDirection): RuleSpec[] {
    const gatewayTo = /^(gw\d+)-(store|monitor)$/.exec(link);
    if (gatewayTo !== null) {
      const peers = gatewayTo[2] === 'store' ? ['osd'] : this.#mons;
      return peers.map((peer) => ({
        fabric: 'a', node: gatewayTo[1]!, direction: direction === 'both' ? 'both' : direction === 'forward' ? 'from' : 'to',
        match: { ipv4: addressOf('a', peer) }, action: { kind: 'cut' },
      }));
    }
    const hostTo = /^(host\d+)-(gw\d+)(?:-([a-z]))?$/.exec(link);
    if (hostTo === null) throw new Error(`no link is named ${link}`);
    const fabrics = this.#fabrics.filter((fabric) => hostTo[3] === undefined || fabric === hostTo[3]);
    if (fabrics.length === 0) throw new Error(`no link is named ${link}`);
    return fabrics.map((fabric) => ({
      fabric, node: hostTo[1]!, direction: direction === 'both' ? 'both' : direction === 'forward' ? 'from' : 'to',
      match: { ipv4: addressOf(fabric, hostTo[2]!) }, action: { kind: 'cut' },
    }));
  }
}
