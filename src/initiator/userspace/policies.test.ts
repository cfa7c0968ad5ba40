import { describe, expect, it } from 'vitest';
import { IoOpcode } from '../../nvme/index.js';
import { block, cleanUpAfterEach, connected, eventually, gate, until } from './testing/fixture.js';
import type { Bench } from './testing/fixture.js';

cleanUpAfterEach();

const head = (bench: Bench): ReturnType<Bench['host']['heads']>[number] => bench.host.heads()[0]!;
const ios = (bench: Bench): number[] => bench.targets.map((target) => target.ios(IoOpcode.read).length);
const moves = (bench: Bench): string[] => bench.events.flatMap((event) => (event.type === 'host.failover' ? [`${String(event.from)} → ${String(event.to)}: ${event.cause}`] : []));

describe('policies', () => {
  it('numa stays on one path', async () => {
    const bench = await connected([{}, {}, {}]);
    for (let i = 0; i < 12; i += 1) await head(bench).read(i, 1);
    expect(ios(bench).sort()).toEqual([0, 0, 12]);
  });

  it('round-robin takes them in turn', async () => {
    const bench = await connected([{}, {}, {}], { policy: 'round-robin' });
    for (let i = 0; i < 12; i += 1) await head(bench).read(i, 1);
    expect(ios(bench)).toEqual([4, 4, 4]);
  });

  it('queue-depth avoids the slow path', async () => {
    const bench = await connected([{}, {}], { policy: 'queue-depth' });
    const go = gate();
    bench.targets[0]!.script = ({ kind }) => (kind === 'io' ? { wait: go.promise } : undefined);
    const slow: Promise<unknown>[] = [];
    for (let i = 0; i < 8; i += 1) {
      const read = head(bench).read(i, 1);
      slow.push(read);
      await Promise.race([read, until(() => bench.targets[0]!.ios(IoOpcode.read).length === 1 && ios(bench)[1]! >= i)]);
    }
    expect(ios(bench)[0]).toBeLessThan(4);
    go.open();
    await Promise.all(slow);
  });

  it('can be changed while I/O runs', async () => {
    const bench = await connected([{}, {}]);
    bench.host.setPolicy('round-robin');
    expect(bench.host.tree()).toMatchObject({ 'nvme-subsystem': { 'nvme-subsys0': { iopolicy: 'round-robin' } } });
    for (let i = 0; i < 10; i += 1) await head(bench).read(i, 1);
    expect(ios(bench)).toEqual([5, 5]);
  });
});

describe('the preferred path', () => {
  const optimized = [{}, {}];

  it('is used, and returned to after it was lost', async () => {
    const bench = await connected(optimized, { preferred: 'gw2' });
    await until(() => head(bench).currentPath?.gateway === 'gw2');
    bench.targets[1]!.resetConnections();
    await eventually(bench, 'host.failover', ({ to }) => to === 'nvme0c0n1');
    await eventually(bench, 'host.failover', ({ cause, to }) => cause === 'failback (reconnected)' && to === 'nvme0c1n1');
  });

  it('is not returned to without autoFailback', async () => {
    const bench = await connected(optimized, { preferred: 'gw2', autoFailback: false });
    await until(() => bench.host.controllers().every((controller) => controller.state === 'live'));
    // Wherever it began: the loss of the current path is the only reason to move.
    const first = head(bench).currentPath!.controller.index;
    bench.targets[first]!.resetConnections();
    await eventually(bench, 'host.controller', ({ cause, controller }) => cause === 'reconnected' && controller === `nvme${first}`);
    expect(head(bench).currentPath!.controller.index).toBe(1 - first);
  });

  it('never beats a better ANA class', async () => {
    const bench = await connected([{}, { ana: { 1: 'non-optimized' } }], { preferred: 'gw2' });
    await until(() => head(bench).paths.length === 2 && head(bench).currentPath?.gateway === 'gw1');
    expect(await head(bench).read(0, 1)).toMatchObject({ path: 'gw1:nvme0:q1' });
  });
});

describe('minFailoverIntervalMs', () => {
  it('puts off a voluntary move, counts it, and makes it when the interval is over', async () => {
    const bench = await connected([{}, {}], { preferred: 'gw1', minFailoverIntervalMs: 400 });
    await until(() => head(bench).paths.length === 2 && head(bench).currentPath?.gateway === 'gw1');
    await until(() => head(bench).paths.every((path) => path.usable));
    bench.targets[0]!.setAna(1, 'inaccessible');
    await until(() => head(bench).currentPath?.gateway === 'gw2');
    const movedAt = performance.now();
    bench.targets[0]!.setAna(1, 'optimized');
    await until(() => head(bench).paths.find((path) => path.gateway === 'gw1')!.usable);
    expect(head(bench).currentPath!.gateway).toBe('gw2');
    expect(bench.host.counters().suppressedMoves).toBe(1);
    await until(() => head(bench).currentPath?.gateway === 'gw1');
    expect(performance.now() - movedAt).toBeGreaterThan(350);
    expect(moves(bench).at(-1)).toBe('nvme0c1n1 → nvme0c0n1: failback (interval-over)');
  });

  it('never puts off a forced move', async () => {
    const bench = await connected([{}, {}], { minFailoverIntervalMs: 60_000 });
    await until(() => head(bench).paths.length === 2);
    for (let round = 0; round < 4; round += 1) {
      const current = head(bench).currentPath!.controller.index;
      bench.targets[current]!.resetConnections();
      expect(await head(bench).write(0, block(round))).toMatchObject({ outcome: 'ok' });
      await until(() => head(bench).currentPath?.controller.index === 1 - current);
      await until(() => head(bench).paths.every((path) => path.usable));
    }
  });
});

describe('events of the current path', () => {
  it('tell when it is lost without a substitute and when one appears', async () => {
    const bench = await connected([{}, { ana: { 1: 'inaccessible' } }]);
    bench.targets[0]!.setAna(1, 'inaccessible');
    await eventually(bench, 'host.failover', ({ to }) => to === null);
    bench.targets[1]!.setAna(1, 'optimized');
    await eventually(bench, 'host.failover', ({ from, to }) => from === null && to === 'nvme0c1n1');
    expect(moves(bench).slice(-2)).toEqual(['nvme0c0n1 → null: ana-log', 'null → nvme0c1n1: ana-log']);
  });
});
