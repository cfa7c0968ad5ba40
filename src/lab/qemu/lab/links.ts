import type { LinkCutMode, LinkDirection, LinkNode, LinkStats } from '../../types.js';
import type { SwitchClient } from '../switch/index.js';
import { linkEnds, type LinkShape } from './link-ends.js';

/** The lab's links (link-ends.ts), cut by rules of the switch. */
export class SwitchLinks implements LinkNode {
  readonly #switch: SwitchClient;
  readonly #shape: LinkShape;
  readonly #cuts = new Map<string, { mode: LinkCutMode; direction: LinkDirection; rules: number[] }>();

  constructor(client: SwitchClient, shape: LinkShape) {
    this.#switch = client;
    this.#shape = shape;
  }

  async cut(link: string, mode: LinkCutMode, direction: LinkDirection): Promise<void> {
    // A switch forwards frames; only an end of a connection can reset it.
    if (mode !== 'drop') throw new Error(`${link}: a switch can drop frames, it cannot reset connections`);
    if (this.#cuts.has(link)) throw new Error(`${link} is cut already`);
    const rules: number[] = [];
    this.#cuts.set(link, { mode, direction, rules });
    for (const end of linkEnds(link, direction, this.#shape)) {
      rules.push(await this.#switch.add({ fabric: end.fabric, node: end.node, direction: end.direction, match: { ipv4: end.peer }, action: { kind: 'cut' } }));
    }
  }

  async heal(link: string): Promise<void> {
    const cut = this.#cuts.get(link);
    if (cut === undefined) return;
    for (const rule of cut.rules) await this.#switch.heal(rule);
    this.#cuts.delete(link);
  }

  /** Bytes of a single link are not counted; the port's are those of the node. */
  async stats(link: string): Promise<LinkStats> {
    const [end] = linkEnds(link, 'both', this.#shape);
    const port = await this.#switch.port(end!.fabric, end!.node);
    const cut = this.#cuts.get(link);
    return {
      name: link, cut: cut === undefined ? null : { mode: cut.mode, direction: cut.direction }, connections: port.connected ? 1 : 0,
      bytesForward: port.fromBytes, bytesBackward: port.toBytes,
    };
  }
}
