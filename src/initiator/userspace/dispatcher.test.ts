import { describe, expect, it } from 'vitest';
import { IoOpcode, Status } from '../../nvme/index.js';
import { block, cleanUpAfterEach, connected, eventually, gate, until } from './testing/fixture.js';
import type { Bench } from './testing/fixture.js';
import type { FakeAction } from './testing/fake-target.js';

cleanUpAfterEach();

const isIo = (action: FakeAction): Bench['targets'][number]['script'] => ({ kind }) => (kind === 'io' ? action : undefined);
const blocked = [{ ana: { 1: 'inaccessible' } }] as const;
const head = (bench: Bench): ReturnType<Bench['host']['heads']>[number] => bench.host.heads()[0]!;

describe('retries', () => {
  it('of a generic error stay on the path, wait as CRD says, and end after maxLocalRetries', async () => {
    const bench = await connected([{}, {}], { maxLocalRetries: 3, preferred: 'gw1' });
    bench.targets[0]!.script = isIo({ status: Status.internalError, crd: 1 });
    const began = performance.now();
    expect(await head(bench).write(0, block(1))).toEqual({
      outcome: 'fail', status: Status.internalError, dnr: false, code: 'NVME_STATUS', path: 'gw1:nvme0:q1', sends: 4,
    });
    // CRDT1 of the fake target is 100 ms.
    expect(performance.now() - began).toBeGreaterThan(290);
    expect(bench.targets[1]!.ios(IoOpcode.write)).toHaveLength(0);
    expect(bench.host.counters()).toMatchObject({ localRetries: 3, failovers: 0, iosFailed: 1 });
  });

  it('succeed when the error goes away', async () => {
    const bench = await connected([{}]);
    let errors = 2;
    bench.targets[0]!.script = ({ kind }) => (kind === 'io' && errors-- > 0 ? { status: Status.namespaceNotReady } : undefined);
    expect(await head(bench).read(0, 1)).toMatchObject({ outcome: 'ok', sends: 3 });
  });

  it('become a failover if the path goes out of use during the delay', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1', reconnectDelayMs: 60_000 });
    bench.targets[0]!.script = isIo({ status: Status.internalError, crd: 3 });
    const io = head(bench).read(0, 1);
    await until(() => bench.host.counters().localRetries === 1);
    bench.targets[0]!.resetConnections();
    expect(await io).toMatchObject({ outcome: 'ok', sends: 2, path: 'gw2:nvme1:q1' });
    expect(bench.host.counters().failovers).toBe(1);
  });

  it.each([Status.lbaOutOfRange, Status.anaInaccessible, Status.invalidNamespace])('DNR completes, also status %i and although another path is there', async (status) => {
    const bench = await connected([{}, {}], { preferred: 'gw1' });
    bench.targets[0]!.script = isIo({ status, dnr: true });
    expect(await head(bench).read(0, 1)).toMatchObject({ outcome: 'fail', status, dnr: true, code: 'NVME_STATUS', sends: 1 });
  });
});

