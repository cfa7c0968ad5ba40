import type { ControlAnaState } from '../control.js';

/** The I/O that was admitted while a group was accessible, from one promotion to the next demotion. */
export class AnaTerm {
  #inflight = 0;
  #over = false;
  #resolve: () => void = () => undefined;
  readonly drained = new Promise<void>((resolve) => { this.#resolve = resolve; });

  enter(): void {
    this.#inflight++;
  }

  leave(): void {
    this.#inflight--;
    if (this.#over && this.#inflight === 0) this.#resolve();
  }

  /** Nothing enters any more. */
  close(): void {
    this.#over = true;
    if (this.#inflight === 0) this.#resolve();
  }
}

/** Can I/O be admitted in this state? */
export function isAccessible(state: ControlAnaState): boolean {
  return state === 'optimized' || state === 'non-optimized';
}

/**
 * One ANA group of one subsystem at this target.
 *
 * What happens to I/O in flight when the group stops being accessible: commands that arrive later, and
 * commands that still wait for their data, get the path status of the new state at once. Commands that
 * the backend already has finish there and are answered with what really happened: turning a durable
 * write into a path error would only make the host repeat it. `set` resolves when the last of them is done.
 * Whether one of them may still land after another gateway took over is the store's fencing to decide.
 */
export class AnaGroup {
  readonly id: number;
  #state: ControlAnaState = 'inaccessible';
  #changeCount = 0;
  #term = new AnaTerm();
  #drained: Promise<void> = Promise.resolve();

  constructor(id: number) {
    this.id = id;
  }

  get state(): ControlAnaState {
    return this.#state;
  }

  /** Times that this group's state changed. */
  get changeCount(): number {
    return this.#changeCount;
  }

  /** The term that admitted I/O belongs to, or undefined: refuse it. */
  admit(): AnaTerm | undefined {
    if (!isAccessible(this.#state)) return undefined;
    this.#term.enter();
    return this.#term;
  }

  /** False if it was in that state already. */
  set(state: ControlAnaState): boolean {
    if (state === this.#state) return false;
    if (isAccessible(this.#state) && !isAccessible(state)) {
      const before = this.#drained;
      const term = this.#term;
      this.#drained = before.then(() => term.drained);
      term.close();
      this.#term = new AnaTerm();
    }
    this.#state = state;
    this.#changeCount++;
    return true;
  }

  /** Resolves when no I/O of an earlier accessible term is at the backend. */
  drained(): Promise<void> {
    return this.#drained;
  }
}

/** The ANA groups 1 … count of one subsystem, all inaccessible until told otherwise (SPDK issue 3154). */
export class AnaGroups {
  readonly #groups: AnaGroup[];
  #changeCount = 0;

  constructor(count: number) {
    this.#groups = Array.from({ length: count }, (_, index) => new AnaGroup(index + 1));
  }

  /** Change count of the log page: state changes and membership changes. */
  get changeCount(): number {
    return this.#changeCount;
  }

  get all(): readonly AnaGroup[] {
    return this.#groups;
  }

  /** Throws RangeError for a group that does not exist. */
  get(id: number): AnaGroup {
    const group = this.#groups[id - 1];
    if (group === undefined) throw new RangeError(`ANA group ${id}: expected 1–${this.#groups.length}`);
    return group;
  }

  set(id: number, state: ControlAnaState): boolean {
    const changed = this.get(id).set(state);
    if (changed) this.#changeCount++;
    return changed;
  }

  /** A namespace came, went or moved. */
  membershipChanged(): void {
    this.#changeCount++;
  }
}
