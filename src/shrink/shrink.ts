import { planScenario } from '../plan/planner.js';
import { scenarioSchema, type Scenario } from '../plan/scenario.js';
import type { Plan } from '../plan/types.js';
import { PathproofError } from '../util/errors.js';
import { ddmin, shrinkNumber } from './ddmin.js';
import type { Reducible } from './scenario-of.js';

export interface ShrinkHooks {
  /** Runs a plan: does it still fail in the same way? False also when no more runs may be made. */
  fails(plan: Plan): Promise<boolean>;
  /** Told after each reduction that was kept. */
  kept?(what: string, plan: Plan): void;
}

type Steps = Scenario['steps'];
type Lab = NonNullable<Scenario['lab']>;
type Workload = NonNullable<Scenario['workload']>;

/** What a shortened wait of a scenario is cut to first, milliseconds. */
const shortRunMs = 200;

/**
 * Makes a plan that fails smaller, in the order in which it helps its reader most: faults, gateways, hosts,
 * namespaces, duration, workload; and again from the start for as long as something was removed. Every candidate is planned
 * anew, so that its bounds and expectations are those of what it is; one that is no scenario is not run.
 */
export async function shrinkPlan(start: Reducible, hooks: ShrinkHooks): Promise<{ reducible: Reducible; plan: Plan }> {
  const state = new Shrinking(start, hooks);
  for (;;) {
    const before = JSON.stringify(state.reducible);
    await state.faults();
    await state.gateways();
    await state.hosts();
    await state.namespaces();
    await state.duration();
    await state.workload();
    if (JSON.stringify(state.reducible) === before) return { reducible: state.reducible, plan: state.plan };
  }
}

export function planOf({ suite, scenario, seed, lab, defects }: Reducible): Plan {
  return planScenario(suite, scenario, { seed, lab, defects });
}

class Shrinking {
  reducible: Reducible;
  plan: Plan;
  readonly #hooks: ShrinkHooks;
  /** Candidates that were tried and did not fail, so that none is tried twice. */
  readonly #failed = new Set<string>();

  constructor(start: Reducible, hooks: ShrinkHooks) {
    this.reducible = start;
    this.plan = planOf(start);
    this.#hooks = hooks;
  }