describe('the requeue list', () => {
  it('is bounded in number', async () => {
    const bench = await connected(blocked, { requeueMaxIos: 3 });
    const ios = Array.from({ length: 5 }, (_, i) => head(bench).read(i, 1));
    expect(await Promise.all(ios.slice(3))).toMatchObject([{ outcome: 'fail', code: 'QUEUE_FULL', sends: 0 }, { code: 'QUEUE_FULL' }]);
    bench.targets[0]!.setAna(1, 'optimized');
    expect(await Promise.all(ios.slice(0, 3))).toMatchObject([{ outcome: 'ok' }, { outcome: 'ok' }, { outcome: 'ok' }]);
    expect(bench.host.counters()).toMatchObject({ queueFull: 2, requeued: 3 });
  });

  it('is bounded in bytes', async () => {
    const bench = await connected(blocked, { requeueMaxBytes: 5_000 });
    const fits = head(bench).write(0, block(1, 4_096));
    expect(await head(bench).write(8, block(1, 1_024))).toMatchObject({ code: 'QUEUE_FULL' });
    bench.targets[0]!.setAna(1, 'optimized');
    expect(await fits).toMatchObject({ outcome: 'ok' });
  });

  it('drains on reconnect', async () => {
    const bench = await connected([{}]);
    await bench.targets[0]!.kill();
    await eventually(bench, 'host.controller', ({ state }) => state === 'resetting');
    const ios = [head(bench).read(0, 1), head(bench).write(1, block(1))];
    await bench.targets[0]!.revive();
    expect(await Promise.all(ios)).toMatchObject([{ outcome: 'ok', sends: 1 }, { outcome: 'ok', sends: 1 }]);
  });

  it('gives up on an I/O after queueTimeoutMs: never sent is fail, sent is info', async () => {
    const bench = await connected([{}], { queueTimeoutMs: 150 });
    bench.targets[0]!.script = isIo('drop');
    const sent = [head(bench).write(0, block(1)), head(bench).read(0, 1)];
    await until(() => bench.targets[0]!.ios(IoOpcode.read).length === 1);
    await bench.targets[0]!.kill();
    await eventually(bench, 'host.controller', ({ state }) => state === 'resetting');
    const fresh = head(bench).write(1, block(1));
    expect(await Promise.all(sent)).toMatchObject([
      { outcome: 'info', code: 'QUEUE_TIMEOUT', sends: 1 }, { outcome: 'info', code: 'QUEUE_TIMEOUT', sends: 1 },
    ]);
    expect(await fresh).toMatchObject({ outcome: 'fail', code: 'QUEUE_TIMEOUT', sends: 0 });
    expect(bench.host.counters()).toMatchObject({ queueTimeouts: 3, iosInfo: 2, iosFailed: 1 });
  });
});

describe('limits of failover', () => {
  it('maxFailovers', async () => {
    const bench = await connected([{}, {}], { maxFailovers: 2, pathCooldownMs: 1 });
    for (const target of bench.targets) target.script = isIo({ status: Status.anaInternal });
    expect(await head(bench).write(0, block(1))).toMatchObject({ outcome: 'fail', code: 'FAILOVERS_EXHAUSTED', status: Status.anaInternal, sends: 3 });
    expect(bench.host.counters().failoversExhausted).toBe(1);
  });

  it('failoverTimeoutMs, from the first failover on', async () => {
    const bench = await connected([{}], { failoverTimeoutMs: 200 });
    bench.targets[0]!.script = isIo({ status: Status.anaInternal });
    expect(await head(bench).write(0, block(1))).toMatchObject({ outcome: 'fail', code: 'FAILOVER_TIMEOUT', status: Status.anaInternal });
    expect(bench.host.counters().failoverTimeouts).toBe(1);
  });
});

describe('fail or info', () => {
  it('a write that was answered with an error everywhere has failed', async () => {
    const bench = await connected([{}], {});
    bench.targets[0]!.script = isIo({ status: Status.writeFault, dnr: true });
    expect(await head(bench).write(0, block(1))).toMatchObject({ outcome: 'fail', status: Status.writeFault });
  });

  it('a write of which one send was never answered is info, although the next was answered with an error', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1' });
    bench.targets[0]!.script = isIo('reset');
    bench.targets[1]!.script = isIo({ status: Status.writeFault, dnr: true });
    expect(await head(bench).write(0, block(1))).toEqual({
      outcome: 'info', status: Status.writeFault, dnr: true, code: 'NVME_STATUS', path: 'gw2:nvme1:q1', sends: 2,
    });
    expect(await head(bench).read(0, 1)).toMatchObject({ outcome: 'fail', code: 'NVME_STATUS' });
  });

  it('a compare that was sent and not answered is info and is not sent again', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1' });
    await head(bench).write(0, block(5));
    expect(await head(bench).compare(0, block(5))).toMatchObject({ outcome: 'ok' });
    expect(await head(bench).compare(0, block(6))).toMatchObject({ outcome: 'fail', status: Status.compareFailure });
    bench.targets[0]!.script = isIo('reset');
    expect(await head(bench).compare(0, block(5))).toMatchObject({ outcome: 'info', code: 'NOT_REPLAYED', sends: 1 });
    expect(bench.host.counters().notReplayed).toBe(1);
    expect(bench.targets[1]!.ios(IoOpcode.compare)).toHaveLength(0);
  });

  it('a compare that was refused with a path error did not happen: it goes to the other path', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1' });
    bench.targets[0]!.setAna(1, 'inaccessible', { aen: false });
    expect(await head(bench).compare(0, block(0))).toMatchObject({ outcome: 'ok', sends: 2 });
  });
});

