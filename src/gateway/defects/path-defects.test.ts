import { describe, expect, it, vi } from 'vitest';
import type { AnaLog } from '../../nvme/index.js';
import { FakeControl, FakeMonitor } from '../agent/testing/fakes.js';
import type { BlockBackend } from '../backend.js';
import type { ControlNamespace } from '../control.js';
import type { GatewayMap } from '../../monitor/client.js';
import { AnaGroup } from '../target/ana-groups.js';
import { MemoryBackend } from '../target/testing/memory-backend.js';
import { anaLogBytesMax } from './ana-log.js';
import { gatewayDefectNames, makeGatewayDefects, type DefectContext, type GatewayDefect, type GatewayDefectName } from './index.js';

const nqn = 'nqn.test';
const namespace = (nsid: number, anaGroup: number): ControlNamespace => ({ nsid, uuid: `uuid-${nsid}`, nguid: `${nsid}`, anaGroup, image: `image${nsid}` });
const crashes: string[] = [];
const context = (incarnation = 0): DefectContext => ({ incarnation, namespaces: [namespace(1, 1), namespace(2, 2)], groups: [1, 2], crash: (why) => crashes.push(why) });

function make(name: GatewayDefectName, incarnation = 0): GatewayDefect {
  return makeGatewayDefects([name], context(incarnation))[0]!;
}
/** A data plane with the defect around it, and what really reached it. */
function control(name: GatewayDefectName, incarnation = 0) {
  const real = new FakeControl();
  return { real, broken: make(name, incarnation).control?.(real) ?? real };
}
const log = (...states: AnaLog['groups'][number]['state'][]): AnaLog => ({ changeCount: 7, groups: states.map((state, i) => ({ id: i + 1, changeCount: 3, state, nsids: [i + 1] })) });
const block = (fill: number): Buffer => Buffer.alloc(512, fill);

describe('makeGatewayDefects', () => {
  it('makes nothing of no names, and one thing of each', () => {
    expect(makeGatewayDefects([], context())).toEqual([]);
    for (const name of gatewayDefectNames) expect(makeGatewayDefects([name], context(1)), name).toHaveLength(1);
  });
});

