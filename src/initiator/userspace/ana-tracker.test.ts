import { describe, expect, it } from 'vitest';
import type { AnaLog, AnaStateName } from '../../nvme/index.js';
import { AnaTracker } from './ana-tracker.js';
import { HostCounters } from './counters.js';
import { ConnectionLost } from './loss.js';
import { until } from './testing/fixture.js';

const log = (state: AnaStateName): AnaLog => ({ changeCount: 0, groups: [{ id: 1, changeCount: 0, state, nsids: [1] }] });

/** A tracker whose reads are answered by hand, in order. */
function manual(anattMs = 0): { tracker: AnaTracker; reads: { answer: (log: AnaLog) => void; fail: (error: Error) => void }[]; updates: number[]; counters: HostCounters } {
  const reads: { answer: (log: AnaLog) => void; fail: (error: Error) => void }[] = [];
  const updates: number[] = [];
  const counters = new HostCounters();
  const tracker: AnaTracker = new AnaTracker(
    () => new Promise((resolve, reject) => reads.push({ answer: resolve, fail: reject })), counters,
    { anattMs, onUpdate: () => updates.push(tracker.reads), onExpired: () => updates.push(-1) },
  );
  return { tracker, reads, updates, counters };
}

describe('AnaTracker', () => {
  it('does not satisfy a request by a read that began before it', async () => {
    const { tracker, reads, updates } = manual();
    expect(tracker.request()).toBe(1);
    // The first read is under way: its answer may be older than this reason to ask.
    expect(tracker.request()).toBe(2);
    expect(tracker.request()).toBe(2);
    expect(reads).toHaveLength(1);
    reads[0]!.answer(log('optimized'));
    await until(() => reads.length === 2);
    expect(tracker.reads).toBe(1);
    expect(tracker.lookup(1, 9)).toEqual({ group: 1, state: 'optimized' });
    reads[1]!.answer(log('inaccessible'));
    await until(() => updates.length === 2);
    expect(tracker.lookup(1, 9)).toEqual({ group: 1, state: 'inaccessible' });
    expect(updates).toEqual([1, 2]);
    expect(reads).toHaveLength(2);
  });

  it('looks a namespace up in the lists first, then by its group; says nothing about others', async () => {
    const { tracker, reads } = manual();
    const first = tracker.first();
    reads[0]!.answer({ changeCount: 0, groups: [{ id: 1, changeCount: 0, state: 'optimized', nsids: [] }, { id: 2, changeCount: 0, state: 'change', nsids: [5] }] });
    await first;
    expect(tracker.lookup(5, 1)).toEqual({ group: 2, state: 'change' });
    // As in a log that was read with RGO.
    expect(tracker.lookup(6, 1)).toEqual({ group: 1, state: 'optimized' });
    expect(tracker.lookup(6, 3)).toBe(undefined);
  });

  it('reads again after a failed read, but not after the connection was lost or it was stopped', async () => {
    const { tracker, reads, counters } = manual();
    tracker.request();
    reads[0]!.fail(new Error('refused'));
    await until(() => reads.length === 2);
    expect(counters.anaLogErrors).toBe(1);
    reads[1]!.fail(new ConnectionLost('transport-reset', 'gone'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(reads).toHaveLength(2);
    tracker.stop();
    tracker.request();
    expect(reads).toHaveLength(2);
    expect(counters.anaLogErrors).toBe(1);
  });

  it('lets a transition take 2 × ANATT, counted from the newest log, and forgets it when it is over', async () => {
    const { tracker, reads, updates } = manual(60);
    tracker.request();
    reads[0]!.answer(log('change'));
    await until(() => updates.length === 1);
    tracker.request();
    reads[1]!.answer(log('optimized'));
    await until(() => updates.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(updates).toEqual([1, 2]);
    tracker.request();
    reads[2]!.answer(log('change'));
    await until(() => updates.includes(-1));
    tracker.stop();
  });
});
