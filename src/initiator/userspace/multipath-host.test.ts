import { describe, expect, it } from 'vitest';
import { discover } from './index.js';
import { fakeNamespace } from './testing/fake-subsystem.js';
import { block, cleanUpAfterEach, connected, eventually, makeHost, startTarget, until } from './testing/fixture.js';

cleanUpAfterEach();

describe('a host', () => {
  it('connects, names what it finds as Linux would, and moves data', async () => {
    const bench = await connected([{}, {}], {}, [fakeNamespace(1), fakeNamespace(3, { blockSize: 4_096, blocks: 64 })]);
    const { host } = bench;
    const [one, three] = host.heads();
    expect(one).toMatchObject({ nsid: 1, blockSize: 512, blocks: 2_048, anaGroup: 1, name: 'nvme0n1' });
    expect(three).toMatchObject({ nsid: 3, blockSize: 4_096, blocks: 64, name: 'nvme0n3' });
    expect(three!.paths.map((path) => path.name).sort()).toEqual(['nvme0c0n3', 'nvme0c1n3']);
    const data = block(7, 8_192);
    expect(await three!.write(8, data)).toMatchObject({ outcome: 'ok', status: 0, code: 'OK', dnr: false, sends: 1 });
    expect((await three!.read(8, 2)).data!.equals(data)).toBe(true);
    expect(await three!.flush()).toMatchObject({ outcome: 'ok' });
    expect(host.counters()).toMatchObject({ iosOk: 3, bytesRead: 8_192, bytesWritten: 8_192, ioSends: 3 });
  });

  it('takes names of its own for controllers, and refuses doubles', async () => {
    const target = await startTarget({ namespaces: [fakeNamespace(1)] });
    const { host } = makeHost([]);
    host.addController({ name: 'left', gateway: 'gw1', host: '127.0.0.1', port: target.port });
    expect(() => host.addController({ name: 'left', gateway: 'gw2', host: '127.0.0.1', port: target.port })).toThrow(/left/);
    await host.connectAll();
    expect(await host.heads()[0]!.read(0, 1)).toMatchObject({ path: 'gw1:left:q1' });
  });

  it('rejects connectAll with every reason if nothing came live', async () => {
    const target = await startTarget({ namespaces: [] });
    await target.kill();
    const { host } = makeHost([target, target]);
    await expect(host.connectAll()).rejects.toMatchObject({ code: 'HOST_NOT_CONNECTED', details: [expect.stringContaining('ECONNREFUSED'), expect.stringContaining('ECONNREFUSED')] });
    await target.revive();
    await until(() => host.controllers().every((controller) => controller.state === 'live'));
  });

  it('gives up after a failed first connect if told so', async () => {
    const target = await startTarget({ namespaces: [] });
    await target.kill();
    const { host } = makeHost([target], { retryFirstConnect: false });
    await expect(host.connectAll()).rejects.toMatchObject({ code: 'HOST_NOT_CONNECTED' });
    expect(host.controllers()[0]!.state).toBe('dead');
  });

  it('spreads commands over its I/O queues', async () => {
    const bench = await connected([{}], { ioQueues: 3 });
    const [head] = bench.host.heads();
    const paths = await Promise.all(Array.from({ length: 9 }, async () => (await head!.read(0, 1)).path));
    expect(new Set(paths)).toEqual(new Set(['gw1:nvme0:q1', 'gw1:nvme0:q2', 'gw1:nvme0:q3']));
  });
});

