import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { AnaStateName, EventOf } from '../../../history/index.js';
import { useTempDirs } from '../../../history/testing/temp-dir.js';
import { MultipathHost } from '../../../initiator/userspace/index.js';
import { MonitorServer } from '../../../monitor/index.js';
import { scaleTimers } from '../../../plan/timers.js';
import type { LabTimers } from '../../../plan/types.js';
import { StoreServer } from '../../../store/index.js';
import { Child } from './child.test.kit.js';
import type { GatewayMemberConfig, GatewayMemberInfo } from './gateway.js';

const nqn = 'nqn.2026-01.io.example:test';
const [pool, group] = ['rbd', 'grp1'];
const blockSize = 512;
const namespaces = [1, 2].map((nsid) => ({
  nsid, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: String(nsid).padStart(32, '0'), anaGroup: nsid, image: `ns${nsid}`,
}));
/** Short where waiting is certain, long (grace) where a stalled machine would fake a failure. */
const timers: LabTimers = scaleTimers(0.1, { beaconMs: 50, beaconGraceMs: 3_000, monTickMs: 100, skipFailoversMs: 200, failbackMs: 200, disconnectPanicMs: 20_000 });

const tempDir = useTempDirs();
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

interface Bench { store: StoreServer; monitor: MonitorServer }

async function bench(): Promise<Bench> {
  const store = await StoreServer.start({ dir: path.join(tempDir(), 'store'), images: namespaces.map(({ image }) => ({ name: image, bytes: 1024 * blockSize, blockSize })) });
  undo.push(() => store.close());
  const monitor = await MonitorServer.start({
    listen: { host: '127.0.0.1', port: 0 }, timers,
    store: { blocklist: (addresses) => store.blocklistAdd(addresses), list: async () => store.blocklistLs() },
  });
  undo.push(() => monitor.close());
  for (const id of ['gw1', 'gw2']) await monitor.command({ prefix: 'nvme-gw create', id, pool, group });
  return { store, monitor };
}

type State = EventOf<'gw.state'>;

class Gateway {
  readonly child: Child<GatewayMemberInfo>;

  constructor(child: Child<GatewayMemberInfo>) {
    this.child = child;
  }

  static async start({ store, monitor }: Bench, name: string, nonce: number, o: Partial<GatewayMemberConfig> = {}): Promise<Gateway> {
    const config: GatewayMemberConfig = {
      name, pool, group, nqn, namespaces, timers, nonce,
      store: { host: '127.0.0.1', port: store.port }, monitor: { host: '127.0.0.1', port: monitor.port },
      listener: { host: '127.0.0.1', port: 0 }, ...o,
    };
    const child = await Child.start<GatewayMemberInfo>('./gateway.ts', config);
    undo.push(() => child.kill());
    return new Gateway(child);
  }

  get states(): State[] {
    return this.child.events.filter((event) => event.type === 'gw.state') as unknown as State[];
  }

