import { describe, expect, it } from 'vitest';
import type { EventBody } from '../history/events.js';
import { readRunDelayUs, watchRunWaits } from './run-waits.js';

type Waits = Extract<EventBody, { type: 'machine.waits' }>;

async function firstOf(events: Waits[]): Promise<Waits> {
  while (events.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  return events[0]!;
}

describe('run-queue waits', () => {
  it.runIf(process.platform === 'linux')('are read for a process that is there, and for no other', () => {
    expect(readRunDelayUs(process.pid)).toBeGreaterThanOrEqual(0);
    expect(readRunDelayUs(2 ** 30)).toBeUndefined();
  });

  it('are told as what was added since the last look', async () => {
    const events: Waits[] = [];
    let delayUs = 1_000;
    const stop = watchRunWaits(() => [{ name: 'gw1', pid: 7 }], (event) => events.push(event), () => (delayUs += 250_000));
    const { waitsUs, fromUs, toUs } = await firstOf(events);
    stop();
    expect(waitsUs).toEqual({ gw1: 250_000 });
    expect(toUs).toBeGreaterThan(fromUs);
  });

  it('begin anew with a new process of the same name, and leave out one that is gone', async () => {
    const events: Waits[] = [];
    let looks = 0;
    const stop = watchRunWaits(() => [{ name: 'gw1', pid: (looks += 1) > 1 ? 8 : 7 }, { name: 'gw2', pid: 9 }, { name: 'host1', pid: 10 }], (event) => events.push(event), (pid) => (pid === 9 ? undefined : 5));
    expect((await firstOf(events)).waitsUs).toEqual({ host1: 0 });
    stop();
  });
});
