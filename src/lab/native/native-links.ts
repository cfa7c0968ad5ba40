import { addressOf } from '../qemu/network.js';
import type { LinkCutMode, LinkDirection, LinkNode, LinkStats } from '../types.js';
import { cephHost } from './cluster-spec.js';
import type { NativeHost } from './native-host.js';

/** Ports of a monitor (msgr2, msgr1); all others of its host are the OSD's and the manager's. */
const monitorPorts = '{ 3300, 6789 }';

interface Match { gateway: string; peer: string; ports: 'monitor' | 'others' | 'all' }

/** Who is at the ends of a link: `gw1-store`, `gw1-monitor`, `host1-gw1`. Throws for any other name. */
export function linkEnds(link: string): Match {
  const toCeph = /^(gw\d+)-(store|monitor)$/.exec(link);
  if (toCeph !== null) return { gateway: toCeph[1]!, peer: addressOf('a', cephHost), ports: toCeph[2] === 'monitor' ? 'monitor' : 'others' };
  const toHost = /^(host\d+)-(gw\d+)$/.exec(link);
  if (toHost === null) throw new Error(`no link is named ${link}`);
  return { gateway: toHost[2]!, peer: addressOf('a', toHost[1]!), ports: 'all' };
}

/**
 * The nftables script (nft(8)) that drops a link's packets at the gateway's host, in a table of its own. `forward`:
 * away from the end that opens connections, which for a gateway's links to the cluster is the gateway itself.
 */
export function cutRules(link: string, direction: LinkDirection): string {
  const { gateway, peer, ports } = linkEnds(link);
  const opensHere = link.startsWith(gateway);
  const outgoing = direction === 'both' || (direction === 'forward') === opensHere;
  const incoming = direction === 'both' || !outgoing;
  const port = (side: 'sport' | 'dport'): string => (ports === 'all' ? '' : `tcp ${side} ${ports === 'monitor' ? '' : '!= '}${monitorPorts} `);
  const chain = (name: string, hook: string, rule: string): string => `  chain ${name} {\n    type filter hook ${hook} priority -10; policy accept;\n    ${rule}\n  }`;
  return [
    `table ip ${tableOf(link)} {`,
    ...(outgoing ? [chain('out', 'output', `ip daddr ${peer} ${port('dport')}counter drop`)] : []),
    ...(incoming ? [chain('in', 'input', `ip saddr ${peer} ${port('sport')}counter drop`)] : []),
    '}', '',
  ].join('\n');
}

function tableOf(link: string): string {
  return `cut_${link.replaceAll('-', '_')}`;
}

/** The lab's links, cut by packet filters in the gateways' hosts, which a container with the host's network passes, too. */
export class NativeLinks implements LinkNode {
  readonly #host: (name: string) => NativeHost;
  readonly #cuts = new Map<string, { mode: LinkCutMode; direction: LinkDirection }>();

  constructor(host: (name: string) => NativeHost) {
    this.#host = host;
  }

  async cut(link: string, mode: LinkCutMode, direction: LinkDirection): Promise<void> {
    if (mode !== 'drop') throw new Error(`${link}: the native lab drops packets, it does not reset connections`);
    if (this.#cuts.has(link)) throw new Error(`${link} is cut already`);
    this.#cuts.set(link, { mode, direction });
    await this.#host(linkEnds(link).gateway).exec('nft -f -', { input: cutRules(link, direction) });
  }

  async heal(link: string): Promise<void> {
    if (!this.#cuts.has(link)) return;
    const host = this.#host(linkEnds(link).gateway);
    // A host that was switched off has lost its rules.
    if (host.pid !== undefined) await host.exec(`if nft list table ip ${tableOf(link)} >/dev/null 2>&1; then nft delete table ip ${tableOf(link)}; fi`);
    this.#cuts.delete(link);
  }

  /** Bytes are those of the gateway host's card, of all its links together. */
  async stats(link: string): Promise<LinkStats> {
    const { gateway } = linkEnds(link);
    const { stdout } = await this.#host(gateway).exec('ip -s -j link show fab-a');
    const [card] = JSON.parse(stdout) as { operstate: string; stats64: { rx: { bytes: number }; tx: { bytes: number } } }[];
    return { name: link, cut: this.#cuts.get(link) ?? null, connections: card!.operstate === 'UP' ? 1 : 0, bytesForward: card!.stats64.tx.bytes, bytesBackward: card!.stats64.rx.bytes };
  }
}
