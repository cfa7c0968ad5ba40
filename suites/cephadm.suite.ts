import { suite, type Scenario } from 'pathproof';

/**
 * What an administrator does to gateways by cephadm and podman, under I/O. Removal and replacement of a gateway are in the
 * failover suite.
 */
type InjectStep = Extract<Scenario['steps'][number], { do: 'inject' }>;

function orchestrated(name: string, title: string, description: string, fault: InjectStep['fault'], during: Scenario['steps']): Scenario {
  return {
    name, title, description, labs: ['native', 'native-linux', 'inventory'],
    steps: [
      { do: 'phase', name: 'baseline' },
      { do: 'run', forMs: 2_000 },
      { do: 'phase', name: 'fault' },
      { do: 'inject', id: 'fault', fault, target: 'random-owner' },
      ...during,
      { do: 'phase', name: 'heal' },
      { do: 'heal', id: 'fault' },
      { do: 'await', what: 'home' },
      { do: 'phase', name: 'after' },
      { do: 'run', forMs: 2_000 },
    ],
  };
}

const taken: Scenario['steps'] = [{ do: 'await', what: 'takeover', of: 'fault' }, { do: 'run', forMs: 2_000 }];

export default suite({
  name: 'cephadm',
  scenarios: [
    orchestrated('stop', 'Gateway stopped and started', 'stop the daemon of a gateway by the orchestrator, let its group be taken over, and start it again.', 'cephadm.stop', taken),
    orchestrated('restart', 'Gateway restarted', 'restart the daemon of a gateway by the orchestrator.', 'cephadm.restart', [{ do: 'run', forMs: 2_000 }]),
    orchestrated('redeploy', 'Gateway deployed again', 'deploy a gateway again with the same id, as an upgrade does.', 'cephadm.redeploy', [{ do: 'run', forMs: 2_000 }]),
    orchestrated('placement', 'Host out of the placement and back', 'apply the service without one of its hosts, let the group be taken over, and apply it with that host again.', 'cephadm.placement', taken),
    orchestrated('drain', 'Host drained', 'drain the host of a gateway, let the group be taken over, and let the host have daemons again.', 'cephadm.drain', taken),
    orchestrated('maintenance', 'Host in maintenance', 'put the host of a gateway into maintenance, let the group be taken over, and end it.', 'cephadm.maintenance', taken),
    // systemd starts it again 10 s after its end, whoever waits for what.
    orchestrated('container-kill', 'Container killed', 'kill the container of a gateway: the monitor moves its group before systemd starts it again.', 'cephadm.container-kill', [{ do: 'await', what: 'takeover', of: 'fault' }]),
    orchestrated('service-remove', 'Service removed and applied again', 'remove the whole service, so that there is no gateway and I/O waits, and apply it again.', 'cephadm.service-remove', [{ do: 'run', forMs: 2_000 }]),
  ],
});
