import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GatewayAgent } from './agent.js';
import type { AgentEnd, AgentSubsystem, GatewayAgentOptions } from './options.js';
import { FakeControl, FakeMonitor, FakeStore } from './testing/fakes.js';

const nqn = 'nqn.2026-01.io.example:test';
const nonce = '127.0.0.1:0/77';
const timers = { scale: 1, beaconMs: 1_000, connectPanicMs: 30_000, disconnectPanicMs: 100_000 };

const namespace = (nsid: number, anaGroup: number): AgentSubsystem['namespaces'][number] => ({
  nsid, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: String(nsid).padStart(32, '0'), anaGroup, image: `img${nsid}`,
});
const subsystem: AgentSubsystem = {
  nqn, serial: 'S', namespaces: [namespace(1, 1), namespace(2, 2)], listeners: [{ host: '127.0.0.1', port: 0, advertised: { host: '127.0.0.5', port: 9 } }],
};

interface Bench { agent: GatewayAgent; monitor: FakeMonitor; control: FakeControl; store: FakeStore; end: () => AgentEnd | undefined }

function bench(o: Partial<GatewayAgentOptions> = {}): Bench {
  const [monitor, control, store] = [new FakeMonitor(), new FakeControl(), new FakeStore()];
  const agent = new GatewayAgent({
    gwId: 'gw1', pool: 'rbd', group: 'g', monitor, control, timers, waitForStoreEpoch: store.waitForEpoch, nonce,
    subsystems: [subsystem], clock: () => Date.now() * 1_000, ...o,
  });
  let end: AgentEnd | undefined;
  void agent.ended.then((reason) => { end = reason; });
  return { agent, monitor, control, store, end: () => end };
}

/** Everything that needs no time. */
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** An agent that serves: started, first map, then AVAILABLE with group 1 its own. */
async function serving(o: Partial<GatewayAgentOptions> = {}): Promise<Bench> {
  const all = bench(o);
  all.agent.start();
  await settle();
  all.monitor.map(1, { availability: 'CREATED' });
  await settle();
  all.monitor.states(2, nqn, 'O', 'I');
  await settle();
  expect(all.agent.state().phase).toBe('serving');
  return all;
}

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

describe('before the first map', () => {
  it('sends CREATED beacons without subsystems every period and touches nothing', async () => {
    const { agent, monitor, control } = bench();
    agent.start();
    await settle();
    expect(monitor.beacons).toHaveLength(1);
    await pass(3_000);
    expect(monitor.beacons).toHaveLength(4);
    for (const beacon of monitor.beacons) expect(beacon).toMatchObject({ gwId: 'gw1', pool: 'rbd', group: 'g', availability: 'CREATED', subsystems: [], lastOsdEpoch: 0, lastGwmapEpoch: 0 });
    expect(control.calls).toEqual([]);
    expect(agent.state()).toMatchObject({ phase: 'created', groupIndex: undefined, monSilentMs: 3_000 });
  });

  it.each([
    ['an empty map (not created yet)', undefined],
    ['a map that holds it UNAVAILABLE (its previous incarnation, or disabled)', { availability: 'UNAVAILABLE' as const }],
    ['a map that holds it DELETING', { availability: 'DELETING' as const }],
  ])('%s does not start it', async (_what, entry) => {
    const { agent, monitor, control, end } = bench();
    agent.start();
    monitor.map(5, entry);
    monitor.map(5, entry);
    await pass(2_000);
    expect(monitor.last).toMatchObject({ availability: 'CREATED', subsystems: [], lastGwmapEpoch: 5 });
    expect(control.calls).toEqual([]);
    expect(end()).toBeUndefined();
  });

  it('sends a beacon as soon as the session is up, instead of at the next tick', async () => {
    const { agent, monitor } = bench();
    agent.start();
    await pass(300);
    monitor.connection(true);
    await settle();
    expect(monitor.beacons).toHaveLength(2);
    expect(agent.state().monitorConnected).toBe(true);
  });
});

