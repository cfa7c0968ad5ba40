import { z } from 'zod';
import type { LinkCutMode, LinkDirection, LinkNode, LinkStats } from '../types.js';
import type { Changes } from './changes.js';
import { cutLink, linkCounters } from './commands.js';
import { hostNamedRoute, type HostConnections } from './hosts.js';
import type { Inventory } from './file.js';
import type { UndoEntry } from './journal.js';

/** One rule of `nft -j list table`, as far as its counter goes. */
const countersSchema = z.looseObject({ nftables: z.array(z.looseObject({ rule: z.looseObject({ chain: z.string(), expr: z.array(z.looseObject({ counter: z.looseObject({ bytes: z.number() }).optional() })) }).optional() })) });

/** The links of an inventory's hosts, by tables of nftables on the hosts themselves (commands.ts, cutLink). */
export class NftLinks implements LinkNode {
  readonly #inventory: Inventory;
  readonly #changes: Changes;
  readonly #hosts: Pick<HostConnections, 'run'>;
  readonly #cuts = new Map<string, { direction: LinkDirection; host: string; entry: UndoEntry | undefined }>();

  constructor(inventory: Inventory, changes: Changes, hosts: Pick<HostConnections, 'run'>) {
    this.#inventory = inventory;
    this.#changes = changes;
    this.#hosts = hosts;
  }

  async cut(link: string, mode: LinkCutMode, direction: LinkDirection): Promise<void> {
    if (mode !== 'drop') throw new Error(`${link}: connections of other people's programs cannot be reset here, only dropped`);
    if (this.#cuts.has(link)) throw new Error(`${link} is cut already`);
    const { host, ...change } = cutLink(this.#inventory, link, direction);
    const cut = { direction, host, entry: undefined as UndoEntry | undefined };
    this.#cuts.set(link, cut);
    cut.entry = this.#changes.note(host, change.what, change.undo);
    await this.#hosts.run(host, cut.entry.route, change.command);
  }

  async heal(link: string): Promise<void> {
    const cut = this.#cuts.get(link);
    if (cut?.entry === undefined) return;
    await this.#changes.undo(cut.entry);
    this.#cuts.delete(link);
  }

  /** Bytes that were dropped; what is not cut is not counted. */
  async stats(link: string): Promise<LinkStats> {
    const cut = this.#cuts.get(link);
    if (cut === undefined) return { name: link, cut: null, connections: 0, bytesForward: 0, bytesBackward: 0 };
    const { stdout } = await this.#hosts.run(cut.host, hostNamedRoute(this.#inventory, cut.host), linkCounters(link));
    const bytes = (chain: string): number => countersSchema.parse(JSON.parse(stdout)).nftables.filter(({ rule }) => rule?.chain === chain)
      .flatMap(({ rule }) => rule!.expr).reduce((sum, { counter }) => sum + (counter?.bytes ?? 0), 0);
    return { name: link, cut: { mode: 'drop', direction: cut.direction }, connections: 0, bytesForward: bytes('out'), bytesBackward: bytes('in') };
  }
}
