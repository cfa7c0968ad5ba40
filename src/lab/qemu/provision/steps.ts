import { infraError, messageOf, PathproofError } from '../../../util/errors.js';
import type { NodeProgress } from '../progress.js';

/** Runs the named steps of one node's provisioning, and keeps how long each took, in ms. */
export class Steps {
  readonly times: Record<string, number> = {};
  readonly #node: string;
  readonly #progress: NodeProgress;

  constructor(node: string, progress: NodeProgress) {
    this.#node = node;
    this.#progress = progress;
  }

  /** A failure names the node and the step; `evidence` adds e.g. the last lines of a daemon's log. */
  async run<T>(step: string, work: () => Promise<T>, evidence: () => Promise<string[]> = () => Promise.resolve([])): Promise<T> {
    const startedMs = performance.now();
    try {
      return await work();
    } catch (error) {
      const own = error instanceof PathproofError ? error.details : [];
      const more = await evidence().catch((e: unknown) => [`(no evidence: ${messageOf(e)})`]);
      throw infraError(error instanceof PathproofError ? error.code : 'PROVISION', `${this.#node}: step "${step}": ${messageOf(error)}`, {
        details: [...own, ...more], cause: error, ...(error instanceof PathproofError && error.hint !== undefined ? { hint: error.hint } : {}),
      });
    } finally {
      const ms = Math.round(performance.now() - startedMs);
      this.times[step] = ms;
      this.#progress(this.#node, `${step} (${(ms / 1_000).toFixed(1)} s)`);
    }
  }
}
