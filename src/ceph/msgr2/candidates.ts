import { CephError } from './errors.js';
import { huntParallel, Limit } from './limits.js';
import type { MonEndpoint } from './connection.js';

/**
 * Which monitors to try next. Those of the configuration and those of the newest monmap, in random order, a
 * different part of them in each round, the one that was lost last at the end (as MonClient::_add_conns does by
 * leaving out the current one).
 */
export class MonCandidates {
  readonly #configured: readonly MonEndpoint[];
  readonly #random: () => number;
  #learned: MonEndpoint[] = [];
  #queue: MonEndpoint[] = [];

  constructor(configured: readonly MonEndpoint[], random: () => number = Math.random) {
    if (configured.length === 0) throw new CephError('MSGR_FIELD', 'no monitor to connect to');
    if (configured.length > Limit.monsMax) throw new CephError('MSGR_LIMIT', `${configured.length} monitors, at most ${Limit.monsMax}`);
    for (const { host, port } of configured) {
      if (host === '' || !Number.isInteger(port) || port < 1 || port > 0xffff) throw new CephError('MSGR_FIELD', `${host}:${port} is no monitor's address`);
    }
    this.#configured = configured;
    this.#random = random;
  }

  get all(): MonEndpoint[] {
    const seen = new Set<string>();
    // The configured ones stay: they are how one gets back in when the monmap turns out to be stale.
    return [...this.#configured, ...this.#learned].filter((endpoint) => {
      const fresh = !seen.has(key(endpoint));
      seen.add(key(endpoint));
      return fresh;
    });
  }

  learn(endpoints: readonly MonEndpoint[]): void {
    this.#learned = [...endpoints];
  }

  /** Up to `huntParallel` of them; all have had their turn before one comes again. */
  next(lost?: MonEndpoint): MonEndpoint[] {
    const all = this.all;
    const round: MonEndpoint[] = [];
    while (round.length < Math.min(huntParallel, all.length)) {
      if (this.#queue.length === 0) this.#queue = this.#shuffled(all, lost);
      const endpoint = this.#queue.shift()!;
      if (!round.some((other) => key(other) === key(endpoint))) round.push(endpoint);
    }
    return round;
  }

  #shuffled(all: MonEndpoint[], lost: MonEndpoint | undefined): MonEndpoint[] {
    const order = all.map((endpoint) => ({ endpoint, at: lost !== undefined && key(endpoint) === key(lost) ? 1 : this.#random() }));
    return order.sort((a, b) => a.at - b.at).map(({ endpoint }) => endpoint);
  }
}

function key({ host, port }: MonEndpoint): string {
  return `${host} ${port}`;
}
