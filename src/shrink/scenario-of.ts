import type { Scenario } from '../plan/scenario.js';
import type { Plan, PlanStep } from '../plan/types.js';

/** A scenario and what else goes into a plan: what is changed when a plan is made smaller. */
export interface Reducible {
  suite: string;
  scenario: Scenario;
  seed: string;
  lab: Plan['lab'];
  defects: string[];
}

/** The scenario that resolves to this plan again, with nothing symbolic and no default left open. */
export function reducibleOf(plan: Plan): Reducible {
  const { timers, ...shape } = plan.shape;
  const { scale, ...times } = timers;
  const { kind: _, ...workload } = plan.workload;
  return {
    suite: plan.suite, seed: plan.seed, lab: plan.lab, defects: [...plan.defects],
    scenario: {
      name: plan.scenario, title: plan.title, description: plan.description,
      // The planner's numbers came out of the schema, so they go into it again.
      lab: { ...shape, timeScale: scale, timers: times } as NonNullable<Scenario['lab']>, workload: { ...workload, ioBytes: [...workload.ioBytes] },
      steps: stepsOf(plan.steps), expect: { failedIoMax: plan.expect.failedIoMax },
    },
  };
}

function stepsOf(steps: readonly PlanStep[]): Scenario['steps'] {
  const scenario: Scenario['steps'] = [];
  const active = new Map<string, string>();
  for (const step of steps) {
    switch (step.do) {
      case 'phase':
      case 'run':
        scenario.push({ ...step });
        break;
      case 'inject':
        active.set(step.id, step.target);
        scenario.push({ ...step, fault: step.fault as Extract<Scenario['steps'][number], { do: 'inject' }>['fault'] });
        break;
      case 'heal':
        active.delete(step.id);
        scenario.push({ ...step });
        break;
      case 'await': {
        if (step.condition.kind === 'home') scenario.push({ do: 'await', what: 'home', bound: step.bound });
        if (step.condition.kind !== 'takeover') break;
        const { not } = step.condition;
        const of = [...active].find(([, target]) => target === not)?.[0];
        // One step of a scenario stands for one wait per group of the target.
        const last = scenario.at(-1);
        if (of !== undefined && !(last?.do === 'await' && last.what === 'takeover' && last.of === of)) scenario.push({ do: 'await', what: 'takeover', of, bound: step.bound });
        break;
      }
    }
  }
  return scenario;
}
