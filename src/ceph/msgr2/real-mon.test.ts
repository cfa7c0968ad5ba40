import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep } from '../../util/clock.js';
import { CephError } from './errors.js';
import type { ModeChoice } from './session.js';
import { GroupWatch, show, testNqn, TestGateway } from './testing/gateway-bench.js';
import type { TestGatewayOptions } from './testing/gateway-bench.js';
import { realMonMissing, RealMonCluster } from '../../lab/real-mon/index.js';

/*
 * Against a real ceph-mon: PATHPROOF_CEPH_ROOT=DIR npx vitest run src/ceph/msgr2/real-mon.test.ts
 * where DIR is an unpacked Debian root with ceph-mon ≥ 20.2. PATHPROOF_TIMELINE=1 prints what the monitor said when.
 * Bounds: the monitor's own timers (beacon grace 7 s, 1 s paxos proposals, 3 s failback) and a wide margin.
 */
const missing = realMonMissing();
const timeoutMs = 180_000;

const caps = ['mon', 'profile rbd', 'osd', 'profile rbd'];

/** Two gateways of a fresh group, serving. */
async function pair(cluster: RealMonCluster, group: string, o: { mode?: ModeChoice; keyType?: 'aes' | 'aes256k'; only?: TestGatewayOptions['mons'] } = {}): Promise<{
  watch: GroupWatch; gw1: TestGateway; gw2: TestGateway; start: (id: string) => Promise<TestGateway>; stop: () => Promise<void>;
}> {
  const running: TestGateway[] = [];
  for (const id of ['1', '2']) await cluster.command({ prefix: 'nvme-gw create', id: `${group}.${id}`, pool: 'rbd', group });
  const start = async (id: string): Promise<TestGateway> => {
    const key = await cluster.user(`client.nvmeof.${group}.${id}`, caps, o.keyType);
    const gateway = new TestGateway(cluster, { id: `${group}.${id}`, group, key, mode: o.mode, ...(o.only === undefined ? {} : { mons: o.only }) });
    running.push(gateway);
    return gateway;
  };
  const watch = new GroupWatch(cluster, group);
  const stop = async (): Promise<void> => {
    await watch.stop();
    for (const gateway of running) await gateway.kill();
    for (const id of ['1', '2']) await cluster.tryCommand({ prefix: 'nvme-gw delete', id: `${group}.${id}`, pool: 'rbd', group });
  };
  try {
    watch.note('both start');
    const [gw1, gw2] = [await start('1'), await start('2')];
    await watch.until(`${group}.1 AVAILABLE 1:ACTIVE 2:STANDBY | ${group}.2 AVAILABLE 1:STANDBY 2:ACTIVE`);
    await until(() => gw1.control.ana(testNqn, 1) === 'optimized' && gw2.control.ana(testNqn, 2) === 'optimized');
    return { watch, gw1, gw2, start, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function until(check: () => boolean, what = check.toString()): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!check()) {
    if (Date.now() > endMs) throw new Error(`never: ${what}`);
    await sleep(5);
  }
}

async function blocklist(cluster: RealMonCluster): Promise<string[]> {
  const text = await cluster.command({ prefix: 'osd blocklist ls', format: 'json' });
  return [...text.matchAll(/"addr":"([^"]+)"/g)].map((match) => match[1]!);
}

/** Kill, failover with its blocklist, restart, failback; the core of what a gateway must get right. */
async function failoverAndFailback(cluster: RealMonCluster, group: string, o: Parameters<typeof pair>[2] = {}): Promise<void> {
  const { watch, gw1, gw2, start, stop } = await pair(cluster, group, o);
  try {
    expect(gw1.client.session.secure).toBe(o.mode === 'secure');
    await gw1.kill();
    const killed = watch.note(`${group}.1 is killed`);
    const detected = await watch.until(`${group}.1 UNAVAILABLE`);
    await until(() => gw2.control.ana(testNqn, 1) === 'optimized');
    watch.note(`${group}.2 serves group 1`);
    const active = await watch.until(`${group}.2 AVAILABLE 1:ACTIVE 2:ACTIVE`);
    // It was told to wait for the blocklist, waited, and told the monitor; only then was it ACTIVE.
    expect(watch.text()).toMatch(new RegExp(`${group}\\.2 AVAILABLE 1:WAIT_BLOCKLIST_CMPL 2:ACTIVE`));
    const told = gw2.maps.flatMap(({ entry }) => entry?.subsystems[0]?.ana[0] ?? []).find(({ state }) => state === 'OPTIMIZED');
    expect(told!.osdEpoch).toBeGreaterThan(1);
    expect(gw2.agent.state().storeEpoch).toBe(told!.osdEpoch);
    expect(gw2.client.session.osdEpoch).toBeGreaterThanOrEqual(told!.osdEpoch);
    expect(await blocklist(cluster)).toContain(gw1.nonce);
    expect(await blocklist(cluster)).not.toContain(gw2.nonce);
    expect(detected - killed).toBeGreaterThan(5_500);
    expect(active - killed).toBeLessThan(25_000);

    const again = await start('1');
    const restarted = watch.note(`${group}.1 starts again`);
    await watch.until(`${group}.1 AVAILABLE 1:OWNER_FAILBACK_PREPARED 2:STANDBY | ${group}.2 AVAILABLE 1:WAIT_FAILBACK_PREPARED 2:ACTIVE`);
    await until(() => gw2.control.ana(testNqn, 1) === 'inaccessible');
    watch.note(`${group}.2 has stepped down`);
    await watch.until(`${group}.1 AVAILABLE 1:ACTIVE 2:STANDBY | ${group}.2 AVAILABLE 1:STANDBY 2:ACTIVE`);
    await until(() => again.control.ana(testNqn, 1) === 'optimized');
    expect(watch.note(`${group}.1 serves group 1`) - restarted).toBeLessThan(25_000);
    expect(gw2.ana).toEqual(['2 optimized', '1 optimized', '1 inaccessible']);
    expect(await blocklist(cluster)).not.toContain(again.nonce);
    expect([gw2.end, again.end]).toEqual([undefined, undefined]);
    expect(gw2.client.stats.resyncs).toBe(0);
  } finally {
    await stop();
  }
}

describe.skipIf(missing !== undefined)(`a real ceph-mon${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: timeoutMs }, () => {
  describe('auth none', () => {
    let cluster: RealMonCluster;
    beforeAll(async () => { cluster = await RealMonCluster.start(1, { auth: 'none' }); }, timeoutMs);
    afterAll(() => cluster.stop(), timeoutMs);

    it('a session: monmap, commands, versions, osdmaps, keepalives', async () => {
      const session = cluster.session({ entity: 'client.admin', timers: { keepaliveMs: 20, keepaliveTimeoutMs: 2_000 } });
      const begun = performance.now();
      await session.whenConnected(10_000);
      show(`ceph-mon: connected in ${(performance.now() - begun).toFixed(1)} ms, resident ${cluster.residentKiB(0)} KiB`);
      expect(session.fsid).toBe(cluster.fsid);
      expect(session.globalId).toBeGreaterThan(0n);
      const dump = await session.command({ prefix: 'mon dump', format: 'json' });
      expect(dump).toMatchObject({ code: 0, status: 'dumped monmap epoch 1' });
      expect((JSON.parse(dump.output.toString()) as { fsid: string }).fsid).toBe(cluster.fsid);
      expect(await session.command({ prefix: 'no such command' })).toMatchObject({ code: -22 });
      const { newest } = await session.version('osdmap');
      expect(newest).toBe(1n);
      // Its keepalives have been answered: it would be gone by now otherwise.
      await sleep(2_500);
      expect(session.connected).toBe(true);

      session.subscribe('osdmap', { start: newest + 1n });
      const waited = session.waitForOsdEpoch(Number(newest) + 1, 30_000);
      expect(await session.command({ prefix: 'osd blocklist', blocklistop: 'add', addr: '10.0.0.9:0/5' })).toMatchObject({ code: 0 });
      await waited;
      expect(await blocklist(cluster)).toContain('10.0.0.9:0/5');
    });

    it('an announced address that is not the monitor\'s: it hangs up', async () => {
      const { port } = cluster.endpoints[0]!;
      const { CephMonSession } = await import('./session.js');
      const session = new CephMonSession({ mons: [{ host: '127.0.0.1', port, announced: { host: '127.0.0.9', port } }], entity: 'client.admin' });
      await expect(session.whenConnected(500)).rejects.toThrow(/MON_TIMEOUT.*in step ident/);
      await session.close();
    });

    it('cephx is refused, with what is allowed', async () => {
      const session = cluster.session({ entity: 'client.admin', key: 'AQCW2wBribxDGRAAPnMAGD07m38GNYGMKQCTRQ==' });
      await expect(session.whenConnected(10_000)).rejects.toThrow(/^AUTH_METHOD: .*methods \[1\]/);
    });

    it('two gateways: join, failover with blocklist, failback', () => failoverAndFailback(cluster, 'none'));

    it('a restart of the monitor: one resync, no ANA change, the same addresses', async () => {
      const { watch, gw1, gw2, stop } = await pair(cluster, 'restart');
      try {
        const before = [gw1, gw2].map(({ ana, client }) => ({ ana, address: client.session.entityAddress }));
        await cluster.stopMon(0);
        watch.note('ceph-mon is killed');
        await until(() => !gw1.client.session.connected && !gw2.client.session.connected);
        await sleep(1_500);
        cluster.startMon(0);
        watch.note('ceph-mon starts');
        await until(() => gw1.client.session.connected && gw2.client.session.connected);
        watch.note('both are connected');
        await until(() => gw1.client.stats.resyncs > 0 && gw2.client.stats.resyncs > 0);
        watch.note('both were told that their beacons are out of order');
        const mapsBefore = [gw1, gw2].map(({ maps }) => maps.length);
        await until(() => [gw1, gw2].every(({ maps }, i) => maps.length > mapsBefore[i]!));
        await watch.until('restart.1 AVAILABLE 1:ACTIVE 2:STANDBY | restart.2 AVAILABLE 1:STANDBY 2:ACTIVE');
        watch.note('both are as before');
        await sleep(3_000);
        expect([gw1, gw2].map(({ ana, client }) => ({ ana, address: client.session.entityAddress }))).toEqual(before);
        expect([gw1.end, gw2.end]).toEqual([undefined, undefined]);
        for (const { client } of [gw1, gw2]) expect(client.stats.resyncs).toBeLessThan(6);
      } finally {
        await stop();
      }
    });

    it('a gateway that starts after a restart of the monitor that knew it: joins', async () => {
      const { watch, gw1, start, stop } = await pair(cluster, 'reborn');
      try {
        await gw1.kill();
        await cluster.stopMon(0);
        cluster.startMon(0);
        await cluster.admin();
        const again = await start('1');
        watch.note('starts again');
        await until(() => again.control.ana(testNqn, 1) === 'optimized');
        watch.note(`serves after ${again.client.stats.resyncs} resyncs`);
      } finally {
        await stop();
      }
    });

    it('a data plane that does not answer: UNAVAILABLE, its nonces are blocklisted, the peer takes over', async () => {
      const { watch, gw1, gw2, stop } = await pair(cluster, 'dead');
      try {
        gw1.control.dead = true;
        const dead = watch.note('the data plane of dead.1 stops answering');
        const active = await watch.until('dead.2 AVAILABLE 1:ACTIVE 2:ACTIVE');
        expect(watch.text()).toMatch(/dead\.1 UNAVAILABLE .* dead\.2 AVAILABLE 1:WAIT_BLOCKLIST_CMPL/);
        expect(await blocklist(cluster)).toContain(gw1.nonce);
        // Much sooner than by silence: the gateway said so itself.
        expect(active - dead).toBeLessThan(7_000);
        await until(() => gw1.end !== undefined || gw1.maps.at(-1)?.entry === undefined);
        expect(gw2.control.ana(testNqn, 1)).toBe('optimized');
      } finally {
        await stop();
      }
    });

    it('beacon diff switched off and on again: no resync, no ANA change', async () => {
      const { watch, gw1, gw2, stop } = await pair(cluster, 'diff');
      try {
        await until(() => [gw1, gw2].every(({ client }) => client.stats.beaconDiff));
        const before = [gw1.ana, gw2.ana];
        const others = await cluster.command({ prefix: 'nvme-gw show', pool: 'rbd', group: 'diff', format: 'json' });
        expect(others).toContain('"beacon_diff_enabled":true');
        for (const val of ['disable', 'enable']) {
          await cluster.command({ prefix: 'nvme-gw set', var: 'beacon-diff', val });
          watch.note(`beacon diff: ${val}`);
          // They hear of it with their next map: every fifteenth beacon gets one.
          await until(() => [gw1, gw2].every(({ client }) => client.stats.beaconDiff === (val === 'enable')));
          watch.note('both follow');
          await sleep(3_000);
          await watch.until('diff.1 AVAILABLE 1:ACTIVE 2:STANDBY | diff.2 AVAILABLE 1:STANDBY 2:ACTIVE');
        }
        expect([gw1.ana, gw2.ana]).toEqual(before);
        expect([gw1.client.stats.resyncs, gw2.client.stats.resyncs]).toEqual([0, 0]);
      } finally {
        await stop();
      }
    });

    it('a gateway that is deleted is told so and ends', async () => {
      const { gw1, gw2, stop } = await pair(cluster, 'delete');
      try {
        // Past the time in which one such map is ignored.
        await sleep(16_000);
        await cluster.command({ prefix: 'nvme-gw delete', id: 'delete.1', pool: 'rbd', group: 'delete' });
        await until(() => gw1.end !== undefined);
        expect(gw1.end!.reason).toBe('failed-over');
        await until(() => gw2.control.ana(testNqn, 1) === 'optimized');
      } finally {
        await stop();
      }
    });
  });

  describe('cephx', () => {
    let cluster: RealMonCluster;
    beforeAll(async () => { cluster = await RealMonCluster.start(1, { auth: 'cephx' }); }, timeoutMs);
    afterAll(() => cluster.stop(), timeoutMs);

    it('key type 2, crc mode: failover and failback', () => failoverAndFailback(cluster, 'cephx', { mode: 'crc' }));

    it('key type 2, secure mode: failover and failback', () => failoverAndFailback(cluster, 'secure', { mode: 'secure' }));

    it('key type 1, both modes', async () => {
      await cluster.command({ prefix: 'mon set', name: 'auth_allowed_ciphers', value: 'aes,aes256k' });
      await cluster.command({ prefix: 'config set', who: 'mon', name: 'mon_auth_allow_insecure_key', value: 'true' });
      const key = (await cluster.user('client.old', caps, 'aes'))!;
      expect(key.startsWith('AQ')).toBe(true);
      for (const mode of ['crc', 'secure'] as const) {
        const session = cluster.session({ entity: 'client.old', key, mode });
        await session.whenConnected(10_000);
        expect(session.secure).toBe(mode === 'secure');
        expect((await session.command({ prefix: 'osd blocklist ls', format: 'json' })).code).toBe(0);
      }
    });

    it('caps of a gateway: it may not create gateways', async () => {
      const key = (await cluster.user('client.nvmeof.caps', caps))!;
      const session = cluster.session({ entity: 'client.nvmeof.caps', key });
      await session.whenConnected(10_000);
      expect(await session.command({ prefix: 'nvme-gw create', id: 'x', pool: 'rbd', group: 'x' })).toMatchObject({ code: -13 });
      expect(await session.command({ prefix: 'nvme-gw show', pool: 'rbd', group: 'cephx' })).toMatchObject({ code: 0 });
    });

    it('a wrong key, an unknown entity and no key are refused at once', async () => {
      const key = (await cluster.user('client.nvmeof.right', caps))!;
      const codeOf = async (o: { entity: string; key?: string }): Promise<string> => {
        const error: unknown = await cluster.session(o).whenConnected(10_000).catch((problem: unknown) => problem);
        return error instanceof CephError ? error.code : String(error);
      };
      expect(await codeOf({ entity: 'client.nvmeof.wrong', key })).toBe('AUTH_DENIED');
      expect(await codeOf({ entity: 'client.admin', key })).toBe('AUTH_DENIED');
      expect(await codeOf({ entity: 'client.admin' })).toBe('AUTH_METHOD');
    });

    it('keeps its global_id and its address over a restart of the monitor', async () => {
      const key = (await cluster.user('client.nvmeof.reclaim', caps))!;
      const session = cluster.session({ entity: 'client.nvmeof.reclaim', key });
      await session.whenConnected(10_000);
      const before = [session.globalId, session.entityAddress];
      await cluster.stopMon(0);
      await until(() => !session.connected);
      cluster.startMon(0);
      await session.whenConnected(30_000);
      expect([session.globalId, session.entityAddress]).toEqual(before);
    });

    it('a monitor that does not answer any more is given up by its keepalives, and found again', async () => {
      const key = (await cluster.user('client.nvmeof.frozen', caps))!;
      const session = cluster.session({ entity: 'client.nvmeof.frozen', key, timers: { keepaliveMs: 100, keepaliveTimeoutMs: 1_000, huntMs: 500 } });
      await session.whenConnected(10_000);
      cluster.pauseMon(0, true);
      try {
        await until(() => !session.connected);
        expect(session.lastError?.code).toBe('MON_KEEPALIVE');
        await until(() => session.lastError?.code === 'MON_HANDSHAKE_TIMEOUT');
      } finally {
        cluster.pauseMon(0, false);
      }
      await session.whenConnected(30_000);
    });
  });

  it('cephx, a monitor that only allows secure mode', async () => {
    const cluster = await RealMonCluster.start(1, { auth: 'cephx', modes: 'secure' });
    try {
      const admin = await cluster.admin();
      expect(admin.secure).toBe(true);
      expect((await admin.command({ prefix: 'mon dump', format: 'json' })).code).toBe(0);
    } finally {
      await cluster.stop();
    }
  });

  describe.each([
    ['with beacon diff in use: one resync', true],
    ['before beacon diff was announced: the switch comes with the election', false],
  ])('three monitors, %s', (_what, inUse) => {
    it('a gateway\'s own is killed: it goes to another one, without ANA change', async () => {
      const cluster = await RealMonCluster.start(3, { auth: 'none' });
      try {
        const { watch, gw1, gw2, stop } = await pair(cluster, 'three');
        try {
          // A fresh cluster announces it after a few seconds, with the next map: every fifteenth beacon gets one.
          if (inUse) await until(() => [gw1, gw2].every(({ client }) => client.stats.beaconDiff));
          else expect([gw1, gw2].map(({ client }) => client.stats.beaconDiff)).toEqual([false, false]);
          await sleep(inUse ? 3_000 : 0);
          const before = [gw1.ana, gw2.ana];
          const port = gw1.client.session.monitor!.port;
          const victim = cluster.endpoints.findIndex((endpoint) => endpoint.port === port);
          await cluster.stopMon(victim);
          const killed = Date.now();
          watch.note(`mon ${victim} is killed; three.1 used it${gw2.client.session.monitor?.port === port ? ', and so did three.2' : ''}`);
          await until(() => gw1.client.session.connected && gw1.client.session.monitor!.port !== port);
          watch.note('three.1 has another monitor');
          if (inUse) {
            await until(() => [gw1, gw2].every(({ client }) => client.stats.resyncs > 0));
            watch.note('both were told that their beacons are out of order');
          }
          // The lease of a dead monitor is noticed late: wait until both have been answered after that.
          await until(() => [gw1, gw2].every(({ client }) => client.stats.beaconDiff) && Date.now() - killed > 20_000);
          const mapsBefore = [gw1, gw2].map(({ maps }) => maps.length);
          await until(() => [gw1, gw2].every(({ maps }, i) => maps.length > mapsBefore[i]!));
          await watch.until('three.1 AVAILABLE 1:ACTIVE 2:STANDBY | three.2 AVAILABLE 1:STANDBY 2:ACTIVE');
          watch.note(`both are as before; resyncs: ${gw1.client.stats.resyncs}, ${gw2.client.stats.resyncs}`);
          await sleep(3_000);
          expect([gw1.ana, gw2.ana]).toEqual(before);
          expect([gw1.end, gw2.end]).toEqual([undefined, undefined]);
        } finally {
          await stop();
        }
      } finally {
        await cluster.stop();
      }
    });
  });
});
