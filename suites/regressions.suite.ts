import { suite, type Scenario } from 'pathproof';

/**
 * Bugs that were really there, each as a scenario in which it would be seen again. The number in a title is that of
 * the issue: `ceph-nvmeof`, `ceph` (pull requests) or `spdk`.
 */
type Steps = Scenario['steps'];
const baseline: Steps = [{ do: 'phase', name: 'baseline' }, { do: 'run', forMs: 2_000 }];
const after: Steps = [{ do: 'await', what: 'home' }, { do: 'phase', name: 'after' }, { do: 'run', forMs: 1_500 }];

/** One fault from its injection until everything is home again. */
function episode(id: string, fault: Extract<Steps[number], { do: 'inject' }>['fault'], target: string): Steps {
  return [
    { do: 'phase', name: id },
    { do: 'inject', id, fault, target },
    { do: 'await', what: 'takeover', of: id },
    { do: 'run', forMs: 1_000 },
    { do: 'heal', id },
    { do: 'await', what: 'home' },
  ];
}

export default suite({
  name: 'regressions',
  scenarios: [
    {
      name: 'fast-reboot',
      title: 'Gateway restarts before it is missed (ceph 61538)',
      description: 'kill a gateway and start it again at once, within the beacon grace: its group has to come back to it, and never be optimized at two gateways.',
      steps: [...baseline, { do: 'phase', name: 'reboot' }, { do: 'inject', id: 'reboot', fault: 'gateway.reboot', target: 'random-owner' }, { do: 'await', what: 'home' }, { do: 'run', forMs: 1_000 }, { do: 'heal', id: 'reboot' }, ...after],
    },
    {
      name: 'all-gateways-reboot',
      title: 'All gateways restart at the same time (ceph 63003)',
      description: 'kill every gateway, let I/O wait, and start them together: each has to get its own map, ANA group and controller ids.',
      steps: [
        ...baseline,
        { do: 'phase', name: 'down' },
        { do: 'inject', id: 'first', fault: 'gateway.kill', target: 'owner-of:1', confirm: 'later' },
        { do: 'inject', id: 'second', fault: 'gateway.kill', target: 'owner-of:2' },
        { do: 'run', forMs: 1_000 },
        { do: 'phase', name: 'up' },
        { do: 'heal', id: 'first', confirm: 'later' },
        { do: 'heal', id: 'second' },
        ...after,
      ],
    },
    {
      name: 'four-gateways',
      title: 'One of four gateways dies (ceph-nvmeof 602)',
      description: 'kill one of four gateways that serve a group each: exactly one of the others has to take its group, and all namespaces have to stay.',
      lab: { gateways: 4, anaGroups: 4, namespaces: 8 },
      workload: { maxIops: 100 },
      steps: [...baseline, ...episode('kill', 'gateway.kill', 'random-owner'), ...after],
    },
    {
      name: 'rolling-redeploy',
      title: 'Service redeployed, gateway by gateway (ceph-nvmeof 516, 520, ceph 62205)',
      description: 'remove and create every gateway in turn, as a redeployment of the service does: each group moves away and back once, and idle namespaces stay alive.',
      steps: [...baseline, ...episode('first', 'gateway.remove', 'owner-of:1'), ...episode('second', 'gateway.remove', 'owner-of:2'), ...after],
    },
    {
      name: 'listeners-again',
      title: 'Listeners removed and added again, twice (ceph-nvmeof 510, 1907, spdk 3154)',
      description: 'remove all listeners of one gateway and add them again, and once more: it has to come back both times, in the states of the map, and the other gateway must not notice.',
      steps: [...baseline, ...episode('once', 'gateway.listeners', 'owner-of:1'), ...episode('twice', 'gateway.listeners', 'owner-of:1'), ...after],
    },
    {
      name: 'many-namespaces',
      title: '240 namespaces in one subsystem (spdk 1946, ceph-nvmeof 2016)',
      description: 'connect to more namespaces than an ANA log of 1 KiB can hold, load a few of them and probe the rest, and kill the owner of half of them.',
      lab: { namespaces: 240, namespaceMiB: 1, ioQueues: 1 },
      workload: { idleNamespaces: 236, workingSetBlocks: 32, ioBytes: [4_096, 16_384], maxIops: 100, probePeriodMs: 1_000 },
      steps: [...baseline, ...episode('kill', 'gateway.kill', 'random-owner'), ...after],
    },
    {
      name: 'all-but-one',
      title: 'Two of three gateways die, one after the other (ceph-nvmeof 602)',
      description: 'kill the owner of a group, and before it is back a second gateway: the last one has to serve everything.',
      lab: { gateways: 3, anaGroups: 3, namespaces: 6 },
      workload: { maxIops: 150 },
      steps: [
        ...baseline,
        { do: 'phase', name: 'first' },
        { do: 'inject', id: 'first', fault: 'gateway.kill', target: 'owner-of:1' },
        { do: 'await', what: 'takeover', of: 'first' },
        { do: 'phase', name: 'second' },
        { do: 'inject', id: 'second', fault: 'gateway.kill', target: 'owner-of:2' },
        { do: 'run', forMs: 5_000 },
        { do: 'phase', name: 'heal' },
        { do: 'heal', id: 'first', confirm: 'later' },
        { do: 'heal', id: 'second' },
        ...after,
      ],
    },
    {
      name: 'without-digests',
      title: 'Owner dies, without header and data digests',
      description: 'run without any digest on the wire, so that nothing below the workload checks what arrives, and kill the owner of a group.',
      lab: { headerDigest: false, dataDigest: false },
      steps: [...baseline, ...episode('kill', 'gateway.kill', 'random-owner'), ...after],
    },
  ],
});
