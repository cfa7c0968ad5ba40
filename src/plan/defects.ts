/**
 * Defects that the loopback lab's parts can be made to have, so that the harness can show what it detects.
 * Off unless a run names them; they are in the plan, in the run's first line and in the report's head.
 * The part in front of the dot is what has it: the store, a gateway's data plane, its agent, the monitor, or
 * the links between hosts and gateways.
 */
export const defects = {
  'store.ignore-blocklist': 'the blocklist is kept and its epoch grows, but nobody is refused',
  'store.fence-on-arrival-only': 'an operation that arrived before the blocklisting still lands after it',
  'store.ack-before-write': 'a write is acknowledged at once and applied 50 ms later',
  'store.lose-writes': 'every 97th write is acknowledged and never applied',

  'gateway.flip-bit': 'every 97th write lands with one bit flipped',
  'gateway.tear-write': 'every 97th write lands with the second half of its last block as it was before',
  'gateway.misdirect-write': 'every 97th write lands one block further on',
  'gateway.swap-namespaces': 'every 97th write lands in another namespace',
  'gateway.stale-cache': 'every 31st read is answered from what this gateway first read or wrote there, however old that is',
  'gateway.admit-before-data': 'the ANA state is looked at when a command comes, and not again when its data does',
  'gateway.write-back-cache': 'writes are acknowledged at once and reach the store 1.5 s later: lost with the gateway, or late after its group has moved',
  'gateway.read-while-inaccessible': 'reads of a group that the gateway has given up are answered from its cache',

  'gateway.optimized-everywhere': 'a gateway that begins to serve has all ANA groups optimized, and never gives one up (spdk issue 3154)',
  'gateway.listener-optimized': 'a listener that was removed comes back with all ANA groups optimized (spdk issue 3154)',
  'gateway.stale-listener': 'adding a listener again that was removed does nothing, without a word (ceph-nvmeof issue 510)',
  'gateway.lose-aen': 'hosts are never told that an ANA state has changed',
  'gateway.stale-ana-log': 'the ANA log has the states of three seconds ago',
  'gateway.frozen-chgcnt': 'no change count of the ANA log ever changes',
  'gateway.ana-group-missing': 'the ANA log has a descriptor for one group only (ceph-nvmeof issue 506)',
  'gateway.truncate-ana-log': 'the ANA log is cut off where that of 228 namespaces would end (spdk issue 1946)',
  'gateway.reuse-cntlid': 'a gateway that was started again hands out controller ids of its neighbour',
  'gateway.swap-nsids': 'a gateway that was started again has the namespaces 1 and 2 the other way round',
  'gateway.lose-namespaces': 'a gateway that was started again has lost the namespaces of the other ANA groups (ceph-nvmeof issues 602 and 515)',
  'gateway.idle-namespaces-dead': 'after a takeover a namespace answers no read before somebody has written to it (ceph-nvmeof issue 520)',

  'agent.late-demotion-50ms': 'a group is given up 50 ms after its owner has got it back',
  'agent.late-demotion-2s': 'a group is given up two seconds after its owner has got it back',
  'agent.slow-promotion': 'a taker needs five seconds longer to become optimized',
  'agent.slow-rpcs': 'a takeover costs one call of 25 ms for each namespace (ceph-nvmeof issue 2016)',
  'agent.ana-not-applied': 'a takeover is reported to the monitor, but the data plane is never told',
  'agent.failback-inaccessible': 'a gateway that was started again reports that it serves its own group, but never does (ceph-nvmeof issue 542)',
  'agent.crash-on-promotion': 'a gateway crashes when it is to take a group over (ceph-nvmeof issue 539)',
  'agent.flap-ana': 'a gateway gives the group that it serves up for a moment, again and again',

  'monitor.no-blocklist': 'takeovers go on as if the old owner had been blocklisted, but nobody asks the store',
  'monitor.never-declares-down': 'a gateway that has once been AVAILABLE is taken for alive for ever (ceph-nvmeof issue 602)',
  'monitor.ignore-no-listeners': 'a gateway whose listeners are gone counts as if it still had them (ceph-nvmeof issue 500)',
  'monitor.failover-storm': 'a gateway that comes back is declared down again a moment later, though it is well (ceph PR 62205)',
  'monitor.delete-ignored': 'a gateway that is deleted stays in the map as it was (ceph-nvmeof issue 505, ceph PR 60735)',
  'monitor.stuck-deleting': 'a gateway that was deleted stays DELETING after it is created again (ceph-nvmeof issue 1377)',
  'monitor.new-group-on-create': 'a gateway that is created again gets another ANA group (ceph-nvmeof issue 505)',
  'monitor.recreated-inaccessible': 'a gateway that is created again is never told to serve its group, although the map says ACTIVE (ceph-nvmeof issue 516)',
  'monitor.fast-reboot-double': 'a gateway that restarts before it was missed gets its group back while another takes it over (ceph PR 61538)',
  'monitor.map-to-wrong-gateway': 'when two gateways restart at the same time, each is sent the other’s map (ceph PR 63003)',
  'monitor.listener-removal-ends-peers': 'when a gateway loses its listeners, the others end themselves (ceph-nvmeof issue 1907)',

  'link.freeze': 'the links between host and gateways stand still for 1.15 s every 5 s',
  'link.flip-bit': 'one bit in 1.5 MB that the host sends to a gateway is flipped; data digests would find it',
} as const;
export type DefectName = keyof typeof defects;
export const defectNames = Object.keys(defects) as DefectName[];

/** The plan's defects of one part, without the part's name in front. */
export function defectsOf(plan: { defects: readonly string[] }, part: string): string[] {
  return plan.defects.filter((name) => name.startsWith(`${part}.`)).map((name) => name.slice(part.length + 1));
}
