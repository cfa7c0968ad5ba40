import type { EventOf } from '../history/events.js';
import type { Topology } from '../plan/types.js';
import { Findings } from './result.js';
import { starvation } from './standstill.js';
import { boundOf, eventsOf } from './timeline.js';
import type { CheckInput, Checker } from './types.js';
import { count } from './words.js';

type Inventory = EventOf<'host.inventory'>;

/** Width of each gateway's controller id range; gateway i has i*2040+1 … (i+1)*2040 (facts: ceph-nvmeof-ha.md section 2, "IDs"). */
export const cntlidsPerGateway = 2040;
/** NVMe base specification, discovery: the well-known NQN. Its controllers carry no namespaces. */
const discoveryNqn = 'nqn.2014-08.org.nvmexpress.discovery';

/**
 * Proves that at the end each host has what it had at the start and what the topology says: the same
 * namespaces with unchanged identities, and as many live controllers at every gateway, at least one, of the same
 * subsystem, each with a controller id of that gateway's range and of no other controller of any host.
 */
export const inventory: Checker = {
  name: 'inventory',
  proves: 'Every namespace and controller is there at the end, with unchanged identities.',
  async check(input: CheckInput) {
    const { plan, events } = input;
    const findings = new Findings('inventory', starvation(input));
    const all = eventsOf(events, 'host.inventory');
    let controllers = 0;
    for (const { name } of plan.topology.hosts) {
      const start = all.find(({ host, label }) => host === name && label === 'start');
      const end = all.findLast(({ host, label }) => host === name && label === 'end');
      if (start === undefined) findings.unknown(`${name} has no inventory of the start`);
      if (end === undefined) findings.unknown(`${name} has no inventory of the end`);
      for (const each of [start, end]) {
        if (each === undefined) continue;
        // What is missing had the time to come that the way home may take.
        const since = each.tUs - boundOf(plan, plan.expect.convergence).ms * 1000;
        checkNamespaces(each, plan.topology, findings, since);
        controllers += checkControllers(each, plan.topology, findings, since);
      }
      if (start !== undefined && end !== undefined) checkUnchanged(start, end, findings);
    }
    for (const label of ['start', 'end']) checkAcrossHosts(all.filter((each) => each.label === label), findings);
    const { namespaces, gateways, hosts } = plan.topology;
    if (namespaces.length === 0 || hosts.length === 0) findings.unknown('the topology has no namespace or no host: nothing to compare');
    findings.metrics['namespaces'] = namespaces.length;
    findings.metrics['controllersSeen'] = controllers;
    return findings.result(`${count(namespaces.length, 'namespace')} and ${count(gateways.length, 'controller')} at each of ${count(hosts.length, 'host')}, the same at start and end and as the topology has them`);
  },
};

function checkNamespaces(inventoryEvent: Inventory, topology: Topology, findings: Findings, since: number): void {
  const where = `${inventoryEvent.host} at ${inventoryEvent.label}`;
  const more = { tUs: inventoryEvent.tUs, events: [inventoryEvent.seq] };
  for (const wanted of topology.namespaces) {
    const found = inventoryEvent.namespaces.filter(({ uuid }) => uuid === wanted.uuid);
    if (found.length !== 1) {
      findings.failInTime(`${where}: namespace ${wanted.nsid} (${wanted.uuid}) is there ${found.length} times`, more, { sinceUs: since });
      continue;
    }
    const is = found[0]!;
    for (const field of ['nguid', 'nsid', 'anaGroup', 'blockSize', 'blocks'] as const) {
      if (is[field] !== wanted[field]) findings.fail(`${where}: namespace ${wanted.nsid} has ${field} ${is[field]} instead of ${wanted[field]}`, more);
    }
    const missing = topology.gateways.filter(({ name }) => !is.gateways.includes(name)).map(({ name }) => name);
    if (missing.length > 0) findings.failInTime(`${where}: namespace ${wanted.nsid} has no path through ${missing.join(', ')}`, more, { sinceUs: since });
  }
  for (const { uuid, nsid } of inventoryEvent.namespaces) {
    if (!topology.namespaces.some((each) => each.uuid === uuid)) findings.fail(`${where}: namespace ${nsid} (${uuid}) is not in the topology`, more);
  }
}