  /** Each fault with its injection, its heal and the waits for it. */
  async faults(): Promise<void> {
    const { steps } = this.#scenario;
    const ids = steps.flatMap((step) => (step.do === 'inject' ? [step.id] : []));
    const without = (keep: readonly string[]): Steps => steps.filter((step) => {
      if (step.do === 'inject' || step.do === 'heal') return keep.includes(step.id);
      return !(step.do === 'await' && step.what === 'takeover') || keep.includes(step.of);
    });
    await ddmin(ids, (some) => this.#try(`${some.length} of ${ids.length} faults`, { steps: without(some) }));
  }

  async gateways(): Promise<void> {
    const { gateways = 2, anaGroups = 2 } = this.#lab;
    const named = this.#scenario.steps.flatMap((step) => (step.do === 'inject' ? [Number(/^gw(\d+)$/.exec(step.target)?.[1] ?? 1)] : []));
    await shrinkNumber(gateways, Math.max(1, ...named), (n) => this.#tryLab(`${n} gateways`, { gateways: n, anaGroups: Math.min(anaGroups, n) }));
    await shrinkNumber(Math.min(anaGroups, this.#lab.gateways ?? gateways), 1, (n) => this.#tryLab(`${n} ANA groups`, { anaGroups: n }));
  }

  /** The namespaces of a host that goes are loaded by those that stay. */
  async hosts(): Promise<void> {
    await shrinkNumber(this.#lab.hosts ?? 1, 1, (n) => this.#tryLab(`${n} hosts`, { hosts: n }));
  }

  async namespaces(): Promise<void> {
    const { idleNamespaces = 0 } = this.#workload;
    if (idleNamespaces > 0) {
      await this.#try('no idle namespaces', { lab: { ...this.#lab, namespaces: (this.#lab.namespaces ?? 4) - idleNamespaces }, workload: { ...this.#workload, idleNamespaces: 0 } });
    }
    await shrinkNumber(this.#lab.namespaces ?? 4, (this.#lab.hosts ?? 1) + (this.#workload.idleNamespaces ?? 0), (n) => this.#tryLab(`${n} namespaces`, { namespaces: n }));
  }

  async duration(): Promise<void> {
    const { steps } = this.#scenario;
    const optional: Steps = steps.filter((step) => step.do === 'run' || step.do === 'phase' || (step.do === 'await' && step.what === 'home'));
    await ddmin(optional, (some) => this.#try(`${steps.length - optional.length + some.length} of ${steps.length} steps`, { steps: steps.filter((step) => !optional.includes(step) || some.includes(step)) }));
    for (const [at, step] of this.#scenario.steps.entries()) {
      if (step.do !== 'run') continue;
      await shrinkTimes(step.forMs, shortRunMs, (forMs) => this.#try(`${forMs} ms`, { steps: this.#scenario.steps.map((each, i) => (i === at ? { ...step, forMs } : each)) }));
    }
    await shrinkTimes(this.#workload.delayedRereadMs ?? 0, shortRunMs, (delayedRereadMs) => this.#tryWorkload(`re-read after ${delayedRereadMs} ms`, { delayedRereadMs }));
    if ((this.#workload.rereadForMs ?? 0) > 0) await this.#tryWorkload('one delayed re-read', { rereadForMs: 0 });
  }

  async workload(): Promise<void> {
    const { queueDepth = 1, ioBytes = [], workingSetBlocks = 8 } = this.#workload;
    // The largest first, so that they go first.
    await ddmin([...ioBytes].sort((a, b) => b - a), (some) => (some.length === 0 ? Promise.resolve(false) : this.#tryWorkload(`I/O of ${some.join(', ')} bytes`, { ioBytes: [...some] })));
    await shrinkNumber(queueDepth, 1, (n) => this.#tryWorkload(`queue depth ${n}`, { queueDepth: n }));
    await shrinkTimes(workingSetBlocks, 8, (n) => this.#tryWorkload(`${n} blocks`, { workingSetBlocks: n }));
  }

  get #scenario(): Scenario {
    return this.reducible.scenario;
  }
  get #lab(): Lab {
    return this.#scenario.lab ?? {};
  }
  get #workload(): Workload {
    return this.#scenario.workload ?? {};
  }

  #tryLab(what: string, change: Partial<Lab>): Promise<boolean> {
    return this.#try(what, { lab: { ...this.#lab, ...change } });
  }
  #tryWorkload(what: string, change: Partial<Workload>): Promise<boolean> {
    return this.#try(what, { workload: { ...this.#workload, ...change } });
  }

  async #try(what: string, change: Partial<Scenario>): Promise<boolean> {
    const candidate = { ...this.reducible, scenario: { ...this.#scenario, ...change } };
    const key = JSON.stringify(candidate.scenario);
    if (this.#failed.has(key)) return false;
    if (!scenarioSchema.safeParse(candidate.scenario).success) return false;
    let plan: Plan;
    try {
      plan = planOf(candidate);
    } catch (error) {
      // No scenario: a target that does not exist any more, blocks that do not fit.
      if (!(error instanceof PathproofError)) throw error;
      return false;
    }
    if (!(await this.#hooks.fails(plan))) {
      this.#failed.add(key);
      return false;
    }
    this.reducible = candidate;
    this.plan = plan;
    this.#hooks.kept?.(what, plan);
    return true;
  }
}

/** As shrinkNumber, but by halves only: whether a run lasts 1,000 or 1,010 ms helps nobody. */
async function shrinkTimes(from: number, min: number, fails: (value: number) => Promise<boolean>): Promise<void> {
  if (from <= min) return;
  if (await fails(min)) return;
  for (let value = Math.floor(from / 2); value > min && (await fails(value)); value = Math.floor(value / 2));
}
