import { LinkError } from './errors.js';
import { Link, type CutMode, type LinkDirection, type LinkStats } from './link.js';
import type { Target } from './proxied.js';

export const linksMax = 1024;

/** All links of a lab, by name (`host1-gw1`, `gw1-store`, `gw1-mon`). Throws LinkError for an unknown name. */
export class LinkFabric {
  readonly #seed: string;
  readonly #links = new Map<string, Link>();

  /** `seed` decides all jitter. */
  constructor(seed = '0') {
    this.#seed = seed;
  }

  /** Adds a link on a free port of 127.0.0.1, which it keeps; the target may change and need not exist yet. */
  async addLink(name: string, target: Target): Promise<{ port: number }> {
    if (this.#links.has(name)) throw new LinkError('LINK_EXISTS', `there is a link ${name} already`);
    if (this.#links.size >= linksMax) throw new LinkError('LINK_LIMIT', `at most ${linksMax} links`);
    const link = await Link.open(name, target, this.#seed);
    if (this.#links.has(name)) {
      await link.close();
      throw new LinkError('LINK_EXISTS', `there is a link ${name} already`);
    }
    this.#links.set(name, link);
    return { port: link.port };
  }

  async removeLink(name: string): Promise<void> {
    const link = this.link(name);
    this.#links.delete(name);
    await link.close();
  }

  link(name: string): Link {
    const link = this.#links.get(name);
    if (link === undefined) throw new LinkError('LINK_UNKNOWN', `no link ${name}; there are: ${[...this.#links.keys()].join(', ') || 'none'}`);
    return link;
  }

  setTarget(name: string, target: Target): void {
    this.link(name).setTarget(target);
  }
  cut(name: string, mode: CutMode, direction: LinkDirection = 'both'): void {
    this.link(name).cut(mode, direction);
  }
  delay(name: string, delayMs: number, jitterMs = 0, direction: LinkDirection = 'both'): void {
    this.link(name).delay(delayMs, jitterMs, direction);
  }
  flap(name: string, flap: { mode: CutMode; direction?: LinkDirection; downMs: number; upMs: number; cycles?: number }): void {
    this.link(name).flap(flap.mode, flap.direction ?? 'both', flap.downMs, flap.upMs, flap.cycles);
  }
  /** Heals one link, or all of them. */
  heal(name?: string): void {
    for (const link of name === undefined ? this.#links.values() : [this.link(name)]) link.heal();
  }
  stats(): LinkStats[] {
    return [...this.#links.values()].map((link) => link.stats());
  }

  async close(): Promise<void> {
    const links = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(links.map((link) => link.close()));
  }
}
