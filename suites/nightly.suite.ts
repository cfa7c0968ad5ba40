import { suite, type Scenario } from 'pathproof';

/**
 * What takes longer, or asks for more than one fault at a time. First of all the held write (ceph-nvmeof #193):
 * a write that is stopped half-way while its path fails over, overtaken by newer data, and then let go. Whatever
 * becomes of it, its old data must never be seen again.
 */
const baseline: Scenario['steps'] = [{ do: 'phase', name: 'baseline' }, { do: 'run', forMs: 2_000 }];
const after: Scenario['steps'] = [{ do: 'await', what: 'home' }, { do: 'phase', name: 'after' }, { do: 'run', forMs: 1_500 }];

/** Few blocks, so that newer data overtakes a held write soon; and re-reads for a while, since what is late may be very late. */
const workload: Scenario['workload'] = { workingSetBlocks: 256, delayedRereadMs: 2_000, rereadForMs: 4_000 };
/** The held commands end by the host's timeout, and nothing else does: shorter than the default, so that there is time left afterwards. */
const timers = { ioTimeoutMs: 4_000 };

export default suite({
  name: 'nightly',
  scenarios: [
    {
      name: 'held-data-phase',
      title: 'Held write: command sent, data withheld, path fenced',
      description: 'withhold the data of some writes after their R2T, cut their gateway off from the monitor, let the host time out and write newer data through the new path, and then send the old data to the gateway, which still lives and has been blocklisted: the store has to refuse it.',
      lab: { onFenced: 'stay', timers },
      workload,
      steps: [
        ...baseline,
        { do: 'phase', name: 'hold' },
        { do: 'inject', id: 'hold', fault: 'host.hold-write', target: 'owner-of:1' },
        { do: 'inject', id: 'cut', fault: 'partition.monitor', target: 'owner-of:1' },
        { do: 'await', what: 'takeover', of: 'cut' },
        { do: 'run', forMs: 5_000 },
        { do: 'phase', name: 'release' },
        { do: 'heal', id: 'hold' },
        { do: 'run', forMs: 500 },
        { do: 'phase', name: 'heal' },
        { do: 'heal', id: 'cut' },
        ...after,
      ],
    },
    {
      name: 'held-data-failback',
      title: 'Held write: command sent, data withheld, group handed back',
      description: 'withhold the data of some writes at the gateway that has taken a group over, let the group go home, write newer data through its owner, and then send the old data to the gateway that has given the group away without being blocklisted: it has to look at the ANA state again when the data comes.',
      lab: { timers },
      workload,
      steps: [
        ...baseline,
        { do: 'phase', name: 'takeover' },
        { do: 'inject', id: 'kill', fault: 'gateway.kill', target: 'owner-of:1' },
        { do: 'await', what: 'takeover', of: 'kill' },
        { do: 'phase', name: 'hold' },
        { do: 'inject', id: 'hold', fault: 'host.hold-write', target: 'owner-of:2', params: { group: 1 } },
        { do: 'heal', id: 'kill' },
        { do: 'run', forMs: 7_000 },
        { do: 'phase', name: 'release' },
        { do: 'heal', id: 'hold' },
        ...after,
      ],
    },
    {
      name: 'frozen-gateway',
      title: 'Held write: data sent, gateway frozen',
      description: 'stop a gateway (SIGSTOP) with writes in its sockets and cut it off from the monitor, let its group be taken over, write newer data through the new path, and let the gateway go on (SIGCONT): it finds the old writes, nobody tells it that it was failed over, and the store has to refuse them.',
      // A deep queue of small writes: many of them, each with its data in the capsule, are sent to a gateway that stands still.
      workload: { ...workload, queueDepth: 32, ioBytes: [4_096, 8_192] },
      steps: [
        ...baseline,
        { do: 'phase', name: 'freeze' },
        { do: 'inject', id: 'freeze', fault: 'gateway.pause', target: 'owner-of:1', confirm: 'later' },
        // Else it is a race whether it reads the old writes first or the monitor's word that they are not its business any more.
        { do: 'inject', id: 'cut', fault: 'partition.monitor', target: 'owner-of:1' },
        { do: 'await', what: 'takeover', of: 'freeze' },
        { do: 'run', forMs: 2_000 },
        { do: 'phase', name: 'release' },
        { do: 'heal', id: 'freeze' },
        { do: 'run', forMs: 500 },
        { do: 'phase', name: 'heal' },
        { do: 'heal', id: 'cut' },
        ...after,
      ],
    },
    {
      name: 'held-store-write',
      title: 'Held write: in the store, gateway killed',
      description: 'hold the writes of a gateway inside the store, kill the gateway, let its group be taken over, write newer data through the new path, and let the store go on with what it holds: it came before the blocklist, and must not land after it.',
      workload,
      steps: [
        ...baseline,
        { do: 'phase', name: 'hold' },
        { do: 'inject', id: 'hold', fault: 'store.hold-write', target: 'owner-of:1' },
        { do: 'inject', id: 'kill', fault: 'gateway.kill', target: 'owner-of:1' },
        { do: 'await', what: 'takeover', of: 'kill' },
        { do: 'run', forMs: 1_500 },
        { do: 'phase', name: 'release' },
        { do: 'heal', id: 'hold' },
        { do: 'run', forMs: 500 },
        { do: 'phase', name: 'heal' },
        { do: 'heal', id: 'kill' },
        ...after,
      ],
    },
  ],
});
