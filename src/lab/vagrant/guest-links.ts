import type { LabMachine } from '../machine.js';
import { linkEnds, type LinkEnd, type LinkShape } from '../qemu/lab/link-ends.js';
import { fabricCard } from '../qemu/nodes.js';
import type { LinkCutMode, LinkDirection, LinkNode, LinkStats } from '../types.js';

/** No node has it (network.ts). */
const unusedAddress = '192.0.2.254';
/** Before anything else that filters. */
const priority = -300;

/** The nftables script (nft(8)) that drops the packets of a link at its node, in a table of the link's own. */
export function cutRules(link: string, ends: readonly LinkEnd[]): string {
  const chain = (hook: 'output' | 'input', card: 'oifname' | 'iifname', address: 'daddr' | 'saddr', side: 'from' | 'to'): string[] => {
    const rules = ends.filter(({ direction }) => direction === 'both' || direction === side).map(({ fabric, peer }) => `    ${card} "${fabricCard(fabric)}" ip ${address} ${peer} counter drop`);
    return rules.length === 0 ? [] : [`  chain ${hook} {`, `    type filter hook ${hook} priority ${priority}; policy accept;`, ...rules, '  }'];
  };
  return [`table ip ${tableOf(link)} {`, ...chain('output', 'oifname', 'daddr', 'from'), ...chain('input', 'iifname', 'saddr', 'to'), '}', ''].join('\n');
}

function tableOf(link: string): string {
  return `pathproof_${link.replaceAll('-', '_')}`;
}

/** Loads what a cut needs into a node's kernel: the first one would wait for modules, in the middle of a fault. */
export async function warmUp(machine: LabMachine, maxMs: number): Promise<void> {
  const rules = cutRules('warm-up', [{ fabric: 'a', node: machine.name, peer: unusedAddress, direction: 'both' }]);
  await machine.ssh.exec(`nft -f - && nft delete table ip ${tableOf('warm-up')}`, { input: rules, timeoutMs: maxMs });
}

/** The lab's links, cut by packet filters in the guests: libvirt's bridges forward whatever comes. */
export class GuestLinks implements LinkNode {
  readonly #node: (name: string) => LabMachine;
  readonly #shape: LinkShape;
  readonly #cuts = new Map<string, { mode: LinkCutMode; direction: LinkDirection }>();

  constructor(node: (name: string) => LabMachine, shape: LinkShape) {
    this.#node = node;
    this.#shape = shape;
  }

  async cut(link: string, mode: LinkCutMode, direction: LinkDirection): Promise<void> {
    if (mode !== 'drop') throw new Error(`${link}: the Vagrant lab drops packets, it does not reset connections`);
    if (this.#cuts.has(link)) throw new Error(`${link} is cut already`);
    const ends = linkEnds(link, direction, this.#shape);
    this.#cuts.set(link, { mode, direction });
    await this.#node(ends[0]!.node).ssh.exec('nft -f -', { input: cutRules(link, ends) });
  }

  async heal(link: string): Promise<void> {
    if (!this.#cuts.has(link)) return;
    const node = this.#node(linkEnds(link, 'both', this.#shape)[0]!.node);
    const table = tableOf(link);
    // A machine that was switched off has lost its rules.
    if (node.identity !== undefined) await node.ssh.exec(`if nft list table ip ${table} >/dev/null 2>&1; then nft delete table ip ${table}; fi`);
    this.#cuts.delete(link);
  }

  /** Bytes are those of the node's card, of all its links together. */
  async stats(link: string): Promise<LinkStats> {
    const [end] = linkEnds(link, 'both', this.#shape);
    const { stdout } = await this.#node(end!.node).ssh.exec(`ip -s -j link show ${fabricCard(end!.fabric)}`);
    const [card] = JSON.parse(stdout) as { operstate: string; stats64: { rx: { bytes: number }; tx: { bytes: number } } }[];
    return { name: link, cut: this.#cuts.get(link) ?? null, connections: card!.operstate === 'UP' ? 1 : 0, bytesForward: card!.stats64.tx.bytes, bytesBackward: card!.stats64.rx.bytes };
  }
}