function checkControllers(inventoryEvent: Inventory, topology: Topology, findings: Findings, since: number): number {
  const where = `${inventoryEvent.host} at ${inventoryEvent.label}`;
  const more = { tUs: inventoryEvent.tUs, events: [inventoryEvent.seq] };
  const controllers = inventoryEvent.controllers.filter(({ subnqn }) => subnqn !== discoveryNqn);
  const byId = new Map<number, string>();
  for (const { controller, gateway, cntlid, subnqn } of controllers) {
    if (subnqn !== topology.nqn) findings.fail(`${where}: ${controller} belongs to subsystem ${subnqn} instead of ${topology.nqn}`, more);
    const other = byId.get(cntlid);
    if (other !== undefined) findings.fail(`${where}: ${controller} and ${other} have the same controller id ${cntlid}`, more);
    byId.set(cntlid, controller);
    const index = topology.gateways.find(({ name }) => name === gateway)?.index;
    if (index === undefined) {
      findings.fail(`${where}: ${controller} is at ${gateway}, which is not in the topology`, more);
      continue;
    }
    const low = index * cntlidsPerGateway + 1;
    const high = (index + 1) * cntlidsPerGateway;
    if (cntlid < low || cntlid > high) findings.fail(`${where}: ${controller} at ${gateway} has controller id ${cntlid}, outside its range ${low}–${high}`, more);
  }
  for (const { name } of topology.gateways) {
    const here = controllers.filter(({ gateway }) => gateway === name);
    if (!here.some(({ state }) => state === 'live')) {
      findings.failInTime(`${where}: no live controller at ${name} (${here.length === 0 ? 'none at all' : here.map(({ controller, state }) => `${controller} ${state}`).join(', ')})`, more, { sinceUs: since });
    }
  }
  return controllers.length;
}

/** A controller id is unique in its subsystem (NVMe base specification, CNTLID), whichever host it serves: all were live at the same moment. */
function checkAcrossHosts(inventories: readonly Inventory[], findings: Findings): void {
  const byId = new Map<number, { host: string; controller: string; seq: number }>();
  for (const { host, label, controllers, seq, tUs } of inventories) {
    for (const { controller, cntlid, subnqn } of controllers.filter(({ state }) => state === 'live')) {
      if (subnqn === discoveryNqn) continue;
      const other = byId.get(cntlid);
      if (other === undefined) byId.set(cntlid, { host, controller, seq });
      else if (other.host !== host) findings.fail(`at ${label}: ${controller} of ${host} and ${other.controller} of ${other.host} have the same controller id ${cntlid}`, { tUs, events: [other.seq, seq] });
    }
  }
}

/** The topology is checked for both; this names what changed between them, e.g. an address, or that one of several paths is not back. */
function checkUnchanged(start: Inventory, end: Inventory, findings: Findings): void {
  for (const before of start.namespaces) {
    const after = end.namespaces.find(({ uuid }) => uuid === before.uuid);
    if (after === undefined) {
      findings.fail(`${end.host}: namespace ${before.nsid} (${before.uuid}) was there at the start and is gone at the end`, { events: [start.seq, end.seq] });
      continue;
    }
    for (const field of ['nguid', 'nsid', 'anaGroup', 'blockSize', 'blocks'] as const) {
      if (before[field] !== after[field]) findings.fail(`${end.host}: namespace ${before.nsid} changed its ${field} from ${before[field]} to ${after[field]}`, { events: [start.seq, end.seq] });
    }
  }
  const live = ({ controllers }: Inventory): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { gateway, state, subnqn } of controllers) if (state === 'live' && subnqn !== discoveryNqn) counts.set(gateway, (counts.get(gateway) ?? 0) + 1);
    return counts;
  };
  const after = live(end);
  for (const [gateway, before] of live(start)) {
    const now = after.get(gateway) ?? 0;
    // None at all was told already.
    if (now > 0 && now < before) findings.fail(`${end.host}: ${before} controllers were live at ${gateway} at the start, ${now} at the end`, { events: [start.seq, end.seq] });
  }
  const nqns = new Set([...start.controllers, ...end.controllers].map(({ subnqn }) => subnqn).filter((nqn) => nqn !== discoveryNqn));
  if (nqns.size > 1) findings.fail(`${end.host}: controllers of several subsystems: ${[...nqns].join(', ')}`, { events: [start.seq, end.seq] });
}
