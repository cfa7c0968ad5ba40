/**
 * Bugs of this field that were really there, from the issue trackers of ceph-nvmeof (`n`), ceph (`c`, pull requests)
 * and SPDK. A defect stands for each of them that the loopback lab can express; for the others, why it cannot.
 */
export interface FieldBug {
  row: number;
  id: string;
  symptom: string;
  /** Why no defect of the lab stands for it; undefined: one does. */
  notHere?: string;
}

export const fieldBugs: readonly FieldBug[] = [
  { row: 1, id: 'n193', symptom: 'a held write of the old gateway lands after the failover, over newer data' },
  { row: 2, id: 'c54671, n508, n928', symptom: 'a write from before the blocklist lands after it' },
  { row: 3, id: 'c61538', symptom: 'two optimized paths after a fast reboot' },
  { row: 4, id: 'spdk3154', symptom: 'a new listener is optimized for all groups' },
  { row: 5, id: 'n500', symptom: 'the optimized listener is deleted, and nothing fails over' },
  { row: 6, id: 'n542', symptom: 'after the failback the group is inaccessible everywhere, while the monitor says ACTIVE' },
  { row: 7, id: 'n602', symptom: 'failover of four gateways fails, I/O is stuck, disks vanish' },
  { row: 8, id: 'n515', symptom: 'disks vanish after the failback' },
  { row: 9, id: 'n516', symptom: 'a redeployment leaves an ANA group inaccessible' },
  { row: 10, id: 'n520', symptom: 'after a redeployment only the busy path lives' },
  { row: 11, id: 'n505', symptom: 'a removed daemon comes back with another group, the old gateway stays in the map' },
  { row: 12, id: 'n506', symptom: 'no gateway is optimized for a group' },
  { row: 13, id: 'n510', symptom: 'a stale listener keeps a new one from being added' },
  { row: 14, id: 'c60735', symptom: 'removed gateways do not become DELETING' },
  { row: 15, id: 'n539', symptom: 'all gateways crash in set_ana_state' },
  { row: 16, id: '–', symptom: 'a gateway records an ownership that its target never got' },
  { row: 17, id: 'c62205', symptom: 'a redeployment causes failover storms' },
  { row: 18, id: 'c63003', symptom: 'after a simultaneous reboot the wrong gateway gets the map' },
  { row: 19, id: 'n1907', symptom: 'deleting a listener ends other gateways' },
  { row: 20, id: 'n1024, n1383', symptom: 'rebalancing deadlocks', notHere: 'the lab has no rebalancing: a namespace stays in the ANA group that the plan gives it' },
  { row: 21, id: 'n1377', symptom: 'namespaces are stuck in a deleted group' },
  { row: 22, id: 'n732', symptom: 'moving a namespace to another group resets its QoS', notHere: 'the lab’s gateways have no QoS limits, and namespaces do not move' },
  { row: 23, id: 'n2016', symptom: 'a failover costs one call for each namespace' },
  { row: 24, id: 'c69490', symptom: 'stretch clusters: relocation of groups after a disaster', notHere: 'the monitor model has no locations to fail: disaster-set and disaster-clear do not exist in it' },
  { row: 25, id: 'spdk1946', symptom: 'the ANA log is truncated beyond 228 namespaces, and connecting fails' },
];
