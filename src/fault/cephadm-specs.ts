import type { FaultConsequences, FaultSpec } from './specs.js';

/** What an administrator does to gateways by cephadm (`ceph orch …`) and podman; each is the real thing. */
export const cephadmFaultNames = [
  'cephadm.remove', 'cephadm.replace', 'cephadm.placement', 'cephadm.drain', 'cephadm.service-remove',
  'cephadm.stop', 'cephadm.maintenance', 'cephadm.restart', 'cephadm.redeploy', 'cephadm.container-kill',
] as const;
export type CephadmFaultName = (typeof cephadmFaultNames)[number];

/**
 * One thing that an administrator does: words of `ceph orch`, in which {service}, {daemon} and {host} stand for the gateways' service and the
 * target's daemon and host; `place`: the service's specification is applied with all gateways, or with all but the target;
 * `killContainer`: podman kills the target's container.
 */
export type CephadmOrder = string | { place: 'all' | 'others' } | { killContainer: true };

/** The words of such an order, with what its names stand for. */
export function orchWords(order: string, names: Readonly<Record<'service' | 'daemon' | 'host', string>>): string {
  return order.replace(/\{(service|daemon|host)\}/g, (_, name: keyof typeof names) => names[name]);
}

/** What is done for each fault, and for its heal; none: nothing is left to heal. */
export const cephadmOrders: Record<CephadmFaultName, { inject: readonly CephadmOrder[]; heal: readonly CephadmOrder[] }> = {
  'cephadm.remove': { inject: ['set-unmanaged {service}', 'daemon rm {daemon}'], heal: [{ place: 'all' }] },
  'cephadm.replace': { inject: ['daemon rm {daemon}'], heal: [] },
  'cephadm.placement': { inject: [{ place: 'others' }], heal: [{ place: 'all' }] },
  'cephadm.drain': { inject: ['host drain {host} --force'], heal: ['host label rm {host} _no_schedule'] },
  'cephadm.service-remove': { inject: ['rm {service}'], heal: [{ place: 'all' }] },
  'cephadm.stop': { inject: ['daemon stop {daemon}'], heal: ['daemon start {daemon}'] },
  'cephadm.maintenance': { inject: ['host maintenance enter {host}'], heal: ['host maintenance exit {host}'] },
  'cephadm.restart': { inject: ['daemon restart {daemon}'], heal: [] },
  'cephadm.redeploy': { inject: ['daemon redeploy {daemon}'], heal: [] },
  'cephadm.container-kill': { inject: [{ killContainer: true }], heal: [] },
};

const failback = { when: 'heal', bound: 'deployFailbackStall', reason: 'cephadm starts or deploys the gateway, and failback has a designed window with no optimized path' } as const;

const removal: FaultConsequences = {
  stalls: [
    { when: 'inject', bound: 'orchestratedRemovalStall', reason: 'cephadm stops the container first and tells the monitor afterwards, which then suppresses failovers of the group before it moves the deleted gateway’s ANA group' },
    failback,
  ],
  overlaps: [],
  takeover: { expected: true, reason: 'the deleted gateway’s ANA group has to be served by another gateway until there is a new one' },
  takeoverBound: 'orchestratedRemovalAwait',
  deploys: true,
};

const stop: FaultConsequences = {
  stalls: [
    { when: 'inject', bound: 'orchestratedFailoverStall', reason: 'cephadm tells the monitor nothing: it has to miss beacons for the grace, blocklist the old owner and promote another gateway' },
    failback,
  ],
  overlaps: [],
  takeover: { expected: true, reason: 'a gateway that sends no beacons is declared down after the grace' },
  takeoverBound: 'orchestratedFailoverAwait',
  deploys: true,
};

const restart: FaultConsequences = {
  stalls: [{ when: 'inject', bound: 'redeployStall', reason: 'the container has to be stopped and started and the gateway to be counted in again, and the host reconnects only after its reconnect delay' }],
  overlaps: [],
  takeover: null,
  takeoverBound: 'redeployStall',
  deploys: true,
};

