import { afterEach, beforeEach, expect, it } from 'vitest';
import { scaleTimers } from '../plan/timers.js';
import { FakeMonitor, FakeStore } from './agent/testing/fakes.js';
import type { GatewayState } from './gateway-state.js';
import { JsonRpcClient } from './spdk/index.js';
import { FakeSpdk } from './spdk/testing/fake-spdk.js';
import { SpdkGateway } from './spdk-gateway.js';

const nqn = 'nqn.2026-01.io.pathproof:lab';
const listeners = [{ host: '192.0.2.101', port: 4420 }, { host: '198.51.100.101', port: 4420 }];
const namespaces = [1, 2].map((nsid) => ({ nsid, anaGroup: nsid, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: String(nsid).repeat(32), image: `img${nsid}` }));

let spdk: FakeSpdk;
let clients: JsonRpcClient[];
let monitor: FakeMonitor;
let store: FakeStore;
let states: GatewayState[];
let fence: () => void;
let die: (how: string) => void;
let killed: number;
let stopped: number;
let gateway: SpdkGateway;

beforeEach(async () => {
  spdk = await FakeSpdk.start();
  clients = [new JsonRpcClient(spdk.path), new JsonRpcClient(spdk.path)];
  monitor = new FakeMonitor();
  store = new FakeStore();
  states = [];
  killed = 0;
  stopped = 0;
  gateway = new SpdkGateway({
    name: 'gw1', pool: 'rbd', group: 'g', nqn, serial: 'PP1', namespaces, listeners, monitor, timers: scaleTimers(0.25),
    orders: clients[0]!, looks: clients[1]!,
    target: {
      ended: new Promise((resolve) => { die = resolve; }),
      stop: () => {
        stopped++;
        return Promise.resolve();
      },
      kill: () => {
        killed++;
        spdk.drop();
        return Promise.resolve();
      },
    },
    store: {
      address: '192.0.2.101:0/77', bdevOf: (image) => Promise.resolve(`rbd_${image}`), currentEpoch: () => store.epoch, waitForEpoch: store.waitForEpoch,
      onFenced: (listener) => { fence = listener; },
    },
    onState: (state) => states.push(state),
  });
  gateway.start();
});
afterEach(async () => {
  await gateway.stop();
  for (const client of clients) client.close();
  await spdk.end();
});

const last = (): GatewayState | undefined => states.at(-1);

async function serve(): Promise<void> {
  monitor.map(1, {});
  await expect.poll(() => last()?.serving).toBe(true);
}

it('serves nothing before the monitor has answered, then everything, inaccessible', async () => {
  await expect.poll(last).toMatchObject({ gateway: 'gw1', listeners: [], namespaces: 0, serving: false, ana: { 1: 'inaccessible', 2: 'inaccessible' }, storeAddress: '192.0.2.101:0/77' });
  await serve();
  expect(last()).toMatchObject({ listeners: ['192.0.2.101:4420', '198.51.100.101:4420'], namespaces: 2, ana: { 1: 'inaccessible', 2: 'inaccessible' } });
  await expect.poll(() => monitor.last.availability).toBe('AVAILABLE');
  expect(monitor.last.subsystems).toMatchObject([{ nqn, namespaces: [{ anaGroup: 1, nonce: '192.0.2.101:0/77' }, { anaGroup: 2, nonce: '192.0.2.101:0/77' }] }]);
});

it('is optimized when its store client has the epoch', async () => {
  await serve();
  monitor.states(2, nqn, 'O', 'O@7');
  await expect.poll(() => last()?.ana).toEqual({ 1: 'optimized', 2: 'inaccessible' });
  expect(spdk.ana(nqn, 2)).toEqual(['inaccessible', 'inaccessible']);
  store.reach(7);
  await expect.poll(last).toMatchObject({ ana: { 1: 'optimized', 2: 'optimized' }, storeEpoch: 7 });
});

it('reports what SPDK says, also what nobody asked it to change, and nothing while it is silent', async () => {
  await serve();
  spdk.subsystems.get(nqn)!.listeners[1]!.ana[0] = 'optimized';
  await expect.poll(() => last()?.ana[1]).toBe('optimized');
  const before = states.length;
  await expect.poll(() => states.length, { timeout: 3_000 }).toBeGreaterThan(before + 5);
  spdk.silent.add('nvmf_get_subsystems');
  await new Promise((resolve) => setTimeout(resolve, 300));
  const silent = states.length;
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(states.length).toBe(silent);
  spdk.silent.clear();
  spdk.drop();
  await expect.poll(() => states.length, { timeout: 3_000 }).toBeGreaterThan(silent);
});

it('answers with what SPDK has now, and rejects while it has no answer', async () => {
  await serve();
  spdk.subsystems.get(nqn)!.listeners.pop();
  expect(await gateway.state()).toMatchObject({ listeners: ['192.0.2.101:4420'] });
  spdk.missing.add('nvmf_get_subsystems');
  await expect(gateway.state()).rejects.toThrow('SPDK does not answer');
  spdk.missing.clear();
});

it('removes its listeners when it is told to, and opens them again', async () => {
  await serve();
  await gateway.removeListeners();
  expect(last()).toMatchObject({ listeners: [], serving: false });
  await gateway.addListeners();
  expect(last()).toMatchObject({ listeners: ['192.0.2.101:4420', '198.51.100.101:4420'], serving: true });
});

it('that is fenced ends, and SPDK at once, whatever it waits for', async () => {
  await serve();
  monitor.states(2, nqn, 'O', 'I');
  await expect.poll(() => last()?.ana[1]).toBe('optimized');
  spdk.silent.add('nvmf_subsystem_remove_listener');
  fence();
  expect(killed).toBe(1);
  expect(await gateway.ended).toMatchObject({ reason: 'fenced' });
  expect(last()).toMatchObject({ listeners: [], serving: false, namespaces: 0, ana: { 1: 'inaccessible', 2: 'inaccessible' } });
});

it('whose SPDK has ended has lost its store', async () => {
  await serve();
  die('SPDK ended with SIGSEGV');
  expect(await gateway.ended).toMatchObject({ reason: 'store-lost', detail: 'SPDK ended with SIGSEGV' });
  expect(last()).toMatchObject({ listeners: [], serving: false });
});

it('that is told to stop takes its listeners away first, and lets SPDK close its images', async () => {
  await serve();
  await gateway.stop();
  expect(spdk.subsystems.get(nqn)!.listeners).toEqual([]);
  expect([killed, stopped]).toEqual([0, 1]);
  expect(last()).toMatchObject({ listeners: [], serving: false });
});

it('says UNAVAILABLE while SPDK does not answer, with what it had said before', async () => {
  await serve();
  await expect.poll(() => monitor.last.availability).toBe('AVAILABLE');
  spdk.missing.add('nvmf_get_subsystems');
  await expect.poll(() => monitor.last, { timeout: 5_000 }).toMatchObject({ availability: 'UNAVAILABLE', subsystems: [{ nqn }] });
});
