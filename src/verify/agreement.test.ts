import { describe, expect, it } from 'vitest';
import type { EventBody } from '../history/events.js';
import { agreement } from './agreement.js';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { mapEvent, pathEvent, t, targetEvent } from './testing/run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun) => agreement.check(run.input);

/** An ANA log of gw2 as host1 read it. */
const anaLog = (changeCount: number, group1: 'optimized' | 'inaccessible'): Extract<EventBody, { type: 'host.ana-log' }> => ({
  type: 'host.ana-log', host: 'host1', controller: 'nvme2', gateway: 'gw2', cntlid: 2041, changeCount, states: { 1: group1, 2: 'optimized' },
});

describe('agreement', () => {
  it('passes a healthy run', async () => {
    const result = await check(healthyRun());
    expect(result).toMatchObject({ verdict: 'pass' });
    expect(result.summary).toMatch(/^host, monitor and 2 targets agreed through \d+ changes, never apart for longer than \d+\.\d ms/);
  });

  it('fails when the target says otherwise than the host was told, for longer than the bound', async () => {
    const run = healthyRun();
    // The host is never told that gw2 has taken group 1 over: its paths there stay inaccessible.
    run.remove('host.path', ({ gateway, nsid, ana }, ms) => gateway === 'gw2' && nsid % 2 === 1 && ana === 'optimized' && ms === m.takeover);
    const result = await check(run);
    expect(result.verdict).toBe('fail');
    expect(result.summary).toMatch(/^host1 took ANA group 1 \(namespace 1\) to be inaccessible at gw2, while the target said optimized for \d+\.\d ms from \+2\.94/);
  });

  it('lets a change take its time', async () => {
    const run = healthyRun();
    run.change('host.path', ({ gateway, nsid, ana }, ms) => gateway === 'gw2' && nsid % 2 === 1 && ana === 'optimized' && ms === m.takeover, () => ({ ana: 'inaccessible' }));
    for (const nsid of [1, 3]) run.add(m.takeover + 900, pathEvent('gw2', nsid, 'optimized'));
    expect(await check(run)).toMatchObject({ verdict: 'pass' });
  });

  it('fails when the monitor says ACTIVE and the target does not', async () => {
    const run = healthyRun();
    run.change('gw.state', ({ gateway, ana }) => gateway === 'gw2' && ana['1'] === 'optimized', ({ ana }) => ({ ana: { ...ana, 1: 'inaccessible' } }));
    const texts = (await check(run)).evidence.map(({ text }) => text);
    expect(texts.some((text) => /^the monitor had gw2 ACTIVE for ANA group 1, while the target said inaccessible for/.test(text))).toBe(true);
  });

  it('fails when the target is optimized for what the monitor has given to nobody there', async () => {
    const run = healthyRun();
    run.add(3_000, targetEvent('gw2', [1, 2])).change('gw.state', ({ gateway }, ms) => gateway === 'gw2' && ms === m.inaccessible, () => ({ ana: { 1: 'optimized', 2: 'optimized' } }));
    const texts = (await check(run)).evidence.map(({ text }) => text);
    expect(texts.some((text) => /^the monitor had gw2 STANDBY for ANA group 1, while the target said optimized/.test(text))).toBe(true);
  });

  it('does not judge a gateway that a fault is aimed at before it had time to recover', async () => {
    const run = healthyRun();
    // gw1 comes back and takes long: its target says optimized 2 s before the host is told, within the bound for the way home.
    run.change('host.path', ({ gateway, ana }, ms) => gateway === 'gw1' && ana === 'optimized' && ms === m.homePath, () => ({ ana: 'inaccessible' }));
    for (const nsid of [1, 3]) run.add(m.homePath + 1_000, pathEvent('gw1', nsid, 'optimized'));
    expect(await check(run)).toMatchObject({ verdict: 'pass' });
  });

  it('is unknown when the machine did not let a process run meanwhile', async () => {
    const run = healthyRun();
    run.remove('host.path', ({ gateway, nsid, ana }, ms) => gateway === 'gw2' && nsid % 2 === 1 && ana === 'optimized' && ms === m.takeover);
    run.change('self.watch', ({ process }, ms) => process === 'host1' && ms > 3_000 && ms < 3_400, () => ({ loopDelayMaxUs: 300_000 }));
    const result = await check(run);
    expect(result.verdict).toBe('unknown');
    expect(result.summary).toContain('but the machine did not let host1 run for 300.0 ms');
  });

  it.each(['host.path', 'mon.map', 'gw.state'] as const)('is unknown without any %s', async (type) => {
    expect(await check(healthyRun().remove(type))).toMatchObject({ verdict: 'unknown', summary: `no ${type} event: that view is missing` });
  });

  it('leaves gateways that the map does not have to the membership checker', async () => {
    const run = healthyRun().remove('mon.map');
    run.add(110, mapEvent(1, {}));
    expect((await check(run)).verdict).toBe('pass');
  });
});

