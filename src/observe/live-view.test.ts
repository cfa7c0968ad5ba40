import { describe, expect, it } from 'vitest';
import type { EventBody, HistoryEvent } from '../history/events.js';
import { LiveView } from './live-view.js';

let seq = 0;
const stamped = (body: EventBody, tUs = 1_000): HistoryEvent => ({ ...body, seq: ++seq, tUs, wallMs: 0, node: 'host1', offUs: 0, errUs: 0 });
const path = (gateway: string, nsid: number, ana: 'optimized' | 'inaccessible', controllerState: 'live' | 'connecting' = 'live'): HistoryEvent => stamped({
  type: 'host.path', host: 'host1', path: `${gateway}n${nsid}`, controller: `c-${gateway}`, gateway, nsUuid: `u${nsid}`, nsid, anaGroup: nsid === 3 ? 2 : 1, ana, controllerState, usable: true,
});
const io = (nsid: number, fromUs: number, writes: number): HistoryEvent => stamped({
  type: 'io.stats', host: 'host1', nsUuid: `u${nsid}`, nsid, fromUs, toUs: fromUs + 500_000, reads: 50, writes, bytesRead: 0, bytesWritten: 1_048_576,
  failed: 0, info: 0, latencyMeanUs: 1, latencyP99Us: 1, latencyMaxUs: 1, inflight: 4, queued: 0,
});