describe('the first map', () => {
  it('tells the group index; then subsystem, namespaces and listeners in this order, and the second beacon at once', async () => {
    const { agent, monitor, control } = bench();
    agent.start();
    await settle();
    monitor.map(7, { groupIndex: 3, availability: 'CREATED' });
    await settle();
    expect(control.calls).toEqual([`subsystem ${nqn} index 3`, `namespace ${nqn} 1`, `namespace ${nqn} 2`, `listener ${nqn} 127.0.0.1:0`]);
    expect(monitor.beacons).toHaveLength(2);
    expect(monitor.last).toEqual({
      gwId: 'gw1', pool: 'rbd', group: 'g', availability: 'AVAILABLE', lastOsdEpoch: 0, lastGwmapEpoch: 7,
      subsystems: [{
        nqn, listeners: [{ adrfam: 'IPv4', traddr: '127.0.0.5', trsvcid: '9' }],
        namespaces: [{ anaGroup: 1, nonce }, { anaGroup: 2, nonce }],
      }],
    });
    expect(agent.state()).toMatchObject({ phase: 'serving', availability: 'AVAILABLE', groupIndex: 3 });
  });

  it('a store with a client for each image: each namespace has the address of its own', async () => {
    const { agent, monitor } = await serving({ nonce: (image) => `127.0.0.1:0/${image}` });
    expect(monitor.last.subsystems[0]!.namespaces).toEqual([{ anaGroup: 1, nonce: '127.0.0.1:0/img1' }, { anaGroup: 2, nonce: '127.0.0.1:0/img2' }]);
    await agent.addSubsystem({ ...subsystem, nqn: `${nqn}2`, namespaces: [namespace(3, 2)] });
    await pass(1_000);
    expect(monitor.last.subsystems.find((each) => each.nqn === `${nqn}2`)?.namespaces).toEqual([{ anaGroup: 2, nonce: '127.0.0.1:0/img3' }]);
  });

  it('beacons stay CREATED and empty while the listeners are still opening; maps of that time are applied afterwards', async () => {
    const { agent, monitor, control } = bench();
    let open: () => void = () => undefined;
    control.listenerGate = new Promise((resolve) => { open = resolve; });
    agent.start();
    monitor.map(1, { availability: 'CREATED' });
    await pass(2_000);
    expect(monitor.last).toMatchObject({ availability: 'CREATED', subsystems: [] });
    monitor.states(2, nqn, 'I', 'O');
    await settle();
    expect(control.ana(nqn, 2)).toBe('inaccessible');
    open();
    await settle();
    expect(control.ana(nqn, 2)).toBe('optimized');
    expect(monitor.last.availability).toBe('AVAILABLE');
  });

  it('a data plane that refuses ends it', async () => {
    const { agent, monitor, control, end } = bench();
    control.failOnce.add('namespace');
    agent.start();
    monitor.map(1, { availability: 'CREATED' });
    await settle();
    expect(end()).toMatchObject({ reason: 'control-failed', detail: `test: namespace ${nqn} 1` });
  });

  it('an end while listeners are opening closes them again', async () => {
    const { agent, monitor, control, end } = bench({ wrongMapIgnoreMs: 0 });
    let open: () => void = () => undefined;
    control.listenerGate = new Promise((resolve) => { open = resolve; });
    agent.start();
    monitor.map(1, { availability: 'CREATED' });
    await settle();
    monitor.map(2, undefined);
    await settle();
    open();
    await settle();
    expect(end()?.reason).toBe('failed-over');
    expect(control.subsystems.get(nqn)!.listeners).toEqual([]);
  });
});

