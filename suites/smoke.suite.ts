import { suite } from 'pathproof';

/** The first run: one gateway dies under I/O, its group is taken over, it comes back, and everything is proved. */
export default suite({
  name: 'smoke',
  scenarios: [
    {
      name: 'gateway-dies',
      title: 'The owner of an ANA group dies under I/O and comes back',
      description: 'drive verified I/O through two gateways, SIGKILL the owner of one ANA group, watch the takeover, start it again, watch the failback, and re-read every block at once and later.',
      fio: [{ name: 'mix', sizeMiB: 1, rateIops: 10, queueDepth: 2, verify: { backlogBlocks: 16 } }], fioOptional: true,
      steps: [
        { do: 'phase', name: 'baseline' },
        { do: 'run', forMs: 2_000 },
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
    },
  ],
});
