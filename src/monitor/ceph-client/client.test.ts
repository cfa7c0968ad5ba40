import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeGwMap, MessageType } from '../../ceph/msgr2/index.js';
import { monCommandAck } from '../../ceph/msgr2/mon-messages.js';
import { FakeMon } from '../../ceph/msgr2/testing/fake-mon.js';
import type { FakeConnection } from '../../ceph/msgr2/testing/fake-mon.js';
import type { Beacon, BeaconSubsystem, GatewayMap } from '../client.js';
import { connectCephMonitor } from './client.js';
import type { CephMonitorClient } from './client.js';
import { FakeGatewayService } from './testing/gateway-service.js';

const generousMs = 20_000;
const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const subsystem = (nqn: string, listeners = 1): BeaconSubsystem => ({
  nqn,
  listeners: Array.from({ length: listeners }, (_, i) => ({ adrfam: 'IPv4' as const, traddr: '10.0.0.1', trsvcid: String(4420 + i) })),
  namespaces: [{ anaGroup: 1, nonce: '10.0.0.1:0/77' }],
});

interface Bench { mon: FakeMon; service: FakeGatewayService; client: CephMonitorClient; maps: GatewayMap[] }

async function bench(gateways = ['a']): Promise<Bench> {
  const mon = await FakeMon.listen();
  const service = new FakeGatewayService(mon);
  for (const gateway of gateways) service.create(gateway);
  const client = connectCephMonitor({ mons: [mon.endpoint], entity: 'client.nvmeof.a', gwNonce: 99, timers: { reconnectMs: 5, reconnectMaxMs: 20 } });
  cleanups.push(() => client.close(), () => mon.close());
  const maps: GatewayMap[] = [];
  client.onMap((map) => {
    maps.push(map);
    mon.changed();
  });
  await client.whenConnected(generousMs);
  return { mon, service, client, maps };
}

const beacon = (availability: Beacon['availability'], ...subsystems: BeaconSubsystem[]): Beacon => ({
  gwId: 'a', pool: 'rbd', group: 'g', subsystems, availability, lastOsdEpoch: 0, lastGwmapEpoch: 0,
});

/** Sends a beacon and waits until the client has taken in the answer, shown or not. */
async function exchange({ mon, client }: Bench, b: Beacon): Promise<void> {
  const before = client.stats.maps;
  client.sendBeacon(b);
  await until(() => client.stats.maps > before);
  mon.changed();
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setImmediate(resolve));
}

