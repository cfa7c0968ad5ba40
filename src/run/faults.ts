import { faultDrivers, type FaultContext, type FaultDriver } from '../fault/drivers.js';
import { faultNames, faultSpecs, type FaultName } from '../fault/specs.js';
import type { EventBody } from '../history/events.js';
import type { Lab } from '../lab/types.js';
import type { LiveView } from '../observe/live-view.js';
import { confirmTimeoutMs } from '../plan/bounds.js';
import type { Plan, PlanStep } from '../plan/types.js';
import { infraError, messageOf } from '../util/errors.js';

type InjectStep = Extract<PlanStep, { do: 'inject' }>;
export interface FaultBoardDeps {
  lab: Lab;
  view: LiveView;
  plan: Plan;
  signal: AbortSignal;
  emit: (event: EventBody) => void;
  /** How long an observer may take to see an injection or a heal; default: derived from the lab's timers. */
  confirmTimeoutMs?: number;
}
interface ActiveFault { step: InjectStep; driver: FaultDriver; context: FaultContext }

/**
 * The faults of one run. The heal is registered before the injection, so that whatever happens in between
 * `healAll` undoes it; what each phase saw goes into the history.
 */
export class FaultBoard {
  readonly #active = new Map<string, ActiveFault>();
  readonly #unconfirmed: Promise<void>[] = [];
  /** Heals that nobody has confirmed yet, by their targets. */
  readonly #healing = new Map<string, Promise<void>>();
  readonly #deps: FaultBoardDeps;

  constructor(deps: FaultBoardDeps) {
    this.#deps = deps;
  }

  /** What is broken at the moment, for the status line. */
  get current(): string | null {
    const names = [...this.#active.values()].map(({ step }) => `${step.fault} ${step.target}`);
    return names.length === 0 ? null : names.join(', ');
  }

  async inject(step: InjectStep): Promise<void> {
    const name = faultNames.find((known): known is FaultName => known === step.fault);
    if (name === undefined) throw infraError('UNKNOWN_FAULT', `no fault is named ${step.fault}`, { hint: `Faults: ${faultNames.join(', ')}` });
    const missing = faultSpecs[name].requires.filter((ability) => !this.#deps.lab.abilities.has(ability));
    if (missing.length > 0) throw infraError('MISSING_ABILITY', `${name} needs ${missing.join(', ')}, which this lab does not have`);
    // What this one does to the target would hide whether the last one is gone.
    await this.#healing.get(step.target);
    const { lab, view, plan, signal } = this.#deps;
    const alone = (): boolean => ![...this.#active.values()].some((other) => other.step.id !== step.id && other.step.target === step.target);
    const context: FaultContext = {
      lab, view, plan, target: step.target, params: step.params, signal, alone, onlyGone: false,
      confirmTimeoutMs: this.#deps.confirmTimeoutMs ?? confirmTimeoutMs(plan.shape.timers, plan.platform),
    };
    const driver = faultDrivers[name](context);
    this.#active.set(step.id, { step, driver, context });
    this.#emit(step, 'injecting');
    let evidence: string;
    try {
      evidence = await driver.inject();
    } catch (error) {
      throw infraError('INJECT_FAILED', `${name} at ${step.target}: ${messageOf(error)}`, { cause: error });
    }
    this.#emit(step, 'injected', 'harness', evidence);
    const confirmed = driver.confirm().then((confirmation) => {
      if (confirmation === null) this.#emit(step, 'unconfirmed', 'harness', 'no independent observer saw it in time');
      else this.#emit(step, 'confirmed', confirmation.observer, confirmation.evidence);
    });
    return this.#now(confirmed, step.confirm);
  }

  /** Waits for the confirmations that steps have left for later. */
  async confirmations(): Promise<void> {
    await Promise.all(this.#unconfirmed.splice(0));
  }

  async heal(id: string, confirm?: 'later' | 'gone'): Promise<void> {
    const fault = this.#active.get(id);
    if (fault === undefined) return;
    this.#emit(fault.step, 'healing');
    let evidence: string;
    try {
      evidence = await fault.driver.heal();
    } catch (error) {
      throw infraError('HEAL_FAILED', `${fault.step.fault} at ${fault.step.target}: ${messageOf(error)}`, { cause: error });
    }
    this.#active.delete(id);
    fault.context.onlyGone = confirm === 'gone';
    this.#emit(fault.step, 'healed', 'harness', evidence);
    const confirmed = fault.driver.confirmHealed().then((confirmation) => {
      if (confirmation === null) this.#emit(fault.step, 'heal-unconfirmed', 'harness', 'no independent observer saw it in time');
      else this.#emit(fault.step, 'heal-confirmed', confirmation.observer, confirmation.evidence);
    });
    const { target } = fault.step;
    const before = this.#healing.get(target);
    const settled = Promise.allSettled([before, confirmed]).then(() => {
      if (this.#healing.get(target) === settled) this.#healing.delete(target);
    });
    this.#healing.set(target, settled);
    return this.#now(confirmed, confirm);
  }

  /** A confirmation that is waited for now, or noted for `confirmations`. */
  #now(confirmed: Promise<void>, confirm: 'later' | 'gone' | undefined): Promise<void> {
    if (confirm === undefined) return confirmed;
    confirmed.catch(() => undefined);
    this.#unconfirmed.push(confirmed);
    return Promise.resolve();
  }

  /** Undoes what is still injected, newest first, without waiting for confirmations. Never throws. */
  async healAll(): Promise<void> {
    for (const [id, { step, driver }] of [...this.#active].reverse()) {
      this.#active.delete(id);
      try {
        this.#emit(step, 'healing');
        this.#emit(step, 'healed', 'harness', await driver.heal());
      } catch (error) {
        this.#deps.emit({ type: 'log', level: 'warn', message: `could not heal ${step.fault} at ${step.target}: ${messageOf(error)}` });
      }
    }
  }

  #emit(step: InjectStep, phase: Extract<EventBody, { type: 'fault' }>['phase'], observer?: string, evidence?: string): void {
    this.#deps.emit({
      type: 'fault', id: step.id, fault: step.fault, target: step.target, phase,
      ...(observer === undefined ? {} : { observer }), ...(evidence === undefined ? {} : { evidence }),
    });
  }
}