describe('ANA states', () => {
  it('without an epoch are applied at once', async () => {
    const { monitor, control } = await serving();
    expect([control.ana(nqn, 1), control.ana(nqn, 2)]).toEqual(['optimized', 'inaccessible']);
    monitor.states(3, nqn, 'I', 'O');
    expect(control.ana(nqn, 1)).toBe('inaccessible');
    expect(control.ana(nqn, 2)).toBe('optimized');
  });

  it('the same map again changes nothing', async () => {
    const { monitor, control } = await serving();
    const before = control.calls.length;
    monitor.states(3, nqn, 'O', 'I');
    await pass(5_000);
    expect(control.calls).toHaveLength(before);
  });

  it('optimized at an epoch: wait, then serve, then report the epoch from the next beacon on', async () => {
    const { agent, monitor, control, store } = await serving();
    monitor.states(3, nqn, 'O', 'O@16');
    await pass(2_000);
    expect(control.ana(nqn, 2)).toBe('inaccessible');
    expect(monitor.last).toMatchObject({ lastOsdEpoch: 0, lastGwmapEpoch: 3 });
    expect(agent.state().promotionsWaiting).toBe(1);
    store.reach(16);
    await settle();
    expect(control.ana(nqn, 2)).toBe('optimized');
    expect(monitor.last.lastOsdEpoch).toBe(0);
    await pass(1_000);
    expect(monitor.last.lastOsdEpoch).toBe(16);
    // Acknowledged by the monitor: nothing to do.
    const calls = control.calls.length;
    monitor.states(4, nqn, 'O', 'O');
    await pass(1_000);
    expect(control.calls).toHaveLength(calls);
    expect(monitor.last.lastOsdEpoch).toBe(16);
  });

  it('a promotion that a newer map took back while it waited is not applied', async () => {
    const { monitor, control, store, agent } = await serving();
    monitor.states(3, nqn, 'O', 'O@16');
    await settle();
    monitor.states(4, nqn, 'O', 'I');
    store.reach(16);
    await pass(1_000);
    expect(control.calls.filter((call) => call === `ana ${nqn} 2 optimized`)).toEqual([]);
    expect(monitor.last.lastOsdEpoch).toBe(0);
    expect(agent.state().promotionsWaiting).toBe(0);
  });

  it('a promotion at a newer epoch replaces the one that waits', async () => {
    const { monitor, control, store } = await serving();
    monitor.states(3, nqn, 'O', 'O@16');
    monitor.states(4, nqn, 'O', 'O@20');
    store.reach(16);
    await settle();
    expect(control.ana(nqn, 2)).toBe('inaccessible');
    store.reach(20);
    await pass(1_000);
    expect(control.ana(nqn, 2)).toBe('optimized');
    expect(control.calls.filter((call) => call === `ana ${nqn} 2 optimized`)).toHaveLength(1);
    expect(monitor.last.lastOsdEpoch).toBe(20);
  });

  it('inaccessible overtakes another group\'s promotion that waits', async () => {
    const { monitor, control, store } = await serving();
    monitor.states(3, nqn, 'O', 'O@16');
    await settle();
    monitor.states(4, nqn, 'I', 'O@16');
    expect(control.ana(nqn, 1)).toBe('inaccessible');
    store.reach(16);
    await settle();
    expect(control.ana(nqn, 2)).toBe('optimized');
  });

  it('a promotion does not wait for I/O of the time before that is still draining', async () => {
    const { monitor, control } = await serving();
    control.drainGate = new Promise(() => undefined);
    monitor.states(3, nqn, 'I', 'I');
    monitor.states(4, nqn, 'O', 'I');
    await settle();
    expect(control.ana(nqn, 1)).toBe('optimized');
  });

  it('promoted again at an epoch that it is not at: steps down until the store is there', async () => {
    const { monitor, control, store } = await serving();
    monitor.states(3, nqn, 'O@30', 'I');
    expect(control.ana(nqn, 1)).toBe('inaccessible');
    store.reach(30);
    await pass(1_000);
    expect(control.ana(nqn, 1)).toBe('optimized');
    expect(monitor.last.lastOsdEpoch).toBe(30);
    // An epoch that it has passed needs nothing.
    const calls = control.calls.length;
    monitor.states(4, nqn, 'O@29', 'I');
    await settle();
    expect(control.calls).toHaveLength(calls);
  });

  it('a subsystem that a map does not name is inaccessible in every group', async () => {
    const { monitor, control } = await serving();
    monitor.states(3, nqn, 'O', 'O');
    await settle();
    monitor.map(4, { subsystems: [] });
    expect([control.ana(nqn, 1), control.ana(nqn, 2)]).toEqual(['inaccessible', 'inaccessible']);
    monitor.states(5, nqn, 'O', 'I');
    await settle();
    expect(control.ana(nqn, 1)).toBe('optimized');
  });

  it('what failed is tried again with the next beacon: the wait, and the data plane', async () => {
    const { monitor, control, store } = await serving();
    store.failOnce = true;
    monitor.states(3, nqn, 'O', 'O@5');
    store.reach(5);
    await settle();
    expect(control.ana(nqn, 2)).toBe('inaccessible');
    control.failOnce.add(`ana ${nqn} 2 optimized`);
    await pass(1_000);
    expect(control.ana(nqn, 2)).toBe('inaccessible');
    expect(monitor.last.lastOsdEpoch).toBe(0);
    await pass(1_000);
    expect(control.ana(nqn, 2)).toBe('optimized');
    await pass(1_000);
    expect(monitor.last.lastOsdEpoch).toBe(5);
    control.failOnce.add(`ana ${nqn} 1 inaccessible`);
    monitor.states(4, nqn, 'I', 'O@5');
    await settle();
    expect(control.ana(nqn, 1)).toBe('optimized');
    await pass(1_000);
    expect(control.ana(nqn, 1)).toBe('inaccessible');
  });

  it('a subsystem added later gets the known states at once, before its listener opens', async () => {
    const { agent, control, monitor } = await serving();
    await agent.addSubsystem({ ...subsystem, nqn: 'nqn.late' });
    expect([control.ana('nqn.late', 1), control.ana('nqn.late', 2)]).toEqual(['optimized', 'inaccessible']);
    expect(control.calls.indexOf('ana nqn.late 1 optimized')).toBeLessThan(control.calls.indexOf('listener nqn.late 127.0.0.1:0'));
    // A map that does not name it yet is no reason to take it away.
    monitor.states(3, nqn, 'O', 'I');
    expect(control.ana('nqn.late', 1)).toBe('optimized');
    await pass(1_000);
    expect(monitor.last.subsystems.map((each) => each.nqn)).toEqual([nqn, 'nqn.late']);
  });
});

