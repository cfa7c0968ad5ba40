import { suite } from 'pathproof';

/**
 * As many gateways, ANA groups and namespaces as a production group may have, on one machine. What is tried is how the system
 * fails over when there is much of everything, not how fast it is: the load is what two processors can carry beside it.
 */
export default suite({
  name: 'scale',
  scenarios: [{
    name: 'gateway-dies-among-eight',
    title: 'One of eight gateways with 256 namespaces dies',
    description: 'SIGKILL the owner of an ANA group, one of four, with 64 namespaces, among eight gateways, under I/O on a few namespaces of each group; another gateway takes all of it over; the owner returns and gets its group back.',
    labs: ['native'],
    lab: { gateways: 8, anaGroups: 4, namespaces: 256 },
    workload: { idleNamespaces: 240, queueDepth: 2, ioBytes: [4_096, 16_384], workingSetBlocks: 256, maxIops: 10, probePeriodMs: 900 },
    steps: [
      { do: 'phase', name: 'baseline' },
      { do: 'run', forMs: 8_000 },
      { do: 'phase', name: 'fault' },
      { do: 'inject', id: 'fault', fault: 'gateway.kill', target: 'random-owner' },
      { do: 'await', what: 'takeover', of: 'fault' },
      { do: 'run', forMs: 8_000 },
      { do: 'phase', name: 'heal' },
      { do: 'heal', id: 'fault' },
      { do: 'await', what: 'home' },
      { do: 'phase', name: 'after' },
      { do: 'run', forMs: 8_000 },
    ],
  }],
});
