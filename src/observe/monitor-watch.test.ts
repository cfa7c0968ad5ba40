import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NodeEvent } from '../history/events.js';
import { MonitorWatch, type MonitorWatchOptions } from './monitor-watch.js';

function shown(gwEpoch: number, state: string): string {
  return JSON.stringify({
    epoch: gwEpoch + 1, pool: 'rbd', group: 'grp1', 'GW-epoch': gwEpoch,
    'Created Gateways:': [{ 'gw-id': 'gw1', 'anagrp-id': 1, 'admin state': 'ENABLED', 'num-namespaces': 2, Availability: 'AVAILABLE', 'num-listeners': 1, 'ana states': ` 1: ${state} ` }],
  });
}

/** Time is simulated: milliseconds since the start of the test, and no timer of the machine is waited for. */
describe('MonitorWatch', () => {
  let events: NodeEvent[];
  let watch: MonitorWatch | undefined;

  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
    events = [];
  });
  afterEach(async () => {
    const ended = watch?.stop();
    await vi.runOnlyPendingTimersAsync();
    await ended;
    watch = undefined;
    vi.useRealTimers();
  });

  function start(show: () => Promise<string>, options: Partial<MonitorWatchOptions> = {}): void {
    watch = new MonitorWatch({ show, periodMs: 20, emit: (event) => events.push(event), now: () => Date.now() * 1_000, ...options });
  }
  const after = (ms: number, text: string): Promise<string> => new Promise((resolve) => setTimeout(() => resolve(text), ms));
  const maps = (): NodeEvent[] => events.filter(({ type }) => type === 'mon.map');
  const coverage = (): Extract<NodeEvent, { type: 'observe.coverage' }>[] => events.filter((event) => event.type === 'observe.coverage');

  it('reports the first map and every change, with the time of the answer', async () => {
    let state = 'STANDBY';
    let gwEpoch = 3;
    start(() => after(5, shown(gwEpoch, state)));
    await vi.advanceTimersByTimeAsync(100);
    expect(maps()).toEqual([{
      type: 'mon.map', tUs: 5_000, epoch: 4, gwEpoch: 3, pool: 'rbd', group: 'grp1',
      gateways: [{ id: 'gw1', anaGroup: 1, availability: 'AVAILABLE', adminState: 'ENABLED', listeners: 1, namespaces: 2, states: { 1: 'STANDBY' } }],
    }]);
    state = 'ACTIVE';
    gwEpoch = 4;
    await vi.advanceTimersByTimeAsync(100);
    expect(maps()).toHaveLength(2);
    expect(maps()[1]).toMatchObject({ gwEpoch: 4, gateways: [{ states: { 1: 'ACTIVE' } }] });
  });

  it('counts the gap from the question of one look to the answer of the next, without a hole between reports', async () => {
    let look = 0;
    // Looks take 5 ms; the fourth takes 105 ms. A look is asked every 25 ms until then.
    start(() => after(++look === 4 ? 105 : 5, shown(1, 'ACTIVE')));
    await vi.advanceTimersByTimeAsync(500);
    const [first, second] = coverage();
    expect(first).toMatchObject({ observer: 'monitor', fromUs: 0, toUs: 250_000, tUs: 250_000, maxGapUs: 130_000 });
    expect(second).toMatchObject({ fromUs: 250_000, toUs: 500_000, maxGapUs: 30_000 });
    expect(first!.samples + second!.samples).toBe(16);
  });

  it('shows a growing gap and no samples while the monitor cannot be asked, and tells the error once', async () => {
    const errors: string[] = [];
    let away = false;
    start(() => (away ? Promise.reject(new Error('connection refused')) : after(5, shown(1, 'ACTIVE'))), { onError: (error) => errors.push(error.message) });
    await vi.advanceTimersByTimeAsync(250);
    away = true;
    await vi.advanceTimersByTimeAsync(750);
    expect(coverage().map(({ samples }) => samples > 0)).toEqual([true, true, false, false]); // one look was under way
    expect(coverage().at(-1)!.maxGapUs).toBeGreaterThanOrEqual(750_000);
    expect(errors).toEqual(['connection refused']);
    away = false;
    await vi.advanceTimersByTimeAsync(250);
    expect(coverage().at(-1)!.samples).toBeGreaterThan(0);
    expect(coverage().at(-1)!.maxGapUs).toBeGreaterThanOrEqual(750_000); // the look that ended the gap
    away = true;
    await vi.advanceTimersByTimeAsync(250);
    expect(errors).toHaveLength(2);
    expect(maps()).toHaveLength(1);
  });

  it('takes output that does not parse for no look', async () => {
    const errors: string[] = [];
    start(() => after(5, 'Error EINVAL'), { onError: (error) => errors.push(error.message) });
    await vi.advanceTimersByTimeAsync(250);
    expect(maps()).toEqual([]);
    expect(coverage()).toMatchObject([{ samples: 0, maxGapUs: 250_000 }]);
    expect(errors[0]).toContain('nvme-gw show');
  });

  it('gives up a look that hangs, drops its late answer and looks again', async () => {
    let look = 0;
    start(() => (++look === 1 ? after(900, shown(1, 'STANDBY')) : after(5, shown(2, 'ACTIVE'))), { timeoutMs: 100 });
    await vi.advanceTimersByTimeAsync(1_500);
    expect(maps().map((event) => event.type === 'mon.map' && event.gwEpoch)).toEqual([2]);
    expect(coverage()[0]!.maxGapUs).toBe(125_000);
  });

  it('asks a slow monitor again before it has answered, so that the gap is one answer’s time and not two', async () => {
    let asked = 0;
    start(() => {
      asked += 1;
      return after(700, shown(1, 'ACTIVE'));
    });
    await vi.advanceTimersByTimeAsync(5_000);
    // Four a second, each answered after 700 ms; one after the other it would be 7, with gaps of 1,420 ms.
    expect(asked).toBe(21);
    expect(Math.max(...coverage().slice(1).map(({ maxGapUs }) => maxGapUs))).toBe(950_000);
  });

  it('has no more than four looks under way at a monitor that does not answer', async () => {
    let asked = 0;
    start(() => {
      asked += 1;
      return new Promise(() => undefined);
    }, { timeoutMs: 3_000 });
    await vi.advanceTimersByTimeAsync(2_900);
    expect(asked).toBe(4);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked).toBe(8);
    expect(coverage().at(-1)!.maxGapUs).toBe(5_750_000);
  });

  it('drops an answer that comes after that of a later question, and its time does not count', async () => {
    let look = 0;
    start(() => {
      look += 1;
      if (look === 1) return after(5, shown(1, 'STANDBY'));
      return look === 2 ? after(900, shown(2, 'ACTIVE')) : after(5, shown(3, 'STANDBY'));
    });
    await vi.advanceTimersByTimeAsync(1_500);
    expect(maps().map((event) => event.type === 'mon.map' && event.gwEpoch)).toEqual([1, 3]);
    // Asked at 0, 25 and 275 ms; the second is never heard: from the first one's question to the third one's answer.
    expect(coverage().map(({ maxGapUs }) => maxGapUs)).toEqual([250_000, 280_000, 30_000, 30_000, 30_000, 30_000]);
  });

  it('stops after the look under way and reports the rest', async () => {
    start(() => after(5, shown(1, 'ACTIVE')));
    await vi.advanceTimersByTimeAsync(102);
    const ended = watch!.stop();
    await vi.advanceTimersByTimeAsync(5);
    await ended;
    expect(coverage()).toMatchObject([{ fromUs: 0, toUs: 105_000, samples: 5 }]);
    const count = events.length;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(events).toHaveLength(count);
  });
});
