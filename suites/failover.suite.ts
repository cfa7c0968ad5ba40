import { suite, type Scenario } from 'pathproof';

/**
 * The four failovers that the gateway HA design names: gateway dead; gateway removed from the group;
 * no listener left; gateway cut off from its storage. The last one is three scenarios, because its
 * outcomes differ by what is cut: the store, the monitor, or both.
 */
type InjectStep = Extract<Scenario['steps'][number], { do: 'inject' }>;

function failover(name: string, title: string, description: string, fault: InjectStep['fault'], steps?: Scenario['steps']): Scenario {
  return {
    name, title, description,
    // Beside the stamp workload, where the host has block devices: what everybody else would have run.
    fio: [{ name: 'mix', sizeMiB: 1, rateIops: 10, queueDepth: 2, verify: { backlogBlocks: 16 } }], fioOptional: true,
    steps: [
      { do: 'phase', name: 'baseline' },
      { do: 'run', forMs: 2_000 },
      { do: 'phase', name: 'fault' },
      { do: 'inject', id: 'fault', fault, target: 'random-owner' },
      ...(steps ?? [
        { do: 'await', what: 'takeover', of: 'fault' },
        { do: 'run', forMs: 2_000 },
      ]),
      { do: 'phase', name: 'heal' },
      { do: 'heal', id: 'fault' },
      { do: 'await', what: 'home' },
      { do: 'phase', name: 'after' },
      { do: 'run', forMs: 2_000 },
    ],
  };
}

export default suite({
  name: 'failover',
  scenarios: [
    failover('gateway-dead', 'Gateway dead', 'SIGKILL the owner of an ANA group under I/O; another gateway takes over; the owner returns and gets its group back.', 'gateway.kill'),
    { ...failover('gateway-off', 'Gateway machine switched off', 'switch the machine of the owner of an ANA group off under I/O, so that its packets vanish and nobody gets a reset; another gateway takes over; the machine boots and gets its group back.', 'gateway.power-off'), labs: ['qemu', 'native', 'native-linux', 'vagrant', 'inventory'] },
    failover('gateway-removed', 'Gateway removed from the group', 'delete a gateway at the monitor and stop its daemon, as a removal by cephadm does, under I/O; then create and start it again.', 'gateway.remove'),
    { ...failover('gateway-removed-by-cephadm', 'Gateway removed by cephadm', 'have cephadm remove a gateway for good under I/O (set-unmanaged, `ceph orch daemon rm`); then have it deploy a new one.', 'cephadm.remove'), labs: ['native', 'native-linux', 'inventory'] },
    {
      ...failover('gateway-replaced-by-cephadm', 'Gateway replaced by cephadm', 'have cephadm remove the daemon of a managed service under I/O (`ceph orch daemon rm`), so that it deploys another one at once, whose new id takes the ANA group over.', 'cephadm.replace', [{ do: 'run', forMs: 2_000 }]),
      labs: ['native', 'native-linux', 'inventory'],
    },
    failover('listeners-removed', 'All listeners of a gateway removed', 'delete every listener of the owner under I/O, so that the monitor hands its group over; then add the listeners again.', 'gateway.listeners'),
    // Shorter than the host's I/O timeout: what is proved is that nothing moves and nothing is lost.
    failover('partition-store', 'Gateway cut off from the store only', 'cut all traffic between a gateway and the store while its beacons go on: I/O has to wait, no failover may happen, and everything resumes with the heal.', 'partition.store', [{ do: 'run', forMs: 4_000 }]),
    failover('partition-monitor', 'Gateway cut off from the monitor only', 'cut all traffic between a gateway and the monitor while the store can be reached: the group moves, and the blocklist has to fence the old owner.', 'partition.monitor'),
    failover('partition-both', 'Gateway cut off from the store and the monitor', 'cut a gateway off from the store and the monitor while its host connections stay up: the group moves, the host has to time its commands out, and nothing that hung may land later.', 'partition.store-and-monitor'),
  ],
});
