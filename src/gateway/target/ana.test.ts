import { describe, expect, it } from 'vitest';
import { AerResult, decodeIdentifyNamespace, Cns, FeatureId, LogId, namespaceGeometry, setFeaturesCommand, Status } from '../../nvme/index.js';
import type { ControlAnaState } from '../control.js';
import { AnaGroup } from './ana-groups.js';
import { TargetError } from './errors.js';
import { closeLater, fixture, nguidOf, nqn, pattern, uuidOf } from './testing/fixture.js';
import { MemoryBackend } from './testing/memory-backend.js';
import { RawHost } from './testing/raw-host.js';
import { NvmeTcpTarget } from './target.js';

/** A promise and the means to settle it. */
function gate(): { wait: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const wait = new Promise<void>((resolve) => { open = resolve; });
  return { wait, open };
}

/** Has this promise settled by now? Looked at after all that is queued has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

describe('the ANA gate', () => {
  it.each<[ControlAnaState, number]>([
    ['optimized', 0], ['non-optimized', 0], ['inaccessible', Status.anaInaccessible], ['persistent-loss', Status.anaPersistentLoss], ['change', Status.anaTransition],
  ])('%s', async (state, status) => {
    const { host, target, backends } = await fixture();
    const io = await (await host()).io();
    await target.setAnaState(nqn, 1, state);
    const results = [await io.read(1, 0, 1), await io.write(1, 0, pattern(512)), await io.flush(1), await io.writeZeroes(1, 0, 1), await io.compare(1, 0, pattern(512))];
    if (status === 0) expect(results.slice(0, 4).every((result) => result.status === 0)).toBe(true);
    else for (const result of results) expect(result).toMatchObject({ status, dnr: false });
    expect(backends[1]!.calls).toHaveLength(status === 0 ? 5 : 0);
    // The other group is not concerned, and an unknown namespace is one whatever the states are.
    expect((await io.read(2, 0, 1)).status).toBe(0);
    expect((await io.read(9, 0, 1))).toMatchObject({ status: Status.invalidNamespace, dnr: true });
  });

  it('starts inaccessible: for a new subsystem, a new listener, a new controller', async () => {
    const target = closeLater(new NvmeTcpTarget());
    target.addSubsystem({ nqn, serial: 'x', cntlidMin: 1, cntlidMax: 9 });
    target.addNamespace(nqn, { nsid: 1, uuid: uuidOf(1), nguid: nguidOf(1), anaGroup: 1, backend: new MemoryBackend(8) });
    const first = await target.addListener(nqn, { host: '127.0.0.1', port: 0 });
    const host = await RawHost.connect(first, { subNqn: nqn });
    expect((await host.ana()).groups[0]!.state).toBe('inaccessible');
    await target.setAnaState(nqn, 1, 'non-optimized');
    const second = await target.addListener(nqn, { host: '127.0.0.1', port: 0 });
    const later = await RawHost.connect(second, { subNqn: nqn });
    expect((await later.ana()).groups[0]!.state).toBe('non-optimized');
    expect(target.anaStates()[nqn]).toMatchObject({ 1: 'non-optimized', 2: 'inaccessible', 16: 'inaccessible' });
  });

  it('null sets every subsystem; a group or subsystem that does not exist is refused', async () => {
    const { target } = await fixture();
    target.addSubsystem({ nqn: 'nqn.b', serial: 'x', cntlidMin: 1, cntlidMax: 9 });
    await target.setAnaState(null, 3, 'optimized');
    expect([target.anaStates()[nqn]![3], target.anaStates()['nqn.b']![3]]).toEqual(['optimized', 'optimized']);
    expect(() => target.setAnaState(nqn, 17, 'optimized')).toThrow(TargetError);
    expect(() => target.setAnaState('nqn.none', 1, 'optimized')).toThrow('TARGET_NO_SUBSYSTEM');
  });
});

describe('I/O in flight when a group becomes inaccessible', () => {
  it('finishes and is answered with what happened; the promise waits for it, new commands do not get in', async () => {
    const { host, target, backends } = await fixture();
    const io = await (await host()).io();
    const held = gate();
    backends[1]!.gate = held.wait;
    const write = io.write(1, 0, pattern(512));
    await expect.poll(() => backends[1]!.calls.length, { timeout: 10_000 }).toBe(1);
    const drained = target.setAnaState(nqn, 1, 'inaccessible');
    expect((await io.read(1, 0, 1)).status).toBe(Status.anaInaccessible);
    expect(await settled(drained)).toBe(false);
    held.open();
    await drained;
    expect((await write).status).toBe(0);
    expect(backends[1]!.peek(0, 1)).toEqual(pattern(512));
  });

  it('a write whose data is still to come never reaches the backend, and does not hold the promise up', async () => {
    const { host, target, backends } = await fixture();
    const io = await (await host()).io();
    let answer: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      io.queue.onR2t = (r2t, payload) => {
        answer = () => io.queue.answerR2t(r2t, payload);
        resolve();
      };
    });
    const write = io.writeByR2t(1, 0, pattern(16384));
    await asked;
    await target.setAnaState(nqn, 1, 'inaccessible');
    answer();
    expect(await write).toMatchObject({ status: Status.anaInaccessible, dnr: false });
    expect(backends[1]!.calls).toEqual([]);
  });

  it('drains each term by itself: a promotion in between does not keep the first promise waiting', async () => {
    const group = new AnaGroup(1);
    group.set('optimized');
    const first = group.admit()!;
    group.set('inaccessible');
    const drainedFirst = group.drained();
    expect(group.admit()).toBeUndefined();
    group.set('optimized');
    const second = group.admit()!;
    first.leave();
    await drainedFirst;
    group.set('change');
    expect(await settled(group.drained())).toBe(false);
    second.leave();
    await group.drained();
    expect(group.changeCount).toBe(4);
  });
});

describe('events', () => {
  it('an ANA change reaches every controller once, and again after the log was read without RAE', async () => {
    const { host, target } = await fixture();
    const hosts = [await host(), await host()];
    const first = hosts.map((raw) => raw.event());
    await target.setAnaState(nqn, 1, 'inaccessible');
    for (const event of await Promise.all(first)) expect(event).toMatchObject({ status: 0, dw0: AerResult.anaChange });
    const raw = hosts[0]!;
    const second = raw.event();
    await target.setAnaState(nqn, 1, 'optimized');
    await raw.ana({ rae: true });
    await target.setAnaState(nqn, 1, 'change');
    // Masked: reading with RAE does not re-arm.
    await raw.keepAlive();
    expect(await settled(second)).toBe(false);
    expect((await raw.ana()).groups[0]!.state).toBe('change');
    await target.setAnaState(nqn, 1, 'optimized');
    expect((await second).dw0).toBe(AerResult.anaChange);
  });

  it('waits for a request; nothing is sent for a state that is set again, or a group without namespaces', async () => {
    const { host, target } = await fixture();
    const raw = await host();
    await target.setAnaState(nqn, 1, 'optimized');
    await target.setAnaState(nqn, 9, 'optimized');
    const event = raw.event();
    await raw.keepAlive();
    expect(await settled(event)).toBe(false);
    await target.setAnaState(nqn, 1, 'change');
    await event;
    await raw.ana();
    await target.setAnaState(nqn, 1, 'optimized');
    expect((await raw.event()).dw0).toBe(AerResult.anaChange);
  });

  it('a namespace that comes, goes, grows or moves is a namespace notice; groups that changed an ANA one too', async () => {
    const { host, target, backends } = await fixture();
    const raw = await host();
    const both = async (): Promise<number[]> => {
      const results = [(await raw.event()).dw0, (await raw.event()).dw0];
      await raw.log(LogId.changedNamespaces, 4096);
      await raw.ana();
      return results;
    };
    target.addNamespace(nqn, { nsid: 3, uuid: uuidOf(3), nguid: nguidOf(3), anaGroup: 2, backend: new MemoryBackend(8) });
    expect(await both()).toEqual([AerResult.namespaceAttributes, AerResult.anaChange]);
    target.setNamespaceAnaGroup(nqn, 3, 1);
    expect(await both()).toEqual([AerResult.namespaceAttributes, AerResult.anaChange]);
    expect((await raw.ana()).groups.map(({ nsids }) => nsids)).toEqual([[1, 3], [2]]);
    target.removeNamespace(nqn, 3);
    expect(await both()).toEqual([AerResult.namespaceAttributes, AerResult.anaChange]);
    backends[1]!.resize(2048);
    target.namespaceResized(nqn, 1);
    expect((await raw.event()).dw0).toBe(AerResult.namespaceAttributes);
    expect(namespaceGeometry(decodeIdentifyNamespace((await raw.identify(Cns.namespace, 1)).data)).blocks).toBe(2048);
    const io = await raw.io();
    expect((await io.read(1, 2047, 1)).status).toBe(0);
  });

  it('switched off by feature 0Bh', async () => {
    const { host, target } = await fixture();
    const raw = await host();
    await raw.admin.command(setFeaturesCommand({ cid: raw.admin.cid, fid: FeatureId.asyncEventConfig, value: 0x100 }));
    const event = raw.event();
    await target.setAnaState(nqn, 1, 'change');
    target.removeNamespace(nqn, 2);
    expect((await event).dw0).toBe(AerResult.namespaceAttributes);
  });

  it('more requests than AERL are refused; a controller reset ends those that wait', async () => {
    const { host } = await fixture({ asyncEventsMax: 2 });
    const raw = await host();
    const waiting = [raw.event(), raw.event()];
    expect(await raw.event()).toMatchObject({ status: Status.asyncEventLimitExceeded, dnr: true });
    await raw.setCc(0);
    for (const event of waiting) expect((await event).status).toBe(Status.abortedSqDeletion);
  });
});
