import { afterEach, beforeEach, expect, it } from 'vitest';
import { scaleTimers } from '../plan/timers.js';
import { FakeMonitor, FakeStore } from './agent/testing/fakes.js';
import { NvmetGateway } from './nvmet-gateway.js';
import type { GatewayState } from './gateway-state.js';
import { FakeConfigFs, FakeDevices } from './nvmet/testing/fake-configfs.js';

const nqn = 'nqn.2026-01.io.pathproof:lab';
const listeners = [{ host: '192.0.2.101', port: 4420 }, { host: '198.51.100.101', port: 4420 }];
const namespaces = [1, 2].map((nsid) => ({ nsid, anaGroup: nsid, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: String(nsid).repeat(32), image: `img${nsid}` }));

let fs: FakeConfigFs;
let monitor: FakeMonitor;
let store: FakeStore;
let states: GatewayState[];
let fence: () => void;
let failure: string | undefined;
let gateway: NvmetGateway;

beforeEach(() => {
  fs = new FakeConfigFs();
  monitor = new FakeMonitor();
  store = new FakeStore();
  states = [];
  failure = undefined;
  gateway = new NvmetGateway({
    name: 'gw1', pool: 'rbd', group: 'g', nqn, serial: 'PP1', namespaces, listeners, monitor, fs,
    timers: scaleTimers(0.25),
    store: {
      address: '192.0.2.101:0/77', openDevice: new FakeDevices().open, currentEpoch: () => store.epoch, waitForEpoch: store.waitForEpoch,
      onFenced: (listener) => { fence = listener; }, failure: () => failure,
    },
    onState: (state) => states.push(state),
  });
  gateway.start();
});
afterEach(async () => {
  await gateway.stop();
  fs.remove();
});

const last = (): GatewayState => states.at(-1)!;

async function serve(): Promise<void> {
  monitor.map(1, {});
  await expect.poll(() => last().serving).toBe(true);
}

it('serves nothing before the monitor has answered, then everything, inaccessible', async () => {
  expect(last()).toMatchObject({ gateway: 'gw1', listeners: [], namespaces: 0, serving: false, ana: { 1: 'inaccessible', 2: 'inaccessible' }, storeAddress: '192.0.2.101:0/77' });
  await serve();
  expect(last()).toMatchObject({ listeners: ['192.0.2.101:4420', '198.51.100.101:4420'], namespaces: 2, ana: { 1: 'inaccessible', 2: 'inaccessible' } });
  expect(monitor.last.availability).toBe('AVAILABLE');
  expect(monitor.last.subsystems).toMatchObject([{ nqn, namespaces: [{ anaGroup: 1, nonce: '192.0.2.101:0/77' }, { anaGroup: 2, nonce: '192.0.2.101:0/77' }] }]);
});

it('is optimized when its store client has the epoch, and says so at once', async () => {
  await serve();
  monitor.states(2, nqn, 'O', 'O@7');
  await expect.poll(() => last().ana).toEqual({ 1: 'optimized', 2: 'inaccessible' });
  expect(fs.ana(2, 2)).toBe('inaccessible');
  store.reach(7);
  await expect.poll(() => last()).toMatchObject({ ana: { 1: 'optimized', 2: 'optimized' }, storeEpoch: 7 });
});

it('reports what it sees ten times a second, changed or not, also what nobody asked it to change', async () => {
  await serve();
  const before = states.length;
  fs.meddle('optimized', 'ports', '2', 'ana_groups', '1', 'ana_state');
  await expect.poll(() => last().ana[1]).toBe('optimized');
  await expect.poll(() => states.length, { timeout: 3_000 }).toBeGreaterThan(before + 5);
});

it('that is fenced ends: every link to a port goes, and nothing waits for the storage', async () => {
  await serve();
  monitor.states(2, nqn, 'O', 'I');
  fence();
  expect(await gateway.ended).toMatchObject({ reason: 'fenced' });
  expect(last()).toMatchObject({ listeners: [], serving: false, ana: { 1: 'inaccessible', 2: 'inaccessible' } });
  expect(fs.trace.some((line) => line.startsWith('rm '))).toBe(false);
});

it('whose storage fails is UNAVAILABLE to the monitor', async () => {
  await serve();
  failure = 'device-mapper: multipath: 252:0: Failing path 253:0.';
  await expect.poll(() => monitor.last.availability).toBe('UNAVAILABLE');
});

it('takes its listeners away and brings them back', async () => {
  await serve();
  await gateway.removeListeners();
  expect(last()).toMatchObject({ listeners: [], serving: false, namespaces: 2 });
  await gateway.addListeners();
  expect(last()).toMatchObject({ listeners: ['192.0.2.101:4420', '198.51.100.101:4420'], serving: true });
});

it('whose kernel has no target ends, since it cannot be set up', async () => {
  fs.remove();
  monitor.map(1, {});
  expect(await gateway.ended).toMatchObject({ reason: 'control-failed', detail: expect.stringContaining(fs.root) as unknown });
  fs = new FakeConfigFs();
});
