import { describe, expect, it } from 'vitest';
import { history } from './history.js';
import { healthyRun } from './testing/healthy-run.js';
import type { DraftRun } from './testing/run.js';

const check = (run: DraftRun): ReturnType<typeof history.check> => history.check(run.input);

describe('history', () => {
  it('passes a whole run', async () => {
    const result = await check(healthyRun());
    expect(result).toMatchObject({ verdict: 'pass', metrics: { unfinishedOperations: 0 } });
    expect(result.summary).toMatch(/^\d+ events without a hole, \d+ operations in 1 journal, the run completed$/);
  });

  it('is unknown with a hole, a repetition or an unreadable line', async () => {
    const { input } = healthyRun();
    const hole = { ...input, events: input.events.filter(({ seq }) => seq !== 7 && seq !== 8) };
    expect(await history.check(hole)).toMatchObject({ verdict: 'unknown', summary: 'events 7–8 are missing' });
    const twice = { ...input, events: input.events.flatMap((event) => (event.seq === 7 ? [event, event] : [event])) };
    expect(await history.check(twice)).toMatchObject({ verdict: 'unknown', summary: 'event 7 comes after event 7' });
    const headless = { ...input, events: input.events.slice(1) };
    expect((await history.check(headless)).evidence.map(({ text }) => text)).toEqual(expect.arrayContaining(['events 1–1 are missing', '0 run.start events instead of one']));
    const torn = healthyRun();
    torn.historyProblems = ['line 90 is cut off'];
    expect(await check(torn)).toMatchObject({ verdict: 'unknown', summary: 'history: line 90 is cut off' });
  });

  it('is unknown for a run that was cut off or interrupted', async () => {
    expect((await check(healthyRun().remove('run.end'))).summary).toBe('no run.end event: the run was cut off');
    expect((await check(healthyRun().change('run.end', () => true, () => ({ reason: 'interrupted' })))).summary).toBe('the run was interrupted');
  });

  it('is infra when the run says that the lab broke', async () => {
    const run = healthyRun().change('run.end', () => true, () => ({ reason: 'infra', message: 'gw2 ended unexpectedly' }));
    expect(await check(run)).toMatchObject({ verdict: 'infra', summary: 'the lab broke: gw2 ended unexpectedly' });
  });

  it('is unknown when plan and history do not belong together', async () => {
    expect((await check(healthyRun().change('run.start', () => true, () => ({ seed: 'other' })))).summary).toBe('the history is of smoke/kill seed other, the plan of smoke/kill seed seed-1');
    expect((await check(healthyRun().change('run.start', () => true, () => ({ defects: ['late-write'] })))).summary).toBe('the run had the defects [late-write], the plan has []');
  });

  it('is unknown for a damaged, missing or unfinished journal', async () => {
    const torn = healthyRun();
    torn.journalProblems = ['journal-host1.ppj: torn'];
    expect((await check(torn)).summary).toBe('journal: journal-host1.ppj: torn');
    const none = healthyRun();
    none.hasJournal = false;
    expect((await check(none)).summary).toBe('the run has no I/O journal');
    const open = healthyRun().changeOps(({ purpose, slba, ns }) => purpose === 'reread-delayed' && slba === 3 && ns === 0, () => ({ toUs: undefined }));
    expect((await check(open)).summary).toBe('1 operation of the journal never ended');
  });
});
