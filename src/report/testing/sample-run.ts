import type { AnaStateName, AvailabilityName, ControllerStateName, EventBody, GroupStateName, HistoryEvent } from '../../history/events.js';
import type { JournalSource } from '../../history/journal-types.js';
import { samplesFromJournal } from '../samples.js';
import type { ReportInput, ReportStall } from '../types.js';
import { journalOf, sampleOps, seededRandom, type Outage, type SampleOp } from './sample-io.js';
import { samplePlan, type SampleOptions } from './sample-plan.js';
import { sampleProves, sampleVerdict } from './sample-verdict.js';

/** Where the synthetic run sits in the harness's clock, microseconds. */
const bootUs = 86_400_000_000;
/** 2025-03-04T05:06:07Z. */
const wallStartMs = 1_741_064_767_000;

/** The moments of the run, milliseconds since its start. */
const moments = { connect: 700, load: 1_400, kill: 5_400, noticed: 6_220, active: 6_430, heal: 9_000, back: 9_640, prepare: 9_900, home: 10_320, loadEnd: 13_600, reread: 13_700, delayed: 16_000, end: 17_600 };

/**
 * A made-up but consistent run, for looking at a report and for its tests: the owner of group 1 is killed,
 * the next gateway takes over, the owner returns and gets its group back.
 */
export async function sampleRun(options: SampleOptions = {}): Promise<ReportInput & { journal: JournalSource }> {
  const plan = samplePlan(options);
  const at = { ...moments, active: moments.active + (options.broken === true ? 900 : 0) };
  const us = (ms: number): number => bootUs + ms * 1_000;
  const taker = plan.topology.gateways.length > 1 ? 'gw2' : 'gw1';
  const runId = `20250304T050607Z-${plan.seed}`;

  const servedBy = (group: number, tUs: number): string => {
    const owner = plan.topology.gateways.find((gateway) => gateway.anaGroup === group)!.name;
    const away = group === 1 && tUs > us(at.kill) && tUs < us(at.home);
    const name = away ? taker : owner;
    return `${name}:nvme${Number(name.slice(2)) - 1}:q1`;
  };
  const outages: Outage[] = [
    { group: 1, fromUs: us(at.kill), toUs: us(at.active + 35) },
    { group: 1, fromUs: us(at.prepare + 30), toUs: us(at.home + 28) },
  ];
  const ops = sampleOps(plan, us(at.load), us(at.loadEnd), outages, servedBy);
  const events = new EventList();
  tell(events, plan, at, taker, options, runId);
  statistics(events, plan, ops, us(0), us(at.end));

  const stalls: ReportStall[] = plan.topology.namespaces
    .filter((namespace) => namespace.anaGroup === 1 && !namespace.idle)
    .flatMap((namespace) => [
      { ns: namespace.nsid, fromUs: us(at.kill) - 900, toUs: us(at.active + 38) + namespace.nsid * 700, allowedMs: 1_500, attribution: 'F1 gateway-kill gw1, injected' },
      { ns: namespace.nsid, fromUs: us(at.prepare + 30), toUs: us(at.home + 31) + namespace.nsid * 400, allowedMs: 850, attribution: 'F1 gateway-kill gw1, healed (failback)' },
    ]);
  const journal = journalOf(plan, runId, ops);
  const verdict = sampleVerdict(runId, us(0), options);
  return {
    plan, events: events.finish(), verdict, stalls, journal,
    samples: await samplesFromJournal(journal),
    repro: `npx pathproof run suites/smoke.suite.ts --filter gateway-killed-under-load --lab loopback --seed ${plan.seed}`,
    runDir: `results/smoke/${runId}`,
    proves: sampleProves,
  };
}

class EventList {
  readonly #events: HistoryEvent[] = [];

  add(ms: number, node: string, body: EventBody): void {
    const errUs = node === 'harness' ? 0 : 15;
    this.#events.push({ seq: 0, tUs: bootUs + Math.round(ms * 1_000), wallMs: Math.round(wallStartMs + ms), node, offUs: 0, errUs, ...body });
  }

  finish(): HistoryEvent[] {
    this.#events.sort((a, b) => a.tUs - b.tUs);
    this.#events.forEach((event, index) => (event.seq = index + 1));
    return this.#events;
  }
}

type Moments = typeof moments;