describe('ANA changes', () => {
  it('ana-not-applied: the own group is promoted, another one is not, and demotions pass', async () => {
    const { real, broken } = control('agent.ana-not-applied');
    await broken.setAnaState(nqn, 1, 'optimized');
    await broken.setAnaState(nqn, 2, 'optimized');
    await broken.setAnaState(nqn, 2, 'inaccessible');
    expect(real.calls.filter((call) => call.includes('2'))).toHaveLength(1);
    expect(real.calls.some((call) => call.includes('1') && call.includes('optimized'))).toBe(true);
  });

  it('failback-inaccessible: only a process that was started again', async () => {
    const first = control('agent.failback-inaccessible', 0);
    await first.broken.setAnaState(nqn, 1, 'optimized');
    expect(first.real.calls).toHaveLength(1);
    const again = control('agent.failback-inaccessible', 1);
    await again.broken.setAnaState(nqn, 1, 'optimized');
    expect(again.real.calls).toEqual([]);
  });

  it('slow-promotion: late for another group, at once for its own, and not at all once it was overtaken', async () => {
    vi.useFakeTimers();
    try {
      const { real, broken } = control('agent.slow-promotion');
      await broken.setAnaState(nqn, 1, 'optimized');
      const late = broken.setAnaState(nqn, 2, 'optimized');
      await vi.advanceTimersByTimeAsync(4_900);
      expect(real.calls).toHaveLength(1);
      await vi.advanceTimersByTimeAsync(200);
      await late;
      expect(real.calls).toHaveLength(2);
      void broken.setAnaState(nqn, 2, 'optimized');
      await broken.setAnaState(nqn, 2, 'inaccessible');
      await vi.advanceTimersByTimeAsync(6_000);
      expect(real.calls).toHaveLength(3);
    } finally {
      vi.useRealTimers();
    }
  });

  it('crash-on-promotion: for another group only', async () => {
    crashes.length = 0;
    const { broken } = control('agent.crash-on-promotion');
    await broken.setAnaState(nqn, 1, 'optimized');
    expect(crashes).toEqual([]);
    void broken.setAnaState(nqn, 2, 'optimized');
    expect(crashes).toEqual(['set_ana_state group 2']);
  });

  it('flap-ana: up and down until it is demoted', async () => {
    vi.useFakeTimers();
    try {
      const { real, broken } = control('agent.flap-ana');
      await broken.setAnaState(nqn, 1, 'optimized');
      await vi.advanceTimersByTimeAsync(2_000);
      expect(real.calls.length).toBeGreaterThan(3);
      await broken.setAnaState(nqn, 1, 'inaccessible');
      const calls = real.calls.length;
      await vi.advanceTimersByTimeAsync(5_000);
      expect(real.calls).toHaveLength(calls);
    } finally {
      vi.useRealTimers();
    }
  });

  it('optimized-everywhere: every group with the first change of any, and none is given up', async () => {
    const { real, broken } = control('gateway.optimized-everywhere');
    await broken.setAnaState(nqn, 1, 'inaccessible');
    expect(real.calls.filter((call) => call.includes('optimized'))).toHaveLength(2);
    expect(real.calls.some((call) => call.includes('inaccessible'))).toBe(false);
  });

  it('late-demotion: the group is given up only after the next map, and a while later', async () => {
    vi.useFakeTimers();
    try {
      const monitor = new FakeMonitor();
      const seen: string[] = [];
      make('agent.late-demotion-50ms').monitor!(monitor).onMap((map: GatewayMap) => seen.push(map.entry!.subsystems[0]!.ana.map(({ state }) => state[0]).join('')));
      monitor.states(1, nqn, 'O', 'I');
      monitor.states(2, nqn, 'I', 'I');
      // The acknowledgement of the same epoch changes nothing.
      monitor.states(2, nqn, 'I', 'I');
      monitor.states(3, nqn, 'I', 'I');
      expect(seen).toEqual(['OI', 'OI', 'OI', 'OI']);
      await vi.advanceTimersByTimeAsync(60);
      expect(seen.at(-1)).toBe('II');
      monitor.states(4, nqn, 'O', 'O');
      expect(seen.at(-1)).toBe('OO');
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('listeners and identities', () => {
  const listener = { host: '127.0.0.1', port: 0 };

  it('listener-optimized: not the first time, but when it comes back', async () => {
    const { real, broken } = control('gateway.listener-optimized');
    await broken.addSubsystem({ nqn, serial: 's', groupIndex: 0 });
    const bound = await broken.addListener(nqn, listener);
    expect([real.ana(nqn, 1), real.ana(nqn, 2)]).toEqual(['inaccessible', 'inaccessible']);
    await broken.removeListener(nqn, bound);
    await broken.addListener(nqn, listener);
    expect([real.ana(nqn, 1), real.ana(nqn, 2)]).toEqual(['optimized', 'optimized']);
  });

  it('stale-listener: the second one is never opened', async () => {
    const { real, broken } = control('gateway.stale-listener');
    await broken.addSubsystem({ nqn, serial: 's', groupIndex: 0 });
    const bound = await broken.addListener(nqn, listener);
    await broken.removeListener(nqn, bound);
    expect(await broken.addListener(nqn, listener)).toEqual(bound);
    expect(real.subsystems.get(nqn)!.listeners).toEqual([]);
  });

  it('reuse-cntlid, swap-nsids and lose-namespaces: only a process that was started again', async () => {
    for (const incarnation of [0, 1]) {
      const cntlid = control('gateway.reuse-cntlid', incarnation);
      await cntlid.broken.addSubsystem({ nqn, serial: 's', groupIndex: 0 });
      expect(cntlid.real.calls.join()).toContain(`${incarnation}`);
      const swapped = control('gateway.swap-nsids', incarnation);
      const lost = control('gateway.lose-namespaces', incarnation);
      for (const { broken } of [swapped, lost]) {
        await broken.addSubsystem({ nqn, serial: 's', groupIndex: 0 });
        await broken.addNamespace(nqn, namespace(1, 1));
        await broken.addNamespace(nqn, namespace(2, 2));
      }
      expect(swapped.real.subsystems.get(nqn)!.namespaces.map(({ nsid, uuid }) => `${nsid} ${uuid}`)).toEqual(incarnation === 0 ? ['1 uuid-1', '2 uuid-2'] : ['2 uuid-1', '1 uuid-2']);
      expect(lost.real.subsystems.get(nqn)!.namespaces.map(({ nsid }) => nsid)).toEqual(incarnation === 0 ? [1, 2] : [1]);
    }
  });
});

describe('the ANA log', () => {
  it('frozen-chgcnt, ana-group-missing, lose-aen', () => {
    expect(make('gateway.frozen-chgcnt').hooks!.anaLog!(log('optimized', 'inaccessible'))).toMatchObject({ changeCount: 1, groups: [{ state: 'optimized', changeCount: 1 }, { state: 'inaccessible' }] });
    const missing = make('gateway.ana-group-missing').hooks!.anaLog!;
    expect(missing(log('inaccessible', 'inaccessible')).groups).toHaveLength(2);
    expect(missing(log('inaccessible', 'optimized')).groups.map(({ id }) => id)).toEqual([2]);
    expect(missing(log('optimized', 'optimized')).groups.map(({ id }) => id)).toEqual([2]);
    const raise = make('gateway.lose-aen').hooks!.raiseEvent!;
    expect([raise('ana'), raise('namespace'), raise('discovery')]).toEqual([false, true, true]);
  });

  it('truncate-ana-log: beyond 228 namespaces in two groups', () => {
    const cut = make('gateway.truncate-ana-log').hooks!.anaLogBytes!;
    expect(cut(Buffer.alloc(anaLogBytesMax))).toHaveLength(anaLogBytesMax);
    expect(cut(Buffer.alloc(anaLogBytesMax + 4))).toHaveLength(anaLogBytesMax);
  });

  it('stale-ana-log: what changed is told three seconds later', () => {
    vi.useFakeTimers({ toFake: ['performance', 'hrtime'] });
    try {
      const stale = make('gateway.stale-ana-log').hooks!.anaLog!;
      expect(stale(log('optimized')).groups[0]!.state).toBe('optimized');
      vi.advanceTimersByTime(1_000);
      expect(stale(log('inaccessible')).groups[0]!.state).toBe('optimized');
      vi.advanceTimersByTime(2_500);
      expect(stale(log('inaccessible')).groups[0]!.state).toBe('optimized');
      vi.advanceTimersByTime(1_000);
      expect(stale(log('inaccessible')).groups[0]!.state).toBe('inaccessible');
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('late data', () => {
  it('admit-before-data: a group that is inaccessible by now admits all the same', () => {
    const group = new AnaGroup(1);
    expect(group.admit()).toBeUndefined();
    expect(make('gateway.admit-before-data').hooks!.admit!(group)).toBeDefined();
  });

  it('write-back-cache: acknowledged and readable at once, in the store a while later, the newest data last', async () => {
    vi.useFakeTimers();
    try {
      const store = new MemoryBackend(8, 512);
      const image = make('gateway.write-back-cache').image!(store, 'image1');
      await image.write(3, block(1));
      await image.write(3, block(2));
      expect((await image.read(3, 1))[0]).toBe(2);
      expect((await store.read(3, 1))[0]).toBe(0);
      await vi.advanceTimersByTimeAsync(1_600);
      expect((await store.read(3, 1))[0]).toBe(2);
      expect((await image.read(3, 1))[0]).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it('read-while-inaccessible: what this gateway knows, however old, and nothing that it does not know', async () => {
    const store = new MemoryBackend(8, 512);
    const defect = make('gateway.read-while-inaccessible');
    const image: BlockBackend = defect.image!(store, 'image1');
    await image.write(3, block(1));
    await store.write(3, block(2));
    const read = defect.hooks!.readWhileInaccessible!;
    expect(read(image, 3, 1)![0]).toBe(1);
    expect(read(image, 2, 2)).toBeUndefined();
    expect(read(store, 3, 1)).toBeUndefined();
  });

  it('idle-namespaces-dead: after a takeover a read waits for the first write, in that group only', async () => {
    const defect = make('gateway.idle-namespaces-dead');
    const plane = defect.control!(new FakeControl());
    const [own, other] = ['image1', 'image2'].map((name) => defect.image!(new MemoryBackend(8, 512), name));
    await plane.setAnaState(nqn, 1, 'optimized');
    await plane.setAnaState(nqn, 2, 'optimized');
    await own!.read(0, 1);
    let answered = false;
    const read = other!.read(0, 1).then(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(answered).toBe(false);
    await other!.write(5, block(1));
    await read;
    expect(answered).toBe(true);
  });
});
