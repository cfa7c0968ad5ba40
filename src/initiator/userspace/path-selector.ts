import type { PathPolicy } from '../../plan/types.js';

/** What the choice of a path depends on. */
export interface PathView {
  /** The head may send on it now. */
  readonly usable: boolean;
  /** ANA optimized, as opposed to non-optimized. */
  readonly optimized: boolean;
  /** Commands assigned to it that have not ended. */
  readonly inflight: number;
  readonly controllerName: string;
  readonly gateway: string;
}

export interface SelectorOptions {
  policy: PathPolicy;
  preferred: string | null;
  autoFailback: boolean;
  minFailoverIntervalMs: number;
}

/** `from` or `to` null: there was, or is, no usable path. */
export interface PathMove<P> { from: P | null; to: P | null; voluntary: boolean }

/**
 * Path selection as in drivers/nvme/host/multipath.c: only usable paths, optimized before non-optimized;
 * among those of the better class the policy chooses.
 *
 * - `numa`: sticky. The current path stays while it is in the better class; the preferred one takes over if
 *   `autoFailback` allows it. All distances are equal here, so otherwise the first in order is taken.
 * - `round-robin`, `queue-depth`: any path of the class, the next in turn or the one with the least in flight.
 *
 * A move away from a path that could go on is voluntary: it is put off while the last move is younger than
 * `minFailoverIntervalMs`.
 */
export class PathSelector<P extends PathView> {
  policy: PathPolicy;
  readonly #o: SelectorOptions;
  /** The paths that `pick` may return; one for `numa`. */
  #active: P[] = [];
  #turn = 0;
  #lastMoveUs = -Infinity;
  #last: P | null = null;

  constructor(options: SelectorOptions) {
    this.#o = options;
    this.policy = options.policy;
  }

  /** The path of `numa`, or for the other policies the first of the active ones. */
  get current(): P | null {
    return this.#active[0] ?? null;
  }

  get active(): readonly P[] {
    return this.#active;
  }

  /**
   * Looks at the paths anew; call it whenever one of them, or the set, changed. `reevaluateAtUs`: a
   * voluntary move was put off until then.
   */
  update(paths: readonly P[], nowUs: number): { move: PathMove<P> | null; reevaluateAtUs: number | null } {
    const usable = paths.filter((path) => path.usable);
    const optimized = usable.filter((path) => path.optimized);
    const best = optimized.length > 0 ? optimized : usable;
    const wanted = this.policy === 'numa' ? this.#sticky(best) : best;
    const stay = this.#active.filter((path) => usable.includes(path));
    const from = this.#last;
    const voluntary = stay.length > 0 && !wanted.some((path) => stay.includes(path));
    if (voluntary) {
      const allowedUs = this.#lastMoveUs + this.#o.minFailoverIntervalMs * 1_000;
      if (nowUs < allowedUs) {
        this.#active = stay;
        return { move: null, reevaluateAtUs: allowedUs };
      }
    }
    this.#active = wanted;
    // Round-robin over a set is no move; losing the member that was reported as current, or a change of class, is.
    const to = from !== null && wanted.includes(from) ? from : (wanted[0] ?? null);
    if (to === from) return { move: null, reevaluateAtUs: null };
    // The very first choice is no move to be damped by: the paths of a new head come up one after the other.
    if (from !== null || this.#lastMoveUs !== -Infinity) this.#lastMoveUs = nowUs;
    this.#last = to;
    return { move: { from, to, voluntary }, reevaluateAtUs: null };
  }

  /** The path for the next command. */
  pick(): P | null {
    const active = this.#active;
    if (active.length <= 1) return active[0] ?? null;
    if (this.policy === 'queue-depth') {
      let least = active[0]!;
      for (const path of active) if (path.inflight < least.inflight) least = path;
      return least;
    }
    this.#turn = (this.#turn + 1) % active.length;
    return active[this.#turn]!;
  }

  #sticky(best: readonly P[]): P[] {
    const { preferred, autoFailback } = this.#o;
    const current = this.#active[0];
    const stays = current !== undefined && best.includes(current);
    if (stays && !autoFailback) return [current];
    const favourite = preferred === null ? undefined : best.find((path) => path.controllerName === preferred || path.gateway === preferred);
    const chosen = favourite ?? (stays ? current : best[0]);
    return chosen === undefined ? [] : [chosen];
  }
}
