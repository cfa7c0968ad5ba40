import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  AerResult, Cns, ControllerType, decodeDiscoveryLog, decodeIdentifyController, discoveryNqn, FeatureId, getFeaturesCommand, LogId,
  setFeaturesCommand, Status,
} from '../../nvme/index.js';
import type { SocketAddress } from '../control.js';
import { settingsOf } from './options.js';
import { closeLater, fixture, nguidOf, nqn, uuidOf } from './testing/fixture.js';
import { MemoryBackend } from './testing/memory-backend.js';
import { RawHost, sendConnect } from './testing/raw-host.js';
import { RawQueue } from './testing/raw-queue.js';
import { NvmeTcpTarget } from './target.js';
import { UserspaceControl } from './userspace-control.js';

describe('keep alive', () => {
  it('without Keep Alive commands the controller ends, all queues by reset; other traffic does not count', async () => {
    const { host, events } = await fixture();
    const raw = await host({ katoMs: 300 });
    const io = await raw.io();
    const traffic = setInterval(() => void io.flush(1).catch(() => undefined), 20);
    expect(await raw.admin.closed).toBe('reset');
    // Its own write may meet the RST first; then it sees EPIPE or the end, not ECONNRESET.
    await io.queue.closed;
    clearInterval(traffic);
    expect(events).toContainEqual(expect.objectContaining({ type: 'controller-ended', cntlid: raw.cntlid, cause: 'keep-alive-timeout' }));
  });

  it('with them it lives, and KATO 0 means no timer', async () => {
    const { host } = await fixture();
    const katoMs = 1_500;
    const [kept, untimed] = [await host({ katoMs }), await host({ katoMs: 0 })];
    for (const end = Date.now() + 1.3 * katoMs; Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect((await kept.keepAlive()).status).toBe(0);
    }
    expect((await untimed.keepAlive()).status).toBe(0);
  });

  it('the feature sets a new timeout', async () => {
    const { host } = await fixture();
    const raw = await host({ katoMs: 60_000 });
    await raw.admin.command(setFeaturesCommand({ cid: raw.admin.cid, fid: FeatureId.keepAliveTimer, value: 100 }));
    expect(await raw.admin.closed).toBe('reset');
  });
});

describe('discovery', () => {
  const discover = (address: SocketAddress): Promise<RawHost> => RawHost.connect(address, { subNqn: discoveryNqn });

  it('lists every subsystem at every listener by its advertised address', async () => {
    const { target, address } = await fixture();
    target.addSubsystem({ nqn: 'nqn.b', serial: 'x', cntlidMin: 1, cntlidMax: 9 });
    await target.addListener('nqn.b', { ...address, advertised: { host: '127.0.0.9', port: 4420 } });
    const other = await target.addListener(nqn, { host: '127.0.0.1', port: 0, advertised: { host: '10.0.0.1', port: 7 } });
    const host = await discover(other);
    const log = decodeDiscoveryLog((await host.log(LogId.discovery, 4096)).data);
    expect(log.entries.map(({ subnqn, traddr, trsvcid, trtype, adrfam, subtype, cntlid }) => [subnqn, traddr, trsvcid, trtype, adrfam, subtype, cntlid])).toEqual([
      [nqn, '127.0.0.1', String(address.port), 3, 1, 2, 0xffff],
      ['nqn.b', '127.0.0.9', '4420', 3, 1, 2, 0xffff],
      [nqn, '10.0.0.1', '7', 3, 1, 2, 0xffff],
    ]);
    // In two parts, as hosts read it.
    const parts = [await host.log(LogId.discovery, 1024, { rae: true }), await host.log(LogId.discovery, 3072, { offset: 1024 })];
    expect(decodeDiscoveryLog(Buffer.concat(parts.map(({ data }) => data)))).toEqual(log);
  });

  it('tells of changes and counts them', async () => {
    const { target, address } = await fixture();
    const host = await discover(address);
    const before = decodeDiscoveryLog((await host.log(LogId.discovery, 2048)).data);
    const event = host.event();
    const added = await target.addListener(nqn, { host: '127.0.0.1', port: 0 });
    expect((await event).dw0).toBe(AerResult.discoveryChange);
    const after = decodeDiscoveryLog((await host.log(LogId.discovery, 4096)).data);
    expect(after.genctr).toBeGreaterThan(before.genctr);
    expect(after.entries).toHaveLength(2);
    const removal = host.event();
    await target.removeListener(nqn, added);
    expect((await removal).dw0).toBe(AerResult.discoveryChange);
  });

  it('is a discovery controller: no I/O queues, no namespaces, no other logs', async () => {
    const { address } = await fixture();
    const host = await discover(address);
    expect(decodeIdentifyController((await host.identify(Cns.controller)).data)).toMatchObject({ cntrltype: ControllerType.discovery, subnqn: discoveryNqn });
    expect((await host.identify(Cns.activeNamespaces)).status).toBe(Status.invalidField);
    expect((await host.log(LogId.ana, 64)).status).toBe(Status.invalidLogPage);
    const io = await sendConnect(await RawQueue.connect(address), { subNqn: discoveryNqn, qid: 1, cntlid: host.cntlid });
    expect(io.status).toBe(Status.connectInvalidParameters);
    // No keep alive asked for: the fixed time of discovery controllers.
    expect((await host.admin.command(getFeaturesCommand({ cid: host.admin.cid, fid: FeatureId.keepAliveTimer }))).dw0).toBe(120_000);
  });
});

