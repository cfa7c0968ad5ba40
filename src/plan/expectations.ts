import { faultSpecs, type FaultConsequences, type FaultName, type TargetState } from '../fault/specs.js';
import type { Expectations, PlanStep, StallAllowance, Topology } from './types.js';

/** One fault of the plan and the steps between which it matters. */
interface Planned {
  id: string;
  fault: FaultName;
  target: string;
  random: boolean;
  inject: number;
  heal: number;
  /** The step after which the system is known to have recovered from it: the first wait for home after its heal, or the end. */
  over: number;
}

/** Who follows the paths: Linux scans all namespaces of a controller that is back, our own initiator does not. */
export type HostKind = 'userspace' | 'kernel';

/** What any fault means where there is no second gateway: I/O waits for the heal, and then for the gateway’s return. */
const aloneConsequences: Pick<FaultConsequences, 'stalls' | 'overlaps' | 'takeover'> = {
  stalls: [{ when: 'inject', bound: 'homeAwait', untilHeal: true, reason: 'there is no other gateway in the group, so that I/O waits for this one to come back' }],
  overlaps: [],
  takeover: { expected: false, reason: 'there is no other gateway in the group' },
};

/** Groups owned by a gateway that have namespaces; a group without any has nothing that a host could see. */
export function loadedGroupsOf(gateway: string, topology: Topology): number[] {
  return topology.gateways.filter((g) => g.name === gateway && topology.namespaces.some((n) => n.anaGroup === g.anaGroup)).map((g) => g.anaGroup);
}

/**
 * Adds to `expect` what a correct system shows under these steps.
 *
 * A fault that meets no other has the consequences that its specification names, for its target's own groups; a gateway
 * that comes back also makes a Linux host hold I/O of the others (`rescanStall`).
 * Where a fault begins before the system has recovered from another one, neither which gateway serves a group
 * nor when it changes can be known from the plan any more; what can be demanded then:
 *
 * - safety, always: nothing here loosens what the integrity and the monitor's map are held to;
 * - liveness, whenever some gateway can serve: after each injection and each heal, I/O of every group goes on
 *   within `overlapStall`;
 * - while every gateway is out, or a hanging one may own the group, I/O may wait, but only until the step that
 *   ends that, and then within its bound;
 * - at the end, everything is home within `overlapHome` of the last heal.
 */
export function deriveExpectations(steps: readonly PlanStep[], topology: Topology, expect: Expectations, host: HostKind): void {
  const faults = plannedFaults(steps);
  const awaited = new Set(steps.flatMap((step, at) => {
    if (step.do !== 'await' || step.condition.kind !== 'takeover') return [];
    const { not } = step.condition;
    return faults.filter((fault) => fault.target === not && fault.inject < at && at < fault.heal).map(({ id }) => id);
  }));
  for (const cluster of clustersOf(faults)) {
    if (cluster.length === 1 || topology.gateways.length === 1) {
      for (const fault of cluster) addAlone(fault, topology, expect, host);
    } else {
      addCluster(cluster, awaited, topology, expect);
      expect.convergence = overlapHomeOf(faults);
    }
  }
  expect.anaChanges = anaChanges(clustersOf(faults), topology);
  // What a random schedule hits is not known to carry any write.
  const held = faults.filter(({ fault, random }) => !random && faultSpecs[fault].holdsWrites === true && topology.gateways.length > 1);
  if (held.length > 0) {
    const groups = loadedGroups(topology);
    expect.heldWrites = held.map(({ id, target }) => ({ fault: id, gateway: target, groups }));
  }
}

/**
 * A group that loses its owner becomes optimized twice: at the taker, and at home again. Where faults overlap each
 * change of any of them may move any group once, and then home.
 */
function anaChanges(clusters: readonly Planned[][], topology: Topology): { group: number; max: number }[] {
  const max = new Map(loadedGroups(topology).map((group) => [group, 0]));
  for (const cluster of clusters) {
    const alone = cluster.length === 1;
    for (const { fault, target } of cluster) {
      const state = faultSpecs[fault].target;
      if (state === 'serves' || (alone && state === 'hangs')) continue;
      const groups = alone ? groupsHit({ fault, target }, topology) : loadedGroups(topology);
      for (const group of groups) max.set(group, max.get(group)! + (alone ? 2 : 4));
    }
  }
  return [...max].map(([group, most]) => ({ group, max: most }));
}

/** False if the plan's faults are so far apart that the system recovers from each before the next. */
export function hasOverlap(steps: readonly PlanStep[]): boolean {
  return clustersOf(plannedFaults(steps)).some((cluster) => cluster.length > 1);
}

function plannedFaults(steps: readonly PlanStep[]): Planned[] {
  return steps.flatMap((step, inject) => {
    if (step.do !== 'inject') return [];
    const heal = steps.findIndex((other) => other.do === 'heal' && other.id === step.id);
    const home = steps.findIndex((other, at) => at > heal && other.do === 'await' && other.condition.kind === 'home');
    return [{ id: step.id, fault: step.fault as FaultName, target: step.target, random: step.random === true, inject, heal, over: home === -1 ? steps.length : home }];
  });
}

