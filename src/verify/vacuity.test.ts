import { describe, expect, it } from 'vitest';
import { healthyRun, moments as m } from './testing/healthy-run.js';
import { t } from './testing/run.js';
import type { DraftRun } from './testing/run.js';
import { vacuity } from './vacuity.js';

const check = (run: DraftRun): ReturnType<typeof vacuity.check> => vacuity.check(run.input);
const texts = async (run: DraftRun): Promise<string> => (await check(run)).evidence.map(({ text }) => text).join('\n');

describe('vacuity', () => {
  it('passes and counts the I/O of each window', async () => {
    const result = await check(healthyRun());
    expect(result).toMatchObject({ verdict: 'pass', metrics: { windows: 12, blocksReread: 48 } });
    expect(result.summary).toMatch(/^I\/O in all of 12 windows \(at least \d+ operations each\), 48 blocks re-read, all phases reached$/);
    const text = result.evidence.map((each) => each.text).join('\n');
    expect(text).toMatch(/namespace 1 before kill \(start to \+2\.000000 s\): \d+ reads, \d+ writes/);
    expect(text).toMatch(/namespace 1 after the takeover during kill \(\+2\.950000 s to \+5\.000000 s\): \d+ reads/);
    expect(text).toMatch(/namespace 2 during kill \(\+2\.000000 s to \+5\.000000 s\)/);
    expect(text).toMatch(/namespace 4 after kill \(\+6\.000000 s to end\): \d+ probes/);
  });

  it.each<[string, string, (run: DraftRun) => void]>([
    ['no write before the fault', 'namespace 1 before kill', (run) => run.removeOps(({ ns, what, toUs }) => ns === 0 && what === 'write' && toUs! < t(m.inject))],
    ['no read after the takeover', 'namespace 1 after the takeover during kill', (run) => run.removeOps(({ ns, what, fromUs, toUs }) => ns === 0 && what === 'read' && toUs! > t(m.takeover) && fromUs < t(m.heal))],
    ['no I/O of an unconcerned namespace during the fault', 'namespace 2 during kill', (run) => run.removeOps(({ ns, fromUs, toUs }) => ns === 1 && toUs! > t(m.inject) && fromUs < t(m.heal))],
    ['no I/O after the heal', 'namespace 3 after kill', (run) => run.removeOps(({ ns, toUs, purpose }) => ns === 2 && toUs! > t(m.healConfirmed) && purpose === undefined)],
    ['no probe after the heal', 'namespace 4 after kill', (run) => run.removeOps(({ ns, toUs }) => ns === 3 && toUs! > t(m.healConfirmed))],
    ['only failed writes', 'namespace 1 before kill', (run) => run.changeOps(({ ns, what, toUs }) => ns === 0 && what === 'write' && toUs! < t(m.inject), () => ({ outcome: 'fail' }))],
    ['only I/O that began before the takeover', 'namespace 1 after the takeover', (run) => run.removeOps(({ ns, fromUs, toUs }) => ns === 0 && fromUs > t(m.killed) && toUs! > t(m.takeover) && fromUs < t(m.heal))],
  ])('is unknown with %s', async (_what, where, change) => {
    const run = healthyRun();
    change(run);
    const result = await check(run);
    expect(result.verdict).toBe('unknown');
    expect(result.summary.startsWith(where)).toBe(true);
    expect(result.summary).toContain('so nothing was tested there');
  });

  it('does not ask for I/O where the plan says that it waits for the heal', async () => {
    const run = healthyRun().removeOps(({ ns, fromUs, toUs }) => (ns === 0 || ns === 2) && toUs! > t(m.killed) && fromUs < t(m.heal));
    expect((await check(run)).verdict).toBe('unknown');
    run.plan.expect.stalls[0]!.untilHeal = true;
    expect((await check(run)).verdict).toBe('pass');
  });

  it('asks for no I/O in the moments that a random schedule leaves, and does where it leaves time', async () => {
    const silentBefore = (): DraftRun => healthyRun().removeOps(({ ns, toUs }) => ns === 0 && toUs! < t(m.inject));
    const early = silentBefore().add(1_700, { type: 'fault', id: 'first', fault: 'gateway.kill', target: 'gw2', phase: 'injected' }).add(1_800, { type: 'fault', id: 'first', fault: 'gateway.kill', target: 'gw2', phase: 'healed' });
    expect(await texts(early)).toMatch(/namespace 1 after first \(\+1\.800000 s to \+2\.000000 s\): 0 reads, 0 writes/);
    for (const run of [early, silentBefore()]) run.plan.steps = run.plan.steps.map((step) => (step.do === 'inject' ? { ...step, random: true as const } : step));
    expect(await texts(early)).not.toMatch(/namespace 1 (after|during) first/);
    const silent = silentBefore();
    silent.plan.steps = silent.plan.steps.map((step) => (step.do === 'inject' ? { ...step, random: true as const } : step));
    expect(await check(silent)).toMatchObject({ verdict: 'unknown', summary: expect.stringContaining('namespace 1 before kill') as string });
  });

  it('asks for what the workload has', async () => {
    const run = healthyRun().removeOps(({ what, purpose }) => what === 'read' && purpose === undefined);
    expect((await check(run)).verdict).toBe('unknown');
    run.plan.workload.readPercent = 0;
    expect((await check(run)).verdict).toBe('pass');
  });

  it('takes the whole run as the window when there is no fault', async () => {
    const run = healthyRun().remove('fault');
    expect(await check(run)).toMatchObject({ verdict: 'pass', metrics: { windows: 4 } });
    run.removeOps(({ ns }) => ns === 1);
    expect((await check(run)).summary).toContain('namespace 2 the whole run (start to end): 0 reads, 0 writes');
  });

  it('is unknown without re-reads, in the history or in the journal', async () => {
    expect(await texts(healthyRun().remove('reread', ({ nsid, pass }) => nsid === 2 && pass === 'delayed'))).toContain("namespace 2: no 'delayed' re-read ended, or it had no blocks");
    expect(await texts(healthyRun().change('reread', ({ nsid }) => nsid === 2, () => ({ blocks: 0 })))).toContain("namespace 2: no 'at-once' re-read ended, or it had no blocks");
    const run = healthyRun().removeOps(({ ns, purpose }) => ns === 1 && purpose === 'reread-delayed');
    expect(await check(run)).toMatchObject({ verdict: 'unknown', summary: "namespace 2: the journal has no 'delayed' re-read that ended ok" });
  });

  it('is unknown when a phase of the plan was not reached, or nothing is loaded', async () => {
    expect((await check(healthyRun().remove('run.phase', ({ phase }) => phase === 'home'))).summary).toBe("phase 'home' of the plan was never reached");
    const idle = healthyRun();
    for (const namespace of idle.plan.topology.namespaces) namespace.idle = true;
    expect((await texts(idle))).toContain('the plan loads no namespace');
  });
});