describe('listeners', () => {
  it('a removed one resets its connections at once and frees the address; the other stays', async () => {
    const { target, address, host } = await fixture();
    const other = await target.addListener(nqn, { host: '127.0.0.1', port: 0 });
    const here = await host();
    const io = await here.io();
    const there = await RawHost.connect(other, { subNqn: nqn });
    await target.removeListener(nqn, address);
    expect(await here.admin.closed).toBe('reset');
    expect(await io.queue.closed).toBe('reset');
    await expect(RawQueue.open(address)).rejects.toThrow('ECONNREFUSED');
    expect((await there.keepAlive()).status).toBe(0);
    expect(target.listeners().map(({ bound }) => bound)).toEqual([other]);
    expect(await target.addListener(nqn, address)).toEqual(address);
    await host();
  });

  it('subsystems that share an address come and go by themselves', async () => {
    const { target, address, host } = await fixture();
    target.addSubsystem({ nqn: 'nqn.b', serial: 'x', cntlidMin: 1, cntlidMax: 9 });
    await target.addListener('nqn.b', address);
    const [a, b] = [await host(), await RawHost.connect(address, { subNqn: 'nqn.b' })];
    await target.removeListener(nqn, address);
    expect(await a.admin.closed).toBe('reset');
    expect((await b.keepAlive()).status).toBe(0);
    await target.removeSubsystem('nqn.b');
    expect(await b.admin.closed).toBe('reset');
    expect(target.listeners()).toEqual([]);
    await expect(RawQueue.open(address)).rejects.toThrow('ECONNREFUSED');
  });

  it('two subsystems may ask for one fixed address at the same time', async () => {
    const { target, address } = await fixture();
    await target.removeListener(nqn, address);
    target.addSubsystem({ nqn: 'nqn.b', serial: 'x', cntlidMin: 1, cntlidMax: 9 });
    expect(await Promise.all([target.addListener(nqn, address), target.addListener('nqn.b', address)])).toEqual([address, address]);
  });

  it('a response of a controller that ended is dropped, not sent to its successor', async () => {
    const { target, address, host, backends } = await fixture();
    let open: () => void = () => undefined;
    backends[1]!.gate = new Promise<void>((resolve) => { open = resolve; });
    const io = await (await host()).io();
    const read = io.read(1, 0, 1);
    await expect.poll(() => backends[1]!.calls.length, { timeout: 10_000 }).toBe(1);
    await target.removeListener(nqn, address);
    await expect(read).rejects.toThrow('connection closed');
    open();
    await target.setAnaState(nqn, 1, 'inaccessible');
  });

  it('errors have stable codes', async () => {
    const { target, address } = await fixture();
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const port = (taken.address() as { port: number }).port;
    await expect(target.addListener(nqn, { host: '127.0.0.1', port })).rejects.toMatchObject({ code: 'TARGET_LISTEN_FAILED' });
    taken.close();
    await expect(target.addListener(nqn, address)).rejects.toMatchObject({ code: 'TARGET_LISTENER_EXISTS' });
    await expect(target.addListener('nqn.none', address)).rejects.toMatchObject({ code: 'TARGET_NO_SUBSYSTEM' });
    await expect(target.removeListener(nqn, { host: '127.0.0.1', port: 1 })).rejects.toMatchObject({ code: 'TARGET_NO_LISTENER' });
    const backend = new MemoryBackend(8);
    const ns = { nsid: 1, uuid: uuidOf(1), nguid: nguidOf(1), anaGroup: 1, backend };
    const code = (run: () => void): unknown => {
      try { run(); } catch (error) { return (error as { code?: unknown }).code; }
      return 'no error';
    };
    expect(code(() => target.addNamespace(nqn, ns))).toBe('TARGET_NAMESPACE_EXISTS');
    for (const wrong of [{ nsid: 0 }, { nsid: 1025 }, { uuid: 'x' }, { nguid: 'zz' }, { anaGroup: 17 }, { backend: new MemoryBackend(8, 520) }]) {
      expect(code(() => target.addNamespace(nqn, { ...ns, nsid: 3, ...wrong }))).toBe('TARGET_CONFIG');
    }
    expect(target.namespaces(nqn).map(({ nsid }) => nsid)).toEqual([1, 2]);
    expect(code(() => target.removeNamespace(nqn, 9))).toBe('TARGET_NO_NAMESPACE');
    expect(code(() => target.addSubsystem({ nqn, serial: 'x', cntlidMin: 1, cntlidMax: 2 }))).toBe('TARGET_SUBSYSTEM_EXISTS');
    for (const wrong of [{ cntlidMin: 0 }, { cntlidMax: 0xfff0 }, { serial: '' }, { serial: 'x'.repeat(21) }, { nqn: 'n'.repeat(224) }, { model: 'ü' }]) {
      expect(code(() => target.addSubsystem({ nqn: 'nqn.c', serial: 'x', cntlidMin: 1, cntlidMax: 2, ...wrong }))).toBe('TARGET_CONFIG');
    }
    expect(() => settingsOf({ maxH2cDataBytes: 4095 })).toThrow('maxH2cDataBytes = 4095');
    await target.close();
    expect(code(() => target.addSubsystem({ nqn: 'nqn.d', serial: 'x', cntlidMin: 1, cntlidMax: 2 }))).toBe('TARGET_CLOSED');
  });
});