describe('LiveView', () => {
  it('asks one live controller of a gateway, and all that are live', () => {
    const view = new LiveView(['host1']);
    const second = (ana: 'optimized' | 'inaccessible', controllerState: 'live' | 'connecting' = 'live'): HistoryEvent => ({ ...path('gw1', 1, ana, controllerState), path: 'gw1n1-b' }) as HistoryEvent;
    view.apply(path('gw1', 1, 'optimized'));
    view.apply(second('inaccessible'));
    expect(view.ownerOf(1)).toBeNull();
    view.apply(second('inaccessible', 'connecting'));
    expect(view.ownerOf(1)).toBe('gw1');
    view.apply(path('gw1', 1, 'optimized', 'connecting'));
    expect(view.ownerOf(1)).toBeNull();
  });

  it('forgets a dead controller once another has its address', () => {
    const view = new LiveView(['host1']);
    const controller = (name: string, state: 'live' | 'dead', address: string): HistoryEvent => stamped({ type: 'host.controller', host: 'host1', controller: name, gateway: 'gw1', address, cntlid: 1, state });
    for (const event of [controller('nvme0', 'live', 'a:1'), controller('nvme1', 'live', 'b:1'), controller('nvme0', 'dead', 'a:1')]) view.apply(event);
    expect(view.controllersOf('gw1')).toEqual(['dead', 'live']);
    view.apply(controller('nvme4', 'live', 'a:1'));
    expect(view.controllersOf('gw1')).toEqual(['live', 'live']);
  });

  it('names an owner only if all its paths of the group are optimized on a live controller, and nobody else’s are', () => {
    const view = new LiveView(['host1']);
    expect(view.ownerOf(1)).toBeNull();
    for (const event of [path('gw1', 1, 'optimized'), path('gw1', 2, 'optimized'), path('gw2', 1, 'inaccessible')]) view.apply(event);
    expect(view.ownerOf(1)).toBe('gw1');
    view.apply(path('gw1', 2, 'inaccessible'));
    expect(view.ownerOf(1)).toBeNull();
    view.apply(path('gw1', 2, 'optimized'));
    view.apply(path('gw2', 1, 'optimized'));
    expect(view.optimizedAt(1)).toEqual(['gw1', 'gw2']);
    expect(view.ownerOf(1)).toBeNull();
    view.apply(path('gw1', 1, 'optimized', 'connecting'));
    expect(view.ownerOf(1)).toBe('gw2');
  });

  it('asks every host: a group has an owner only where all see the same one, and the others’ paths of the same name are not theirs', () => {
    const view = new LiveView(['host1', 'host2']);
    const at2 = (event: HistoryEvent): HistoryEvent => ({ ...event, host: 'host2' }) as HistoryEvent;
    view.apply(path('gw1', 1, 'optimized'));
    // One that has said nothing sees nothing.
    expect([view.ownerOf(1), view.optimizedAt(1), view.optimizedFor('host1', 1)]).toEqual([null, [], ['gw1']]);
    view.apply(at2(path('gw1', 1, 'optimized')));
    expect([view.ownerOf(1), view.optimizedAt(1)]).toEqual(['gw1', ['gw1']]);
    view.apply(at2(path('gw1', 1, 'inaccessible')));
    view.apply(at2(path('gw2', 1, 'optimized')));
    expect([view.ownerOf(1), view.optimizedAt(1), view.optimizedFor('host2', 1)]).toEqual([null, [], ['gw2']]);
    view.apply(path('gw2', 1, 'optimized'));
    // All see gw2, and one sees gw1 as well: two owners.
    expect([view.ownerOf(1), view.optimizedAt(1)]).toEqual([null, ['gw2']]);
    view.apply(path('gw1', 1, 'inaccessible'));
    expect(view.ownerOf(1)).toBe('gw2');
  });

  it('calls a gateway connected only if each host has live controllers there', () => {
    const view = new LiveView(['host1', 'host2']);
    const controller = (host: string, name: string, state: 'live' | 'connecting' | 'dead', address = 'a:1'): HistoryEvent => stamped({ type: 'host.controller', host, controller: name, gateway: 'gw1', address, cntlid: 1, state });
    view.apply(controller('host1', 'nvme0', 'live'));
    expect([view.connectedTo('gw1'), view.connectedTo('gw1', 'some')]).toEqual([false, false]);
    view.apply(controller('host2', 'nvme0', 'live'));
    expect([view.connectedTo('gw1'), view.controllersOf('gw1')]).toEqual([true, ['live', 'live']]);
    view.apply(controller('host2', 'nvme1', 'connecting', 'b:1'));
    expect([view.connectedTo('gw1'), view.connectedTo('gw1', 'some')]).toEqual([false, true]);
    // What is dead at an address is replaced by a new controller of the same host only.
    view.apply(controller('host2', 'nvme0', 'dead'));
    view.apply(controller('host1', 'nvme4', 'live'));
    expect(view.controllersOf('gw1')).toEqual(['live', 'live', 'dead', 'connecting']);
  });

  it('sums the I/O rates of the namespaces and forgets nothing of another one', () => {
    const view = new LiveView(['host1']);
    view.apply(io(1, 0, 50));
    view.apply(io(2, 0, 150));
    expect(view.iops).toBe(600);
    expect(view.bytesPerSecond).toBe(4 * 1_048_576);
    expect(view.ioSince(1, 1)).toBeUndefined();
    expect(view.ioSince(1, 0)).toMatchObject({ writes: 50 });
  });

  it('sums the rates of the fio jobs that run', () => {
    const view = new LiveView(['host1']);
    const id = { host: 'host1', phase: 'main' as const };
    const stats = (job: string, readIops: number, writeIops: number): HistoryEvent => stamped({ type: 'fio.stats', ...id, job, readIops, writeIops });
    expect(view.fioIops).toBeUndefined();
    view.apply(stats('mix', 10, 20));
    view.apply(stats('mix', 100, 200));
    view.apply(stats('log', 0, 7));
    expect(view.fioIops).toBe(307);
    view.apply(stamped({ type: 'fio.process', ...id, job: 'log', state: 'ended', dir: '', version: '', devices: {} }));
    expect(view.fioIops).toBe(300);
  });

  it('wakes a waiter by the event that makes its condition true, and gives up at the limit or when aborted', async () => {
    const view = new LiveView(['host1']);
    const never = new AbortController();
    const waiting = view.waitFor(() => view.ownerOf(1) === 'gw1', 60_000, never.signal);
    view.apply(path('gw1', 1, 'optimized'));
    expect(await waiting).toBe(true);
    expect(await view.waitFor(() => false, 5, never.signal)).toBe(false);
    const abort = new AbortController();
    const aborted = view.waitFor(() => false, 60_000, abort.signal);
    abort.abort();
    expect(await aborted).toBe(false);
  });
});
