import { describe, expect, it } from 'vitest';
import type { AnaStateName, ControllerStateName, EventBody, GroupStateName, HistoryEvent } from '../../history/events.js';
import { samplePlan } from '../testing/sample-plan.js';
import type { ReportStall } from '../types.js';
import { faultWindows } from './faults.js';
import { laneBlocks, type Lane } from './lanes.js';
import { eventLog } from './log.js';
import { loopDelaySeries, throughputSeries } from './series.js';
import { laneStates } from './states.js';
import { Track } from './track.js';

const plan = samplePlan({});
const t0Us = 1_000_000;
let seq = 0;
/** `ms` counts from the run's start. */
const event = (ms: number, body: EventBody): HistoryEvent => ({ seq: ++seq, tUs: t0Us + ms * 1_000, wallMs: 0, node: 'n', offUs: 0, errUs: 0, ...body });
const path = (ms: number, gateway: string, nsid: number, ana: AnaStateName, controllerState: ControllerStateName = 'live', controller = `c-${gateway}`): HistoryEvent =>
  event(ms, { type: 'host.path', host: 'host1', path: `${controller}n${nsid}`, controller, gateway, nsUuid: `u${nsid}`, nsid, anaGroup: ((nsid - 1) % 2) + 1, ana, controllerState, usable: controllerState === 'live' && ana === 'optimized' });
const controller = (ms: number, gateway: string, state: ControllerStateName, name = `c-${gateway}`): HistoryEvent =>
  event(ms, { type: 'host.controller', host: 'host1', controller: name, gateway, address: 'a', cntlid: 1, state });
const gone = (ms: number, gateway: string, nsid: number, name = `c-${gateway}`): HistoryEvent =>
  event(ms, { type: 'host.path-gone', host: 'host1', path: `${name}n${nsid}`, controller: name, gateway, nsUuid: `u${nsid}`, nsid });
const map = (ms: number, views: Record<string, [availability: 'AVAILABLE' | 'UNAVAILABLE', states: Record<string, GroupStateName>]>): HistoryEvent =>
  event(ms, {
    type: 'mon.map', epoch: 1, gwEpoch: 1, pool: 'p', group: 'g',
    gateways: Object.entries(views).map(([id, [availability, states]], index) => ({ id, anaGroup: index + 1, availability, adminState: 'ENABLED', listeners: 1, namespaces: 4, states })),
  });

/** All lanes, as `[state from–to …]` in milliseconds, by block and label. */
function lanes(events: HistoryEvent[], stalls: ReportStall[] = [], lengthMs = 100): Record<string, string> {
  const blocks = laneBlocks({ plan, events, stalls, t0Us, endUs: t0Us + lengthMs * 1_000, gateways: ['gw1', 'gw2'], hosts: ['host1'] });
  const words = (lane: Lane): string => lane.segments.map((segment) => `${segment.layer === 1 ? '_' : ''}${segment.state} ${segment.fromUs / 1_000}–${segment.toUs / 1_000}`).join(', ');
  return Object.fromEntries(blocks.flatMap((block) => block.sections.flatMap((section) => section.lanes.map((lane) => [`${block.id} ${section.title ?? ''} ${lane.label}`.replace(/ {2,}/g, ' '), words(lane)]))));
}

describe('tracks', () => {
  it('joins equal neighbours, drops what is replaced at once, and leaves holes', () => {
    const track = new Track();
    track.set(0, 'a');
    track.set(10, 'a');
    track.set(20, 'b');
    track.set(20, 'c');
    track.set(30, null);
    track.set(40, 'c');
    expect(track.end(50).map(({ fromUs, toUs, state }) => [fromUs, toUs, state])).toEqual([[0, 20, 'a'], [20, 30, 'c'], [40, 50, 'c']]);
  });
});

describe('path lanes', () => {
  it('show the ANA state while the controller is live, else the state of the controller', () => {
    const result = lanes([path(10, 'gw1', 1, 'optimized'), controller(30, 'gw1', 'resetting'), controller(31, 'gw1', 'connecting'), path(60, 'gw1', 1, 'inaccessible'), path(80, 'gw1', 1, 'optimized')]);
    expect(result['gateway-gw1 paths (host) ns 1 · group 1']).toBe('ana:optimized 10–30, ctrl:resetting 30–31, ctrl:connecting 31–60, ana:inaccessible 60–80, ana:optimized 80–100');
  });

  it('do not take the ANA state from before a reconnect for one of now', () => {
    const result = lanes([path(10, 'gw1', 1, 'optimized'), controller(30, 'gw1', 'connecting'), controller(50, 'gw1', 'live'), path(55, 'gw1', 1, 'inaccessible')]);
    expect(result['gateway-gw1 paths (host) ns 1 · group 1']).toBe('ana:optimized 10–30, ctrl:connecting 30–50, ana:unknown 50–55, ana:inaccessible 55–100');
  });

  it('are empty while the path is gone, and take the best of an old and a new controller', () => {
    const result = lanes([path(10, 'gw1', 1, 'optimized'), controller(20, 'gw1', 'deleting'), path(25, 'gw1', 1, 'optimized', 'live', 'new'), gone(30, 'gw1', 1), gone(40, 'gw1', 1, 'new')]);
    expect(result['gateway-gw1 paths (host) ns 1 · group 1']).toMatch(/^ana:optimized 10–20, ctrl:deleting 20–25, ana:optimized 25–30, ana:optimized 30–40$/);
  });
});