describe('connectCephMonitor', () => {
  it('joins: CREATED, the first map, version 2 beacons, AVAILABLE', async () => {
    const all = await bench();
    const connection = await all.mon.connected();
    await exchange(all, beacon('CREATED'));
    expect(connection.subscriptions.get('NVMeofGw')).toEqual({ what: 'NVMeofGw', start: 0n, onetime: false });
    expect(connection.ident!.addresses[0]!.nonce).toBe(99);
    expect(all.maps).toEqual([{ epoch: 2, entry: { gwId: 'a', groupIndex: 0, availability: 'CREATED', subsystems: [] } }]);
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.maps.at(-1)!.entry).toEqual({ gwId: 'a', groupIndex: 0, availability: 'AVAILABLE', subsystems: [{ nqn: 'x', ana: [{ state: 'OPTIMIZED', osdEpoch: 0 }] }] });
    expect(all.service.beacons.map(({ diff }) => diff?.sequence)).toEqual([undefined, 1n, 2n]);
    expect(all.client.stats).toEqual({ beaconsSent: 3, beaconsDropped: 0, maps: 3, resyncs: 0, beaconDiff: true });
  });

  it('a gateway that the monitor does not know: a map without an entry', async () => {
    const all = await bench([]);
    await exchange(all, beacon('CREATED'));
    expect(all.maps).toEqual([{ epoch: 2, entry: undefined }]);
  });

  it('an entry that vanishes is shown as such', async () => {
    const all = await bench();
    await exchange(all, beacon('CREATED'));
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    all.service.gateways.get('a')!.availability = 'UNAVAILABLE';
    all.service.send(await all.mon.connected(), 'a');
    await all.mon.until(() => all.maps.length === 3);
    expect(all.maps[2]!.entry).toBeUndefined();
  });

  it('finds its own entry among those of others, as old monitors send them, and reads entries without beacon diff', async () => {
    const all = await bench();
    all.service.knowsDiff = false;
    await exchange(all, beacon('CREATED'));
    const connection = await all.mon.connected();
    const entry = (gwId: string, groupId: number): Parameters<typeof encodeGwMap>[0]['groups'][number]['gateways'][number] => ({
      gwId, groupId, gwMapEpoch: 7, availability: 'AVAILABLE', subsystems: [],
    });
    connection.send(encodeGwMap({ epoch: 7, groups: [
      { pool: 'rbd', group: 'f', gateways: [entry('a', 5)] }, { pool: 'rbd', group: 'g', gateways: [entry('b', 6), entry('a', 4)] },
    ] }, { fixedGroups: true }));
    await all.mon.until(() => all.maps.length === 2);
    expect(all.maps[1]).toEqual({ epoch: 7, entry: { gwId: 'a', groupIndex: 4, availability: 'AVAILABLE', subsystems: [] } });
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.service.beacons.at(-1)!.diff).toBeUndefined();
  });

  it('a map before the first beacon is not for anybody', async () => {
    const all = await bench();
    all.service.send(await all.mon.connected(), 'a');
    await exchange(all, beacon('CREATED'));
    expect(all.maps).toHaveLength(1);
  });

  it('follows the switch to version 1 and back', async () => {
    const all = await bench();
    await exchange(all, beacon('CREATED'));
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    all.service.diff = false;
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    await exchange(all, beacon('AVAILABLE', subsystem('x'), subsystem('y')));
    expect(all.service.beacons.at(-1)).toMatchObject({ subsystems: [{ nqn: 'x' }, { nqn: 'y' }] });
    expect(all.service.beacons.at(-1)!.diff).toBeUndefined();
    all.service.diff = true;
    await exchange(all, beacon('AVAILABLE', subsystem('x'), subsystem('y')));
    await exchange(all, beacon('AVAILABLE', subsystem('y')));
    // The switch is only known after the first of the two.
    expect(all.service.beacons.at(-1)).toMatchObject({ subsystems: [{ nqn: 'y' }], diff: { changes: ['ADDED'] } });
    expect(all.client.stats.resyncs).toBe(0);
    expect(all.service.gateways.get('a')!.subsystems.map(({ nqn }) => nqn)).toEqual(['y']);
  });

  it('out of order after an election: not shown, one full beacon, as before', async () => {
    const all = await bench();
    await exchange(all, beacon('CREATED'));
    for (let i = 0; i < 4; i += 1) await exchange(all, beacon('AVAILABLE', subsystem('x')));
    const before = all.maps.length;
    all.service.forgetSequences();
    // The monitor tells everybody, once per beacon that had queued up.
    const connection = await all.mon.connected();
    for (let i = 0; i < 3; i += 1) all.service.send(connection, 'a');
    await until(() => all.client.stats.resyncs === 3);
    expect(all.maps).toHaveLength(before);
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.service.beacons.at(-1)).toMatchObject({ subsystems: [{ nqn: 'x' }], diff: { sequence: 1n, changes: ['ADDED'] } });
    expect(all.maps.at(-1)!.entry).toMatchObject({ availability: 'AVAILABLE', subsystems: [{ ana: [{ state: 'OPTIMIZED' }] }] });
    expect(all.maps).toHaveLength(before + 1);
  });

  it('an election right after it joined: out of order, not taken for a gateway without subsystems', async () => {
    const all = await bench();
    await exchange(all, beacon('CREATED'));
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    all.service.forgetSequences();
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.client.stats.resyncs).toBe(1);
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.maps.map(({ entry }) => entry?.availability)).toEqual(['CREATED', 'AVAILABLE', 'AVAILABLE']);
  });

  it('out of order while still CREATED: gets a map after one more CREATED beacon', async () => {
    const all = await bench();
    all.service.forgetSequences();
    await exchange(all, beacon('CREATED'));
    expect(all.maps).toEqual([]);
    await exchange(all, beacon('CREATED'));
    expect(all.maps.at(-1)!.entry).toMatchObject({ availability: 'CREATED' });
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.maps.at(-1)!.entry).toMatchObject({ availability: 'AVAILABLE' });
  });

  it('a beacon that was lost with its connection costs one round', async () => {
    const all = await bench();
    await exchange(all, beacon('CREATED'));
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    // Sent, counted, and never seen by the service.
    const { onMessage } = all.mon;
    let swallowed = 0;
    all.mon.onMessage = (_connection, message) => { swallowed += message.type === MessageType.nvmeofGwBeacon ? 1 : 0; };
    all.client.sendBeacon(beacon('AVAILABLE', subsystem('x')));
    const old = await all.mon.connected();
    await all.mon.until(() => swallowed === 1);
    all.mon.onMessage = onMessage;
    old.drop();
    const again = await all.mon.until(() => all.mon.open.at(-1) !== old && all.mon.open.at(-1));
    await all.mon.until(() => again.subscriptions.has('NVMeofGw'));
    const before = all.maps.length;
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect([all.client.stats.resyncs, all.maps.length]).toEqual([1, before]);
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    expect(all.maps.at(-1)!.entry).toMatchObject({ availability: 'AVAILABLE' });
    expect(all.service.beacons.at(-1)).toMatchObject({ subsystems: [{ nqn: 'x' }] });
  });

  it('drops beacons without a connection, and goes on without a gap', async () => {
    const all = await bench();
    await exchange(all, beacon('CREATED'));
    await exchange(all, beacon('AVAILABLE', subsystem('x')));
    const down = new Promise<void>((resolve) => all.client.onConnection((connected) => { if (!connected) resolve(); }));
    all.mon.faults.mute = true;
    all.mon.dropAll();
    await down;
    for (let i = 0; i < 3; i += 1) all.client.sendBeacon(beacon('AVAILABLE', subsystem('x'), subsystem('y')));
    expect(all.client.stats.beaconsDropped).toBe(3);
    all.mon.faults.mute = false;
    all.mon.dropAll();
    await all.client.whenConnected(generousMs);
    await exchange(all, beacon('AVAILABLE', subsystem('x'), subsystem('y')));
    expect(all.client.stats.resyncs).toBe(0);
    expect(all.service.gateways.get('a')!.subsystems.map(({ nqn }) => nqn)).toEqual(['x', 'y']);
  });

  it('commands', async () => {
    const all = await bench();
    all.mon.onMessage = (connection, message) => {
      if (message.type === MessageType.monCommand) connection.send(monCommandAck.encode({ code: -2, status: 'größer', command: [], output: Buffer.from('[{}]') }, message.tid));
    };
    expect(await all.client.command({ prefix: 'nvme-gw show', pool: 'rbd', group: 'g' })).toEqual({ code: -2, status: 'größer', output: '[{}]' });
    await all.client.close();
    await expect(all.client.command({ prefix: 'x' })).rejects.toThrow(/^MON_CLOSED/);
    expect(all.client.lastError?.code).toBe('MON_CLOSED');
  });

  it('whatever happens, the monitor ends up with the list that the gateway has', async () => {
    const lists = fc.uniqueArray(fc.constantFrom('x', 'y', 'z').chain((nqn) => fc.integer({ min: 1, max: 2 }).map((listeners) => subsystem(nqn, listeners))), { selector: ({ nqn }) => nqn, maxLength: 3 });
    const steps = fc.array(fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('beacon' as const), list: lists }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('forget' as const, 'lose' as const, 'drop' as const, 'v1' as const, 'v2' as const, 'burst' as const) }) },
    ), { maxLength: 25 });
    await fc.assert(fc.asyncProperty(steps, lists, async (script, last) => {
      const all = await bench();
      let losses = 0;
      all.client.onConnection((connected) => { losses += connected ? 0 : 1; });
      try {
        await exchange(all, beacon('CREATED'));
        for (const step of script) {
          const connection: FakeConnection = await all.mon.connected();
          if (step.do === 'beacon') all.client.sendBeacon(beacon('AVAILABLE', ...step.list));
          else if (step.do === 'forget') all.service.forgetSequences();
          // As late beacons of an earlier incarnation make a real one do.
          else if (step.do === 'lose') all.service.gateways.get('a')!.subsystems = [];
          else if (step.do === 'burst') for (let i = 0; i < 3; i += 1) all.service.send(connection, 'a');
          else if (step.do === 'drop') connection.drop();
          else all.service.diff = step.do === 'v2';
          await new Promise((resolve) => setImmediate(resolve));
        }
        const gateway = all.service.gateways.get('a')!;
        // At most: maps of a burst that are still on their way, one beacon that tells the mode, one out of order, one full.
        for (let i = 0; i < 8; i += 1) {
          await all.client.whenConnected(generousMs);
          const before = losses;
          const { maps } = all.client.stats;
          all.client.sendBeacon(beacon('AVAILABLE', ...last, subsystem('w')));
          // The end of a dropped connection may only be noticed now.
          await until(() => all.client.stats.maps > maps || losses > before);
          if (losses > before) i = 0;
        }
        const byNqn = (list: readonly { nqn: string }[]): readonly { nqn: string }[] => [...list].sort((a, b) => (a.nqn < b.nqn ? -1 : 1));
        expect(byNqn(gateway.subsystems)).toEqual(byNqn([...last, subsystem('w')]));
        expect(all.maps.at(-1)!.entry).toMatchObject({ availability: 'AVAILABLE' });
        for (const connection of all.mon.connections) expect(connection.problem).toBeUndefined();
      } finally {
        await all.client.close();
        await all.mon.close();
      }
    }), { numRuns: 60 });
  });
});