function tell(events: EventList, plan: ReportInput['plan'], at: Moments, taker: string, options: SampleOptions, runId: string): void {
  const { gateways, namespaces } = plan.topology;
  const groups = gateways.map((gateway) => gateway.anaGroup);
  const log = (ms: number, message: string, level: 'info' | 'warn' | 'error' = 'info'): void => events.add(ms, 'harness', { type: 'log', level, message });
  events.add(0, 'harness', {
    type: 'run.start', runId, suite: plan.suite, scenario: plan.scenario, seed: plan.seed, lab: plan.lab, git: '9f3c2ab (clean)',
    argv: ['run', plan.suite, '--seed', plan.seed], version: '0.1.0', planSha256: '5f0c…', defects: plan.defects,
  });
  for (const [ms, phase] of [[0, 'lab up'], [at.connect, 'connect'], [at.load, 'load'], [at.loadEnd, 'drain'], [at.reread, 're-read at once'], [at.delayed - 1_500, 'wait'], [at.delayed, 're-read delayed']] as const) {
    events.add(ms, 'harness', { type: 'run.phase', phase });
  }
  let pid = 21_400;
  for (const [name, role] of [['mon', 'monitor'], ['store', 'store'], ['link', 'link'], ['host1', 'host']] as const) {
    events.add(30 + pid - 21_400, name, { type: 'node', name, role, state: 'started', pid: ++pid });
    events.add(210 + pid - 21_400, name, { type: 'node', name, role, state: 'ready', pid });
  }
  for (const { name, index } of gateways) {
    events.add(240 + index, name, { type: 'node', name, role: 'gateway', state: 'started', pid: ++pid });
    events.add(420 + index * 12, name, { type: 'node', name, role: 'gateway', state: 'ready', pid });
  }

  /** The truth of the made-up lab; each helper reports one party's view of it. */
  const monitor = new Map<string, { anaGroup: number; availability: AvailabilityName; states: Map<number, GroupStateName> }>(gateways.map(({ name, anaGroup }) => [name, { anaGroup, availability: 'CREATED', states: new Map(groups.map((group) => [group, 'STANDBY'])) }]));
  let epoch = 2;
  const map = (ms: number): void =>
    events.add(ms, 'mon', {
      type: 'mon.map', epoch: ++epoch, gwEpoch: epoch, pool: plan.topology.pool, group: plan.topology.group,
      gateways: [...monitor].map(([id, view]) => ({
        id, anaGroup: view.anaGroup, availability: view.availability, adminState: 'ENABLED', listeners: view.availability === 'CREATED' ? 0 : 1, namespaces: namespaces.length,
        states: Object.fromEntries([...view.states].map(([group, state]) => [String(group), state])),
      })),
    });
  const target = (ms: number, gateway: string, optimized: readonly number[], storeEpoch = 1): void =>
    events.add(ms, gateway, {
      type: 'gw.state', gateway, ana: Object.fromEntries(groups.map((group) => [String(group), optimized.includes(group) ? 'optimized' : 'inaccessible'])),
      listeners: ['127.0.0.1:41733'], namespaces: namespaces.length, serving: true, storeEpoch, monSilentMs: 80,
    });
  const controller = (ms: number, gateway: string, state: ControllerStateName, cause?: string): void => {
    const index = Number(gateway.slice(2)) - 1;
    events.add(ms, 'host1', { type: 'host.controller', host: 'host1', controller: `nvme${index}`, gateway, address: `127.0.0.1:${41_733 + index}`, cntlid: index * 2_040 + 1, state, ...(cause === undefined ? {} : { cause }) });
  };
  const path = (ms: number, gateway: string, group: number, ana: AnaStateName, cause: string, state: ControllerStateName = 'live'): void => {
    for (const namespace of namespaces.filter((each) => each.anaGroup === group)) {
      const index = Number(gateway.slice(2)) - 1;
      events.add(ms + namespace.nsid * 0.03, 'host1', {
        type: 'host.path', host: 'host1', path: `nvme0c${index}n${namespace.nsid}`, controller: `nvme${index}`, gateway, nsUuid: namespace.uuid, nsid: namespace.nsid,
        anaGroup: group, ana, controllerState: state, usable: state === 'live' && ana === 'optimized', cause,
      });
    }
  };
  const fault = (ms: number, phase: Extract<EventBody, { type: 'fault' }>['phase'], observer?: string, evidence?: string): void =>
    events.add(ms, 'harness', { type: 'fault', id: 'kill-gw1', fault: 'gateway-kill', target: 'gw1', phase, ...(observer === undefined ? {} : { observer }), ...(evidence === undefined ? {} : { evidence }) });
  const head = (ms: number, state: 'queueing' | 'drained', oldestUs: number): void => {
    for (const namespace of namespaces.filter((each) => each.anaGroup === 1)) {
      events.add(ms + namespace.nsid * 0.2, 'host1', { type: 'host.queue', host: 'host1', nsUuid: namespace.uuid, nsid: namespace.nsid, state, depth: state === 'queueing' ? plan.workload.queueDepth : 0, oldestUs });
    }
  };
  const move = (ms: number, from: string | null, to: string | null, cause: string): void => {
    for (const namespace of namespaces.filter((each) => each.anaGroup === 1)) {
      events.add(ms + namespace.nsid * 0.1, 'host1', { type: 'host.failover', host: 'host1', nsUuid: namespace.uuid, nsid: namespace.nsid, from, to, cause, inflight: from === null ? 0 : 4 });
    }
  };

  map(250);
  for (const [id, view] of monitor) {
    view.availability = 'AVAILABLE';
    view.states.set(view.anaGroup, 'ACTIVE');
    map(430 + view.anaGroup * 14);
    target(440 + view.anaGroup * 14, id, [view.anaGroup]);
    controller(at.connect + view.anaGroup * 6, id, 'new');
    controller(at.connect + view.anaGroup * 6 + 1, id, 'connecting');
    controller(at.connect + view.anaGroup * 6 + 24, id, 'live');
    for (const group of groups) path(at.connect + view.anaGroup * 6 + 30, id, group, group === view.anaGroup ? 'optimized' : 'inaccessible', 'connected');
  }
  log(at.load, `load on ${namespaces.length - 1} namespaces, 1 probed`);

  fault(at.kill - 4, 'injecting');
  events.add(at.kill, 'harness', { type: 'node', name: 'gw1', role: 'gateway', state: 'killed', pid: 21_405, signal: 'SIGKILL', expected: true });
  fault(at.kill + 1, 'injected');
  fault(at.kill + 48, 'confirmed', 'process table', `pid 21405 gone, its listener refuses connections${options.hostile ?? ''}`);
  controller(at.kill + 1.4, 'gw1', 'resetting', 'transport-reset');
  controller(at.kill + 2, 'gw1', 'connecting', 'transport-reset');
  for (const group of groups) path(at.kill + 2, 'gw1', group, group === 1 ? 'optimized' : 'inaccessible', 'transport-reset', 'connecting');
  move(at.kill + 2.2, 'nvme0c0', null, 'transport-reset');
  head(at.kill + 3, 'queueing', 0);
  log(at.kill + 502, 'nvme0: connect attempt 1/120 failed: ECONNREFUSED', 'warn');

  const first = monitor.get('gw1')!;
  const second = monitor.get(taker)!;
  first.availability = 'UNAVAILABLE';
  first.states.set(1, 'STANDBY');
  second.states.set(1, 'WAIT_BLOCKLIST_CMPL');
  if (options.broken !== true) events.add(at.noticed - 2, 'store', { type: 'store.state', epoch: 2, blocklist: ['127.0.0.1:52110/3019'], clients: [{ address: '127.0.0.1:52110/3019', name: 'gw1', fenced: true }], droppedWrites: 0 });
  map(at.noticed);
  target(at.active - 60, taker, [1, second.anaGroup], 2);
  second.states.set(1, 'ACTIVE');
  map(at.active - 20);
  events.add(at.active - 12, 'host1', { type: 'host.aen', host: 'host1', controller: 'nvme1', gateway: taker, result: 0x000c0302 });
  path(at.active, taker, 1, 'optimized', 'ANA log');
  move(at.active + 0.5, null, 'nvme0c1', 'ana-change');
  head(at.active + 35, 'drained', (at.active - at.kill + 32) * 1_000);

  fault(at.heal, 'healing');
  events.add(at.heal + 4, 'gw1', { type: 'node', name: 'gw1', role: 'gateway', state: 'started', pid: 21_533 });
  events.add(at.back - 300, 'gw1', { type: 'node', name: 'gw1', role: 'gateway', state: 'ready', pid: 21_533 });
  fault(at.back - 290, 'healed');
  first.availability = 'AVAILABLE';
  map(at.back - 240);
  target(at.back - 230, 'gw1', []);
  controller(at.back - 60, 'gw1', 'live', 'reconnected (attempt 9)');
  for (const group of groups) path(at.back - 50, 'gw1', group, 'inaccessible', 'reconnected');
  fault(at.back, 'heal-confirmed', 'host', 'controller nvme0 live, all namespaces present');
  first.states.set(1, 'OWNER_FAILBACK_PREPARED');
  second.states.set(1, 'WAIT_FAILBACK_PREPARED');
  map(at.prepare);
  target(at.prepare + 20, taker, [second.anaGroup], 2);
  path(at.prepare + 30, taker, 1, 'inaccessible', 'ANA log');
  move(at.prepare + 30.4, 'nvme0c1', null, 'ana-change');
  head(at.prepare + 31, 'queueing', 0);
  first.states.set(1, 'ACTIVE');
  second.states.set(1, 'STANDBY');
  map(at.home - 15);
  target(at.home - 8, 'gw1', [1], 3);
  path(at.home, 'gw1', 1, 'optimized', 'ANA log');
  if (options.broken === true) path(at.home + 700, taker, 1, 'optimized', 'ANA log');
  if (options.broken === true) path(at.home + 1_100, taker, 1, 'inaccessible', 'ANA log');
  move(at.home + 0.4, null, 'nvme0c0', 'ana-change');
  head(at.home + 28, 'drained', (at.home - at.prepare - 3) * 1_000);

  for (const [ms, pass] of [[at.reread, 'at-once'], [at.delayed, 'delayed']] as const) {
    namespaces.forEach((namespace, index) => {
      const body = { type: 'reread', pass, nsUuid: namespace.uuid, nsid: namespace.nsid, blocks: 4_096 } as const;
      const step = Math.min(180, 1_000 / namespaces.length);
      events.add(ms + index * step, 'host1', { ...body, state: 'begin' });
      events.add(ms + (index + 1) * step, 'host1', { ...body, state: 'end' });
    });
  }
  if (options.hostile !== undefined) log(at.loadEnd, `hostile${options.hostile}`, 'error');
  events.add(at.end, 'harness', { type: 'run.end', reason: 'completed' });
}

