import { suite, type Scenario } from 'pathproof';

/** The path policies of Linux that the other suites do not use (they run with numa), each through a failover and the way home. */
function policy(name: 'round-robin' | 'queue-depth', description: string): Scenario {
  return {
    name, title: `Failover with the path policy ${name}`, description,
    lab: { policy: name },
    steps: [
      { do: 'phase', name: 'baseline' },
      { do: 'run', forMs: 3_000 },
      { do: 'phase', name: 'fault' },
      { do: 'inject', id: 'kill', fault: 'gateway.kill', target: 'random-owner' },
      { do: 'await', what: 'takeover', of: 'kill' },
      { do: 'run', forMs: 1_500 },
      { do: 'phase', name: 'heal' },
      { do: 'heal', id: 'kill' },
      { do: 'await', what: 'home' },
      { do: 'phase', name: 'after' },
      { do: 'run', forMs: 1_500 },
    ],
  };
}

export default suite({
  name: 'policies',
  scenarios: [
    policy('round-robin', 'let the host send I/O over all optimized paths in turn, kill the owner of an ANA group, and bring it back.'),
    policy('queue-depth', 'let the host send I/O over the optimized path with the least outstanding, kill the owner of an ANA group, and bring it back.'),
  ],
});