describe('what a host tells', () => {
  it('an inventory, as a value and as an event', async () => {
    const bench = await connected([{}, {}]);
    const [ns] = bench.namespaces;
    const inventory = bench.host.inventory();
    expect(inventory.controllers.map(({ controller, gateway, state, subnqn }) => [controller, gateway, state, subnqn])).toEqual([
      ['nvme0', 'gw1', 'live', 'nqn.2026-01.io.pathproof:fake'], ['nvme1', 'gw2', 'live', 'nqn.2026-01.io.pathproof:fake'],
    ]);
    expect(inventory.namespaces).toMatchObject([{ nsid: 1, nguid: ns!.nguid.toString('hex'), anaGroup: 1, blockSize: 512, blocks: 2_048 }]);
    expect([...inventory.namespaces[0]!.gateways].sort()).toEqual(['gw1', 'gw2']);
    bench.host.emitInventory('start');
    bench.host.emitCounters();
    expect(await eventually(bench, 'host.inventory')).toMatchObject({ label: 'start', host: 'host1', ...inventory });
    expect((await eventually(bench, 'host.counters')).counters).toMatchObject({ connectAttempts: 2, ioSends: 0 });
    expect(bench.events.every((event) => event.tUs > 0 && event.host === 'host1')).toBe(true);
  });

  it('a tree with the names of sysfs', async () => {
    const bench = await connected([{}, { ana: { 1: 'inaccessible' } }], { policy: 'queue-depth', katoMs: 5_000, ctrlLossTmoMs: 600_000, reconnectDelayMs: 10_000 });
    const tree = bench.host.tree();
    expect(tree).toMatchObject({
      'nvme-subsystem': { 'nvme-subsys0': { subsysnqn: 'nqn.2026-01.io.pathproof:fake', iopolicy: 'queue-depth', model: 'pathproof fake' } },
      nvme: {
        nvme0: { state: 'live', transport: 'tcp', address: `traddr=127.0.0.1,trsvcid=${bench.targets[0]!.port}`, queue_count: 2, kato: 5, ctrl_loss_tmo: 600, reconnect_delay: 10, fast_io_fail_tmo: 'off' },
      },
      block: {
        nvme0n1: {
          size: 2_048, delayed_removal_secs: 0, diag: { io_requeue_no_usable_path_count: 0 },
          multipath: { nvme0c0n1: { ana_state: 'optimized', ana_grpid: 1, queue_depth: 0 }, nvme0c1n1: { ana_state: 'inaccessible' } },
        },
      },
    });
    expect(JSON.parse(JSON.stringify(tree))).toEqual(tree);
  });

  it('Prometheus text in which every sample has a type, and no series comes twice', async () => {
    const bench = await connected([{}, {}]);
    await bench.host.heads()[0]!.write(0, block(1));
    const lines = bench.host.prometheus().trimEnd().split('\n');
    const typed = new Set(lines.flatMap((line) => /^# TYPE (\S+) (?:counter|gauge)$/.exec(line)?.[1] ?? []));
    const samples = lines.filter((line) => !line.startsWith('#'));
    const series = samples.map((line) => {
      const match = /^([a-z0-9_]+)\{((?:[a-z_]+="[^"]*",?)+)\} (\S+)$/.exec(line);
      expect(match, line).not.toBe(null);
      expect(typed, line).toContain(match![1]);
      expect(Number.isFinite(Number(match![3])), line).toBe(true);
      return `${match![1]}{${match![2]}}`;
    });
    expect(new Set(series).size).toBe(series.length);
    expect(samples).toContain('pathproof_host_ios_ok_total{host="host1"} 1');
    expect(samples).toContain('pathproof_controller_state{host="host1",controller="nvme1",gateway="gw2",state="live"} 1');
  });
});

describe('discover', () => {
  it('reads the discovery log', async () => {
    const entry = { trtype: 3, adrfam: 1, subtype: 2, portid: 1, cntlid: 0xffff, asqsz: 32, trsvcid: '4420', traddr: '127.0.0.1', subnqn: 'nqn.2026-01.io.pathproof:fake' };
    const target = await startTarget({ namespaces: [], discovery: Array.from({ length: 40 }, (_, i) => ({ ...entry, portid: i })), identify: { mdts: 1 } });
    const entries = await discover({ host: '127.0.0.1', port: target.port });
    expect(entries).toHaveLength(40);
    expect(entries[39]).toMatchObject({ ...entry, portid: 39 });
    await until(() => target.connections.size === 0);
  });

  it('rejects if there is nobody', async () => {
    const target = await startTarget({ namespaces: [] });
    await target.kill();
    await expect(discover({ host: '127.0.0.1', port: target.port })).rejects.toMatchObject({ name: 'ConnectionLost', reason: 'connect-failed' });
  });
});