/** Facts and measured times: Ceph 20.2, src/pybind/mgr/cephadm/{serve,module,services/nvmeof}.py. */
export const cephadmFaultSpecs: Record<CephadmFaultName, FaultSpec> = {
  'cephadm.remove': {
    name: 'cephadm.remove',
    title: 'gateway removed by cephadm',
    description: '`ceph orch set-unmanaged`, so that nothing takes its place, and `ceph orch daemon rm`: cephadm stops and removes the container, deletes its key, and tells the monitor by `nvme-gw delete`. Healed by applying the service’s specification again: cephadm deploys a gateway with a new id on the host, which inherits the ANA group.',
    requires: ['cephadm'],
    target: 'out',
    removes: true,
    consequences: removal,
  },
  'cephadm.replace': {
    name: 'cephadm.replace',
    title: 'gateway replaced by cephadm',
    description: '`ceph orch daemon rm` of a managed service’s daemon: cephadm removes it, as in cephadm.remove, and deploys another one with a new id on the same host at once, which inherits the ANA group. Nothing is left to heal.',
    requires: ['cephadm'],
    target: 'back',
    removes: true,
    consequences: {
      stalls: [{ when: 'inject', bound: 'replaceStall', reason: 'the old gateway is removed, a new one deployed and counted in, while the delete suppresses failovers of the group' }],
      overlaps: [],
      takeover: null,
      takeoverBound: 'replaceStall',
      deploys: true,
    },
  },
  'cephadm.placement': {
    name: 'cephadm.placement',
    title: 'gateway’s host taken out of the placement',
    description: 'The service’s specification is applied without the gateway’s host in its placement: cephadm removes the daemon there. Healed by applying it with the host: a gateway with a new id is deployed.',
    requires: ['cephadm'],
    target: 'out',
    removes: true,
    consequences: removal,
  },
  'cephadm.drain': {
    name: 'cephadm.drain',
    title: 'gateway’s host drained',
    description: '`ceph orch host drain --force`: the host gets the label _no_schedule, and cephadm removes all of its daemons. Healed by taking the label away: a gateway with a new id is deployed.',
    requires: ['cephadm'],
    target: 'out',
    removes: true,
    consequences: removal,
  },
  'cephadm.service-remove': {
    name: 'cephadm.service-remove',
    title: 'the gateways’ service removed',
    description: '`ceph orch rm` of the whole service: cephadm removes one gateway after the other, and the group is empty. I/O has to wait. Healed by applying the service again: every gateway comes back with a new id.',
    requires: ['cephadm'],
    target: 'out',
    scope: 'group',
    removes: true,
    consequences: {
      stalls: [{ when: 'inject', bound: 'homeAwaitDeploy', untilHeal: true, reason: 'there is no gateway left, so that I/O waits for new ones' }],
      overlaps: [],
      takeover: null,
      takeoverBound: 'orchestratedRemovalAwait',
      deploys: true,
    },
  },
  'cephadm.stop': {
    name: 'cephadm.stop',
    title: 'gateway stopped by cephadm',
    description: '`ceph orch daemon stop`: its unit is stopped, the container gets a SIGTERM; the monitor is told nothing. Healed by `ceph orch daemon start`.',
    requires: ['cephadm'],
    target: 'out',
    consequences: stop,
  },
  'cephadm.maintenance': {
    name: 'cephadm.maintenance',
    title: 'gateway’s host in maintenance',
    description: '`ceph orch host maintenance enter`: the host’s Ceph target is stopped, with every daemon on it; the monitor is told nothing. Healed by `ceph orch host maintenance exit`.',
    requires: ['cephadm'],
    target: 'out',
    consequences: stop,
  },
  'cephadm.restart': {
    name: 'cephadm.restart',
    title: 'gateway restarted by cephadm',
    description: '`ceph orch daemon restart`: the unit is restarted, and a new incarnation of the same gateway is back before the monitor misses its beacons, if the machine is fast enough.',
    requires: ['cephadm'],
    target: 'back',
    consequences: restart,
  },
  'cephadm.redeploy': {
    name: 'cephadm.redeploy',
    title: 'gateway deployed again by cephadm',
    description: '`ceph orch daemon redeploy`, as an upgrade does: new container, new files, same id; cephadm repeats `nvme-gw create` for it.',
    requires: ['cephadm'],
    target: 'back',
    consequences: restart,
  },
  'cephadm.container-kill': {
    name: 'cephadm.container-kill',
    title: 'gateway’s container killed (podman kill)',
    description: '`podman kill --signal KILL`: everything in the container dies at once. cephadm does not notice; the unit’s Restart=on-failure starts the container again 10 s later (RestartSec=), after the monitor’s grace. Nothing is left to heal.',
    requires: ['cephadm'],
    target: 'out',
    consequences: {
      stalls: [
        { when: 'inject', bound: 'failoverStall', reason: 'the monitor has to miss beacons for the grace, blocklist the old owner and promote another gateway, before systemd starts the container again' },
        failback,
      ],
      overlaps: [],
      takeover: { expected: true, reason: 'systemd waits longer than the monitor’s grace before it starts the container again' },
      takeoverBound: 'takeoverAwait',
      deploys: true,
    },
  },
};