describe('audits', () => {
  const audit = (run: DraftRun, path: string, outcome: 'ok' | 'fail', ms = m.rereadAtOnce + 100): void => {
    run.ops.push({ what: 'read', purpose: 'audit', found: outcome === 'ok' ? [run.ops.findLast((op) => op.what === 'write' && op.ns === 0 && op.slba === 0)!.version!] : [], outcome, fromUs: t(ms), toUs: t(ms + 1), ns: 0, slba: 0, path });
  };

  it('pass when they were refused, and count for nothing else', async () => {
    const run = healthyRun();
    audit(run, 'gw2:nvme2:q1', 'fail');
    const result = await check(run);
    expect(result).toMatchObject({ verdict: 'pass', metrics: { auditReadsRefused: 1 } });
  });

  it('fail when a path that was inaccessible answered', async () => {
    const run = healthyRun();
    audit(run, 'gw2:nvme2:q1', 'ok');
    const result = await check(run);
    expect(result.verdict).toBe('fail');
    expect(result.summary).toMatch(/a read of namespace uuid-1 that was sent to gw2 on purpose \+9\.11.* was answered although its path was inaccessible/);
  });

  it('do not hold it against a path that was optimized', async () => {
    const run = healthyRun();
    audit(run, 'gw1:nvme1:q1', 'ok');
    expect(await check(run)).toMatchObject({ verdict: 'pass' });
  });
});

describe('ANA change counts', () => {
  it('pass when they change with the content', async () => {
    const run = healthyRun().add(300, anaLog(3, 'inaccessible')).add(m.takeover, anaLog(4, 'optimized'));
    expect(await check(run)).toMatchObject({ verdict: 'pass', metrics: { anaLogs: 2 } });
  });

  it('fail when the content changes and they do not', async () => {
    const run = healthyRun().add(300, anaLog(3, 'inaccessible')).add(m.takeover, anaLog(3, 'optimized'));
    expect((await check(run)).summary).toMatch(/changed from 1 inaccessible, 2 optimized to 1 optimized, 2 optimized, but its change count stayed 3$/);
  });

  it('fail when they go back within one association, and may begin anew with the next', async () => {
    const back = healthyRun().add(300, anaLog(3, 'inaccessible')).add(m.takeover, anaLog(2, 'optimized'));
    expect((await check(back)).summary).toContain('its change count went back from 3 to 2');
    const lost: EventBody = { type: 'host.controller', host: 'host1', controller: 'nvme2', gateway: 'gw2', address: 'a:1', cntlid: 2041, state: 'resetting' };
    const anew = healthyRun().add(300, anaLog(3, 'inaccessible')).add(2_000, lost).add(m.takeover, anaLog(1, 'optimized'));
    expect(await check(anew)).toMatchObject({ verdict: 'pass' });
  });
});
