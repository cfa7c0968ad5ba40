import { describe, expect, it } from 'vitest';
import { agreement } from './agreement.js';
import { countAnaChanges } from './ana-changes.js';
import { availability } from './availability.js';
import { convergence } from './convergence.js';
import { haResponse } from './ha-response.js';
import { history } from './history.js';
import { integrity } from './integrity/index.js';
import { checkersFor, judge } from './index.js';
import { inventory } from './inventory.js';
import { selfWatch } from './self-watch.js';
import { singleOptimized } from './single-optimized.js';
import { moments as m } from './testing/healthy-run.js';
import { countPaths, pathEvent, pathIo, t, type DraftRun } from './testing/run.js';
import { twoHostRun } from './testing/two-hosts.js';
import { vacuity } from './vacuity.js';

const matching = (text: RegExp): string => expect.stringMatching(text) as string;
const at2 = <T extends object>(body: T): T & { host: string } => ({ ...body, host: 'host2' });

/** Namespace 2 of host2 stands still for 700 ms outside of any fault. */
function stalledAtHost2(): DraftRun {
  const run = twoHostRun();
  run.removeOps(({ ns, fromUs }) => ns === 1 && fromUs > t(800) && fromUs < t(1500));
  run.ops.push({ what: 'read', found: [0], ns: 1, slba: 7, fromUs: t(801), toUs: t(1500), path: 'gw2:nvme2:q1' });
  return run;
}