describe('with two hosts', () => {
  const two = { ...plan, topology: { ...plan.topology, hosts: ['host1', 'host2'].map((name) => ({ name, hostNqn: name, hostId: name })), namespaces: plan.topology.namespaces.map((each) => ({ ...each, host: each.nsid === 1 ? 'host1' : 'host2' })) } };
  const at2 = (each: HistoryEvent): HistoryEvent => ({ ...each, host: 'host2' }) as HistoryEvent;
  const stall = (nsid: number): ReportStall => ({ ns: nsid, fromUs: t0Us + 60_000, toUs: t0Us + 70_000, allowedMs: 1, attribution: 'none' });
  const events = [path(10, 'gw1', 1, 'optimized'), at2(path(10, 'gw1', 1, 'optimized')), at2(path(30, 'gw1', 1, 'inaccessible')), at2(path(40, 'gw2', 1, 'optimized'))];
  const blocks = laneBlocks({ plan: two, events, stalls: [stall(1)], t0Us, endUs: t0Us + 100_000, gateways: ['gw1', 'gw2'], hosts: ['host1', 'host2'] });
  const laneOf = (block: string, label: string): string[] => blocks.find(({ id }) => id === block)!.sections.flatMap((section) => section.lanes).find((lane) => lane.label === label)!.segments.map(({ state, layer }) => `${layer === 1 ? '_' : ''}${state}`);

  it('shows what each of them sees, in lanes of its own', () => {
    expect(laneOf('groups', 'group 1 · host1')).toEqual(['gw:gw1']);
    expect(laneOf('groups', 'group 1 · host2')).toEqual(['gw:gw1', 'own:none', 'gw:gw2']);
    expect(laneOf('gateway-gw1', 'host2 · ns 1 · group 1')).toEqual(['ana:optimized', 'ana:inaccessible']);
  });

  it('shows a stall only at the host whose I/O it was', () => {
    expect(laneOf('namespaces', 'host1 · ns 1 · group 1')).toEqual(['gw:gw1', '_ns:stall-over']);
    expect(laneOf('namespaces', 'host2 · ns 1 · group 1')).not.toContain('_ns:stall-over');
  });
});

describe('owner lanes', () => {
  it('tell the views of monitor, gateways and host apart', () => {
    const gateway = (ms: number, name: string, group1: AnaStateName): HistoryEvent =>
      event(ms, { type: 'gw.state', gateway: name, ana: { '1': group1, '2': 'inaccessible' }, listeners: [], namespaces: 4, serving: true, storeEpoch: 1, monSilentMs: 0 });
    const result = lanes([
      map(5, { gw1: ['AVAILABLE', { '1': 'ACTIVE' }], gw2: ['AVAILABLE', { '1': 'STANDBY' }] }), gateway(6, 'gw1', 'optimized'), path(7, 'gw1', 1, 'optimized'), path(7, 'gw1', 3, 'optimized'),
      event(20, { type: 'node', name: 'gw1', role: 'gateway', state: 'killed' }), controller(21, 'gw1', 'connecting'),
      map(40, { gw1: ['UNAVAILABLE', { '1': 'STANDBY' }], gw2: ['AVAILABLE', { '1': 'WAIT_BLOCKLIST_CMPL' }] }), gateway(45, 'gw2', 'optimized'), path(50, 'gw2', 1, 'optimized'), path(52, 'gw2', 3, 'optimized'),
    ]);
    expect(result['groups group 1 · monitor']).toBe('gw:gw1 5–40, gw:gw2 40–100');
    expect(result['groups group 1 · gateways']).toBe('gw:gw1 6–20, own:none 20–45, gw:gw2 45–100');
    expect(result['groups group 1 · host']).toBe('gw:gw1 7–21, own:none 21–50, gw:gw2 50–52, gw:gw2 52–100');
    expect(result['gateway-gw1 monitor: availability']).toBe('av:AVAILABLE 5–40, av:UNAVAILABLE 40–100');
    expect(result["gateway-gw2 monitor's state per ANA group group 1"]).toBe('grp:STANDBY 5–40, grp:WAIT_BLOCKLIST_CMPL 40–100');
  });

  it('raise two optimized paths of one namespace, but not two gateways on their way between namespaces', () => {
    const both = lanes([path(1, 'gw1', 1, 'optimized'), path(1, 'gw1', 3, 'optimized'), path(30, 'gw2', 1, 'optimized'), path(40, 'gw1', 1, 'inaccessible'), path(41, 'gw1', 3, 'inaccessible'), path(42, 'gw2', 3, 'optimized')]);
    expect(both['groups group 1 · host']).toContain('own:double 30–40, own:mixed 40–41, gw:gw2 41–42');
    expect(both['namespaces ns 1 · group 1']).toBe('gw:gw1 1–30, own:double 30–40, gw:gw2 40–100');
    expect(both['namespaces ns 3 · group 1']).not.toContain('double');
  });
});