describe('an AbortSignal', () => {
  it('before the start: nothing is sent', async () => {
    const bench = await connected([{}]);
    expect(await head(bench).write(0, block(1), { signal: AbortSignal.abort() })).toMatchObject({ outcome: 'fail', code: 'ABORTED', sends: 0 });
  });

  it('in the requeue list: fail, never sent', async () => {
    const bench = await connected(blocked);
    const abort = new AbortController();
    const io = head(bench).write(0, block(1), { signal: abort.signal });
    expect(head(bench).requeue.depth).toBe(1);
    abort.abort();
    expect(await io).toMatchObject({ outcome: 'fail', code: 'ABORTED', sends: 0 });
    expect(head(bench).requeue).toMatchObject({ depth: 0, bytes: 0 });
  });

  it('in flight: info; the late answer is ignored and counted, and the slot is used again', async () => {
    const bench = await connected([{}], { queueSize: 2 });
    const go = gate();
    const abort = new AbortController();
    bench.targets[0]!.script = isIo({ wait: go.promise });
    const io = head(bench).write(0, block(1), { signal: abort.signal });
    await until(() => bench.targets[0]!.ios(IoOpcode.write).length === 1);
    const waiting = head(bench).write(1, block(2));
    abort.abort();
    expect(await io).toMatchObject({ outcome: 'info', code: 'ABORTED', sends: 1 });
    go.open();
    expect(await waiting).toMatchObject({ outcome: 'ok' });
    expect(bench.host.counters()).toMatchObject({ lateCompletions: 1, aborted: 1 });
    // It did happen.
    expect(bench.namespaces[0]!.data[0]).toBe(1);
  });

  it('in flight and waiting for its R2T: the caller may change the buffer, the controller gets what was written', async () => {
    const bench = await connected([{ inCapsuleBytes: 0 }]);
    const go = gate();
    const abort = new AbortController();
    bench.targets[0]!.script = isIo({ wait: go.promise });
    const data = block(7);
    const io = head(bench).write(0, data, { signal: abort.signal });
    await until(() => bench.targets[0]!.ios(IoOpcode.write).length === 1);
    abort.abort();
    expect(await io).toMatchObject({ outcome: 'info' });
    data.fill(8);
    go.open();
    await until(() => bench.host.counters().lateCompletions === 1);
    expect(bench.namespaces[0]!.data[0]).toBe(7);
  });

  it('while waiting for a slot: fail, never sent', async () => {
    const bench = await connected([{}], { queueSize: 2 });
    const go = gate();
    bench.targets[0]!.script = isIo({ wait: go.promise });
    const first = head(bench).read(0, 1);
    const abort = new AbortController();
    const second = head(bench).read(1, 1, { signal: abort.signal });
    abort.abort();
    expect(await second).toMatchObject({ outcome: 'fail', code: 'ABORTED', sends: 0 });
    go.open();
    expect(await first).toMatchObject({ outcome: 'ok' });
    expect(bench.targets[0]!.ios(IoOpcode.read)).toHaveLength(1);
  });
});

