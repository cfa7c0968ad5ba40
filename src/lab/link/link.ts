import net from 'node:net';
import { LinkError } from './errors.js';
import { Proxied, type ProxiedOwner, type Target } from './proxied.js';
import { seededRandom } from './random.js';
import { Valve } from './valve.js';

/** `forward` is client → server. */
export const linkDirections = ['both', 'forward', 'backward'] as const;
export type LinkDirection = (typeof linkDirections)[number];
export const cutModes = ['drop', 'reset'] as const;
export type CutMode = (typeof cutModes)[number];

export const delayMaxMs = 60_000;
export const connectionsPerLinkMax = 1024;

/** Counters are cumulative since the link was added; bytes are payload passed on. */
export interface LinkStats {
  name: string;
  port: number;
  target: Target;
  /** What is cut now; null: nothing. A flap shows here as it goes. */
  cut: { mode: CutMode; direction: LinkDirection } | null;
  flapping: boolean;
  delayMs: { forward: number; backward: number };
  /** Accepted so far / open now / open but not yet let through to the target. */
  connections: number;
  connectionsOpen: number;
  connectionsWaiting: number;
  /** Refused with RST because of a `reset` cut. */
  refused: number;
  /** Connections ended with RST: by a `reset` cut, or because one side was reset. */
  resets: number;
  targetFailures: number;
  bytesForward: number;
  bytesBackward: number;
  cuts: number;
  heals: number;
}

/**
 * A TCP proxy on a port of its own that a lab puts between two members, so that it can cut, delay and
 * heal what they say to each other.
 *
 * - `drop`: nothing passes in the cut direction, nothing is closed. As in a network that loses packets,
 *   both ends see silence; after the heal the bytes that were sent meanwhile arrive (as TCP would
 *   retransmit them). Bytes that the link had already written to the other socket count as delivered.
 * - `reset`: both sides of every connection get RST at once, new ones are refused with RST. RST ends a
 *   connection in both directions, so the direction makes no difference.
 */
export class Link implements ProxiedOwner {
  readonly name: string;
  readonly forward: Valve;
  readonly backward: Valve;
  readonly #server: net.Server;
  readonly #connections = new Set<Proxied>();
  #target: Target;
  #cut: LinkStats['cut'] = null;
  #flapTimer: NodeJS.Timeout | null = null;
  #counts = { connections: 0, refused: 0, resets: 0, targetFailures: 0, cuts: 0, heals: 0 };

  private constructor(name: string, target: Target, seed: string) {
    this.name = name;
    this.#target = target;
    this.forward = new Valve(seededRandom(`${seed}/${name}/forward`));
    this.backward = new Valve(seededRandom(`${seed}/${name}/backward`));
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => this.#accept(client));
  }

  static async open(name: string, target: Target, seed: string): Promise<Link> {
    const link = new Link(name, target, seed);
    await new Promise<void>((resolve, reject) => {
      link.#server.once('error', reject);
      link.#server.listen(0, '127.0.0.1', resolve);
    });
    return link;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }
  target(): Target {
    return this.#target;
  }

  /** Where connections lead that are made from now on. */
  setTarget(target: Target): void {
    this.#target = target;
  }

  cut(mode: CutMode, direction: LinkDirection): void {
    this.#stopFlap();
    this.#setCut({ mode, direction });
  }

  /**
   * Delays every chunk by `delayMs` plus a random part of `jitterMs`; the order is kept. Zero ends it
   * for what comes from now on.
   */
  delay(delayMs: number, jitterMs: number, direction: LinkDirection): void {
    for (const ms of [delayMs, jitterMs]) {
      if (!Number.isFinite(ms) || ms < 0 || ms > delayMaxMs) throw new LinkError('LINK_BAD_OPTION', `a delay must be from 0 to ${delayMaxMs} ms, got ${ms}`);
    }
    for (const valve of this.#valves(direction)) {
      valve.delayUs = Math.round(delayMs * 1000);
      valve.jitterUs = Math.round(jitterMs * 1000);
    }
    this.#update();
  }

  /** Cut for `downMs`, whole for `upMs`, and so on, `cycles` times or until `heal`. Starts with the cut. */
  flap(mode: CutMode, direction: LinkDirection, downMs: number, upMs: number, cycles = Infinity): void {
    if (!(downMs >= 1 && upMs >= 1 && cycles >= 1)) throw new LinkError('LINK_BAD_OPTION', 'downMs, upMs and cycles must be at least 1');
    this.#stopFlap();
    const down = (left: number): void => {
      this.#setCut({ mode, direction });
      this.#flapTimer = setTimeout(() => {
        this.#setCut(null);
        if (left > 1) this.#flapTimer = setTimeout(() => down(left - 1), upMs);
        else this.#flapTimer = null;
      }, downMs);
    };
    down(cycles);
  }

  /** Ends cut, flap and delay. What waited passes now, in order. */
  heal(): void {
    this.#stopFlap();
    for (const valve of this.#valves('both')) valve.delayUs = valve.jitterUs = 0;
    this.#setCut(null);
  }

  stats(): LinkStats {
    let waiting = 0;
    for (const connection of this.#connections) if (connection.waiting) waiting++;
    return {
      name: this.name, port: this.port, target: { ...this.#target }, cut: this.#cut, flapping: this.#flapTimer !== null,
      delayMs: { forward: this.forward.delayUs / 1000, backward: this.backward.delayUs / 1000 },
      ...this.#counts, connectionsOpen: this.#connections.size, connectionsWaiting: waiting,
      bytesForward: this.forward.bytes, bytesBackward: this.backward.bytes,
    };
  }

  async close(): Promise<void> {
    this.#stopFlap();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of [...this.#connections]) connection.reset();
    await closed;
  }

  // ProxiedOwner

  reset(reason: 'propagated' | 'target-failed'): void {
    this.#counts.resets++;
    if (reason === 'target-failed') this.#counts.targetFailures++;
  }
  gone(connection: Proxied): void {
    this.#connections.delete(connection);
  }

  #accept(client: net.Socket): void {
    if (this.#cut?.mode === 'reset' || this.#connections.size >= connectionsPerLinkMax) {
      this.#counts.refused++;
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    this.#counts.connections++;
    this.#connections.add(new Proxied(client, this));
  }

  #setCut(cut: LinkStats['cut']): void {
    const was = this.#cut;
    this.#cut = cut;
    if (cut !== null) this.#counts.cuts++;
    else if (was !== null) this.#counts.heals++;
    const dropped = cut?.mode === 'drop' ? this.#valves(cut.direction) : [];
    for (const valve of this.#valves('both')) valve.cut = dropped.includes(valve);
    if (cut?.mode === 'reset') {
      for (const connection of [...this.#connections]) {
        this.#counts.resets++;
        connection.reset();
      }
    }
    this.#update();
  }

  #stopFlap(): void {
    if (this.#flapTimer !== null) clearTimeout(this.#flapTimer);
    this.#flapTimer = null;
  }

  #valves(direction: LinkDirection): Valve[] {
    return direction === 'both' ? [this.forward, this.backward] : [direction === 'forward' ? this.forward : this.backward];
  }

  #update(): void {
    for (const connection of [...this.#connections]) connection.update();
  }
}
