import { describe, expect, it } from 'vitest';
import type { AnaStateName } from '../../nvme/index.js';
import { AdminOpcode, IoOpcode, LogId, Status } from '../../nvme/index.js';
import { fakeNamespace } from './testing/fake-subsystem.js';
import type { FakeTarget } from './testing/fake-target.js';
import { block, cleanUpAfterEach, connected, eventually, until } from './testing/fixture.js';

cleanUpAfterEach();

const states: AnaStateName[] = ['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change'];
const usableStates = ['optimized', 'non-optimized'];
const anaReads = (target: FakeTarget): number => target.seen.filter(({ kind, sqe }) => kind === 'admin' && sqe.opcode === AdminOpcode.getLogPage && (sqe.cdw10 & 0xff) === LogId.ana).length;

describe('the ANA matrix', () => {
  it('for each pair of states uses the optimized path, else a non-optimized one, else queues', async () => {
    const bench = await connected([{ identify: { anatt: 0 } }, { identify: { anatt: 0 } }], { policy: 'round-robin' });
    const [head] = bench.host.heads();
    for (const a of states) {
      for (const b of states) {
        bench.targets[0]!.setAna(1, a);
        bench.targets[1]!.setAna(1, b);
        await until(() => head!.paths[0]!.ana === a && head!.paths[1]!.ana === b);
        const class_ = [a, b].includes('optimized') ? 'optimized' : 'non-optimized';
        const expected = [a, b].flatMap((state, i) => (state === class_ ? [`gw${i + 1}`] : []));
        expect(head!.paths.map((path) => path.usable), `${a} / ${b}`).toEqual([usableStates.includes(a), usableStates.includes(b)]);
        if (expected.length === 0) {
          expect(head!.currentPath, `${a} / ${b}`).toBe(null);
          continue;
        }
        const used = new Set<string>();
        for (let i = 0; i < 4; i += 1) used.add((await head!.read(0, 1)).path!.split(':')[0]!);
        expect([...used].sort(), `${a} / ${b}`).toEqual(expected);
      }
    }
    expect(bench.host.counters()).toMatchObject({ failovers: 0, iosFailed: 0 });
  });

  it('queues while no path is usable, and drains in order when one becomes so', async () => {
    const bench = await connected([{ ana: { 1: 'inaccessible' } }, { ana: { 1: 'inaccessible' } }]);
    const [head] = bench.host.heads();
    const ios = Array.from({ length: 10 }, (_, i) => head!.write(i, block(i + 1)));
    const queueing = await eventually(bench, 'host.queue', ({ state }) => state === 'queueing');
    expect(queueing).toMatchObject({ nsid: 1, depth: 1 });
    expect(head!.requeue).toMatchObject({ depth: 10, bytes: 5_120 });
    bench.targets[1]!.setAna(1, 'optimized');
    expect((await Promise.all(ios)).every((io) => io.outcome === 'ok' && io.sends === 1 && io.path === 'gw2:nvme1:q1')).toBe(true);
    expect(bench.events).toContainEqual(expect.objectContaining({ type: 'host.queue', state: 'drained', depth: 0 }));
    expect(bench.targets[1]!.ios(IoOpcode.write).map(({ sqe }) => sqe.cdw10)).toEqual([...Array(10).keys()]);
    expect(head!.dispatcher.requeues).toBe(10);
  });
});

describe('asynchronous events', () => {
  it('are armed again each time: several changes in a row all arrive', async () => {
    const bench = await connected([{}]);
    const [target] = bench.targets;
    const [head] = bench.host.heads();
    const sequence: AnaStateName[] = ['inaccessible', 'change', 'optimized', 'non-optimized', 'persistent-loss', 'optimized'];
    for (const state of sequence) {
      target!.setAna(1, state);
      await until(() => head!.paths[0]!.ana === state);
    }
    expect(bench.host.counters().aens).toBe(sequence.length);
    expect(bench.events.filter((event) => event.type === 'host.aen').map((event) => event.result)).toEqual(sequence.map(() => 0x0c_0302));
    const seen = bench.events.flatMap((event) => (event.type === 'host.path' ? [`${event.ana} ${String(event.usable)}`] : []));
    expect(seen).toEqual([
      'optimized true', 'inaccessible false', 'change false', 'optimized true', 'non-optimized true', 'persistent-loss false', 'optimized true',
    ]);
  });

  it('of kinds that multipath does not need get their log read, so that they are not masked', async () => {
    const bench = await connected([{}]);
    for (let round = 1; round <= 2; round += 1) {
      bench.targets[0]!.event(0x0002_0101);
      await until(() => bench.host.counters().aens === round && bench.targets[0]!.seen.filter(({ sqe, kind }) => kind === 'admin' && sqe.opcode === AdminOpcode.getLogPage && (sqe.cdw10 & 0xff) === LogId.smart).length === round);
    }
  });

  it('that are refused leave the periodic refresh to notice changes', async () => {
    const bench = await connected([{}], { anaRefreshMs: 40 });
    bench.targets[0]!.setAna(1, 'non-optimized', { aen: false });
    await until(() => bench.host.heads()[0]!.paths[0]!.ana === 'non-optimized');
    expect(bench.host.counters().aens).toBe(0);
  });
});