describe('failoverHold', () => {
  it('holds back unanswered writes, not reads', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1', failoverHold: { ms: 300 }, reconnectDelayMs: 60_000 });
    bench.targets[0]!.script = isIo('drop');
    const began = performance.now();
    const write = head(bench).write(0, block(1));
    const read = head(bench).read(0, 1);
    await until(() => bench.targets[0]!.ios(IoOpcode.read).length === 1);
    bench.targets[0]!.resetConnections();
    expect(await read).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    expect(bench.targets[1]!.ios(IoOpcode.write)).toHaveLength(0);
    expect(head(bench).dispatcher.waiting).toBe(1);
    expect(await write).toMatchObject({ outcome: 'ok', sends: 2 });
    expect(performance.now() - began).toBeGreaterThan(290);
    expect(bench.host.counters().heldReplays).toBe(1);
  });

  it('can be aborted', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1', failoverHold: { ms: 60_000 } });
    bench.targets[0]!.script = isIo('reset');
    const abort = new AbortController();
    const write = head(bench).write(0, block(1), { signal: abort.signal });
    await until(() => head(bench).dispatcher.waiting === 1);
    abort.abort();
    expect(await write).toMatchObject({ outcome: 'info', code: 'ABORTED', sends: 1 });
  });
});

describe('an I/O pinned to a controller', () => {
  it('uses that path only, by controller or gateway name, whatever its ANA state', async () => {
    const bench = await connected([{}, { ana: { 1: 'non-optimized' } }]);
    expect(await head(bench).read(0, 1, { controller: 'nvme1' })).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    expect(await head(bench).read(0, 1, { controller: 'gw2' })).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    bench.targets[1]!.setAna(1, 'inaccessible');
    await until(() => !head(bench).paths[1]!.usable);
    expect(await head(bench).read(0, 1, { controller: 'gw2' })).toMatchObject({ outcome: 'fail', status: Status.anaInaccessible, sends: 1, path: 'gw2:nvme1:q1' });
  });

  it('fails at once if that controller is not live, or unknown', async () => {
    const bench = await connected([{}, {}], { reconnectDelayMs: 60_000 });
    expect(await head(bench).read(0, 1, { controller: 'nvme9' })).toMatchObject({ outcome: 'fail', code: 'NO_PATH', sends: 0 });
    bench.targets[1]!.script = isIo('reset');
    expect(await head(bench).read(0, 1, { controller: 'nvme1' })).toMatchObject({ outcome: 'info', code: 'CONNECTION_LOST', sends: 1 });
    expect(await head(bench).read(0, 1, { controller: 'nvme1' })).toMatchObject({ outcome: 'fail', code: 'NO_PATH' });
  });
});

describe('other commands', () => {
  it.each([4_096, 0])('write zeroes and deallocate, with %i bytes of in-capsule data', async (inCapsuleBytes) => {
    const bench = await connected([{ inCapsuleBytes }]);
    await head(bench).write(0, block(1, 2_048));
    expect(await head(bench).writeZeroes(1, 1)).toMatchObject({ outcome: 'ok' });
    expect(await head(bench).deallocate(3, 1)).toMatchObject({ outcome: 'ok' });
    const { data } = await head(bench).read(0, 4);
    expect([0, 512, 1_024, 1_536].map((at) => data![at])).toEqual([1, 0, 1, 0]);
  });

  it('arguments out of range fail without being sent', async () => {
    const bench = await connected([{ identify: { mdts: 1 } }]);
    const results = await Promise.all([
      head(bench).read(2_048, 1), head(bench).read(-1, 1), head(bench).read(0, 0), head(bench).read(0.5, 1), head(bench).write(0, Buffer.alloc(100)),
      head(bench).read(0, 17), head(bench).writeZeroes(2_000, 100), head(bench).deallocate(2_047, 2),
    ]);
    expect(results.every((result) => result.code === 'INVALID_ARGUMENT' && result.outcome === 'fail' && result.sends === 0)).toBe(true);
    expect(await head(bench).read(0, 16)).toMatchObject({ outcome: 'ok' });
  });
});
