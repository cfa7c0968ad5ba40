import type { AnaStateName, ControllerStateName, EventBody, EventType, GroupStateName, HistoryEvent, PathIo } from '../../history/events.js';
import { namespacesOf } from '../../plan/hosts.js';
import type { Plan } from '../../plan/types.js';
import type { CheckInput } from '../types.js';
import { memoryFio } from './fio-source.js';
import { journalSource, recordsOf, testHeader } from './journal.js';
import type { OpSpec } from './journal.js';
import { testPlan } from './plan.js';

/** Begin of the run in the harness's clock. */
export const startUs = 5_000_000_000;
/** Milliseconds after the begin of the run → microseconds of the clock. */
export function t(ms: number): number {
  return startUs + Math.round(ms * 1000);
}

export interface DraftEvent {
  ms: number;
  body: EventBody;
  errUs?: number;
}
type BodyOf<T extends EventType> = Extract<EventBody, { type: T }>;

/** A run that tests take apart: `events` and `ops` in any order, stamped and sorted by `input`. */
export class DraftRun {
  plan: Plan = testPlan();
  events: DraftEvent[] = [];
  ops: OpSpec[] = [];
  historyProblems: string[] = [];
  journalProblems: string[] = [];
  /** Artifacts of fio, by `<folder>/<file>`; undefined: nobody stored any. */
  fioFiles: Map<string, string | Buffer> | undefined;
  /** Without any header if false. */
  hasJournal = true;
  /** Hosts whose journal is missing. */
  hostsWithoutJournal: string[] = [];

  add(ms: number, body: EventBody, errUs = 0): this {
    this.events.push({ ms, body, errUs });
    return this;
  }

  /** Removes the events of a type for which `which` holds. It must hit at least one: a test that changes nothing tests nothing. */
  remove<T extends EventType>(type: T, which: (body: BodyOf<T>, ms: number) => boolean = () => true): this {
    const before = this.events.length;
    this.events = this.events.filter(({ body, ms }) => !(body.type === type && which(body as BodyOf<T>, ms)));
    if (this.events.length === before) throw new Error(`no ${type} event was removed`);
    return this;
  }

  /** Removes all events after `ms`: the record of a run that was cut off there. */
  cutAfter(ms: number): this {
    this.events = this.events.filter((event) => event.ms <= ms);
    return this;
  }

  /** Changes the events of a type for which `which` holds; at least one. */
  change<T extends EventType>(type: T, which: (body: BodyOf<T>, ms: number) => boolean, change: (body: BodyOf<T>) => Partial<BodyOf<T>>): this {
    let changed = 0;
    this.events = this.events.map((event) => {
      if (event.body.type !== type || !which(event.body as BodyOf<T>, event.ms)) return event;
      changed += 1;
      return { ...event, body: { ...event.body, ...change(event.body as BodyOf<T>) } };
    });
    if (changed === 0) throw new Error(`no ${type} event was changed`);
    return this;
  }

  changeOps(which: (op: OpSpec) => boolean, change: (op: OpSpec) => Partial<OpSpec>): this {
    let changed = 0;
    this.ops = this.ops.map((op) => {
      if (!which(op)) return op;
      changed += 1;
      return { ...op, ...change(op) };
    });
    if (changed === 0) throw new Error('no operation was changed');
    return this;
  }
  removeOps(which: (op: OpSpec) => boolean): this {
    const before = this.ops.length;
    this.ops = this.ops.filter((op) => !which(op));
    if (this.ops.length === before) throw new Error('no operation was removed');
    return this;
  }

  get history(): HistoryEvent[] {
    return [...this.events]
      .sort((a, b) => a.ms - b.ms)
      .map(({ ms, body, errUs = 0 }, i) => ({ ...body, seq: i + 1, tUs: t(ms), wallMs: 1_700_000_000_000 + ms, node: 'harness', offUs: 0, errUs }));
  }

  get input(): CheckInput {
    const { topology } = this.plan;
    const journals = this.hasJournal ? topology.hosts.map(({ name }, writer) => ({ name, writer, own: namespacesOf(topology, name) })).filter(({ name }) => !this.hostsWithoutJournal.includes(name)) : [];
    const headers = journals.map(({ name, writer, own }) => testHeader({ host: name, writer, namespaces: own.map(({ uuid, nsid, blockSize, blocks }) => ({ uuid, nsid, blockSize, blocks })) }));
    // An operation's `ns` counts all namespaces here, and those of its host in the host's journal.
    const records = journals.map(({ own }) => recordsOf(this.ops.map((op) => {
      const ns = own.indexOf(topology.namespaces[op.ns ?? 0]!);
      return { ...op, ns, journal: ns === -1 ? -1 : 0 };
    })));
    return { plan: this.plan, events: this.history, historyProblems: this.historyProblems, journal: journalSource(headers, records, this.journalProblems, 64), ...(this.fioFiles === undefined ? {} : { fio: memoryFio(this.fioFiles) }) };
  }
}

