import type { EventOf, GroupStateName, HistoryEvent } from '../history/events.js';
import { isOptimized } from './host-view.js';
import { eventsOf } from './timeline.js';

/**
 * The steps that NVMeofGwMon's state machine takes, per gateway and ANA group (facts: msgr2.md section 12).
 * `STANDBY` is where a gateway falls back to whenever it goes down or loses its listeners. A failback that ends
 * because one side died and the takeover that follows can be one commit (one tick does both), so the step from a
 * failback state to a takeover is legal too.
 */
const legalSteps: Record<GroupStateName, readonly GroupStateName[]> = {
  IDLE: ['STANDBY', 'ACTIVE', 'WAIT_BLOCKLIST_CMPL', 'OWNER_FAILBACK_PREPARED'],
  STANDBY: ['IDLE', 'ACTIVE', 'WAIT_BLOCKLIST_CMPL', 'OWNER_FAILBACK_PREPARED'],
  ACTIVE: ['STANDBY', 'IDLE', 'WAIT_FAILBACK_PREPARED'],
  WAIT_BLOCKLIST_CMPL: ['ACTIVE', 'STANDBY', 'IDLE'],
  WAIT_FAILBACK_PREPARED: ['STANDBY', 'IDLE', 'ACTIVE', 'WAIT_BLOCKLIST_CMPL'],
  OWNER_FAILBACK_PREPARED: ['ACTIVE', 'STANDBY', 'IDLE', 'WAIT_BLOCKLIST_CMPL'],
};

/** One change of one gateway's state for one group between two maps. */
export interface GroupStep {
  gateway: string;
  group: number;
  from: GroupStateName;
  to: GroupStateName;
  tUs: number;
  event: number;
  /** False: a map between the two was not seen, so the step may be several. */
  adjacent: boolean;
  legal: boolean;
}

/** All steps in the order of the maps. A gateway that is new in a map has no step there. */
export function groupSteps(events: readonly HistoryEvent[]): GroupStep[] {
  const steps: GroupStep[] = [];
  let previous: EventOf<'mon.map'> | undefined;
  for (const map of eventsOf(events, 'mon.map')) {
    for (const gateway of map.gateways) {
      const before = previous?.gateways.find(({ id }) => id === gateway.id);
      for (const [group, to] of Object.entries(gateway.states)) {
        const from = before?.states[group];
        if (from === undefined || from === to) continue;
        const adjacent = map.gwEpoch - previous!.gwEpoch <= 1;
        steps.push({ gateway: gateway.id, group: Number(group), from, to, tUs: map.tUs, event: map.seq, adjacent, legal: legalSteps[from].includes(to) });
      }
    }
    previous = map;
  }
  return steps;
}

/** The gateway that the maps before `tUs` last had ACTIVE for the group, and since when. */
export function activeBefore(events: readonly HistoryEvent[], group: number, tUs: number): { gateway: string; sinceUs: number } | undefined {
  let active: { gateway: string; sinceUs: number } | undefined;
  for (const map of eventsOf(events, 'mon.map')) {
    if (map.tUs >= tUs) break;
    const gateway = map.gateways.find(({ states }) => states[String(group)] === 'ACTIVE')?.id;
    if (gateway !== undefined && gateway !== active?.gateway) active = { gateway, sinceUs: map.tUs };
  }
  return active;
}

/**
 * An owner that the monitor had give the group up for a failback is alive and was told: NVMeofGwMon fences nobody then, also
 * when the failback breaks off and a third gateway takes the group. The target's own word that it was not optimized any
 * more, given before `tUs`, is what stands for the fencing. Undefined: it left the group in another way, or its target never said so.
 */
export function handedBack(events: readonly HistoryEvent[], steps: readonly GroupStep[], owner: { gateway: string; group: number }, tUs: number): EventOf<'gw.state'> | undefined {
  const left = steps.findLast((step) => step.gateway === owner.gateway && step.group === owner.group && step.from === 'ACTIVE' && step.tUs < tUs);
  if (left?.to !== 'WAIT_FAILBACK_PREPARED') return undefined;
  const word = eventsOf(events, 'gw.state').findLast((state) => state.gateway === owner.gateway && state.tUs >= left.tUs && state.tUs < tUs);
  return word === undefined || word.ana[String(owner.group)] === 'optimized' ? undefined : word;
}

