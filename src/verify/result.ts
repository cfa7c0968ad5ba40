import type { Starvation } from './standstill.js';
import type { CheckResult, Evidence, Verdict } from './types.js';

/** Evidence entries that one check keeps per verdict; the rest is counted. A report of ten thousand lines helps nobody. */
export const evidenceMax = 40;

const rank: Record<Verdict, number> = { pass: 0, unknown: 1, infra: 2, fail: 3 };

/**
 * Collects what a checker finds and turns it into a `CheckResult`.
 *
 * Within one checker a proven violation outweighs a broken lab, and both outweigh "cannot tell": what was
 * proved does not become doubtful because something else could not be seen.
 */
export class Findings {
  readonly checker: string;
  readonly metrics: Record<string, number> = {};
  details: Record<string, unknown> | undefined;
  readonly #evidence: Record<Verdict, Evidence[]> = { pass: [], unknown: [], infra: [], fail: [] };
  readonly #dropped: Record<Verdict, number> = { pass: 0, unknown: 0, infra: 0, fail: 0 };
  readonly #starved: Starvation;

  /** `starved`: why a period proves nothing about lateness, if so (standstill.ts). */
  constructor(checker: string, starved: Starvation = () => undefined) {
    this.checker = checker;
    this.#starved = starved;
  }

  add(verdict: Verdict, evidence: Evidence): void {
    const list = this.#evidence[verdict];
    if (list.length < evidenceMax) list.push(evidence);
    else this.#dropped[verdict] += 1;
  }
  fail(text: string, more: Omit<Evidence, 'text'> = {}): void {
    this.add('fail', { text, ...more });
  }
  /**
   * A violation in time (something took too long, or was missed): unknown where the machine can have been the
   * reason. `sinceUs`: from when on it had time, if that is earlier than what the evidence is about; `excessUs`: by
   * how much it was too late, if it came at all.
   */
  failInTime(text: string, more: Omit<Evidence, 'text'> & { tUs: number }, { sinceUs = more.tUs, excessUs }: { sinceUs?: number; excessUs?: number } = {}): void {
    const why = this.#starved({ fromUs: sinceUs, toUs: more.toUs ?? more.tUs }, excessUs);
    if (why === undefined) this.add('fail', { text, ...more });
    else this.add('unknown', { text: `${text}; but ${why}`, ...more });
  }
  unknown(text: string, more: Omit<Evidence, 'text'> = {}): void {
    this.add('unknown', { text, ...more });
  }
  infra(text: string, more: Omit<Evidence, 'text'> = {}): void {
    this.add('infra', { text, ...more });
  }
  /** A fact worth showing that changes nothing. */
  note(text: string, more: Omit<Evidence, 'text'> = {}): void {
    this.add('pass', { text, ...more });
  }

  count(verdict: Verdict): number {
    return this.#evidence[verdict].length + this.#dropped[verdict];
  }

  get verdict(): Verdict {
    let worst: Verdict = 'pass';
    for (const verdict of ['unknown', 'infra', 'fail'] as const) {
      if (this.count(verdict) > 0 && rank[verdict] > rank[worst]) worst = verdict;
    }
    return worst;
  }

  /** `proved`: the summary of a pass. Otherwise `broken`, or else the first piece of evidence and how many more there are. */
  result(proved: string, broken?: string): CheckResult {
    const verdict = this.verdict;
    let summary = proved;
    if (verdict !== 'pass') {
      const first = this.#evidence[verdict][0]?.text ?? '';
      const further = this.count(verdict) - 1;
      summary = broken ?? (further > 0 ? `${first} (and ${further} more)` : first);
    }
    const evidence: Evidence[] = [];
    for (const each of ['fail', 'infra', 'unknown', 'pass'] as const) {
      evidence.push(...this.#evidence[each]);
      if (this.#dropped[each] > 0) evidence.push({ text: `… and ${this.#dropped[each]} more findings of this kind` });
    }
    return { checker: this.checker, verdict, summary, evidence, metrics: this.metrics, ...(this.details === undefined ? {} : { details: this.details }) };
  }
}
