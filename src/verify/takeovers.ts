import type { Plan } from '../plan/types.js';
import { HostView, isOptimized } from './host-view.js';
import { faultRecords, healUs, inTimeOrder, injectUs, judgedPeriod } from './timeline.js';
import type { CheckInput } from './types.js';

/** The first other gateway that one host saw as optimized. */
export interface SeenTakeover {
  host: string;
  tookOverUs: number;
  takenBy: string;
  event: number;
}

/** One expectation about a takeover, and what the hosts saw of it. */
export interface Takeover {
  fault: string;
  group: number;
  expected: boolean;
  reason: string;
  /** Undefined: the fault was never injected. */
  injectUs: number | undefined;
  /** Begin of the heal; Infinity: never healed. */
  healUs: number;
  /** Until when a group that must not move is watched: the next injection, or the end. */
  watchUntilUs: number;
  /** The gateway that the hosts saw as optimized when the fault began, else the one that the plan names. */
  ownerBefore: string;
  /** By time, each host of the plan at most once: between injection and heal (expected), or the first at all (not expected). */
  seen: SeenTakeover[];
  /** Hosts of the plan that saw none. */
  unseenBy: string[];
}

const cache = new WeakMap<CheckInput, Takeover[]>();

/** The expected takeovers of the plan, found in the hosts' views of the paths. */
export function takeoversOf(input: CheckInput): Takeover[] {
  let takeovers = cache.get(input);
  if (takeovers === undefined) cache.set(input, (takeovers = input.plan.expect.takeovers.map((each) => follow(input, each))));
  return takeovers;
}

function follow({ plan, events }: CheckInput, { fault, group, expected, reason }: Plan['expect']['takeovers'][number]): Takeover {
  const faults = faultRecords(events);
  const record = faults.get(fault);
  const fromUs = injectUs(record);
  const toUs = healUs(record) ?? Infinity;
  const others = [...faults].filter(([id]) => id !== fault).map(([, other]) => injectUs(other));
  const endUs = judgedPeriod(events)?.toUs ?? Infinity;
  const watchUntilUs = Math.min(endUs, ...others.filter((tUs) => tUs !== undefined && fromUs !== undefined && tUs > fromUs).map(Number));
  const takeover: Takeover = {
    fault, group, expected, reason, injectUs: fromUs, healUs: toUs, watchUntilUs,
    ownerBefore: plan.topology.gateways.find(({ anaGroup }) => anaGroup === group)?.name ?? '',
    seen: [], unseenBy: plan.topology.hosts.map(({ name }) => name),
  };
  if (fromUs === undefined) return takeover;
  const limitUs = expected ? toUs : watchUntilUs;
  const view = new HostView();
  let begun = false;
  for (const event of inTimeOrder(events)) {
    if (!begun && event.tUs >= fromUs) {
      begun = true;
      const owners = view.owners(group);
      if (owners.size > 0 && !owners.has(takeover.ownerBefore)) takeover.ownerBefore = [...owners][0]!;
    }
    if (begun && event.tUs >= limitUs) break;
    const change = view.apply(event);
    const path = change?.after;
    if (begun && path?.anaGroup === group && path.gateway !== takeover.ownerBefore && isOptimized(path) && takeover.unseenBy.includes(path.host)) {
      takeover.seen.push({ host: path.host, tookOverUs: event.tUs, takenBy: path.gateway, event: event.seq });
      takeover.unseenBy = takeover.unseenBy.filter((host) => host !== path.host);
      if (!expected || takeover.unseenBy.length === 0) break;
    }
  }
  return takeover;
}
