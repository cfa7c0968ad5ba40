import type { EventOf, FaultPhase, HistoryEvent } from '../history/events.js';
import { deriveBounds } from '../plan/bounds.js';
import { nominalPlatform } from '../plan/platform.js';
import type { Bound, Plan } from '../plan/types.js';

const ordered = new WeakMap<readonly HistoryEvent[], readonly HistoryEvent[]>();

/**
 * The events by the time at which they happened. The history has them in the order in which they reached the
 * harness, and nodes report with different delays.
 */
export function inTimeOrder(events: readonly HistoryEvent[]): readonly HistoryEvent[] {
  let sorted = ordered.get(events);
  if (sorted === undefined) ordered.set(events, (sorted = [...events].sort((a, b) => a.tUs - b.tUs || a.seq - b.seq)));
  return sorted;
}

/** All events of one type, in time order. */
export function eventsOf<T extends HistoryEvent['type']>(events: readonly HistoryEvent[], type: T): EventOf<T>[] {
  return inTimeOrder(events).filter((event): event is EventOf<T> => event.type === type);
}

/** A period in harness time, microseconds. */
export interface Period {
  fromUs: number;
  toUs: number;
}

/**
 * What the observing checkers judge: from the hosts' `start` inventories (or the first path) to their `end`
 * inventories (or `run.end`, or the last event). Bring-up and teardown lie outside: with several hosts it is the time
 * in which each of them was past its start and before its end. Undefined: no host was seen.
 */
export function judgedPeriod(history: readonly HistoryEvent[]): Period | undefined {
  const events = inTimeOrder(history);
  const starts = new Map<string, number>();
  const ends = new Map<string, number>();
  for (const event of events) {
    if (event.type !== 'host.inventory') continue;
    if (event.label === 'start' && !starts.has(event.host)) starts.set(event.host, event.tUs);
    if (event.label === 'end') ends.set(event.host, event.tUs);
  }
  const fromUs = starts.size > 0 ? Math.max(...starts.values()) : events.find((event) => event.type === 'host.path')?.tUs;
  if (fromUs === undefined) return undefined;
  const toUs = ends.size > 0 ? Math.min(...ends.values()) : (events.findLast((event) => event.type === 'run.end') ?? events.at(-1)!).tUs;
  return { fromUs, toUs };
}

/** The first event of each phase of one fault. */
export type FaultRecord = Partial<Record<FaultPhase, EventOf<'fault'>>>;

export function faultRecords(events: readonly HistoryEvent[]): Map<string, FaultRecord> {
  const records = new Map<string, FaultRecord>();
  for (const event of eventsOf(events, 'fault')) {
    let record = records.get(event.id);
    if (record === undefined) records.set(event.id, (record = {}));
    record[event.phase] ??= event;
  }
  return records;
}

/** When the fault began to act; undefined: it was never injected. */
export function injectUs(record: FaultRecord | undefined): number | undefined {
  return (record?.injecting ?? record?.injected)?.tUs;
}
/** When its heal began. */
export function healUs(record: FaultRecord | undefined): number | undefined {
  return (record?.healing ?? record?.healed)?.tUs;
}
/** When it was seen to be gone. */
export function healedUs(record: FaultRecord | undefined): number | undefined {
  return (record?.['heal-confirmed'] ?? record?.healed)?.tUs;
}

/**
 * Bounds by name. A plan that was stored before a bound existed gets it from its lab's timers and platform. A name that nobody
 * knows is no bound: the checker that needs it throws.
 */
export function boundOf(plan: Plan, name: string): Bound {
  const bound = plan.bounds.find((each) => each.name === name) ?? deriveBounds(plan.shape, plan.platform ?? nominalPlatform('loopback')).find((each) => each.name === name);
  if (bound === undefined) throw new Error(`the plan names the bound '${name}' but does not define it`);
  return bound;
}

/** A window in which a stall or an overlap is allowed. */
export interface AllowanceWindow extends Period {
  fault: string;
  groups: readonly number[];
  bound: Bound;
  boundUs: number;
  /** The heal at which an until-heal window ends (before its bound is added); undefined: any other window. */
  untilUs: number | undefined;
  reason: string;
}

interface Allowance {
  fault: string;
  when: 'inject' | 'heal';
  groups: number[];
  bound: string;
  untilHeal?: boolean;
  until?: { fault: string; when: 'inject' | 'heal' };
  reason: string;
}

/**
 * The windows of a plan's allowances, from the times at which its faults really were injected and healed.
 *
 * A window begins when the injection (or heal) begins. It ends
 * - for `untilHeal`: one bound after the heal was confirmed (never, if it wasn't); for `until`, the same with the
 *   other fault's injection or heal;
 * - for an injection: one bound later. What the fault causes begins within the bound, which contains the
 *   detection times, so a stall that begins later has another cause;
 * - for a heal: after the convergence bound, if that is longer. The gateway first starts and registers, and
 *   only then its group moves back.
 * An allowance whose fault never happened gives no window.
 */
export function allowanceWindows(plan: Plan, events: readonly HistoryEvent[], allowances: readonly Allowance[]): AllowanceWindow[] {
  const faults = faultRecords(events);
  const windows: AllowanceWindow[] = [];
  for (const { fault, when, groups, bound: name, untilHeal, until, reason } of allowances) {
    const record = faults.get(fault);
    const fromUs = when === 'inject' ? injectUs(record) : healUs(record);
    if (fromUs === undefined) continue;
    const bound = boundOf(plan, name);
    const boundUs = bound.ms * 1000;
    let toUs = fromUs + boundUs;
    let untilUs: number | undefined;
    if (untilHeal === true || until !== undefined) {
      const other = until === undefined ? undefined : faults.get(until.fault);
      untilUs = (until === undefined ? healedUs(record) : until.when === 'inject' ? injectUs(other) : healedUs(other)) ?? Infinity;
      toUs = untilUs + boundUs;
    } else if (when === 'heal') {
      toUs = fromUs + Math.max(boundUs, boundOf(plan, plan.expect.convergence).ms * 1000);
    }
    windows.push({ fault, groups, bound, boundUs, untilUs, reason, fromUs, toUs });
  }
  return windows;
}

/** `harness`, `host`, `gateway`, `monitor`, `store`, or what the lab calls it; by the lab's own word first, then the plan's. */
export function rolesOf(plan: Plan, events: readonly HistoryEvent[]): Map<string, string> {
  const roles = new Map<string, string>([['harness', 'harness']]);
  // In the other labs the monitor and the store are Ceph's own daemons, which nobody asks for their event loops.
  if (plan.lab === 'loopback') for (const name of ['monitor', 'store']) roles.set(name, name);
  for (const { name } of plan.topology.gateways) roles.set(name, 'gateway');
  for (const { name } of plan.topology.hosts) roles.set(name, 'host');
  for (const { name, role } of eventsOf(events, 'node')) roles.set(name, role);
  return roles;
}