describe('namespace lanes', () => {
  it('show queueing over everything else and stalls on the strip', () => {
    const queue = (ms: number, state: 'queueing' | 'drained'): HistoryEvent => event(ms, { type: 'host.queue', host: 'host1', nsUuid: 'u1', nsid: 1, state, depth: 4, oldestUs: 0 });
    const stall = (fromMs: number, toMs: number): ReportStall => ({ ns: 1, fromUs: t0Us + fromMs * 1_000, toUs: t0Us + toMs * 1_000, allowedMs: 30, attribution: 'F1' });
    const result = lanes([path(1, 'gw1', 1, 'optimized'), controller(20, 'gw1', 'connecting'), queue(22, 'queueing'), path(50, 'gw2', 1, 'optimized'), queue(55, 'drained')], [stall(20, 50), stall(60, 91)]);
    expect(result['namespaces ns 1 · group 1']).toBe('gw:gw1 1–20, ns:none 20–22, ns:queueing 22–55, gw:gw2 55–100, _ns:stall-within 20–50, _ns:stall-over 60–91');
  });
});

describe('process lanes', () => {
  it('keep a kill a kill when the exit follows, and show a pause', () => {
    const node = (ms: number, state: 'ready' | 'killed' | 'exited' | 'paused' | 'resumed', signal: string | null = null): HistoryEvent => event(ms, { type: 'node', name: 'gw1', role: 'gateway', state, signal });
    expect(lanes([node(1, 'ready'), node(10, 'paused'), node(20, 'resumed'), node(30, 'killed', 'SIGKILL'), node(31, 'exited', 'SIGKILL')])['gateway-gw1 process']).toBe('proc:ready 1–10, proc:paused 10–20, proc:ready 20–30, proc:killed 30–100');
  });
});

describe('lane states', () => {
  it('have a style for every state that a lane may have, and tell neighbours apart without colour', () => {
    const states = laneStates(['gw1', 'gw2']);
    expect(new Set(states.map((state) => state.key)).size).toBe(states.length);
    for (const family of new Set(states.map((state) => state.family).filter((name) => name !== null))) {
      const own = states.filter((state) => state.family === family);
      expect(new Set(own.map((state) => `${state.letter} ${state.pattern}`)).size).toBe(own.length);
    }
  });
});

describe('fault windows', () => {
  const fault = (ms: number, id: string, phase: Extract<EventBody, { type: 'fault' }>['phase'], evidence?: string): HistoryEvent =>
    event(ms, { type: 'fault', id, fault: 'gateway-kill', target: 'gw1', phase, ...(evidence === undefined ? {} : { observer: 'ps', evidence }) });

  it('last from the injection to the confirmed heal', () => {
    const [window] = faultWindows([fault(10, 'a', 'injecting'), fault(11, 'a', 'injected'), fault(15, 'a', 'confirmed', 'gone'), fault(50, 'a', 'healing'), fault(60, 'a', 'healed'), fault(70, 'a', 'heal-confirmed', 'back')], t0Us, t0Us + 100_000);
    expect(window).toEqual({ tag: 'F1', id: 'a', fault: 'gateway-kill', target: 'gw1', fromUs: 11_000, toUs: 70_000, injectedUs: 11_000, confirmedUs: 15_000, healedUs: 60_000, healConfirmedUs: 70_000, state: 'healed', confirmation: 'ps: gone', healConfirmation: 'ps: back' });
  });

  it('last to the end, and say why, when nobody saw the fault or its heal', () => {
    const windows = faultWindows([
      fault(10, 'open', 'injected'), fault(11, 'open', 'confirmed', 'x'), fault(20, 'unseen', 'injected'), fault(30, 'unseen', 'unconfirmed', 'still there'), fault(40, 'unseen', 'healed'),
      fault(30, 'half', 'injected'), fault(31, 'half', 'confirmed', 'x'), fault(40, 'half', 'healed'), fault(50, 'half', 'heal-unconfirmed', 'not back'),
    ], t0Us, t0Us + 100_000);
    expect(windows.map(({ tag, id, toUs, state }) => [tag, id, toUs, state])).toEqual([['F1', 'open', 100_000, 'open'], ['F2', 'unseen', 100_000, 'unconfirmed'], ['F3', 'half', 100_000, 'heal-unconfirmed']]);
    expect(windows[1]!.confirmation).toBe('ps: still there');
    expect(windows[2]!.healConfirmation).toBe('ps: not back');
  });
});