export function pathEvent(gateway: string, nsid: number, ana: AnaStateName, controllerState: ControllerStateName = 'live'): BodyOf<'host.path'> {
  return {
    type: 'host.path', host: 'host1', path: `${gateway}:nvme${gateway.slice(2)}:n${nsid}`, controller: `nvme${gateway.slice(2)}`, gateway, nsUuid: `uuid-${nsid}`, nsid,
    anaGroup: ((nsid - 1) % 2) + 1, ana, controllerState, usable: ana === 'optimized' && controllerState === 'live',
  };
}

/** `states`: per gateway, its states for ANA groups 1 and 2. */
export function mapEvent(gwEpoch: number, states: Record<string, [GroupStateName, GroupStateName]>, availability: Record<string, 'AVAILABLE' | 'UNAVAILABLE'> = {}): BodyOf<'mon.map'> {
  return {
    type: 'mon.map', epoch: gwEpoch + 10, gwEpoch, pool: 'rbd', group: 'grp1',
    gateways: Object.entries(states).map(([id, [one, two]], i) => ({
      id, anaGroup: i + 1, availability: availability[id] ?? 'AVAILABLE', adminState: 'ENABLED' as const, listeners: 1, namespaces: 4, states: { 1: one, 2: two },
    })),
  };
}

export function targetEvent(gateway: string, optimized: number[], more: Partial<BodyOf<'gw.state'>> = {}): BodyOf<'gw.state'> {
  return {
    type: 'gw.state', gateway, ana: { 1: optimized.includes(1) ? 'optimized' : 'inaccessible', 2: optimized.includes(2) ? 'optimized' : 'inaccessible' },
    listeners: ['127.0.0.1:4420'], namespaces: 4, serving: true, storeEpoch: 1, monSilentMs: 0, ...more,
  };
}

export function inventoryEvent(label: string, plan: Plan = testPlan()): BodyOf<'host.inventory'> {
  const { gateways, namespaces, nqn } = plan.topology;
  return {
    type: 'host.inventory', host: 'host1', label,
    controllers: gateways.map(({ name, index }) => ({ controller: `nvme${index + 1}`, gateway: name, address: `127.0.0.1:${index}`, cntlid: index * 2040 + (label === 'start' ? 1 : 2), subnqn: nqn, state: 'live' as const })),
    namespaces: namespaces.map(({ uuid, nguid, nsid, anaGroup, blockSize, blocks }) => ({ uuid, nguid, nsid, anaGroup, blockSize, blocks, gateways: gateways.map(({ name }) => name) })),
  };
}

/** The run as a host sees it that reaches each gateway on two networks: each controller and path is there twice, changing at the same moments. */
export function twoFabrics(run: DraftRun): DraftRun {
  run.events = run.events.flatMap(({ ms, body, errUs }) => {
    const draft = (other: EventBody): DraftEvent => ({ ms, body: other, ...(errUs === undefined ? {} : { errUs }) });
    if (body.type === 'host.path' || body.type === 'host.path-gone') return [draft(body), draft({ ...body, path: `${body.path}-b`, controller: `${body.controller}-b` })];
    if (body.type === 'host.inventory') {
      return [draft({ ...body, controllers: body.controllers.flatMap((each) => [each, { ...each, controller: `${each.controller}-b`, cntlid: each.cntlid + 100, address: `${each.address}-b` }]) })];
    }
    return [draft(body)];
  });
  return run;
}

/** The counters of one path of namespace `nsid` in a window. */
export function pathIo(gateway: string, nsid: number, more: Partial<PathIo> = {}): PathIo {
  return {
    path: `${gateway}:nvme${gateway.slice(2)}:n${nsid}`, controller: `nvme${gateway.slice(2)}`, gateway, nsUuid: `uuid-${nsid}`, nsid,
    reads: 0, writes: 0, bytesRead: 0, bytesWritten: 0, inflightBefore: 0, errors: 0, ...more,
  };
}

/** Makes the host one that cannot tell the path of an operation but reads its paths' counters, a window every 250 ms. `rows`: of the window that begins at `ms`. */
export function countPaths(run: DraftRun, rows: (ms: number) => PathIo[] | undefined): DraftRun {
  run.changeOps(() => true, () => ({ path: null }));
  for (let ms = 0; ms < 10_000; ms += 250) {
    const paths = rows(ms);
    if (paths !== undefined) run.add(ms + 250, { type: 'host.path-io', host: 'host1', fromUs: t(ms), toUs: t(ms + 250), paths });
  }
  return run;
}