describe('failed over', () => {
  it.each([
    ['the own entry is missing', undefined],
    ['UNAVAILABLE after AVAILABLE', { availability: 'UNAVAILABLE' as const }],
    ['DELETING', { availability: 'DELETING' as const }],
    ['another group index', { groupIndex: 1 }],
  ])('%s: stops serving in the same turn, then ends', async (_what, entry) => {
    const { agent, monitor, control, end } = await serving({ wrongMapIgnoreMs: 0 });
    monitor.map(9, entry);
    expect(control.ana(nqn, 1)).toBe('inaccessible');
    expect(control.calls).toContain(`remove listener ${nqn} 127.0.0.1:4420`);
    await settle();
    expect(end()?.reason).toBe('failed-over');
    expect(agent.state().phase).toBe('ended');
    const { length } = monitor.beacons;
    // Nothing brings it back.
    monitor.states(10, nqn, 'O', 'O');
    await pass(5_000);
    expect(monitor.beacons).toHaveLength(length);
    expect(control.ana(nqn, 1)).toBe('inaccessible');
  });

  it('a promotion that waits does not come through after the end', async () => {
    const { monitor, control, store, end } = await serving({ wrongMapIgnoreMs: 0 });
    monitor.states(3, nqn, 'O', 'O@16');
    monitor.map(4, undefined);
    store.reach(16);
    await pass(1_000);
    expect(end()?.reason).toBe('failed-over');
    expect(control.ana(nqn, 2)).toBe('inaccessible');
  });

  it('CREATED after AVAILABLE (no listeners) is not a failover, nor UNAVAILABLE after CREATED', async () => {
    const { monitor, control, end } = await serving({ wrongMapIgnoreMs: 0 });
    monitor.map(3, { availability: 'CREATED', subsystems: [{ nqn, ana: [{ state: 'INACCESSIBLE', osdEpoch: 0 }] }] });
    await settle();
    expect(end()).toBeUndefined();
    expect(control.ana(nqn, 1)).toBe('inaccessible');
    monitor.map(4, { availability: 'UNAVAILABLE' });
    await settle();
    expect(end()).toBeUndefined();
  });

  it('one such map soon after the start is ignored with all that it says, the second one is not', async () => {
    const { agent, monitor, control, end } = await serving();
    monitor.map(3, undefined);
    await settle();
    expect(end()).toBeUndefined();
    expect(control.ana(nqn, 1)).toBe('optimized');
    expect(agent.state().gwmapEpoch).toBe(3);
    monitor.map(4, undefined);
    await settle();
    expect(end()?.reason).toBe('failed-over');
  });

  it('the time for that is 15 s × scale', async () => {
    const { monitor, end } = await serving({ timers: { ...timers, scale: 0.1 } });
    await pass(1_500);
    monitor.map(3, undefined);
    await settle();
    expect(end()?.reason).toBe('failed-over');
  });
});

describe('a silent monitor', () => {
  it('no first map: ends after connectPanicMs', async () => {
    const { agent, end } = bench();
    agent.start();
    await pass(29_900);
    expect(end()).toBeUndefined();
    await pass(100);
    expect(end()).toMatchObject({ reason: 'monitor-silent', detail: 'no first map for 30000 ms' });
  });

  it('no map for disconnectPanicMs: stops serving and ends; every map starts the time anew', async () => {
    const { monitor, control, end } = await serving();
    await pass(90_000);
    monitor.states(3, nqn, 'O', 'I');
    await pass(99_000);
    expect(end()).toBeUndefined();
    expect(control.ana(nqn, 1)).toBe('optimized');
    await pass(1_000);
    expect(end()).toMatchObject({ reason: 'monitor-silent' });
    expect(control.ana(nqn, 1)).toBe('inaccessible');
    expect(control.subsystems.get(nqn)!.listeners).toEqual([]);
  });

  it('an empty map is a sign of life, too', async () => {
    const { agent, monitor, end } = bench();
    agent.start();
    await pass(20_000);
    monitor.map(0, undefined);
    await pass(40_000);
    expect(end()).toBeUndefined();
    await pass(60_000);
    expect(end()?.reason).toBe('monitor-silent');
  });
});