function statistics(events: EventList, plan: ReportInput['plan'], ops: readonly SampleOp[], t0Us: number, endUs: number): void {
  const periodUs = 100_000;
  const done = new Map<string, SampleOp[]>();
  for (const op of ops) {
    const key = `${op.ns} ${Math.floor((op.toUs - t0Us) / periodUs)}`;
    done.set(key, [...(done.get(key) ?? []), op]);
  }
  const random = seededRandom(5);
  const firstStep = Math.floor((ops[0]!.fromUs - t0Us) / periodUs);
  const lastStep = Math.floor((ops.at(-1)!.toUs - t0Us) / periodUs);
  for (let step = firstStep; step <= lastStep; step++) {
    plan.topology.namespaces.forEach((namespace, ns) => {
      const own = done.get(`${ns} ${step}`) ?? [];
      const latencies = own.map((op) => op.toUs - op.fromUs).sort((a, b) => a - b);
      const sum = (what: 'read' | 'write', of: (op: SampleOp) => number): number => own.filter((op) => op.what === what).reduce((total, op) => total + of(op), 0);
      events.add(((step + 1) * periodUs) / 1_000 + 1, 'host1', {
        type: 'io.stats', host: 'host1', nsUuid: namespace.uuid, nsid: namespace.nsid, fromUs: t0Us + step * periodUs, toUs: t0Us + (step + 1) * periodUs,
        reads: sum('read', () => 1), writes: sum('write', () => 1), bytesRead: sum('read', (op) => op.bytes), bytesWritten: sum('write', (op) => op.bytes), failed: 0, info: 0,
        latencyMeanUs: Math.round(latencies.reduce((total, each) => total + each, 0) / Math.max(1, latencies.length)),
        latencyP99Us: latencies[Math.floor(latencies.length * 0.99)] ?? 0, latencyMaxUs: latencies.at(-1) ?? 0, inflight: 4, queued: 0,
      });
    });
  }
  const processes = ['harness', 'mon', 'store', 'link', 'host1', ...plan.topology.gateways.map((gateway) => gateway.name)];
  const watchUs = 250_000;
  for (let fromUs = t0Us + 500_000; fromUs + watchUs < endUs; fromUs += watchUs) {
    processes.forEach((process, index) => {
      const sinceMs = (fromUs - t0Us) / 1_000;
      if (process === 'gw1' && sinceMs > moments.kill - 250 && sinceMs < moments.heal + 300) return;
      const base = 900 + 1_800 * random() * random() + (random() > 0.985 ? 14_000 : 0);
      events.add((fromUs + watchUs - t0Us) / 1_000, process, {
        type: 'self.watch', process, pid: 21_400 + index, loopDelayMaxUs: Math.round(base * 2.2), loopDelayP99Us: Math.round(base), cpuPercent: Math.round(100 + 500 * random()) / 10,
        rssBytes: 60_000_000 + Math.round(8e6 * random()), fromUs, toUs: fromUs + watchUs,
      });
    });
  }
}
