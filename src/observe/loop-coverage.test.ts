import { describe, expect, it } from 'vitest';
import type { EventOf, NodeEvent } from '../history/events.js';
import { nowUs, sleep } from '../util/clock.js';
import { LoopCoverage, tickMs } from './loop-coverage.js';

type Coverage = EventOf<'observe.coverage'>;

describe('LoopCoverage', () => {
  it('reports without holes, up to its stop', async () => {
    const events: Coverage[] = [];
    const before = nowUs();
    const coverage = new LoopCoverage({ observer: 'host:host1', emit: (event: NodeEvent) => events.push(event as Coverage), periodMs: 30 });
    while (events.length < 3) await sleep(5);
    coverage.stop();
    const after = nowUs();
    expect(events.length).toBeGreaterThan(3);
    expect(events[0]!.fromUs).toBeGreaterThanOrEqual(before);
    for (let i = 1; i < events.length; i++) expect(events[i]!.fromUs).toBe(events[i - 1]!.toUs);
    expect(after - events.at(-1)!.toUs).toBeLessThan(1_000_000);
    for (const event of events) {
      expect(event).toMatchObject({ type: 'observe.coverage', observer: 'host:host1', tUs: event.toUs });
      expect(event.samples).toBeGreaterThan(0);
      expect(event.maxGapUs).toBeLessThanOrEqual(event.toUs - event.fromUs + tickMs * 1_000);
    }
    const count = events.length;
    await sleep(60);
    expect(events).toHaveLength(count);
  });

  it('shows for how long the event loop stood still', async () => {
    const events: Coverage[] = [];
    const coverage = new LoopCoverage({ observer: 'host:host1', emit: (event: NodeEvent) => events.push(event as Coverage), periodMs: 40 });
    await sleep(20);
    const until = nowUs() + 120_000;
    while (nowUs() < until);
    while (events.length < 2) await sleep(5);
    coverage.stop();
    expect(Math.max(...events.map(({ maxGapUs }) => maxGapUs))).toBeGreaterThanOrEqual(120_000);
  });
});