describe('beacons of a serving gateway', () => {
  it('UNAVAILABLE while the data plane does not answer, with the list that the monitor knows; AVAILABLE again afterwards', async () => {
    const { agent, monitor, control } = await serving();
    const { subsystems } = monitor.last;
    expect(subsystems).toHaveLength(1);
    control.dead = true;
    await pass(1_000);
    // Any other list would cost the blocklist: see NVMeofGwMon::apply_beacon.
    expect(monitor.last).toMatchObject({ availability: 'UNAVAILABLE', subsystems });
    expect(agent.state().availability).toBe('UNAVAILABLE');
    control.dead = false;
    await pass(1_000);
    expect(monitor.last.availability).toBe('AVAILABLE');
  });

  it('a data plane that hangs makes it silent', async () => {
    const { monitor, control } = await serving();
    let answer: () => void = () => undefined;
    const description = await control.describe();
    vi.spyOn(control, 'describe').mockImplementationOnce(() => new Promise((resolve) => { answer = () => resolve(description); }));
    const before = monitor.beacons.length;
    await pass(4_000);
    expect(monitor.beacons).toHaveLength(before);
    answer();
    await pass(1_000);
    expect(monitor.beacons.length).toBeGreaterThan(before);
  });

  it('removed listeners: AVAILABLE beacons with empty lists; brought back on the same port, serving goes on', async () => {
    const { agent, monitor, control } = await serving();
    await agent.removeListeners();
    await pass(1_000);
    expect(monitor.last).toMatchObject({ availability: 'AVAILABLE', subsystems: [{ nqn, listeners: [], namespaces: [{ anaGroup: 1 }, { anaGroup: 2 }] }] });
    monitor.states(3, nqn, 'I', 'I');
    await agent.removeListeners();
    await agent.addListeners();
    await pass(1_000);
    expect(control.calls.at(-1)).toBe(`listener ${nqn} 127.0.0.1:4420`);
    expect(monitor.last.subsystems[0]!.listeners).toHaveLength(1);
    monitor.states(4, nqn, 'O', 'I');
    await settle();
    expect(control.ana(nqn, 1)).toBe('optimized');
    expect(agent.state().phase).toBe('serving');
  });
});

describe('the other ends', () => {
  it('fenced by the store: ends, so that hosts lose the path', async () => {
    const { agent, control, end } = await serving();
    agent.reportFenced();
    await settle();
    expect(end()?.reason).toBe('fenced');
    expect(control.subsystems.get(nqn)!.listeners).toEqual([]);
  });

  it('its store has ended: ends with what the store says of it', async () => {
    const { agent, control, end } = await serving({ onFenced: 'stay' });
    agent.reportStoreLost('the storage daemon ended with SIGKILL');
    await settle();
    expect(end()).toEqual({ reason: 'store-lost', detail: 'the storage daemon ended with SIGKILL' });
    expect(control.subsystems.get(nqn)!.listeners).toEqual([]);
  });

  it('says that it is ending before anything is taken down, once', async () => {
    const said: [string, number][] = [];
    const all = await serving({ onEnding: ({ reason }) => said.push([reason, all.control.calls.length]) });
    const before = all.control.calls.length;
    all.agent.reportFenced();
    all.agent.reportFenced();
    await settle();
    expect(said).toEqual([['fenced', before]]);
    expect(all.control.calls.length).toBeGreaterThan(before);
  });

  it('fenced but told to stay: goes on, I/O reports its path errors', async () => {
    const { agent, monitor, end } = await serving({ onFenced: 'stay' });
    agent.reportFenced();
    const before = monitor.beacons.length;
    await pass(2_000);
    expect(end()).toBeUndefined();
    expect(monitor.beacons).toHaveLength(before + 2);
  });

  it('stop: ends once, also when the data plane makes trouble', async () => {
    const { agent, control, end } = await serving();
    control.failOnce.add('remove listener');
    await agent.stop();
    expect(end()?.reason).toBe('stopped');
    await agent.stop();
    agent.reportFenced();
    expect(end()?.reason).toBe('stopped');
  });

  it('onChange tells of every phase', async () => {
    const { agent, monitor } = bench();
    const phases: string[] = [];
    agent.onChange(({ phase }) => { if (phases.at(-1) !== phase) phases.push(phase); });
    agent.start();
    monitor.map(1, { availability: 'CREATED' });
    await settle();
    await agent.stop();
    expect(phases).toEqual(['configuring', 'serving', 'ended']);
  });
});