  /** Waits until the last reported state is so. */
  async until(condition: (state: State) => boolean): Promise<State> {
    for (;;) {
      const last = this.states.at(-1);
      if (last !== undefined && condition(last)) return last;
      if (this.child.process.exitCode !== null) throw new Error(`the gateway ended:\n${this.child.log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits until its groups 1 and 2 are in these states. */
  ana(first: AnaStateName, second: AnaStateName): Promise<State> {
    return this.until(({ ana }) => ana['1'] === first && ana['2'] === second);
  }

  get port(): number {
    return Number(/:(\d+)$/.exec(this.states.at(-1)?.listeners[0] ?? '')![1]);
  }
}

/** Both gateways, each optimized for its own group only. */
async function home(all: Bench): Promise<[Gateway, Gateway]> {
  const gateways: [Gateway, Gateway] = await Promise.all([Gateway.start(all, 'gw1', 101), Gateway.start(all, 'gw2', 102)]);
  await Promise.all([gateways[0].ana('optimized', 'inaccessible'), gateways[1].ana('inaccessible', 'optimized')]);
  return gateways;
}

describe('the gateway member', () => {
  it('serves once the monitor has told it its place; a killed one is taken over behind its blocklist entry, and fails back', { timeout: 90_000 }, async () => {
    const all = await bench();
    const [gw1, gw2] = await home(all);
    expect(gw1.child.info).toEqual({ storeAddress: '127.0.0.1:0/101' });
    expect(gw1.states[0]).toMatchObject({ serving: false, listeners: [], namespaces: 0 });
    expect(await gw1.child.call<State>('state')).toMatchObject({ gateway: 'gw1', serving: true, namespaces: 2, listeners: [`127.0.0.1:${gw1.port}`] });

    const host = new MultipathHost({
      name: 'host1', subNqn: nqn, hostNqn: 'nqn.host', hostId: '11111111-2222-4333-8444-555555555555', reconnectDelayMs: 100, ctrlLossTmoMs: -1,
    });
    undo.push(() => host.close());
    [gw1, gw2].forEach(({ port }, i) => host.addController({ gateway: `gw${i + 1}`, host: '127.0.0.1', port }));
    await host.connectAll();
    await expect.poll(() => host.heads().map(({ paths }) => paths.length), { timeout: 10_000 }).toEqual([2, 2]);
    expect(host.controllers().map(({ cntlid }) => cntlid)).toEqual([1, 2041]);
    const head = host.heads()[0]!;
    const data = Buffer.alloc(8 * blockSize, 0x5a);
    expect(await head.write(0, data)).toMatchObject({ outcome: 'ok', path: expect.stringMatching(/^gw1:/) as string });

    await gw1.child.kill();
    const [queued, taken] = [head.write(8, data), gw2.ana('optimized', 'optimized')];
    expect((await taken).storeEpoch).toBeGreaterThan(0);
    expect(all.store.blocklistLs()).toEqual(['127.0.0.1:0/101']);
    expect(await queued).toMatchObject({ outcome: 'ok', path: expect.stringMatching(/^gw2:/) as string });
    expect((await head.read(0, 8)).data?.equals(data)).toBe(true);

    const again = await Gateway.start(all, 'gw1', 103, { listener: { host: '127.0.0.1', port: gw1.port } });
    await Promise.all([again.ana('optimized', 'inaccessible'), gw2.ana('inaccessible', 'optimized')]);
    await expect.poll(() => host.controllers()[0]!.state, { timeout: 10_000 }).toBe('live');
    expect(await head.read(8, 8)).toMatchObject({ outcome: 'ok', path: expect.stringMatching(/^gw1:/) as string });
  });

  it('reports its state again and again though nothing changes', async () => {
    const all = await bench();
    const gateway = await Gateway.start(all, 'gw1', 101);
    await gateway.until(({ serving }) => serving);
    const from = gateway.states.length;
    await gateway.until(() => gateway.states.length >= from + 10);
    expect(gateway.states.at(-1)).toMatchObject({ serving: true, ana: gateway.states.at(-2)!.ana });
  });

  it('without listeners its group moves away, without a blocklist entry; with them it comes home', { timeout: 60_000 }, async () => {
    const all = await bench();
    const [gw1, gw2] = await home(all);
    const { port } = gw1;
    await gw1.child.call('listenerDel');
    expect(await gw1.child.call<State>('state')).toMatchObject({ listeners: [], serving: false });
    await gw2.ana('optimized', 'optimized');
    expect(all.store.blocklistLs()).toEqual([]);
    await gw1.child.call('listenerAdd');
    await Promise.all([gw1.ana('optimized', 'inaccessible'), gw2.ana('inaccessible', 'optimized')]);
    expect(gw1.port).toBe(port);
  });

  it('exits 0 on shutdown and on SIGTERM', { timeout: 60_000 }, async () => {
    const all = await bench();
    const gateways = await home(all);
    await gateways[0].child.call('shutdown');
    expect(await gateways[0].child.exited).toMatchObject({ code: 0 });
    gateways[1].child.process.kill('SIGTERM');
    expect(await gateways[1].child.exited).toMatchObject({ code: 0 });
  });

  it('exits 10 when the monitor no longer counts it in', { timeout: 60_000 }, async () => {
    const all = await bench();
    const [gw1] = await home(all);
    // Past the time in which it distrusts such a map.
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    await all.monitor.command({ prefix: 'nvme-gw delete', id: 'gw1', pool, group });
    expect(await gw1.child.exited).toMatchObject({ code: 10 });
    expect(gw1.child.log).toContain('gw1 ended: failed-over');
    expect(gw1.states.at(-1)).toMatchObject({ serving: false, listeners: [] });
  });

  it('exits 11 when the monitor is silent', { timeout: 60_000 }, async () => {
    const all = await bench();
    const gw1 = await Gateway.start(all, 'gw1', 101, { timers: { ...timers, disconnectPanicMs: 1_500 } });
    await gw1.until(({ serving }) => serving);
    await all.monitor.close();
    expect(await gw1.child.exited).toMatchObject({ code: 11 });
    expect(gw1.child.log).toContain('gw1 ended: monitor-silent');
  });

  it('exits 12 when the store has fenced it', { timeout: 60_000 }, async () => {
    const all = await bench();
    const [gw1] = await home(all);
    await all.store.blocklistAdd([gw1.child.info.storeAddress]);
    expect(await gw1.child.exited).toMatchObject({ code: 12 });
    expect(gw1.child.log).toContain('gw1 ended: fenced');
  });

  it('exits 1 with the reason when its configuration is wrong, or an image is missing', { timeout: 60_000 }, async () => {
    const all = await bench();
    await expect(Gateway.start(all, 'gw1', 0)).rejects.toThrow('nonce');
    const gateway = await Gateway.start(all, 'gw1', 101, { namespaces: [{ ...namespaces[0]!, image: 'none' }] });
    expect(await gateway.child.exited).toMatchObject({ code: 1 });
    expect(gateway.child.log).toContain('gw1 ended: control-failed');
  });
});
