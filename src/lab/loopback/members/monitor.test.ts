import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../../history/index.js';
import { useTempDirs } from '../../../history/testing/temp-dir.js';
import { connectEmbeddedMonitor, parseNvmeGwShow, type Beacon, type CommandReply } from '../../../monitor/index.js';
import { scaleTimers } from '../../../plan/timers.js';
import { clientAddress, StoreServer } from '../../../store/index.js';
import { Child } from './child.test.kit.js';
import type { MonitorMemberConfig } from './monitor.js';

const [pool, group] = ['rbd', 'grp1'];
/** Short where waiting is certain, long (grace) where a stalled machine would fake a death. */
const timers = scaleTimers(0.1, { beaconGraceMs: 2_000, monTickMs: 100 });

const tempDir = useTempDirs();
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function start(gateways: string[]): Promise<{ store: StoreServer; monitor: Child<{ port: number }> }> {
  const store = await StoreServer.start({ dir: path.join(tempDir(), 'store') });
  undo.push(() => store.close());
  const config: MonitorMemberConfig = {
    timers, pool, group, gateways, store: { host: '127.0.0.1', port: store.port }, listen: { host: '127.0.0.1', port: 0 },
  };
  const monitor = await Child.start<{ port: number }>('./monitor.ts', config);
  undo.push(() => monitor.kill());
  return { store, monitor };
}

function maps(monitor: Child<unknown>): Extract<NodeEvent, { type: 'mon.map' }>[] {
  return monitor.events.filter((event) => event.type === 'mon.map');
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2_500; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${what}`);
}

/** A gateway that beacons every 50 ms and reports the store epoch that it is told to wait for. */
function gateway(port: number, gwId: string, nonce: number): { maps: number; silence: () => void } {
  const session = connectEmbeddedMonitor({ host: '127.0.0.1', port, entity: clientAddress(nonce) });
  const state = { maps: 0, silence: () => clearInterval(timer) };
  let [lastGwmapEpoch, lastOsdEpoch] = [0, 0];
  session.onMap((map) => {
    state.maps++;
    lastGwmapEpoch = map.epoch;
    for (const { osdEpoch } of map.entry?.subsystems[0]?.ana ?? []) lastOsdEpoch = Math.max(lastOsdEpoch, osdEpoch);
  });
  const timer = setInterval(() => {
    const availability: Beacon['availability'] = state.maps === 0 ? 'CREATED' : 'AVAILABLE';
    session.sendBeacon({
      gwId, pool, group, availability, lastOsdEpoch, lastGwmapEpoch,
      subsystems: availability === 'CREATED' ? [] : [{
        nqn: 'nqn.t', listeners: [{ adrfam: 'IPv4', traddr: '127.0.0.1', trsvcid: '4420' }], namespaces: [{ anaGroup: 1, nonce: clientAddress(nonce) }],
      }],
    });
  }, 50);
  undo.push(() => session.close(), () => clearInterval(timer));
  return state;
}

describe('monitor member', () => {
  it('creates its gateways in order, reports the map once, answers commands and show', async () => {
    const { monitor } = await start(['gw2', 'gw1']);
    await until('the initial map', () => maps(monitor).length > 0);
    expect(maps(monitor)).toMatchObject([{ pool, group, gateways: [{ id: 'gw1', anaGroup: 2 }, { id: 'gw2', anaGroup: 1 }] }]);
    expect(parseNvmeGwShow(await monitor.call<string>('show')).gateways).toEqual(maps(monitor)[0]!.gateways);
    expect(await monitor.call<CommandReply>('command', { prefix: 'nvme-gw create', id: 'gw3', pool, group })).toMatchObject({ code: 0 });
    expect(await monitor.call<CommandReply>('command', { prefix: 'nvme-gw create', id: 'gw3', pool, group })).toMatchObject({ code: 0 });
    await until('the map with gw3', () => maps(monitor).length > 1);
    expect(maps(monitor)).toHaveLength(2); // the second create changed nothing
    expect(maps(monitor)[1]!.gateways.map(({ id }) => id)).toEqual(['gw1', 'gw2', 'gw3']);
    await expect(monitor.call('command', 'nvme-gw show')).rejects.toThrow();
  });

  it('has the store blocklist a dead gateway, and reports each step of the takeover', async () => {
    const { store, monitor } = await start(['gw1', 'gw2']);
    const dying = gateway(monitor.info.port, 'gw1', 1001);
    gateway(monitor.info.port, 'gw2', 1002);
    const statesOf = (gw: string): (string | undefined)[] => maps(monitor).map(({ gateways }) => gateways.find(({ id }) => id === gw)?.states['1']);
    await until('gw1 ACTIVE', () => statesOf('gw1').at(-1) === 'ACTIVE');
    dying.silence();
    await until('takeover', () => statesOf('gw2').at(-1) === 'ACTIVE');
    expect(statesOf('gw2').filter((state, i, all) => state !== all[i - 1]).slice(-3)).toEqual(['STANDBY', 'WAIT_BLOCKLIST_CMPL', 'ACTIVE']);
    expect(store.blocklistLs()).toEqual([clientAddress(1001)]);
    const listed = await monitor.call<CommandReply>('command', { prefix: 'osd blocklist ls', format: 'json' });
    expect(listed.output).toBe(`[{"addr":"${clientAddress(1001)}"}][]`);
  });

  it('ends with a reason on a config that is none', async () => {
    await expect(Child.start('./monitor.ts', { pool, group, gateways: [] })).rejects.toThrow(/timers/);
  });
});
