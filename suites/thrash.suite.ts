import { suite, type Scenario } from 'pathproof';

/**
 * Seeded random faults, overlapping as they come: first safety (nothing lost, nothing stale, never two owners,
 * whatever happens), then liveness (everything healed: it all has to come home within its bound). The schedule
 * follows from the seed; `pathproof thrash` runs one seed after the other.
 */
const lab: Scenario['lab'] = { gateways: 3, anaGroups: 3, namespaces: 6 };
const workload: Scenario['workload'] = { maxIops: 120, workingSetBlocks: 256 };

function thrash(name: string, title: string, description: string, step: Omit<Extract<Scenario['steps'][number], { do: 'thrash' }>, 'do'>): Scenario {
  return {
    name, title, description, lab, workload,
    steps: [
      { do: 'phase', name: 'baseline' },
      { do: 'run', forMs: 2_000 },
      { do: 'phase', name: 'safety' },
      { do: 'thrash', ...step },
      { do: 'phase', name: 'liveness' },
      { do: 'await', what: 'home' },
      { do: 'run', forMs: 2_000 },
    ],
  };
}

export default suite({
  name: 'thrash',
  scenarios: [
    thrash('storm', 'Random faults, one gateway always spared', 'inject random faults at random gateways, two at a time, always leaving one gateway alone; then heal everything and see it come home.', { forMs: 30_000 }),
    thrash('blackout', 'Random faults, any number of gateways at once', 'inject random faults at any number of gateways, up to all of them at once; then heal everything and see it come home.', { forMs: 30_000, concurrent: 3, spare: 'none' }),
  ],
});