/** What the store says about the fencing of one gateway's clients around a takeover. */
export interface Fencing {
  /** Addresses of the clients that the gateway had at the store while it was ACTIVE. */
  addresses: string[];
  /** Those that were neither blocklisted nor fenced in the first sample after the takeover gateway was ACTIVE. */
  unfenced: string[];
  /** Time and seq of that sample; undefined: the store was not sampled any more. */
  sampleUs: number | undefined;
  event: number | undefined;
}

/**
 * `owner` was ACTIVE for `group` from `sinceUs` on; the takeover gateway entered WAIT_BLOCKLIST_CMPL at `beganUs` and became
 * ACTIVE at `activeUs`. The store's state is sampled, so the first sample at or after `activeUs` decides; blocklist
 * entries do not expire within a run. What this takeover has to fence are the clients of the owner's last incarnation that
 * had any: those of earlier ones, or gone before it was ACTIVE, send nothing any more.
 * An incarnation that was never optimized has written nothing in the group, and the monitor may not have heard of it:
 * there the fencing of the one before it will do.
 */
export function fencingOf(events: readonly HistoryEvent[], { gateway, group, sinceUs }: { gateway: string; group: number; sinceUs: number }, beganUs: number, activeUs: number): Fencing {
  // Of one that an orchestrator starts no beginning is seen, only the end of the one before it.
  const turns = eventsOf(events, 'node').filter(({ name, state, tUs }) => name === gateway && (state === 'started' || state === 'exited') && tUs < beganUs).map(({ tUs }) => tUs);
  /** Address → begin of the incarnation in which it was seen first. */
  const addresses = new Map<string, number>();
  for (const state of eventsOf(events, 'store.state')) {
    // The monitor blocklists the clients of a group; a gateway may have others for its other groups.
    const mine = state.clients.filter(({ name, anaGroups }) => (anaGroups?.includes(group) ?? true) && (name === gateway || (name.startsWith(gateway) && /^[:/.#@-]/.test(name.slice(gateway.length)))));
    if (state.tUs < beganUs) {
      // The monitor may make it ACTIVE when it is dead already: a sample without a client does not say who it was.
      if (state.tUs <= sinceUs && mine.length > 0) for (const address of addresses.keys()) if (!mine.some((client) => client.address === address)) addresses.delete(address);
      const bornUs = turns.findLast((tUs) => tUs <= state.tUs) ?? -Infinity;
      for (const { address, fenced } of mine) if (!addresses.has(address) && !fenced && !state.blocklist.includes(address)) addresses.set(address, bornUs);
    } else if (state.tUs >= activeUs) {
      const open = (address: string): boolean => !state.blocklist.includes(address) && !mine.some((client) => client.address === address && client.fenced);
      const [last, beforeLast] = [...new Set(addresses.values())].sort((a, b) => b - a)
        .map((bornUs) => ({ bornUs, its: [...addresses].filter(([, born]) => born === bornUs).map(([address]) => address) }));
      const beforeDecides = beforeLast !== undefined && !beforeLast.its.some(open) && !wasOptimized(events, gateway, group, last!.bornUs, beganUs);
      const asked = (beforeDecides ? beforeLast : last)?.its ?? [];
      return { addresses: asked, unfenced: asked.filter(open), sampleUs: state.tUs, event: state.seq };
    }
  }
  return { addresses: [...addresses.keys()], unfenced: [], sampleUs: undefined, event: undefined };
}

/** Whether the gateway was optimized for the group in a period, by its own word or in a host's eyes. */
function wasOptimized(events: readonly HistoryEvent[], gateway: string, group: number, fromUs: number, toUs: number): boolean {
  return events.some((event) => event.tUs >= fromUs && event.tUs < toUs && (
    (event.type === 'gw.state' && event.gateway === gateway && event.ana[String(group)] === 'optimized')
    || (event.type === 'host.path' && event.gateway === gateway && event.anaGroup === group && isOptimized(event))
  ));
}