describe('series', () => {
  const stats = (fromMs: number, toMs: number, nsid: number, reads: number): HistoryEvent =>
    event(toMs, { type: 'io.stats', host: 'host1', nsUuid: `u${nsid}`, nsid, fromUs: t0Us + fromMs * 1_000, toUs: t0Us + toMs * 1_000, reads, writes: 0, bytesRead: 0, bytesWritten: 0, failed: 0, info: 0, latencyMeanUs: 0, latencyP99Us: 0, latencyMaxUs: 0, inflight: 0, queued: 0 });

  it('count every operation once, also where intervals and steps do not match', () => {
    const events = [stats(0, 100, 1, 50), stats(100, 200, 1, 0), stats(200, 330, 1, 65), stats(0, 100, 2, 10), stats(100, 330, 2, 23)];
    const set = throughputSeries(events, plan, t0Us, t0Us + 1_000_000);
    const total = (label: string): number => set.series.find((series) => series.label === label)!.values.reduce<number>((sum, value) => sum + (value ?? 0), 0) * (set.stepUs / 1e6);
    expect(total('ns 1')).toBeCloseTo(115, 0);
    expect(total('ns 2')).toBeCloseTo(33, 0);
    const first = set.series[0]!.values;
    expect(first.some((value) => value === 0)).toBe(true);
    expect(first.at(-1)).toBeNull();
    expect(set.series.map((series) => series.group)).toEqual([1, 2, 1, 2]);
  });

  it('keep the height of a loop-delay spike in a run of an hour', () => {
    const watch = (ms: number, loopDelayMaxUs: number): HistoryEvent => event(ms, { type: 'self.watch', process: 'host1', pid: 1, loopDelayMaxUs, loopDelayP99Us: 1, cpuPercent: 1, rssBytes: 1, fromUs: t0Us + (ms - 250) * 1_000, toUs: t0Us + ms * 1_000 });
    const events = Array.from({ length: 14_400 }, (_, index) => watch((index + 1) * 250, index === 7_777 ? 412_000 : 2_000));
    const set = loopDelaySeries(events, t0Us, t0Us + 3_600e6);
    expect(set.series[0]!.values.length).toBeLessThanOrEqual(900);
    expect(Math.max(...set.series[0]!.values.map((value) => value ?? 0))).toBe(412);
  });
});

describe('the event log', () => {
  it('says only what changed in periodic views', () => {
    const view = (ms: number, state: GroupStateName): HistoryEvent => map(ms, { gw1: ['AVAILABLE', { '1': state }] });
    const { rows } = eventLog([view(1, 'STANDBY'), view(2, 'STANDBY'), view(3, 'ACTIVE'), event(4, { type: 'mon.map', epoch: 2, gwEpoch: 1, pool: 'p', group: 'g', gateways: [] })], t0Us);
    expect(rows.map((row) => row.text)).toEqual(['map epoch 1: gw1 AVAILABLE; gw1 group 1 STANDBY', 'map epoch 1: gw1 group 1 STANDBY → ACTIVE', 'map epoch 2: gw1 gone; gw1 group 1 gone']);
  });

  it('marks what needs attention', () => {
    const { rows } = eventLog([
      event(1, { type: 'node', name: 'gw1', role: 'gateway', state: 'exited', exitCode: 1, expected: false }), event(2, { type: 'fault', id: 'f', fault: 'k', target: 't', phase: 'unconfirmed' }),
      event(3, { type: 'node', name: 'gw1', role: 'gateway', state: 'ready' }), event(4, { type: 'run.end', reason: 'infra', message: 'disk full' }),
    ], t0Us);
    expect(rows.map((row) => row.level)).toEqual(['error', 'error', 'info', 'error']);
  });

  it('gives up path rows first when there are too many, and says how many are missing', () => {
    const events = [...Array.from({ length: 50 }, (_, index) => path(index, 'gw1', 1, index % 2 === 0 ? 'optimized' : 'inaccessible')), event(60, { type: 'log', level: 'info', message: 'kept' })];
    const log = eventLog(events, t0Us, 10);
    expect(log.rows.map((row) => row.text)).toEqual(['kept']);
    expect(log.leftOut).toBe(50);
  });
});
