import { describe, expect, it } from 'vitest';
import type { EventBody, HistoryEvent } from '../history/events.js';
import { TracedReads } from './look-gaps.js';

let seq = 0;
const stamped = (ms: number, body: EventBody, errUs = 0): HistoryEvent => ({ ...body, seq: ++seq, tUs: ms * 1_000, wallMs: 0, node: 'host1', offUs: 0, errUs });
const read = (ms: number, controller: string, gateway: string, errUs = 0): HistoryEvent => stamped(ms, { type: 'host.ana-log', host: 'host1', controller, gateway, tookUs: 5_000, status: 0 }, errUs);
const path = (ms: number, controller: string, gateway: string, ana: 'optimized' | 'inaccessible'): HistoryEvent => stamped(ms, {
  type: 'host.path', host: 'host1', path: `${controller}n1`, controller, gateway, nsUuid: 'u', nsid: 1, anaGroup: 1, ana, controllerState: 'live', usable: ana === 'optimized',
});
const span = (fromMs: number, toMs: number): { fromUs: number; toUs: number } => ({ fromUs: fromMs * 1_000, toUs: toMs * 1_000 });
/** gw2's group moves to gw1: read at 1000 and 2000, seen a little later. */
const failover = [path(0, 'nvme0', 'gw1', 'inaccessible'), path(0, 'nvme1', 'gw2', 'optimized'), read(1_000, 'nvme1', 'gw2'), path(1_020, 'nvme1', 'gw2', 'inaccessible'), read(2_000, 'nvme0', 'gw1'), path(2_020, 'nvme0', 'gw1', 'optimized')];

describe('TracedReads', () => {
  it('resolves a gap without a read, and one with a single change', () => {
    const traced = new TracedReads(failover, 'host1');
    expect(traced.resolves(span(300, 700))).toBe(true);
    expect(traced.resolves(span(900, 1_400))).toBe(true);
    expect(traced.resolves(span(1_900, 2_400))).toBe(true);
  });

  it('does not resolve a gap in which two gateways changed, or one controller twice', () => {
    expect(new TracedReads(failover, 'host1').resolves(span(900, 2_100))).toBe(false);
    expect(new TracedReads([...failover, read(1_200, 'nvme1', 'gw2')], 'host1').resolves(span(900, 1_400))).toBe(false);
  });

  it('counts a read that may have been in the gap, by the error of its time', () => {
    expect(new TracedReads([...failover, read(700, 'nvme1', 'gw2', 250_000)], 'host1').resolves(span(900, 1_400))).toBe(false);
    expect(new TracedReads([...failover, read(700, 'nvme1', 'gw2', 1_000)], 'host1').resolves(span(900, 1_400))).toBe(true);
  });

  it('resolves a gap in which another gateway was read and stayed what it was', () => {
    expect(new TracedReads([...failover, read(1_005, 'nvme0', 'gw1')], 'host1').resolves(span(900, 1_400))).toBe(true);
  });

  it('takes two controllers of one gateway for one change', () => {
    expect(new TracedReads([...failover, read(1_005, 'nvme3', 'gw2')], 'host1').resolves(span(900, 1_400))).toBe(true);
  });

  it('does not take what another host saw, under the same names, for an owner here', () => {
    const elsewhere = [{ ...path(950, 'nvme0', 'gw3', 'optimized'), host: 'host2' }, { ...path(960, 'nvme1', 'gw2', 'inaccessible'), host: 'host2' }] as HistoryEvent[];
    expect(new TracedReads([...failover, ...elsewhere], 'host1').resolves(span(900, 1_400))).toBe(true);
  });

  it.each<[string, HistoryEvent[]]>([
    ['is not there', failover.filter(({ type }) => type !== 'host.ana-log')],
    ['lacks the read of a change that was seen', [...failover, path(5_000, 'nvme0', 'gw1', 'inaccessible')]],
    ['has lost records', [...failover, stamped(3_000, { type: 'log', level: 'warn', message: 'the trace has lost 3 events' })]],
    ['is of another host', failover.map((event) => (event.type === 'host.ana-log' ? { ...event, host: 'host2' } : event))],
  ])('proves nothing when the trace %s', (_what, events) => {
    expect(new TracedReads(events, 'host1').resolves(span(300, 700))).toBe(false);
  });
});
