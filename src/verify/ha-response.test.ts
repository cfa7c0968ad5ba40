import { describe, expect, it } from 'vitest';
import { haResponse } from './ha-response.js';
import { groupSteps } from './monitor-order.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { countPaths, mapEvent, pathEvent, pathIo, t, targetEvent } from './testing/run.js';
import type { EventBody, PathIo } from '../history/events.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof haResponse.check> => haResponse.check(run.input);

/** Nothing moves: no takeover in any view, and all I/O stays at gw1. */
function unmoved(): DraftRun {
  const run = healthyRun();
  run.plan.expect.takeovers = [{ fault: 'kill', group: 1, expected: false, reason: 'beacons go on' }];
  return run.remove('host.path', (_, ms) => ms > m.killed).remove('mon.map', (_, ms) => ms > 200);
}

describe('ha-response', () => {
  it('passes a takeover with fencing and says how long it took', async () => {
    const result = await check(healthyRun());
    expect(result).toMatchObject({ verdict: 'pass', metrics: { 'kill.group1TakeoverMs': m.takeover - m.inject, monitorSteps: 7 } });
    expect(result.summary).toMatch(/^ANA group 1 moved from gw1 to gw2 950\.0 ms after kill \(\d{3} writes through it\); 7 state changes of the monitor, all legal$/);
    expect(result.evidence[0]!.text).toBe("takeover of ANA group 1 by gw2 +2.800000 s: gw1's 127.0.0.1:0/11 fenced by +3.100000 s");
  });

  it('fails a takeover that did not happen before the heal', async () => {
    const run = healthyRun().remove('host.path', ({ gateway, ana }) => gateway === 'gw2' && ana === 'optimized');
    const late = healthyRun().remove('host.path', ({ gateway, ana }, ms) => gateway === 'gw2' && ana === 'optimized' && ms > 200).add(m.heal + 1, pathEvent('gw2', 1, 'optimized'));
    for (const each of [run, late]) {
      expect(await check(each)).toMatchObject({
        verdict: 'fail', summary: 'after kill (+2.000000 s) no other gateway than gw1 became optimized for ANA group 1 until its heal +5.000000 s, but a dead gateway is replaced',
      });
    }
  });

  it('cannot tell when the fault was healed before the takeover was due, as an interrupted run does', async () => {
    const early = healthyRun().remove('host.path', ({ gateway, ana }) => gateway === 'gw2' && ana === 'optimized').remove('fault', ({ phase }) => phase.startsWith('heal'));
    for (const [phase, at] of [['healing', m.inject + 400], ['healed', m.inject + 410]] as const) early.add(at, { type: 'fault', id: 'kill', fault: 'gateway.kill', target: 'gw1', phase });
    expect(await check(early)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('kill was healed 400.0 ms after it began (+2.000000 s), before ANA group 1 had to be taken over') as string });
  });

  it('cannot tell when the record ends before the takeover was due', async () => {
    const cut = healthyRun().cutAfter(m.inject + 500);
    expect(await check(cut)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('before ANA group 1 had to be taken over') as string });
    const due = healthyRun().cutAfter(m.inject + 500).add(m.inject + 1_600, { type: 'log', level: 'info', message: 'still here' });
    expect(await check(due)).toMatchObject({ verdict: 'fail', summary: expect.stringContaining('to the end') as string });
  });

  it('fails a takeover through which no write completed', async () => {
    const run = healthyRun();
    run.changeOps(({ path, ns, what }) => what === 'write' && ns !== 1 && path!.startsWith('gw2'), () => ({ path: 'gw9:nvme9:q1' }));
    expect((await check(run)).summary).toBe('gw2 became optimized for ANA group 1 950.0 ms after kill, but no write completed through it before the heal');
  });

  describe('with a host that cannot tell the path of an operation', () => {
    const carried = pathIo('gw2', 1, { writes: 9, bytesWritten: 36_864, inflightBefore: 2 });
    const during = (ms: number): boolean => ms >= m.takeover && ms < m.heal;

    it('passes a takeover when the counters of the new paths moved', async () => {
      const run = countPaths(healthyRun(), (ms) => [pathIo('gw1', 1), during(ms) ? carried : pathIo('gw2', 1)]);
      expect(await check(run)).toMatchObject({ verdict: 'pass', summary: expect.stringMatching(/\(\d{3} writes meanwhile, 294912 bytes through it by its paths' counters\)/) as string });
    });

    it('fails when they were read all the time and nothing went through', async () => {
      // Requests without bytes are those that the kernel took off the path again.
      const run = countPaths(healthyRun(), () => [pathIo('gw1', 1, { writes: 9, bytesWritten: 36_864 }), pathIo('gw2', 1, { writes: 3, reads: 5, bytesRead: 20_480 })]);
      expect(await check(run)).toMatchObject({ verdict: 'fail', summary: 'gw2 became optimized for ANA group 1 950.0 ms after kill, but no write completed through it before the heal' });
    });

    it.each<[string, string, (ms: number) => PathIo[] | undefined]>([
      ['the counters were never read', "no counters of a path through gw2 were read in that time", () => undefined],
      ['the new path was not among them', 'no counters of a path through gw2 were read in that time', () => [pathIo('gw1', 1)]],
      ['they moved before the takeover and were not read all the time after it', "the counters of gw2's paths were not read for 1500 ms", (ms) => (ms < m.takeover ? [carried] : ms < 3100 || ms > 4700 ? [pathIo('gw2', 1)] : undefined)],
      ['what ended may have been sent earlier', 'all of the 2 requests', (ms) => (ms === 3000 ? [pathIo('gw2', 1, { writes: 2, bytesWritten: 8192, inflightBefore: 2 })] : [pathIo('gw2', 1)])],
      ['what ended may have been errors', 'all of the 2 requests', (ms) => (ms === 3000 ? [pathIo('gw2', 1, { writes: 2, bytesWritten: 8192, errors: 2 })] : [pathIo('gw2', 1)])],
    ])('cannot tell when %s', async (_what, why, rows) => {
      const result = await check(countPaths(healthyRun(), rows));
      expect(result.verdict).toBe('unknown');
      expect(result.summary).toContain(`it cannot be told whether any write completed through it: ${why}`);
    });

    it('takes failed operations for errors of the path where the kernel counts none', async () => {
      const rows = (ms: number): PathIo[] => [pathIo('gw2', 1, ms === 3000 ? { writes: 1, bytesWritten: 4096, errors: null } : { errors: null })];
      expect((await check(countPaths(healthyRun(), rows))).verdict).toBe('pass');
      const failing = countPaths(healthyRun(), rows);
      failing.ops.push({ what: 'read', fromUs: t(3100), toUs: t(3200), outcome: 'fail', path: null });
      expect((await check(failing)).verdict).toBe('unknown');
    });

    it('fails when no I/O completed at all', async () => {
      const run = countPaths(healthyRun(), () => [carried]);
      run.removeOps(({ ns, fromUs }) => ns !== 1 && fromUs >= t(m.takeover) && fromUs < t(m.heal));
      expect((await check(run)).summary).toContain('but no write completed through it before the heal');
    });
  });

  it('asks a read-only workload for reads', async () => {
    const run = healthyRun();
    run.plan.workload.readPercent = 100;
    run.removeOps(({ what }) => what === 'write');
    expect((await check(run)).summary).toMatch(/\(\d{3} operations through it\)/);
  });

  it('passes a group that stayed as expected', async () => {
    expect(await check(unmoved())).toMatchObject({ verdict: 'pass', summary: 'ANA group 1 stayed at gw1 during kill; 0 state changes of the monitor, all legal' });
  });

  it('fails a group that moved although it must not, in the host’s or the monitor’s view', async () => {
    expect(await check(unmoved().add(3000, pathEvent('gw2', 1, 'optimized')))).toMatchObject({ verdict: 'fail', summary: 'gw2 became optimized for ANA group 1 1000.0 ms after kill, but beacons go on' });
    const moved = unmoved().add(3000, mapEvent(2, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] }));
    expect(await check(moved)).toMatchObject({ verdict: 'fail', summary: 'the monitor made gw2 ACTIVE for ANA group 1 +3.000000 s, after kill, but beacons go on' });
  });

  it('fails an illegal step of the monitor between two adjacent maps only', async () => {
    const illegal = { gw1: ['STANDBY', 'STANDBY'], gw2: ['WAIT_FAILBACK_PREPARED', 'ACTIVE'] } as const;
    const run = healthyRun().change('mon.map', (_, ms) => ms === m.waitBlocklist, () => mapEvent(2, { gw1: [...illegal.gw1], gw2: [...illegal.gw2] }));
    expect((await check(run)).summary).toBe('the monitor took gw2 from STANDBY to WAIT_FAILBACK_PREPARED for ANA group 1 +2.800000 s: no such transition');
    const skipped = healthyRun().remove('mon.map', (_, ms) => ms === m.active);
    expect((await check(skipped)).verdict).toBe('pass');
    expect(groupSteps(skipped.history).find(({ from }) => from === 'WAIT_BLOCKLIST_CMPL')).toMatchObject({ to: 'WAIT_FAILBACK_PREPARED', adjacent: false, legal: false });
  });

  it('fails a takeover that was ACTIVE before the old owner was fenced', async () => {
    const run = healthyRun().change('store.state', (_, ms) => ms > m.waitBlocklist, ({ blocklist }) => ({ blocklist: blocklist.filter((address) => !address.endsWith('/11')) }));
    expect((await check(run)).summary).toBe("takeover of ANA group 1 by gw2 +2.800000 s: gw2 was ACTIVE +3.000000 s, but the store had not fenced gw1's 127.0.0.1:0/11 +3.100000 s");
  });

  it('asks for the fencing of those clients alone that the old owner had for the group, where that is known', async () => {
    const others = (anaGroups: number[]) => healthyRun().change('store.state', ({ clients }) => clients.some(({ name }) => name === 'gw1'), ({ clients }) => ({ clients: [...clients, { address: '127.0.0.1:0/77', name: 'gw1', fenced: false, anaGroups }] }));
    const text = async (run: ReturnType<typeof healthyRun>) => (await check(run)).evidence.map((each) => each.text).join('\n');
    expect(await text(others([2]))).toContain("gw1's 127.0.0.1:0/11 fenced by");
    expect(await text(others([1, 2]))).toContain("had not fenced gw1's 127.0.0.1:0/77");
  });

  it('accepts a client that is still connected but fenced', async () => {
    const run = healthyRun().change('store.state', (_, ms) => ms > m.waitBlocklist, ({ clients }) => ({ blocklist: [], clients: [...clients, { address: '127.0.0.1:0/11', name: 'gw1', fenced: true }] }));
    expect((await check(run)).verdict).toBe('pass');
  });

  it('does not ask for the fencing of clients that an earlier incarnation had', async () => {
    const run = healthyRun().add(20, { type: 'store.state', epoch: 1, blocklist: [], clients: [{ address: '127.0.0.1:0/7', name: 'gw1', fenced: false }], droppedWrites: 0 });
    expect((await check(run)).verdict).toBe('pass');
    // One that was started again while it was ACTIVE, faster than the monitor could miss it.
    const rebooted = healthyRun().add(500, { type: 'node', name: 'gw1', role: 'gateway', state: 'killed', pid: 1 }).add(510, { type: 'node', name: 'gw1', role: 'gateway', state: 'started', pid: 2 });
    rebooted.change('store.state', ({ clients }, ms) => ms < 500 && clients.some(({ name }) => name === 'gw1'), ({ clients }) => ({ clients: clients.map((client) => (client.name === 'gw1' ? { ...client, address: '127.0.0.1:0/7' } : client)) }));
    rebooted.add(520, { type: 'store.state', epoch: 1, blocklist: [], clients: [{ address: '127.0.0.1:0/7', name: 'gw1', fenced: false }, { address: '127.0.0.1:0/11', name: 'gw1', fenced: false }], droppedWrites: 0 });
    expect((await check(rebooted)).verdict).toBe('pass');
    rebooted.change('store.state', (_, ms) => ms > m.waitBlocklist, ({ blocklist }) => ({ blocklist: blocklist.filter((address) => !address.endsWith('/11')) }));
    expect((await check(rebooted)).summary).toContain("had not fenced gw1's 127.0.0.1:0/11");
  });

  it('takes the fencing of the earlier incarnation for that of one which was just started and never optimized', async () => {
    /** gw1 has died and was started again, as 127.0.0.1:0/12, before the monitor takes its group away. */
    const restarted = (): DraftRun => {
      const run = healthyRun().add(m.waitBlocklist - 90, { type: 'node', name: 'gw1', role: 'gateway', state: 'started', pid: 2 });
      run.add(m.waitBlocklist - 50, { type: 'store.state', epoch: 1, blocklist: [], clients: [{ address: '127.0.0.1:0/12', name: 'gw1', fenced: false }], droppedWrites: 0 });
      return run;
    };
    const told = async (run: DraftRun): Promise<string> => (await check(run)).evidence.map(({ text }) => text).join('\n');
    const fenced = await told(restarted());
    expect(fenced).toContain("gw1's 127.0.0.1:0/11 fenced by");
    expect(fenced).not.toContain('had not fenced');
    // Started by an orchestrator, so that only the end of the earlier one is known; the host still tells how its dead path had been.
    const replaced = restarted().change('node', (_, ms) => ms === m.waitBlocklist - 90, () => ({ state: 'exited' }))
      .add(m.waitBlocklist - 80, { ...pathEvent('gw1', 1, 'optimized'), controllerState: 'connecting' });
    expect(await told(replaced)).toContain("gw1's 127.0.0.1:0/11 fenced by");
    expect(await told(replaced.change('store.state', (_, ms) => ms > m.waitBlocklist, ({ blocklist }) => ({ blocklist: blocklist.filter((address) => !address.endsWith('/11')), clients: [] })))).toContain("had not fenced gw1's");
    // It ended, too; and one that was gone long ago was never fenced.
    const has = (address: string): EventBody => ({ type: 'store.state', epoch: 1, blocklist: [], clients: [{ address, name: 'gw1', fenced: false }], droppedWrites: 0 });
    const ended = healthyRun().add(450, has('127.0.0.1:0/7')).add(470, has('127.0.0.1:0/11')).add(460, { type: 'node', name: 'gw1', role: 'gateway', state: 'started', pid: 2 })
      .add(m.waitBlocklist - 90, { type: 'node', name: 'gw1', role: 'gateway', state: 'exited', pid: 2 });
    ended.change('store.state', ({ clients }, ms) => ms < 450 && clients.some(({ name }) => name === 'gw1'), ({ clients }) => ({ clients: clients.map((client) => (client.name === 'gw1' ? { ...client, address: '127.0.0.1:0/7' } : client)) }));
    expect(await told(ended)).toContain("gw1's 127.0.0.1:0/11 fenced by");
    // It was optimized: what it wrote has to be kept from landing.
    for (const served of [targetEvent('gw1', [1]), pathEvent('gw1', 1, 'optimized')]) {
      expect(await told(restarted().add(m.waitBlocklist - 20, served))).toContain("had not fenced gw1's 127.0.0.1:0/12");
    }
    // Neither is fenced.
    const neither = restarted().change('store.state', (_, ms) => ms > m.waitBlocklist, ({ blocklist }) => ({ blocklist: blocklist.filter((address) => !address.endsWith('/11')), clients: [] }));
    expect(await told(neither)).toContain("had not fenced gw1's 127.0.0.1:0/12");
  });

  it('asks for no fencing of an owner that gave the group up for a failback which broke off, and said so', async () => {
    const told = async (left: 'WAIT_FAILBACK_PREPARED' | 'STANDBY', says: number[]): Promise<string> => {
      const run = healthyRun().remove('gw.state', ({ gateway }) => gateway === 'gw1').change('store.state', (_, ms) => ms > m.waitBlocklist, ({ blocklist }) => ({ blocklist: blocklist.filter((address) => !address.endsWith('/11')) }));
      run.add(m.waitBlocklist - 60, mapEvent(1, { gw1: [left, 'STANDBY'], gw2: ['OWNER_FAILBACK_PREPARED', 'ACTIVE'] })).add(m.waitBlocklist - 50, targetEvent('gw1', says));
      return (await check(run)).evidence.map(({ text }) => text).join('\n');
    };
    const given = await told('WAIT_FAILBACK_PREPARED', []);
    expect(given).toContain('gw1 had given it up for a failback, and said that it was not optimized any more +2.750000 s');
    expect(given).not.toContain('had not fenced');
    // It still serves the group, or the monitor took it away in another way.
    expect(await told('WAIT_FAILBACK_PREPARED', [1])).toContain("had not fenced gw1's 127.0.0.1:0/11");
    expect(await told('STANDBY', [])).toContain("had not fenced gw1's 127.0.0.1:0/11");
  });

  it('asks for the fencing of an owner that was dead when the monitor made it ACTIVE', async () => {
    // Its client is seen once, and no more when the map says so.
    const dead = healthyRun().remove('mon.map', (_, ms) => ms < m.waitBlocklist).add(150, mapEvent(0, { gw1: ['OWNER_FAILBACK_PREPARED', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] })).add(m.killed + 200, mapEvent(1, { gw1: ['ACTIVE', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] }))
      .add(m.killed + 100, { type: 'store.state', epoch: 1, blocklist: [], clients: [], droppedWrites: 0 })
      .change('store.state', (_, ms) => ms > m.killed + 100, ({ clients }) => ({ clients: clients.filter(({ name }) => name !== 'gw1') }));
    const told = async (): Promise<string> => (await check(dead)).evidence.map(({ text }) => text).join('\n');
    expect(await told()).not.toContain('its fencing cannot be judged');
    dead.change('store.state', (_, ms) => ms > m.waitBlocklist, ({ blocklist }) => ({ blocklist: blocklist.filter((address) => !address.endsWith('/11')) }));
    expect(await told()).toContain("had not fenced gw1's 127.0.0.1:0/11");
  });

  it('asks for no fencing of a gateway that takes back what it had, when a failback broke off', async () => {
    // gw2 has taken group 1 over; its failback to gw1 has begun, and ends with gw1's end.
    const run = healthyRun().remove('mon.map', (_, ms) => ms > m.failback);
    run.add(m.failback + 100, mapEvent(5, { gw1: ['STANDBY', 'STANDBY'], gw2: ['WAIT_BLOCKLIST_CMPL', 'ACTIVE'] }, { gw1: 'UNAVAILABLE' })).add(m.failback + 200, mapEvent(6, { gw1: ['STANDBY', 'STANDBY'], gw2: ['ACTIVE', 'ACTIVE'] }, { gw1: 'UNAVAILABLE' }));
    expect((await check(run)).evidence.map(({ text }) => text).join('\n')).toMatch(/takeover of ANA group 1 by gw2 \+6\.2\d+ s: it was its owner before, and nobody else was since/);
  });

  it('is unknown where the fencing cannot be seen', async () => {
    const blind = healthyRun().change('store.state', () => true, ({ clients }) => ({ clients: clients.filter(({ name }) => name !== 'gw1') }));
    expect((await check(blind)).summary).toContain('the store never showed a client of gw1');
    expect((await check(healthyRun().remove('store.state', (_, ms) => ms >= m.active))).summary).toContain('the store was not sampled after gw2 was ACTIVE');
    const noOwner = healthyRun().remove('mon.map', (_, ms) => ms < m.waitBlocklist).add(150, mapEvent(1, { gw1: ['STANDBY', 'STANDBY'], gw2: ['STANDBY', 'ACTIVE'] }));
    expect((await check(noOwner)).summary).toContain('no map shows who was ACTIVE before');
  });

  it('is unknown without maps or without the fault', async () => {
    expect((await check(healthyRun().remove('mon.map'))).summary).toBe('no mon.map event: the monitor was never observed');
    expect((await check(healthyRun().remove('fault'))).summary).toBe('fault kill was never injected: nothing to answer');
  });
});