describe('a run with two hosts', () => {
  it('passes every checker when all is well', async () => {
    const run = twoHostRun();
    const verdict = await judge(run.input, 'run-1', false);
    for (const check of verdict.checks) expect(check, `${check.checker}: ${check.summary}`).toMatchObject({ verdict: 'pass' });
    expect(verdict.checks.map(({ checker }) => checker)).toEqual(checkersFor(run.plan).map(({ name }) => name));
    const of = (name: string): string => verdict.checks.find(({ checker }) => checker === name)!.summary;
    expect(of('ha-response')).toMatch(/^ANA group 1 moved from gw1 to gw2 950\.0 ms after kill \(\d+ writes of host1 through it; \d+ writes of host2 through it\)/);
    expect(of('history')).toContain('in 2 journals');
    expect(of('inventory')).toContain('at each of 2 hosts');
  });

  it('is judged again as before when its plan does not say whose the namespaces are: there was one host', async () => {
    const run = twoHostRun();
    run.plan.topology.hosts.pop();
    for (const namespace of run.plan.topology.namespaces) delete namespace.host;
    run.events = run.events.filter(({ body }) => !('host' in body && body.host === 'host2') && !(body.type === 'node' && body.name === 'host2') && !(body.type === 'self.watch' && body.process === 'host2') && !(body.type === 'observe.coverage' && body.observer === 'host:host2'));
    expect((await judge(run.input, 'run-1', false)).verdict).toBe('pass');
  });

  it('proves nothing without the journal of one of them', async () => {
    const run = twoHostRun();
    run.hostsWithoutJournal = ['host2'];
    expect(await history.check(run.input)).toMatchObject({ verdict: 'unknown', summary: 'host2 has no I/O journal' });
    expect(await availability.check(run.input)).toMatchObject({ verdict: 'unknown', summary: 'no I/O of host2 completed: nothing was available there, or nothing was tried' });
    expect(await integrity.check(run.input)).toMatchObject({ verdict: 'unknown', summary: matching(/^no journal has namespace 2 \(uuid-2\) of the plan/) });
    expect(await vacuity.check(run.input)).toMatchObject({ verdict: 'unknown', summary: matching(/^namespace 2 before kill/) });
    expect(await haResponse.check(run.input)).toMatchObject({ verdict: 'unknown', summary: matching(/at host2 950\.0 ms after kill, but it cannot be told whether any write of host2 completed through it: host2 has no I\/O journal$/) });
    expect((await judge(run.input, 'run-1', false)).verdict).toBe('unknown');
  });

  it('proves nothing where a journal has the namespace of another host', async () => {
    const { input } = twoHostRun();
    const plan = structuredClone(input.plan);
    plan.topology.namespaces[1]!.host = 'host1';
    expect(await history.check({ ...input, plan })).toMatchObject({ verdict: 'unknown', summary: 'the journal of host2 has namespace 2, which belongs to host1' });
    expect(await integrity.check({ ...input, plan })).toMatchObject({ verdict: 'unknown', summary: 'namespace 2 (uuid-2) belongs to host1, whose journal does not have it' });
    plan.topology.hosts.pop();
    expect((await history.check({ ...input, plan })).evidence.map(({ text }) => text)).toContain('there is a journal of host2, which the plan does not have');
  });

  it('fails a takeover that one of them did not see', async () => {
    const run = twoHostRun().remove('host.path', ({ host, gateway, ana }) => host === 'host2' && gateway === 'gw2' && ana === 'optimized');
    expect(await haResponse.check(run.input)).toMatchObject({
      verdict: 'fail', summary: 'after kill (+2.000000 s) no other gateway than gw1 became optimized for ANA group 1 at host2 until its heal +5.000000 s, but a dead gateway is replaced',
    });
  });

  it('takes the time of a takeover from the host that saw it last', async () => {
    const run = twoHostRun().change('host.path', ({ host, gateway }, ms) => host === 'host2' && gateway === 'gw2' && ms === m.takeover, () => ({ ana: 'inaccessible', usable: false }));
    for (const nsid of [1, 3]) run.add(m.takeover + 120, at2(pathEvent('gw2', nsid, 'optimized')));
    expect(await haResponse.check(run.input)).toMatchObject({ verdict: 'pass', metrics: { 'kill.group1TakeoverMs': m.takeover + 120 - m.inject, 'kill.group1AnaChanges': 1 } });
  });

  it('fails a takeover through which one of them wrote nothing', async () => {
    const run = twoHostRun().changeOps(({ path, ns, what }) => what === 'write' && ns === 2 && path!.startsWith('gw2'), () => ({ path: 'gw9:nvme9:q1' }));
    expect((await haResponse.check(run.input)).summary).toBe('gw2 became optimized for ANA group 1 at host2 950.0 ms after kill, but no write of host2 completed through it before the heal');
  });

  it('does not take the counters of one host’s paths for the other’s', async () => {
    const carried = pathIo('gw2', 1, { writes: 9, bytesWritten: 36_864 });
    const run = countPaths(twoHostRun(), (ms) => [ms >= m.takeover && ms < m.heal ? carried : pathIo('gw2', 1)]);
    expect(await haResponse.check(run.input)).toMatchObject({ verdict: 'unknown', summary: matching(/at host2 .*any write of host2 completed through it: no counters of a path through gw2 were read/) });
  });

  it('fails a group that must not move and did in the eyes of one of them', async () => {
    const run = twoHostRun();
    run.plan.expect.takeovers = [{ fault: 'kill', group: 1, expected: false, reason: 'beacons go on' }];
    run.remove('host.path', ({ host, gateway, ana }) => host === 'host1' && gateway === 'gw2' && ana === 'optimized');
    expect((await haResponse.check(run.input)).evidence[0]!.text).toBe('gw2 became optimized for ANA group 1 at host2 950.0 ms after kill, but beacons go on');
  });

  it('counts changes of ANA states as the host that saw the most, not as all together', () => {
    const { input } = twoHostRun();
    expect(countAnaChanges(input, 'uuid-1', { fromUs: t(m.inject), toUs: t(m.heal) })).toBe(1);
  });

  it('cannot tell without paths of one of them', async () => {
    const run = twoHostRun().remove('host.path', ({ host }) => host === 'host2');
    expect(await singleOptimized.check(run.input)).toMatchObject({ verdict: 'unknown', summary: 'no host.path event of host2: it never saw a path' });
    expect(await convergence.check(run.input)).toMatchObject({ verdict: 'unknown', summary: 'no host.path event of host2: that view is missing' });
  });

  it('fails where one of them lacks its path at the end, or reaches no owner, and the other has both', async () => {
    const late = twoHostRun().add(m.loadEnd, at2(pathEvent('gw1', 1, 'inaccessible')));
    expect(await convergence.check(late.input)).toMatchObject({ verdict: 'fail', summary: 'at the end (+10.000000 s): host2 sees namespace 1 (ANA group 1) optimized at no gateway instead of gw1' });
    const run = twoHostRun();
    for (const nsid of [1, 2, 3, 4]) run.add(7_000, { type: 'host.path-gone', ...at2({ path: `gw2:nvme2:n${nsid}`, controller: 'nvme2', gateway: 'gw2', nsUuid: `uuid-${nsid}`, nsid }) });
    // The bound in which views may differ is the plan's own.
    run.plan.bounds.push({ name: 'agreement', ms: 500, terms: [] });
    const result = await agreement.check(run.input);
    expect(result.verdict).toBe('fail');
    expect(result.evidence[0]!.text).toMatch(/^target and host disagreed about gw2 and ANA group 2 .*target says optimized, and host2 has no live path to it/);
  });

  it('fails two owners that each of them saw one of', async () => {
    const run = twoHostRun().add(1_500, at2(pathEvent('gw1', 1, 'inaccessible'))).add(1_500, at2(pathEvent('gw2', 1, 'optimized'))).add(1_540, at2(pathEvent('gw2', 1, 'inaccessible'))).add(1_540, at2(pathEvent('gw1', 1, 'optimized')));
    expect(await singleOptimized.check(run.input)).toMatchObject({
      verdict: 'fail', summary: 'host1, host2: ANA group 1, namespace 1 optimized at gw1 (host1 gw1:nvme1:n1) and gw2 (host2 gw2:nvme2:n1) for 40.0 ms from +1.500000 s',
    });
  });

  it('fails a controller id that both of them have, and cannot tell without the inventory of one', async () => {
    const same = twoHostRun().change('host.inventory', ({ host, label }) => host === 'host2' && label === 'end', ({ controllers }) => ({ controllers: controllers.map((each) => ({ ...each, cntlid: each.cntlid - 100 })) }));
    expect(await inventory.check(same.input)).toMatchObject({ verdict: 'fail', summary: 'at end: nvme1 of host2 and nvme1 of host1 have the same controller id 2 (and 1 more)' });
    const none = twoHostRun().remove('host.inventory', ({ host, label }) => host === 'host2' && label === 'end');
    expect(await inventory.check(none.input)).toMatchObject({ verdict: 'unknown', summary: 'host2 has no inventory of the end' });
  });

  it('cannot tell when nobody watched one of them', async () => {
    const run = twoHostRun().remove('observe.coverage', ({ observer }) => observer === 'host:host2');
    expect(await selfWatch.check(run.input)).toMatchObject({ verdict: 'unknown', summary: 'no observe.coverage event of an observer of host2' });
    expect(await singleOptimized.check(run.input)).toMatchObject({ verdict: 'unknown', summary: matching(/^the paths of host2 were not observed/) });
    expect((await selfWatch.check(twoHostRun().remove('self.watch', ({ process }) => process === 'host2').input)).summary).toBe('host2 has no self.watch event');
  });

  it('excuses a stall at one of them by the standstill of that one, not of the other', async () => {
    const standing = (process: string): DraftRun => stalledAtHost2().change('self.watch', (body, ms) => body.process === process && ms > 1_000 && ms <= 1_250, () => ({ loopDelayMaxUs: 240_000, cpuPercent: 95 }));
    expect(await availability.check(standing('host1').input)).toMatchObject({ verdict: 'fail', summary: matching(/^namespace 2 \(ANA group 2\) at host2: 69\d\.\d ms without a completion/) });
    expect((await availability.check(standing('host2').input)).summary).toContain('but the measuring process itself stood still for 240.0 ms of it');
  });
});