describe('UserspaceControl', () => {
  it('drives the target in the words of GatewayControl', async () => {
    const target = closeLater(new NvmeTcpTarget());
    const control = new UserspaceControl(target, async (image) => new MemoryBackend(image === 'big' ? 64 : 8));
    await control.addSubsystem({ nqn, serial: 'S', groupIndex: 2 });
    await control.addNamespace(nqn, { nsid: 4, uuid: uuidOf(4), nguid: nguidOf(4), anaGroup: 3, image: 'big' });
    const advertised = { host: '127.0.0.7', port: 9 };
    const bound = await control.addListener(nqn, { host: '127.0.0.1', port: 0, advertised });
    await control.setAnaState(null, 3, 'optimized');
    const description = await control.describe();
    expect(description).toMatchObject({
      driver: 'userspace', subsystems: [{ nqn, listeners: [{ bound, advertised }], namespaces: [{ nsid: 4, uuid: uuidOf(4), anaGroup: 3 }], ana: { 1: 'inaccessible', 3: 'optimized' } }],
    });
    const host = await RawHost.connect(bound, { subNqn: nqn });
    expect(host.cntlid).toBe(2 * 2040 + 1);
    expect((await (await host.io()).read(4, 63, 1)).status).toBe(0);
    await control.removeListener(nqn, bound);
    expect(await host.admin.closed).toBe('reset');
    await control.removeNamespace(nqn, 4);
    await control.removeSubsystem(nqn);
    expect((await control.describe()).subsystems).toEqual([]);
  });

  it('rejects, rather than throws, what the target refuses', async () => {
    const control = new UserspaceControl(closeLater(new NvmeTcpTarget()), () => Promise.reject(new Error('no such image')));
    await expect(control.setAnaState('nqn.none', 1, 'optimized')).rejects.toThrow('TARGET_NO_SUBSYSTEM');
    await control.addSubsystem({ nqn, serial: 'S', groupIndex: 0 });
    await expect(control.addNamespace(nqn, { nsid: 1, uuid: uuidOf(1), nguid: nguidOf(1), anaGroup: 1, image: 'x' })).rejects.toThrow('no such image');
  });
});
