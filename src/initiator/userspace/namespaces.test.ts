import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { AdminOpcode, formatUuid, IoOpcode, Status } from '../../nvme/index.js';
import { fakeNamespace, variantOf } from './testing/fake-subsystem.js';
import { block, cleanUpAfterEach, connected, eventually, gate, until } from './testing/fixture.js';

cleanUpAfterEach();

const namespaceChange = 0x0004_0002;

describe('identity', () => {
  it.each([
    ['another UUID', { uuid: randomBytes(16) }],
    ['another NGUID', { nguid: randomBytes(16) }],
    ['another block size', { blockSize: 4_096, blocks: 256 }],
    ['no NMIC shared bit', { shared: false }],
  ])('a path with %s is refused, shown and counted; it never carries I/O', async (_name, change) => {
    const ns = fakeNamespace(1);
    const bench = await connected([{}, { namespaces: [variantOf(ns, change)] }], { policy: 'round-robin' }, [ns]);
    const [head] = bench.host.heads();
    await until(() => bench.host.counters().identityMismatches === 1);
    expect(head!.paths).toHaveLength(1);
    const joined = head!.paths[0]!.controller.index;
    const refused = await eventually(bench, 'host.path', ({ cause }) => cause?.startsWith('identity-mismatch') === true);
    expect(refused).toMatchObject({ usable: false, controller: `nvme${1 - joined}` });
    expect(bench.host.refused(bench.host.controllers()[1 - joined]!)).toHaveLength(1);
    for (let i = 0; i < 6; i += 1) await head!.write(i, Buffer.alloc(head!.blockSize));
    expect(bench.targets[1 - joined]!.ios(IoOpcode.write)).toHaveLength(0);
  });

  it('the same UUID under another NSID is refused', async () => {
    const ns = fakeNamespace(1);
    const bench = await connected([{}, { namespaces: [variantOf(ns, { nsid: 2 })] }], {}, [ns]);
    expect(bench.host.heads()).toHaveLength(1);
    expect(bench.host.counters().identityMismatches).toBe(1);
  });

  it('a namespace without any identifier is refused', async () => {
    const bench = await connected([{}], {}, [fakeNamespace(1, { uuid: Buffer.alloc(16), nguid: Buffer.alloc(16) }), fakeNamespace(2)]);
    expect(bench.host.heads().map((head) => head.nsid)).toEqual([2]);
    expect(bench.host.refused(bench.host.controllers()[0]!)).toEqual([{ nsid: 1, reason: 'no UUID, NGUID or EUI64' }]);
  });

  it('a namespace that is not shared works on its one path, also after a reconnect', async () => {
    const bench = await connected([{}], {}, [fakeNamespace(1, { shared: false })]);
    bench.targets[0]!.resetConnections();
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    expect(await bench.host.heads()[0]!.flush()).toMatchObject({ outcome: 'ok' });
    expect(bench.host.counters().identityMismatches).toBe(0);
  });

  it('that changed while the controller was away removes the path; once no path has the old one, the new one is taken', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1' });
    const [old] = bench.namespaces;
    const fresh = fakeNamespace(1);
    const before = bench.host.heads()[0]!;
    bench.targets[0]!.namespaces = [fresh];
    bench.targets[0]!.resetConnections();
    await eventually(bench, 'host.path-gone', ({ cause }) => cause?.startsWith('identity-mismatch') === true);
    expect(await before.write(0, block(9))).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    expect(old!.data[0]).toBe(9);
    expect(fresh.data[0]).toBe(0);
    bench.targets[1]!.namespaces = [fresh];
    bench.targets[1]!.event(namespaceChange);
    await until(() => bench.host.heads()[0]?.paths.length === 2);
    expect(bench.host.heads()[0]!.uuid).toBe(formatUuid(fresh.uuid));
    expect(bench.host.heads()[0]).not.toBe(before);
    expect(await before.read(0, 1)).toMatchObject({ outcome: 'fail', code: 'NO_PATH' });
  });
});