/** Faults that meet, directly or through others, in the order of their injection. */
function clustersOf(faults: readonly Planned[]): Planned[][] {
  const clusters: Planned[][] = [];
  let over = -1;
  for (const fault of [...faults].sort((a, b) => a.inject - b.inject)) {
    if (fault.inject < over) clusters.at(-1)!.push(fault);
    else clusters.push([fault]);
    over = Math.max(over, fault.over);
  }
  return clusters;
}

function addAlone({ id, fault, target }: Planned, topology: Topology, expect: Expectations, host: HostKind): void {
  const groups = groupsHit({ fault, target }, topology);
  const others = loadedGroups(topology).filter((group) => !groups.includes(group));
  if (host === 'kernel' && faultSpecs[fault].target === 'out' && others.length > 0) {
    expect.stalls.push({ fault: id, when: 'heal', groups: others, bound: 'rescanStall', reason: 'the host connects to the returned gateway and scans all namespaces there, also those that another gateway serves: their I/O waits for that' });
  }
  const { stalls, overlaps, takeover } = topology.gateways.length > 1 ? faultSpecs[fault].consequences : aloneConsequences;
  expect.stalls.push(...stalls.map((stall) => ({ ...stall, fault: id, groups })));
  expect.overlaps.push(...overlaps.map((overlap) => ({ ...overlap, fault: id, groups })));
  if (takeover !== null) expect.takeovers.push(...groups.map((group) => ({ fault: id, group, ...takeover })));
}

/** What the bounds of a way home have in their names, where more than a process has to start after any of these faults: a machine boots, or cephadm deploys. */
export function returnOf(faults: readonly FaultName[]): '' | 'Boot' | 'Deploy' {
  const has = (what: 'boots' | 'deploys'): boolean => faults.some((fault) => faultSpecs[fault].consequences[what] === true);
  return has('boots') ? 'Boot' : has('deploys') ? 'Deploy' : '';
}

/** The bound of the way home after faults that overlap. */
function overlapHomeOf(faults: readonly Planned[]): string {
  return `overlapHome${returnOf(faults.map(({ fault }) => fault))}`;
}

/** The groups that a fault takes an owner from. */
function groupsHit({ fault, target }: Pick<Planned, 'fault' | 'target'>, topology: Topology): number[] {
  return faultSpecs[fault].scope === 'group' ? loadedGroups(topology) : loadedGroupsOf(target, topology);
}

interface Change { at: number; fault: Planned; when: 'inject' | 'heal' }

function addCluster(cluster: readonly Planned[], awaited: ReadonlySet<string>, topology: Topology, expect: Expectations): void {
  const groups = loadedGroups(topology);
  const changes = cluster
    .flatMap((fault): Change[] => [{ at: fault.inject, fault, when: 'inject' }, { at: fault.heal, fault, when: 'heal' }])
    .sort((a, b) => a.at - b.at);
  for (const [i, { fault, when }] of changes.entries()) {
    const allowance = (rest: Pick<StallAllowance, 'bound' | 'reason' | 'until'>): void => void expect.stalls.push({ fault: fault.id, when, groups, ...rest });
    const stuck = (at: number): boolean => stuckAt(changes[at]!.at, cluster, topology);
    if (!stuck(i)) {
      allowance({ bound: 'overlapStall', reason: 'faults overlap: whoever serves a group may have to be replaced again after each change, while some gateway can serve' });
      continue;
    }
    // Not the beginning of it: the window that began there lasts until its end.
    if (i > 0 && stuck(i - 1)) continue;
    const end = changes.slice(i + 1).find((_, later) => !stuck(i + 1 + later));
    allowance({
      bound: overlapHomeOf(cluster),
      reason: 'faults overlap: no gateway can serve, or one that hangs may own the group, until that changes',
      ...(end === undefined ? {} : { until: { fault: end.fault.id, when: end.when } }),
    });
  }
  for (const { id, fault, target } of cluster) {
    const { overlaps, takeover } = faultSpecs[fault].consequences;
    expect.overlaps.push(...overlaps.map((overlap) => ({ ...overlap, fault: id, groups })));
    // Only where the scenario itself waits for it is it clear that the target owned its group and somebody could take it.
    if (takeover?.expected === true && awaited.has(id)) expect.takeovers.push(...loadedGroupsOf(target, topology).map((group) => ({ fault: id, group, ...takeover })));
  }
}

/** Right after step `at`: is it possible that a group has nobody who can serve it, for as long as nothing changes? */
function stuckAt(at: number, cluster: readonly Planned[], topology: Topology): boolean {
  const active = cluster.filter(({ inject, heal }) => inject <= at && at < heal);
  const isIn = (gateway: string, state: TargetState): boolean => active.some((each) => each.target === gateway && faultSpecs[each.fault].target === state);
  const alive = topology.gateways.filter(({ name }) => !isIn(name, 'out'));
  return alive.length === 0 || alive.some(({ name }) => isIn(name, 'hangs'));
}

function loadedGroups(topology: Topology): number[] {
  return [...new Set(topology.namespaces.map(({ anaGroup }) => anaGroup))].sort((a, b) => a - b);
}
