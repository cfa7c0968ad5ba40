import type { DraftEvent, DraftRun } from './run.js';
import { healthyRun } from './healthy-run.js';

/** Further controller ids of host2: no two controllers of a subsystem share one. */
const cntlidShift = 100;

/**
 * The healthy run with a second host. It sees what host1 sees at the same moments, and loads namespace 2 (ANA group 2)
 * and namespace 3 (group 1), which stalls with its group's failover; namespace 1 and the probes of 4 stay host1's.
 */
export function twoHostRun(): DraftRun {
  const run = healthyRun();
  run.plan.shape.hosts = 2;
  run.plan.topology.hosts.push({ name: 'host2', hostNqn: 'nqn.host2', hostId: 'id-2' });
  for (const namespace of run.plan.topology.namespaces) namespace.host = namespace.nsid === 2 || namespace.nsid === 3 ? 'host2' : 'host1';
  run.events = run.events.flatMap((event) => [event, ...seenByHost2(event)]);
  return run;
}

function seenByHost2({ ms, body }: DraftEvent): DraftEvent[] {
  switch (body.type) {
    case 'host.path':
    case 'host.path-gone':
      return [{ ms, body: { ...body, host: 'host2' } }];
    case 'host.inventory':
      return [{ ms, body: { ...body, host: 'host2', controllers: body.controllers.map((each) => ({ ...each, cntlid: each.cntlid + cntlidShift })) } }];
    case 'node':
      return body.name === 'host1' ? [{ ms, body: { ...body, name: 'host2' } }] : [];
    case 'self.watch':
      return body.process === 'host1' ? [{ ms, body: { ...body, process: 'host2' } }] : [];
    case 'observe.coverage':
      return body.observer === 'host:host1' ? [{ ms, body: { ...body, observer: 'host:host2' } }] : [];
    default:
      return [];
  }
}