describe('namespace changes', () => {
  it('are found by a rescan and a new ANA log', async () => {
    const bench = await connected([{ ana: { 1: 'optimized', 2: 'optimized' } }]);
    const [target] = bench.targets;
    const added = fakeNamespace(7, { anaGroup: 2 });
    target!.namespaces = [...target!.namespaces, added];
    target!.event(namespaceChange);
    await eventually(bench, 'host.path', ({ nsid, usable }) => nsid === 7 && usable);
    expect(bench.host.heads().map((head) => head.nsid)).toEqual([1, 7]);
    target!.namespaces = [added];
    target!.event(namespaceChange);
    const gone = await eventually(bench, 'host.path-gone');
    expect(gone).toMatchObject({ nsid: 1, cause: 'namespace-removed' });
    expect(bench.host.heads().map((head) => head.nsid)).toEqual([7]);
    expect(bench.host.counters()).toMatchObject({ rescans: 2, rescanErrors: 0 });
  });

  it('a failed rescan is repeated', async () => {
    const bench = await connected([{}]);
    const [target] = bench.targets;
    let failures = 1;
    target!.script = ({ kind, sqe }) => (kind === 'admin' && sqe.opcode === AdminOpcode.identify && failures-- > 0 ? { status: Status.internalError } : undefined);
    target!.namespaces = [...target!.namespaces, fakeNamespace(2)];
    target!.event(namespaceChange);
    await until(() => bench.host.heads().length === 2);
    expect(bench.host.counters().rescanErrors).toBe(1);
  });

  it('a namespace whose group the log does not have yet is pending, not optimized', async () => {
    const bench = await connected([{}]);
    const [target] = bench.targets;
    target!.hiddenGroups.add(3);
    target!.ana.set(3, 'optimized');
    target!.namespaces = [...target!.namespaces, fakeNamespace(2, { anaGroup: 3 })];
    target!.event(namespaceChange);
    const path = await eventually(bench, 'host.path', ({ nsid }) => nsid === 2);
    expect(path).toMatchObject({ ana: 'unknown', usable: false });
    target!.hiddenGroups.clear();
    await eventually(bench, 'host.path', ({ nsid, usable }) => nsid === 2 && usable);
  });

  it('a new size is taken over; a path that still has the old one is out of use meanwhile', async () => {
    const ns = fakeNamespace(1);
    const other = variantOf(ns, {});
    const bench = await connected([{}, { namespaces: [other] }], { preferred: 'gw1' }, [ns]);
    const [head] = bench.host.heads();
    ns.blocks = 4_096;
    bench.targets[0]!.event(namespaceChange);
    await until(() => head!.blocks === 4_096);
    await until(() => !head!.paths.find((path) => path.gateway === 'gw2')!.usable);
    expect(bench.host.counters().capacityMismatches).toBe(1);
    other.blocks = 4_096;
    bench.targets[1]!.event(namespaceChange);
    await until(() => head!.paths.every((path) => path.usable));
  });
});

describe('the last path', () => {
  it('gone: the head goes with it, and queued I/O fails', async () => {
    const bench = await connected([{ ana: { 1: 'inaccessible' } }]);
    const [head] = bench.host.heads();
    const io = head!.read(0, 1);
    bench.targets[0]!.namespaces = [];
    bench.targets[0]!.event(namespaceChange);
    expect(await io).toMatchObject({ outcome: 'fail', code: 'NO_PATH', sends: 0 });
    expect(bench.host.heads()).toEqual([]);
  });

  it('gone with delayed removal: I/O queues, and goes on if a path returns in time', async () => {
    const bench = await connected([{}], { delayedRemovalMs: 10_000 });
    const [head] = bench.host.heads();
    const { namespaces } = bench.targets[0]!;
    bench.targets[0]!.namespaces = [];
    bench.targets[0]!.event(namespaceChange);
    await eventually(bench, 'host.path-gone');
    const io = head!.write(0, block(4));
    await eventually(bench, 'host.queue', ({ state }) => state === 'queueing');
    bench.targets[0]!.namespaces = namespaces;
    bench.targets[0]!.event(namespaceChange);
    expect(await io).toMatchObject({ outcome: 'ok', sends: 1 });
    expect(bench.host.heads()).toEqual([head]);
  });

  it('gone with delayed removal, and none returns: I/O fails when the time is over', async () => {
    const bench = await connected([{}], { delayedRemovalMs: 150 });
    const [head] = bench.host.heads();
    const stuck = gate();
    bench.targets[0]!.namespaces = [];
    bench.targets[0]!.event(namespaceChange);
    await eventually(bench, 'host.path-gone');
    expect(bench.host.heads()).toEqual([head]);
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'fail', code: 'NO_PATH' });
    expect(bench.host.heads()).toEqual([]);
    stuck.open();
  });
});