describe('what the log says', () => {
  it('is believed although its change count never changes', async () => {
    const bench = await connected([{}]);
    bench.targets[0]!.setAna(1, 'non-optimized');
    await until(() => bench.host.heads()[0]!.paths[0]!.ana === 'non-optimized');
  });

  it('moves a namespace to another group before Identify is asked', async () => {
    const bench = await connected([{ ana: { 1: 'optimized', 2: 'non-optimized' } }]);
    bench.namespaces[0]!.anaGroup = 2;
    bench.targets[0]!.event(0x0c_0302);
    const moved = await eventually(bench, 'host.path', ({ anaGroup }) => anaGroup === 2);
    expect(moved.ana).toBe('non-optimized');
    expect(bench.host.inventory().namespaces[0]!.anaGroup).toBe(2);
  });

  it('nothing about a group: the path is pending and the log is read until it does', async () => {
    const bench = await connected([{}, { ana: { 1: 'non-optimized' } }]);
    const [target] = bench.targets;
    const [head] = bench.host.heads();
    target!.hiddenGroups.add(1);
    target!.event(0x0c_0302);
    await eventually(bench, 'host.path', ({ ana, gateway }) => ana === 'unknown' && gateway === 'gw1');
    expect(head!.currentPath!.gateway).toBe('gw2');
    const before = anaReads(target!);
    await until(() => anaReads(target!) >= before + 2);
    target!.hiddenGroups.clear();
    await until(() => head!.currentPath!.gateway === 'gw1');
    expect(bench.host.counters().anaGroupMissing).toBeGreaterThan(2);
  });

  it('cannot be read: the states stay, and it is read again', async () => {
    const bench = await connected([{}]);
    const [target] = bench.targets;
    let failures = 2;
    target!.script = ({ kind, sqe }) => (kind === 'admin' && sqe.opcode === AdminOpcode.getLogPage && failures-- > 0 ? { status: Status.internalError } : undefined);
    target!.setAna(1, 'non-optimized');
    await until(() => bench.host.counters().anaLogErrors === 1);
    expect(bench.host.heads()[0]!.paths[0]).toMatchObject({ ana: 'optimized', usable: true });
    await until(() => bench.host.heads()[0]!.paths[0]!.ana === 'non-optimized');
  });

  it('in pieces, if it is larger than MDTS', async () => {
    const namespaces = Array.from({ length: 2_100 }, (_, i) => fakeNamespace(i + 1, { anaGroup: (i % 3) + 1, blocks: 8 }));
    const bench = await connected([{ identify: { mdts: 1, mnan: 4_096, nn: 4_096 }, ana: { 1: 'optimized', 2: 'inaccessible', 3: 'non-optimized' } }], {}, namespaces);
    expect(bench.host.heads().map((head) => head.paths[0]!.ana)).toEqual(namespaces.map(({ anaGroup }) => ['optimized', 'inaccessible', 'non-optimized'][anaGroup - 1]));
    expect(anaReads(bench.targets[0]!)).toBe(3);
  });

  it('in change for longer than 2 × ANATT resets the controller', async () => {
    const bench = await connected([{ identify: { anatt: 1 } }]);
    const began = performance.now();
    bench.targets[0]!.setAna(1, 'change');
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'anatt-timeout');
    expect(performance.now() - began).toBeGreaterThan(1_900);
    expect(bench.host.counters().anattTimeouts).toBe(1);
  });

  it('inaccessible for however long resets nothing', async () => {
    const bench = await connected([{ identify: { anatt: 1 } }]);
    bench.targets[0]!.setAna(1, 'inaccessible');
    await until(() => bench.host.heads()[0]!.paths[0]!.ana === 'inaccessible');
    await new Promise((resolve) => setTimeout(resolve, 2_300));
    expect(bench.host.counters().resets).toBe(0);
  });

  it('is not asked of a controller without ANA: its paths are optimized', async () => {
    const bench = await connected([{ identify: { cmic: 0b0011 } }]);
    expect(bench.host.heads()[0]!.paths[0]).toMatchObject({ ana: 'optimized', usable: true });
    expect(anaReads(bench.targets[0]!)).toBe(0);
  });
});

describe('a path error', () => {
  it('with an ANA status takes the path out of use until the log was read, and moves the I/O', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1' });
    const [head] = bench.host.heads();
    bench.targets[0]!.setAna(1, 'inaccessible', { aen: false });
    expect(await head!.write(0, block(1))).toMatchObject({ outcome: 'ok', sends: 2, path: 'gw2:nvme1:q1' });
    expect(bench.events).toContainEqual(expect.objectContaining({ type: 'host.path', path: 'nvme0c0n1', ana: 'optimized', usable: false, cause: 'path-error-302' }));
    await until(() => head!.paths[0]!.ana === 'inaccessible');
    expect(bench.host.counters()).toMatchObject({ pathErrors: 1, failovers: 1, cooldowns: 0 });
  });

  it('that the log contradicts on both paths does not make I/O bounce: each is avoided for the cool-down', async () => {
    const bench = await connected([{}, {}], { pathCooldownMs: 60 });
    const [head] = bench.host.heads();
    let lying = true;
    for (const target of bench.targets) target.script = ({ kind }) => (kind === 'io' && lying ? { status: Status.anaInaccessible } : undefined);
    const io = head!.write(0, block(1));
    await new Promise((resolve) => setTimeout(resolve, 400));
    lying = false;
    const result = await io;
    expect(result.outcome).toBe('ok');
    // 400 ms, two paths, at most one try per path and 60 ms, plus the first ones.
    expect(result.sends).toBeGreaterThan(2);
    expect(result.sends).toBeLessThan(20);
    expect(bench.host.counters().cooldowns).toBeGreaterThan(1);
  });

  it('that is no ANA status puts the path at the back at once', async () => {
    const bench = await connected([{}, { ana: { 1: 'non-optimized' } }], { pathCooldownMs: 150 });
    const [head] = bench.host.heads();
    let errors = 1;
    bench.targets[0]!.script = ({ kind }) => (kind === 'io' && errors-- > 0 ? { status: Status.controllerPathError } : undefined);
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    await eventually(bench, 'host.path', ({ cause }) => cause === 'cooldown-over');
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'ok', path: 'gw1:nvme0:q1' });
  });
});
